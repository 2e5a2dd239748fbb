//! What a handler takes out of a request: path segments, query, body. Each fault is a problem that says where it is.

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::QueryRejection},
    http::{HeaderMap, header, request::Parts},
};
use foxhold_core::Deadline;
use foxhold_runtime::http_edge::{BodyFault, read_body};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    refused::{Refused, fault},
    wire::{Code, FieldFault},
};

/// The segments of the path, percent-decoded.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Segments<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let taken = Path::from_request_parts(parts, state).await;
        let fix = "percent-encode each segment, as UTF-8";
        taken
            .map(|Path(segments)| Self(segments))
            .map_err(|_| fault("path", fix).into())
    }
}

/// The parameters of the query. One that nobody knows is refused.
pub(crate) struct Params<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Params<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let taken = Query::from_request_parts(parts, state).await;
        taken
            .map(|Query(params)| Self(params))
            .map_err(|rejection: QueryRejection| fault("query", rejection.body_text()).into())
    }
}

/// The body, as JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        if !is_json(request.headers()) {
            let detail = "the body has to be application/json, and has to say so";
            return Err(Refused::new(Code::UnsupportedMediaType, detail));
        }
        let bytes = body_of(request).await?;
        Ok(Self(object(&bytes)?))
    }
}

/// An object; a list of its values without their names would do for the library.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FieldFault> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(fault("body", "give a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| fault("body", error.to_string()))
}

/// No body, or an empty object: what is changed stands in the path. A member of it would not be what its sender thinks.
pub(crate) struct NoBody;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let bytes = body_of(request).await?;
        if bytes.is_empty() {
            return Ok(Self);
        }
        let Nothing {} = object(&bytes)?;
        Ok(Self)
    }
}

async fn body_of(request: Request) -> Result<bytes::Bytes, Refused> {
    let read = read_body(request).await;
    let (_, bytes) = read.map_err(|fault| match fault {
        BodyFault::TooLarge => Refused::new(Code::TooLarge, fault.to_string()),
        BodyFault::TooSlow | BodyFault::Broken => Refused::new(Code::InvalidRequest, fault.to_string()),
    })?;
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// When the request has to be answered.
pub(crate) struct By(pub(crate) Deadline);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let by = parts.extensions.get().copied();
        Ok(Self(by.expect("the layers set a deadline")))
    }
}

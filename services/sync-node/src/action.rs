//! What a request asks for, as one value: read by `edge` before the body, carried out after it. So syntax is read once,
//! and bad syntax costs no body.

use foxhold_sync::storage::{
    BatchMode, BodyFormat, BsoId, CollectionName, DeleteQuery, Limits, ListFormat, ListQuery, PostClaims,
    QueryPairs, Refusal, negotiate_list, read_content_type,
};
use http::{HeaderMap, HeaderName, header};

use crate::{
    edge::{Admitted, text},
    handlers::{bso, collection, info, user},
    reply::Reply,
    route::{Info, Resource, Verb},
    store::Denied,
};

/// The formats of body and answer, where a request has a choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Formats {
    body: BodyFormat,
    list: ListFormat,
}

impl Formats {
    /// Reads `Content-Type` and `Content-Encoding` of what has a body, and `Accept` of lists; elsewhere they mean nothing.
    pub(crate) fn read(resource: &Resource, verb: Verb, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut formats = Self {
            body: BodyFormat::Json,
            list: ListFormat::Json,
        };
        match (resource, verb) {
            (_, Verb::Put | Verb::Post) => {
                let content_type = text(headers, &header::CONTENT_TYPE);
                let content_encoding = text(headers, &header::CONTENT_ENCODING);
                formats.body = read_content_type(content_type, content_encoding, verb == Verb::Post)?;
            }
            (Resource::Collection(_), Verb::Get) => formats.list = accepted(headers)?,
            _ => {}
        }
        Ok(formats)
    }
}

fn accepted(headers: &HeaderMap) -> Result<ListFormat, Refusal> {
    let values = headers.get_all(header::ACCEPT).iter();
    let lines: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let accept = (!lines.is_empty()).then(|| lines.join(","));
    negotiate_list(accept.as_deref())
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Action {
    Info(Info),
    DeleteUser,
    List(CollectionName, ListFormat, ListQuery),
    Post(CollectionName, BodyFormat, BatchMode),
    DeleteCollection(CollectionName, DeleteQuery),
    Get(CollectionName, BsoId),
    Put(CollectionName, BsoId),
    Delete(CollectionName, BsoId),
}

impl Action {
    /// Reads the query, and the headers that belong to it. The route allows `verb`.
    pub(crate) fn read(
        resource: Resource,
        verb: Verb,
        formats: Formats,
        headers: &HeaderMap,
        query: &QueryPairs,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        Ok(match (resource, verb) {
            (Resource::Info(what), _) => Self::Info(what),
            (Resource::User, _) => Self::DeleteUser,
            (Resource::Collection(name), Verb::Get) => {
                Self::List(name, formats.list, ListQuery::parse(query)?)
            }
            (Resource::Collection(name), Verb::Delete) => {
                Self::DeleteCollection(name, DeleteQuery::parse(query)?)
            }
            (Resource::Collection(name), _) => {
                Self::Post(name, formats.body, read_post(headers, query, limits)?)
            }
            (Resource::Bso(name, id), Verb::Get) => Self::Get(name, id),
            (Resource::Bso(name, id), Verb::Delete) => Self::Delete(name, id),
            (Resource::Bso(name, id), _) => Self::Put(name, id),
        })
    }

    pub(crate) async fn execute(
        self,
        request: &Admitted<'_>,
        limits: &Limits,
        body: &[u8],
    ) -> Result<Reply, Denied> {
        match self {
            Self::Info(what) => info::get(request, what).await,
            Self::DeleteUser => user::delete(request).await,
            Self::List(name, format, query) => collection::list(request, name, format, query).await,
            Self::Post(name, format, mode) => {
                collection::post(request, name, format, mode, limits, body).await
            }
            Self::DeleteCollection(name, query) => collection::delete(request, name, query).await,
            Self::Get(name, id) => bso::get(request, name, id).await,
            Self::Put(name, id) => bso::put(request, name, id, limits, body).await,
            Self::Delete(name, id) => bso::delete(request, name, id).await,
        }
    }
}

fn read_post(headers: &HeaderMap, query: &QueryPairs, limits: &Limits) -> Result<BatchMode, Refusal> {
    const RECORDS: HeaderName = HeaderName::from_static("x-weave-records");
    const BYTES: HeaderName = HeaderName::from_static("x-weave-bytes");
    const TOTAL_RECORDS: HeaderName = HeaderName::from_static("x-weave-total-records");
    const TOTAL_BYTES: HeaderName = HeaderName::from_static("x-weave-total-bytes");
    let mode = BatchMode::parse(query)?;
    let claims = PostClaims {
        records: text(headers, &RECORDS),
        bytes: text(headers, &BYTES),
        total_records: text(headers, &TOTAL_RECORDS),
        total_bytes: text(headers, &TOTAL_BYTES),
    };
    claims.check(limits, query.first("batch")?.is_some())?;
    Ok(mode)
}

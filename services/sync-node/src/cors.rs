//! Cross-origin answers (`storage.md` 12): pages of allowed origins may read them, without credentials.

use foxhold_sync::storage::Tick;
use http::{HeaderMap, HeaderValue, header};

use crate::reply::Reply;

/// The answer to OPTIONS on any path.
pub(crate) fn preflight(request: &HeaderMap) -> Reply {
    let mut reply = Reply::json(Tick::ZERO, "{}".to_owned());
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("1728000"),
    );
    if let Some(wanted) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    reply.extend(headers);
    reply
}

/// What every answer to a page of an allowed origin carries.
pub(crate) fn headers(allowed: &[String], origin: Option<&HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(origin) = origin else {
        return headers;
    };
    if allowed
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    headers
}

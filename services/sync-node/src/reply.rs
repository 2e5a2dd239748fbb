//! Answers before they are HTTP: what every status must carry is decided here once (`storage.md` 12, 13).

use axum::body::Body;
use foxhold_sync::storage::{Kib, ListFormat, Offset, Refusal, Tick};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::store::Denied;

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Every 2xx, 304 and 412 has one.
    pub(crate) last_modified: Option<Tick>,
    headers: HeaderMap,
    body: Body,
    pub(crate) body_len: Option<u64>,
}

pub(crate) const X_LAST_MODIFIED: HeaderName = HeaderName::from_static("x-last-modified");
pub(crate) const X_WEAVE_TIMESTAMP: HeaderName = HeaderName::from_static("x-weave-timestamp");
pub(crate) const X_WEAVE_BACKOFF: HeaderName = HeaderName::from_static("x-weave-backoff");
pub(crate) const X_WEAVE_ALERT: HeaderName = HeaderName::from_static("x-weave-alert");
const X_WEAVE_RECORDS: HeaderName = HeaderName::from_static("x-weave-records");
const X_WEAVE_NEXT_OFFSET: HeaderName = HeaderName::from_static("x-weave-next-offset");
const X_WEAVE_QUOTA_REMAINING: HeaderName = HeaderName::from_static("x-weave-quota-remaining");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NEWLINES: HeaderValue = HeaderValue::from_static("application/newlines");

impl Reply {
    /// 200 with a JSON body.
    pub(crate) fn json(last_modified: Tick, body: String) -> Self {
        Self::with_body(StatusCode::OK, Some(last_modified), JSON, body)
    }

    /// 202: staged, not written.
    pub(crate) fn staged(collection_time: Tick, body: String) -> Self {
        Self::with_body(StatusCode::ACCEPTED, Some(collection_time), JSON, body)
    }

    /// 200 with a list.
    pub(crate) fn list(last_modified: Tick, format: ListFormat, body: String) -> Self {
        Self::with_body(StatusCode::OK, Some(last_modified), media_type(format), body)
    }

    /// 200 with a list that is sent while it is read.
    pub(crate) fn stream(last_modified: Tick, format: ListFormat, body: Body) -> Self {
        let mut reply = Self::list(last_modified, format, String::new());
        (reply.body, reply.body_len) = (body, None);
        reply
    }

    /// The refusal's status with its number as body.
    pub(crate) fn refusal(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply = Self::with_body(status, None, JSON, refusal.number().to_string());
        if let Some(secs) = refusal.retry_after_secs() {
            reply.headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if refusal == Refusal::Unauthorized {
            reply
                .headers
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Hawk"));
        }
        reply
    }

    /// 405 with what is allowed.
    pub(crate) fn not_allowed(allowed: &'static str) -> Self {
        let mut reply = Self::refusal(Refusal::MethodNotAllowed);
        reply
            .headers
            .insert(header::ALLOW, HeaderValue::from_static(allowed));
        reply
    }

    /// 304: no body, hence no type.
    fn not_modified(last_modified: Tick) -> Self {
        let mut reply = Self::with_body(StatusCode::NOT_MODIFIED, Some(last_modified), JSON, String::new());
        reply.headers.remove(header::CONTENT_TYPE);
        reply
    }

    fn with_body(status: StatusCode, last_modified: Option<Tick>, media: HeaderValue, body: String) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media)]);
        let body_len = Some(body.len() as u64);
        Self {
            status,
            last_modified,
            headers,
            body: Body::from(body),
            body_len,
        }
    }

    /// `X-Weave-Records`: items in this answer.
    pub(crate) fn records(mut self, count: usize) -> Self {
        self.headers.insert(X_WEAVE_RECORDS, HeaderValue::from(count));
        self
    }

    /// `X-Weave-Next-Offset`, if there is more.
    pub(crate) fn next_offset(mut self, next: Option<&Offset>) -> Self {
        if let Some(next) = next {
            self.set(X_WEAVE_NEXT_OFFSET, &next.token());
        }
        self
    }

    /// `X-Weave-Quota-Remaining`, if there is a quota.
    pub(crate) fn quota_left(mut self, bytes: Option<u64>) -> Self {
        if let Some(bytes) = bytes {
            self.set(X_WEAVE_QUOTA_REMAINING, &format!("{:.2}", Kib(bytes).as_f64()));
        }
        self
    }

    /// Sets a header to text of ours; text that no header can carry is left out.
    pub(crate) fn set(&mut self, name: HeaderName, text: &str) {
        if let Ok(value) = HeaderValue::from_str(text) {
            self.headers.insert(name, value);
        }
    }

    /// Adds the headers of a CORS answer.
    pub(crate) fn extend(&mut self, headers: HeaderMap) {
        self.headers.extend(headers);
    }

    /// As HTTP. The answer to HEAD is that to GET without its body.
    pub(crate) fn into_response(mut self, now: Tick, is_head: bool) -> Response<Body> {
        let last_modified = self.last_modified.unwrap_or(Tick::ZERO);
        self.set(X_WEAVE_TIMESTAMP, &now.max(last_modified).to_string());
        if let Some(time) = self.last_modified {
            self.set(X_LAST_MODIFIED, &time.to_string());
        }
        let mut response = Response::new(if is_head { Body::empty() } else { self.body });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::refusal(refusal)
    }
}

impl From<Denied> for Reply {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refusal) => Self::refusal(refusal),
            Denied::NotModified(time) => Self::not_modified(time),
            Denied::PreconditionFailed(time) => Self {
                last_modified: Some(time),
                ..Self::refusal(Refusal::PreconditionFailed)
            },
            Denied::Database(error) => {
                tracing::error!(%error, "the database failed");
                Self::refusal(Refusal::Internal)
            }
        }
    }
}

fn media_type(format: ListFormat) -> HeaderValue {
    match format {
        ListFormat::Json => JSON,
        ListFormat::Newlines => NEWLINES,
    }
}

//! Headers that every answer carries, and cross-origin rules (`accounts.md`, Conventions).

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use foxhold_core::{ErrorCode, Timestamp};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{App, error::ApiError};

/// The server's time in seconds; clients correct their clock by it.
const TIMESTAMP: HeaderName = HeaderName::from_static("timestamp");

/// The innermost layer of all routes, also of those that do not exist.
pub(crate) async fn complete(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = match origin {
        Some(origin) if may_read(&app, request.uri().path(), &origin).await => Some(origin),
        _ => None,
    };
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &allowed {
        Some(_) if preflight => permitted(),
        _ => {
            survive_panic(next.run(request), || {
                ApiError::new(ErrorCode::Internal).into_response()
            })
            .await
        }
    };
    let headers = response.headers_mut();
    tell_time(headers, app.accounts.clock.now());
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if app.site.hsts {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=15552000; includeSubDomains"),
        );
    }
    if let Some(origin) = allowed {
        share_with(headers, origin);
    }
    response
}

/// A broken invariant is told as any other failure; the panic hook has logged the place.
pub(crate) async fn survive_panic(
    answer: impl Future<Output = Response>,
    broken: impl FnOnce() -> Response,
) -> Response {
    let answered = AssertUnwindSafe(answer).catch_unwind().await;
    answered.unwrap_or_else(|_| broken())
}

pub(crate) fn tell_time(headers: &mut HeaderMap, now: Timestamp) {
    headers.insert(TIMESTAMP, HeaderValue::from(now.as_secs()));
}

/// Pages of our own read everything, those of registered programs what is for them.
async fn may_read(app: &App, path: &str, origin: &HeaderValue) -> bool {
    let Ok(text) = origin.to_str() else { return false };
    is_allowed(app, origin) || app.client_origins.may_read(path, text).await
}

fn is_allowed(app: &App, origin: &HeaderValue) -> bool {
    origin
        .to_str()
        .is_ok_and(|origin| app.site.allowed_origins.iter().any(|allowed| allowed == origin))
}

/// Documents that any page may read say so themselves.
fn share_with(headers: &mut HeaderMap, origin: HeaderValue) {
    headers
        .entry(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        .or_insert(origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("timestamp, retry-after, x-timestamp"),
    );
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn permitted() -> Response {
    let headers = [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PUT, DELETE, OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, if-none-match",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

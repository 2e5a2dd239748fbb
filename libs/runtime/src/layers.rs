//! What happens around every request, in one order, decided here and nowhere else (tower layers).
//!
//! From the outside in, and why there:
//! 1. **request id**: everything after it can be found in the logs by it;
//! 2. **access line**: sees each request, also the refused ones, and measures all of the rest;
//! 3. **panic**: a broken invariant costs the request it was met in (500), not the others of its connection;
//! 4. **load shed**: refuses before any work is done, so an overloaded process still answers quickly;
//! 5. **deadline**: the budget starts when work starts, and travels to every inner call;
//! 6. **body limit**: only marks how much may be read; the handler's extractor answers in its contract's own form
//!    (`read_body`).

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use foxhold_core::{Deadline, Random, RequestId};
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::http_edge::BodyLimit;

/// The header that carries the request id back to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What one request may use.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// Requests in work at once on this listener; the next one is refused.
    pub in_work_max: usize,
    /// How long a request may take; inner calls see it as their [`Deadline`].
    pub budget: Duration,
    /// Longest body, in bytes.
    pub body_len_max: usize,
    /// What a refused client is told to wait, in seconds.
    pub retry_after_secs: u64,
    /// Builds the refusal in the contract's form; the layer adds `Retry-After`.
    pub overloaded: fn(retry_after_secs: u64) -> Response,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            in_work_max: 1024,
            budget: Duration::from_secs(10),
            body_len_max: 16 * 1024,
            retry_after_secs: 5,
            overloaded: |_| StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

/// An extension of answers whose request has its access line already, a fuller one than the layer could write: one
/// request, one line.
#[derive(Debug, Clone, Copy)]
pub struct AccessLogged;

#[derive(Clone)]
struct RequestIds(Arc<dyn Random>);

impl fmt::Debug for RequestIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestIds")
    }
}

#[derive(Debug, Clone)]
struct Admission {
    slots: Arc<Semaphore>,
    limits: RequestLimits,
}

/// The stack of a public listener. Handlers find [`RequestId`] and [`Deadline`] as extensions of the request.
pub fn public<S>(router: Router<S>, limits: RequestLimits, random: Arc<dyn Random>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let admission = Admission {
        slots: Arc::new(crate::slots::slots(limits.in_work_max)),
        limits,
    };
    // axum wraps: the layer added last is the outermost.
    router
        .layer(DefaultBodyLimit::max(limits.body_len_max))
        .layer(from_fn_with_state(limits, allow_body))
        .layer(from_fn_with_state(limits, set_deadline))
        .layer(from_fn_with_state(admission, admit))
        .layer(from_fn(survive_panic))
        .layer(from_fn(log_access))
        .layer(from_fn_with_state(RequestIds(random), name_request))
}

/// The stack of a private listener (health, captured mail): named and logged, nothing more.
pub fn private<S>(router: Router<S>, random: Arc<dyn Random>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router
        .layer(from_fn(survive_panic))
        .layer(from_fn(log_private_access))
        .layer(from_fn_with_state(RequestIds(random), name_request))
}

async fn name_request(State(ids): State<RequestIds>, mut request: Request, next: Next) -> Response {
    let id = RequestId::random(&*ids.0);
    request.extensions_mut().insert(id);
    let span = tracing::info_span!("request", request.id = %id);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The access line of an answered request. A macro, because a level is fixed when it is compiled.
macro_rules! access_line {
    ($level:expr, $seen:expr, $response:expr) => {{
        let (seen, response): (Seen, &Response) = ($seen, $response);
        tracing::event!(
            target: "foxhold::access",
            $level,
            http.method = seen.method.as_str(),
            http.route = seen.route.as_ref().map_or("(none)", MatchedPath::as_str),
            http.status = response.status().as_u16(),
            duration_ms = (seen.began.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            "request"
        );
    }};
}

/// What is known of a request before it is answered.
struct Seen {
    began: Instant,
    method: Method,
    // The template, never the path as sent: paths hold user ids.
    route: Option<MatchedPath>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        Self {
            began: Instant::now(),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
        }
    }
}

async fn log_access(request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let response = next.run(request).await;
    if response.extensions().get::<AccessLogged>().is_none() {
        access_line!(tracing::Level::INFO, seen, &response);
    }
    response
}

/// Probes ask every few seconds; at `info` they would be most of the log.
async fn log_private_access(request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let response = next.run(request).await;
    access_line!(tracing::Level::DEBUG, seen, &response);
    response
}

async fn survive_panic(request: Request, next: Next) -> Response {
    // The panic hook has logged the place. What the handler held is dropped; shared state guards itself by its locks.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let Ok(_slot) = admission.slots.try_acquire() else {
        let limits = admission.limits;
        let mut refusal = (limits.overloaded)(limits.retry_after_secs);
        refusal
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(limits.retry_after_secs));
        return refusal;
    };
    next.run(request).await
}

async fn set_deadline(State(limits): State<RequestLimits>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Deadline::after(limits.budget));
    next.run(request).await
}

async fn allow_body(State(limits): State<RequestLimits>, mut request: Request<Body>, next: Next) -> Response {
    request.extensions_mut().insert(BodyLimit(limits.body_len_max));
    next.run(request).await
}

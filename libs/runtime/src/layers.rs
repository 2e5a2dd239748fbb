//! What happens around every request, in one order, decided here and nowhere else (tower layers).
//!
//! From the outside in, and why there:
//! 1. **request id** and span: everything after it can be found in the logs, and in the trace, by them;
//! 2. **access line** and metrics: see each request, also the refused ones, and measure all of the rest;
//! 3. **panic**: a broken invariant costs the request it was met in (500), not the others of its connection;
//! 4. **load shed**: refuses before any work is done, so an overloaded process still answers quickly;
//! 5. **deadline**: the budget starts when work starts, and travels to every inner call;
//! 6. **body limit**: only marks how much may be read; the handler's extractor answers in its contract's own form
//!    (`read_body`).

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use foxhold_core::{Deadline, Random, RequestId};
use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{Instrument as _, Span};

use crate::{
    http_edge::BodyLimit,
    metrics::{label, list as metrics},
    traces::spans,
};

/// The header that carries the request id back to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The span around the log lines of the request in work.
    static LOG_SPAN: Span;
}

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
    /// Builds the refusal in the form of the contract that the path asked for belongs to; the layer adds `Retry-After`.
    pub overloaded: fn(path: &str, retry_after_secs: u64) -> Response,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            in_work_max: 1024,
            budget: Duration::from_secs(10),
            body_len_max: 16 * 1024,
            retry_after_secs: 5,
            overloaded: |_, _| StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

/// An extension of answers whose request has its access line already, a fuller one than the layer could write: one
/// request, one line.
#[derive(Debug, Clone, Copy)]
pub struct AccessLogged;

/// An extension of answers whose route the router does not know: the template of the path, for metrics. There are as many
/// as the program names, whatever clients ask for.
#[derive(Debug, Clone, Copy)]
pub struct RouteName(pub &'static str);

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

    fn trace(&self) -> Span {
        spans::request(&self.method, self.route.as_ref().map(MatchedPath::as_str))
    }

    fn count(&self, response: &Response) {
        let named = response.extensions().get::<RouteName>();
        let of_router = || self.route.as_ref().map(|route| label::named(route.as_str()));
        let route = named.map(|name| name.0).or_else(of_router);
        let labels = [
            route.unwrap_or(label::NONE),
            label::method(&self.method),
            label::class(response.status()),
        ];
        metrics::HTTP_REQUESTS.of(labels).increment(1);
        metrics::HTTP_DURATION
            .of(labels)
            .record(self.began.elapsed().as_secs_f64());
    }
}

/// What the public stack is given. One middleware does all of it: each layer of its own would be boxed and copied, with
/// everything inside it, for every request.
struct Stack {
    ids: Arc<dyn Random>,
    slots: Semaphore,
    limits: RequestLimits,
}

/// The stack of a public listener. Handlers find [`RequestId`] and [`Deadline`] as extensions of the request.
pub fn public<S>(router: Router<S>, limits: RequestLimits, random: Arc<dyn Random>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let stack = Stack {
        ids: random,
        slots: crate::slots::slots(limits.in_work_max),
        limits,
    };
    // axum wraps: the layer added last is the outermost.
    router
        .layer(DefaultBodyLimit::max(limits.body_len_max))
        .layer(from_fn_with_state(Arc::new(stack), surround))
}

/// The stack of a private listener (health, captured mail): named and logged, nothing more.
pub fn private<S>(router: Router<S>, random: Arc<dyn Random>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(random, surround_private))
}

async fn surround(State(stack): State<Arc<Stack>>, mut request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let name = Name::give(&*stack.ids, &mut request, seen.trace());
    let response = match stack.admit(&mut request) {
        Some(_slot) => answer(next, request, &name).await,
        None => stack.overloaded(request.uri().path()),
    };
    spans::answered(&name.trace, response.status());
    name.span.in_scope(|| {
        seen.count(&response);
        if response.extensions().get::<AccessLogged>().is_none() {
            access_line!(tracing::Level::INFO, seen, &response);
        }
    });
    name.told(response)
}

/// Probes ask every few seconds; at `info` they would be most of the log, and most of the traces.
async fn surround_private(State(ids): State<Arc<dyn Random>>, mut request: Request, next: Next) -> Response {
    let seen = Seen::of(&request);
    let name = Name::give(&*ids, &mut request, Span::none());
    let response = answer(next, request, &name).await;
    name.span
        .in_scope(|| access_line!(tracing::Level::DEBUG, seen, &response));
    name.told(response)
}

/// What a request is called, in the log, in its trace and to its client.
struct Name {
    id: RequestId,
    /// Around its log lines.
    span: Span,
    /// The first of its trace.
    trace: Span,
}

impl Name {
    fn give(ids: &dyn Random, request: &mut Request, trace: Span) -> Self {
        let id = RequestId::random(ids);
        request.extensions_mut().insert(id);
        let trace_id = spans::recorded(&trace).map(tracing::field::display);
        let span = tracing::info_span!("request", request.id = %id, trace_id);
        Self { id, span, trace }
    }

    fn told(&self, mut response: Response) -> Response {
        if let Ok(value) = HeaderValue::from_str(&self.id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
}

/// The answer of what lies inside, whatever happens there. No `async fn`: one that is inside another keeps its arguments
/// twice, and a request is large.
fn answer(next: Next, request: Request, name: &Name) -> impl Future<Output = Response> {
    // The panic hook has logged the place. What the handler held is dropped; shared state guards itself by its locks.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answered = answered
        .map(|answered| answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
        .instrument(name.trace.clone())
        .instrument(name.span.clone());
    LOG_SPAN.scope(name.span.clone(), answered)
}

/// Work of a request for a task of its own: part of the same trace, and its log lines bear the request's id. The span that
/// is current says the first alone, since spans of traces are no spans of log lines.
pub fn of_this_request<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let span = LOG_SPAN.try_with(Clone::clone).unwrap_or_else(|_| Span::none());
    let work = work.in_current_span().instrument(span.clone());
    LOG_SPAN.scope(span, work)
}

impl Stack {
    /// A slot to work in, if there is one.
    fn admit(&self, request: &mut Request) -> Option<SemaphorePermit<'_>> {
        let slot = self.slots.try_acquire().ok()?;
        let extensions = request.extensions_mut();
        extensions.insert(Deadline::after(self.limits.budget));
        extensions.insert(BodyLimit(self.limits.body_len_max));
        Some(slot)
    }

    fn overloaded(&self, path: &str) -> Response {
        let retry_after_secs = self.limits.retry_after_secs;
        let mut refusal = (self.limits.overloaded)(path, retry_after_secs);
        refusal
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_secs));
        refusal
    }
}

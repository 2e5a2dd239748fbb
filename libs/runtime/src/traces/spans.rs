//! The spans that the shell makes: of requests, and of calls between tiers on both sides; and how a trace goes from tier
//! to tier (W3C trace context, `traceparent`).
//!
//! Who may say that something belongs to a trace: the tiers, to each other, as their certificates prove. A client outside
//! may not, so every request on a public listener begins a trace of its own and its `traceparent` is not read. Taken as it
//! comes, it would let anybody have all of his requests recorded, which is work for us and for the collector, or file them
//! under the trace of somebody else, or put an id of his choice into our log.

use foxhold_core::TRACES;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use tonic::Code;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{callers, metrics::label};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request on a public listener, by the template of its path: the beginning of a trace.
pub(crate) fn request(method: &Method, route: Option<&str>) -> Span {
    tracing::info_span!(
        target: TRACES,
        parent: None,
        "request",
        otel.name = %format_args!("{} {}", label::method(method), route.unwrap_or(label::NONE)),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = label::method(method),
        http.route = route,
        http.response.status_code = Empty,
    )
}

/// How a request was answered.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "error");
    }
}

/// A call to another tier; `path` is as gRPC has it. The server is told of it by [`send_along`].
pub(crate) fn call_to(path: &str) -> Span {
    let row = || callers::row(path).map_or("/unknown", |(path, _)| path);
    tracing::info_span!(
        target: TRACES,
        "call",
        otel.name = row().trim_start_matches('/'),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.grpc.status_code = Empty,
    )
}

/// A call of another tier, by its row in the table of callers; part of the trace that the caller names.
pub(crate) fn call_from(method: &'static str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: TRACES,
        parent: None,
        "call",
        otel.name = method.trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.grpc.status_code = Empty,
    );
    if !span.is_disabled()
        && let Some(parent) = headers.get(TRACEPARENT).and_then(parent)
    {
        // Refused only if it had begun, and it has not.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    span
}

/// How a call ended.
pub(crate) fn called(span: &Span, code: Code) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.grpc.status_code", i64::from(i32::from(code)));
    let is_fault = matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    );
    if is_fault {
        span.record("otel.status_code", "error");
    }
}

/// Names the span to the server that is called; also where nothing is recorded, so that the server does not either.
pub(crate) fn send_along(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    if !context.is_valid() {
        return;
    }
    let is_recorded = u8::from(context.is_sampled());
    let text = format!(
        "00-{}-{}-{is_recorded:02x}",
        context.trace_id(),
        context.span_id()
    );
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(TRACEPARENT, value);
    }
}

/// The trace that a span belongs to, for log lines; only if it is recorded: an id that leads nowhere helps nobody.
pub(crate) fn recorded(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    (context.is_valid() && context.is_sampled()).then(|| context.trace_id())
}

/// The caller's span (W3C trace context, 3.2): version, trace, span and flags, of which one is known.
fn parent(value: &HeaderValue) -> Option<SpanContext> {
    let text = value.to_str().ok()?;
    let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let has_form = (version, trace.len(), span.len(), flags.len()) == ("00", 32, 16, 2)
        && parts.next().is_none()
        && [trace, span, flags].into_iter().all(is_plain);
    if !has_form {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_parent_has_one_form() {
        let sampled = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            parent(&value).map(|parent| parent.is_sampled())
        };
        let none = "0".repeat(32);
        let table = [
            (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
            (format!("00-{TRACE}-{SPAN}-fe"), Some(false)),
            (format!("01-{TRACE}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{none}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("00-+{}-{SPAN}-01", &TRACE[1..]), None),
            (String::new(), None),
        ];
        for (text, expected) in table {
            assert_eq!(sampled(&text), expected, "{text}");
        }
        let read = parent(&HeaderValue::from_str(&format!("00-{TRACE}-{SPAN}-01")).unwrap()).unwrap();
        assert_eq!(read.trace_id().to_string(), TRACE);
        assert_eq!(read.span_id().to_string(), SPAN);
    }
}

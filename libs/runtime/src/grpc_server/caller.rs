//! Who calls: the peer's identity goes with each request, the table says what its role may call, and each call leaves
//! one line in the log and is counted.

use std::{net::IpAddr, time::Instant};

use axum::{extract::Request, middleware::Next, response::Response};
use foxhold_core::RequestId;
use tonic::{Code, Status};
use tracing::{Instrument as _, Span};

use super::is_about_health;
use crate::{
    callers,
    grpc_status::refusal,
    metrics::{label, list as metrics},
    tls::SpiffeId,
    traces::spans,
};

/// The identity of the caller, as checked in the handshake. An extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer(pub SpiffeId);

/// Where the caller's connection comes from. An extension of every request, where the system told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

tokio::task_local! {
    static CALLER: Option<SpiffeId>;
    static ADDRESS: Option<IpAddr>;
}

/// Who made the call that this task works on, if it is one: for adapters that must write down whom they served.
#[must_use]
pub fn current() -> Option<SpiffeId> {
    CALLER.try_with(Clone::clone).ok().flatten()
}

/// From where the call was made that this task works on, if it is one: tells apart who shares an identity.
#[must_use]
pub fn current_address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok().flatten()
}

/// Default deny: a call without peer, of a path nobody knows, or of another role is refused, all in the same words.
pub(super) async fn authorize(request: Request, next: Next) -> Response {
    let role = request.extensions().get::<Peer>().map(|peer| peer.0.role());
    let permitted = role
        .zip(callers::row(request.uri().path()))
        .is_some_and(|(role, (_, roles))| roles.contains(&role));
    if permitted {
        let caller = request.extensions().get::<Peer>().map(|peer| peer.0.clone());
        let address = request.extensions().get::<PeerAddress>().map(|peer| peer.0);
        CALLER
            .scope(caller, ADDRESS.scope(address, next.run(request)))
            .await
    } else {
        refusal(Code::PermissionDenied, "this role may not make this call")
    }
}

/// Metadata that names the edge's request (`rpc::trace`).
const REQUEST_ID_KEY: &str = "foxhold-request-id";

/// One line per call at its end, and one count. Paths are named from the table only: a label from a closed set.
pub(super) async fn log_line(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = callers::row(request.uri().path()).map_or("unknown", |(path, _)| path);
    let peer = request.extensions().get::<Peer>().cloned();
    let request_id: Option<RequestId> = request
        .headers()
        .get(REQUEST_ID_KEY)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    // Balancers ask all the time.
    let trace = if is_about_health(&request) {
        Span::none()
    } else {
        spans::call_from(method, request.headers())
    };
    let trace_id = spans::recorded(&trace).map(tracing::field::display);
    let span = tracing::info_span!(
        "call",
        rpc.method = method,
        request.id = request_id.map(tracing::field::display),
        trace_id
    );
    let answered = next.run(request).instrument(trace.clone());
    let response = answered.instrument(span).await;
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    spans::called(&trace, code);
    let duration = started.elapsed();
    let (service, name) = callers::parts(method);
    metrics::RPC_DURATION
        .of([service, name, label::rpc_code(code), "server"])
        .record(duration.as_secs_f64());
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        rpc.method = method,
        rpc.code = ?code,
        duration_ms,
        peer.role = peer.as_ref().map(|peer| peer.0.role().as_str()),
        peer.region = peer.as_ref().map(|peer| peer.0.region()),
        request.id = request_id.map(tracing::field::display),
        trace_id,
        "call"
    );
    response
}

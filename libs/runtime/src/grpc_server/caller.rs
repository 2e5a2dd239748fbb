//! Who calls: the peer's identity goes with each request, the table says what its role may call, and each call leaves
//! one line in the log.

use std::time::Instant;

use axum::{extract::Request, middleware::Next, response::Response};
use foxhold_core::RequestId;
use tonic::{Code, Status};
use tracing::Instrument as _;

use crate::{callers, grpc_status::refusal, tls::SpiffeId};

/// The identity of the caller, as checked in the handshake. An extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer(pub SpiffeId);

/// Default deny: a call without peer, of a path nobody knows, or of another role is refused, all in the same words.
pub(super) async fn authorize(request: Request, next: Next) -> Response {
    let role = request.extensions().get::<Peer>().map(|peer| peer.0.role());
    let permitted = role
        .zip(callers::row(request.uri().path()))
        .is_some_and(|(role, (_, roles))| roles.contains(&role));
    if permitted {
        next.run(request).await
    } else {
        refusal(Code::PermissionDenied, "this role may not make this call")
    }
}

/// Metadata that names the edge's request (`rpc::trace`).
const REQUEST_ID_KEY: &str = "foxhold-request-id";

/// One line per call at its end. Paths are named from the table only: a label from a closed set.
pub(super) async fn log_line(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = callers::row(request.uri().path()).map_or("unknown", |(path, _)| path);
    let peer = request.extensions().get::<Peer>().cloned();
    let request_id: Option<RequestId> = request
        .headers()
        .get(REQUEST_ID_KEY)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let span = tracing::info_span!(
        "call",
        rpc.method = method,
        request.id = request_id.map(tracing::field::display)
    );
    let response = next.run(request).instrument(span).await;
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        rpc.method = method,
        rpc.code = ?code,
        duration_ms,
        peer.role = peer.as_ref().map(|peer| peer.0.role().as_str()),
        peer.region = peer.as_ref().map(|peer| peer.0.region()),
        request.id = request_id.map(tracing::field::display),
        "call"
    );
    response
}

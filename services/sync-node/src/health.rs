//! `/__lbheartbeat__`, `/__heartbeat__` and `/__version__` (`storage.md` 18): for balancers and operators, without token.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{edge, node::SyncNode};

/// A clock this far behind the times handed out is worth a warning: 2 s, in ticks.
const BEHIND_WARN: u64 = 200;
/// So far behind the node refuses writes, whose T is one tick later still: 1 h, in ticks.
const BEHIND_MAX: u64 = 360_000;

pub(crate) async fn lb_heartbeat() -> Json<Value> {
    Json(json!({}))
}

pub(crate) async fn version() -> Json<Value> {
    Json(version_document())
}

fn version_document() -> Value {
    json!({
        "source": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("FOXHOLD_COMMIT").unwrap_or(""),
        "build": option_env!("FOXHOLD_BUILD").unwrap_or(""),
    })
}

pub(crate) async fn heartbeat(State(node): State<Arc<SyncNode>>) -> Response {
    let (healthy, document) = report(&node).await;
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(document)).into_response()
}

/// Whether the node can serve, and the members it adds to a heartbeat. The single box merges them into its own.
pub async fn report(node: &SyncNode) -> (bool, Value) {
    let probe = node.probe().await;
    if let Err(error) = &probe {
        tracing::error!(%error, "a shard failed its probe");
    }
    let behind = node.clock_behind();
    let clock = match behind {
        0..=BEHIND_WARN => "Ok",
        _ if behind < BEHIND_MAX => "Behind",
        _ => "Wrong",
    };
    let healthy = probe.is_ok() && behind < BEHIND_MAX;
    let state = if node.is_read_only() { "readonly" } else { "active" };
    let quota = node.settings.quota_bytes;
    let document = json!({
        "status": if healthy { "Ok" } else { "Err" },
        "version": env!("CARGO_PKG_VERSION"),
        "database": if probe.is_ok() { "Ok" } else { "Err" },
        "clock": clock,
        "disk": { "used_percent": node.disk_used_percent() },
        "quota": { "enabled": quota.is_some(), "size": quota.unwrap_or(0) },
        "state": state,
        "shards": node.store.shard_count(),
    });
    (healthy, document)
}

/// Every method but GET and HEAD: OPTIONS is answered as everywhere, the others with 405 in the protocol's form.
pub(crate) async fn other_method(state: State<Arc<SyncNode>>, request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return edge::handle(state, request).await;
    }
    (
        StatusCode::METHOD_NOT_ALLOWED,
        [(http::header::ALLOW, "GET, HEAD, OPTIONS")],
        Json(0),
    )
        .into_response()
}

//! What balancers and operators ask a public listener (`ecosystem.md` 3.6).

use std::sync::Arc;

use axum::{Json, Router, routing::get};
use foxhold_runtime::{Health, health};
use serde_json::{Value, json};

use crate::App;

pub(super) fn routes(health: &Health) -> Router<Arc<App>> {
    Router::new()
        .route("/__version__", get(version))
        .route("/__heartbeat__", health::heartbeat(health))
        .route("/__lbheartbeat__", health::lb_heartbeat(health))
}

/// What is running. Also the answer of `GET /` to whoever does not want a page.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("FOXHOLD_COMMIT").unwrap_or("unknown"),
        "source": env!("CARGO_PKG_NAME"),
    }))
}

//! What balancers and operators ask a public listener (`ecosystem.md` 3.6). On one origin the answers have the members of
//! the Token Server, too.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use foxhold_core::ErrorCode;
use foxhold_runtime::health;
use serde_json::{Value, json};

use crate::{App, error::ApiError, token_server::Condition};

pub(super) fn routes(app: &App) -> Router<Arc<App>> {
    let router = Router::new()
        .route("/__version__", get(version))
        .route("/__heartbeat__", get(heartbeat))
        .route("/__lbheartbeat__", health::lb_heartbeat(&app.health));
    if app.error_endpoint {
        router.route("/__error__", get(deliberate_error))
    } else {
        router
    }
}

/// What is running. Also the answer of `GET /` to whoever does not want a page.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("FOXHOLD_COMMIT").unwrap_or("unknown"),
        "source": env!("CARGO_PKG_NAME"),
        "build": option_env!("FOXHOLD_BUILD").unwrap_or("unknown"),
    }))
}

/// 200 while requests can be served, if not all of them: without the signer those that are only read.
pub(super) async fn heartbeat(State(app): State<Arc<App>>) -> Response {
    let mut body = app.health.report();
    let mut serves = app.health.is_ready();
    let mut is_well = serves && app.health.faults().is_empty();
    if let Some(server) = &app.token_server {
        let vitals = server.vitals().await;
        serves &= vitals.dependencies.database == Condition::Ok;
        is_well &= vitals.are_good();
        body.extend(vitals.members());
    }
    let status = if serves && is_well { "Ok" } else { "Err" };
    body.insert("status".to_owned(), json!(status));
    body.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    health::answer(serves, &Value::Object(body))
}

/// For operators who want to see whether they are told of errors.
pub(super) async fn deliberate_error() -> Response {
    tracing::error!(reason = "deliberate", "not done");
    ApiError::new(ErrorCode::Internal).into_response()
}

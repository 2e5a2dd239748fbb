//! GET /audit/checkpoint on the private listener: the newest signed head of the audit log (`security.md` C.6). Fetched by
//! whoever keeps heads elsewhere; never pushed, for the signer opens no connection.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use foxhold_core::{Clock as _, Timestamp};
use foxhold_runtime::{SystemClock, metrics::list as metrics};

use crate::LocalSigner;

/// The route. A head that nobody ever fetches is one that was last fetched when the process started.
pub(crate) fn routes(signer: &Arc<LocalSigner>) -> Router {
    if signer.audit().is_some() {
        note_fetched();
    }
    Router::new()
        .route("/audit/checkpoint", get(newest))
        .with_state(Arc::clone(signer))
}

async fn newest(State(signer): State<Arc<LocalSigner>>) -> impl IntoResponse {
    let newest = signer.audit().and_then(|audit| audit.checkpoint());
    let Some(line) = newest else {
        // Nothing was signed for a minute, or nothing is written down at all.
        return Err(StatusCode::NOT_FOUND);
    };
    note_fetched();
    Ok(([("content-type", "application/json")], format!("{line}\n")))
}

fn note_fetched() {
    let since_epoch = SystemClock.now().since(Timestamp::default());
    metrics::AUDIT_FETCHED.of([]).set(since_epoch.as_secs_f64());
}

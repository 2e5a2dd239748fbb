//! The answer to an exchange that went well (`tokenserver.md` section 3).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use foxhold_sync::exchange::Token;
use serde::Serialize;

#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    key: &'a str,
    uid: u64,
    api_endpoint: &'a str,
    duration: u64,
    hashalg: &'static str,
    hashed_fxa_uid: &'a str,
    node_type: Option<&'a str>,
}

/// 200 and the token.
pub(super) fn token(token: &Token) -> Response {
    Json(Written {
        id: token.id.expose(),
        key: token.key.expose(),
        uid: token.uid.get(),
        api_endpoint: &token.api_endpoint,
        duration: token.duration_secs,
        hashalg: "sha256",
        hashed_fxa_uid: token.metrics.hashed_fxa_uid(),
        node_type: token.node_type.as_deref(),
    })
    .into_response()
}

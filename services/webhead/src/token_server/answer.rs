//! The answer to an exchange that went well (`tokenserver.md` section 3).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use foxhold_sync::exchange::Token;
use serde::Serialize;

/// A token of a node.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Token))]
pub(super) struct Written<'a> {
    /// The token: the Hawk id.
    id: &'a str,
    /// Its key: the Hawk key, as text.
    key: &'a str,
    /// The user's number in the service.
    #[cfg_attr(test, schema(minimum = 1, maximum = 9007199254740991u64))]
    uid: u64,
    /// Where the user's data is, without trailing slash.
    api_endpoint: &'a str,
    /// Seconds that the token lives from now on.
    duration: u64,
    /// Always `sha256`.
    hashalg: &'static str,
    /// A hash that stands for the user in metrics.
    #[cfg_attr(test, schema(pattern = "^[0-9a-f]{32}$"))]
    hashed_fxa_uid: &'a str,
    /// The node's label, for telemetry.
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

//! Documents under `/.well-known` (`accounts.md` (g), (k)). They say what is true of this server today, no more.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use crate::App;

/// GET /.well-known/fxa-client-configuration: where Firefox finds each part. Read before each sign-in.
pub(super) async fn client_configuration(State(app): State<Arc<App>>) -> Response {
    let root = &app.site.public_url;
    let document = json!({
        "auth_server_base_url": root,
        "oauth_server_base_url": root,
        "profile_server_base_url": root,
        "sync_tokenserver_base_url": app.site.token_server_url,
    });
    published(document, "public, max-age=300")
}

/// GET /.well-known/openid-configuration: for whoever checks our access tokens offline.
pub(super) async fn openid_configuration(State(app): State<Arc<App>>) -> Response {
    let root = &app.site.public_url;
    let document = json!({
        "issuer": root,
        "jwks_uri": format!("{root}/v1/jwks"),
        "authorization_endpoint": format!("{root}/authorization"),
        "token_endpoint": format!("{root}/v1/token"),
        "revocation_endpoint": format!("{root}/v1/destroy"),
        "introspection_endpoint": format!("{root}/v1/introspect"),
        "verify_endpoint": format!("{root}/v1/verify"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
    });
    published(document, "public, max-age=3600")
}

fn published(document: Value, caching: &'static str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, Json(document)).into_response()
}

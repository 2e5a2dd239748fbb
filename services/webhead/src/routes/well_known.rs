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

/// What ID tokens and userinfo say.
const CLAIMS: [&str; 16] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "at_hash",
    "email",
    "email_verified",
    "preferred_username",
    "picture",
    "locale",
    "updated_at",
];

/// How a registered client says who it is.
const LOGINS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// GET /.well-known/openid-configuration: for programs that sign users in here, and for whoever checks our access tokens
/// offline. There is no display name yet, so no claim `name`.
pub(super) async fn openid_configuration(State(app): State<Arc<App>>) -> Response {
    let root = &app.site.public_url;
    let document = json!({
        "issuer": root,
        "jwks_uri": format!("{root}/v1/jwks"),
        "authorization_endpoint": format!("{root}/authorization"),
        "end_session_endpoint": format!("{root}/oauth/logout"),
        "userinfo_endpoint": format!("{root}/v1/userinfo"),
        "token_endpoint": format!("{root}/v1/token"),
        "revocation_endpoint": format!("{root}/v1/destroy"),
        "introspection_endpoint": format!("{root}/v1/introspect"),
        "verify_endpoint": format!("{root}/v1/verify"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": foxhold_ports::openid::rules::SCOPES,
        "claims_supported": CLAIMS,
        "response_modes_supported": ["query", "form_post"],
        "token_endpoint_auth_methods_supported": LOGINS,
        "revocation_endpoint_auth_methods_supported": LOGINS,
        "introspection_endpoint_auth_methods_supported": LOGINS,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": ["AAL1", "AAL2"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
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

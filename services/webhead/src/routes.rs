//! Which path is which call. One line each; the handlers are beside this file, the rules in the accounts area.

mod account;
mod certificate;
#[cfg(test)]
mod described;
mod device;
mod device_commands;
mod email;
mod guards;
mod health;
mod invitation;
mod oauth;
mod openid;
mod password;
mod profile;
mod session;
mod well_known;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use foxhold_accounts::{AccountError, error::RETRY_AFTER};
use foxhold_core::{Clock, ErrorCode};
use foxhold_runtime::{
    SystemClock,
    layers::{self, RequestLimits},
};
use http::Request;
use serde_json::Value;

use crate::{
    App,
    error::ApiError,
    extract::{BODY_LEN_MAX, OpenCall, refuse_long_body},
    headers, page, token_server,
};

pub(crate) use health::version;

/// What a handler answers.
pub(crate) type Answer = Result<Json<Value>, ApiError>;

/// Lets a call end whether or not its client waits for it: what follows a write must follow it.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, AccountError>> + Send + 'static,
) -> Result<T, AccountError> {
    let ended = tokio::spawn(layers::of_this_request(work)).await;
    ended.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The process ends, and the runtime with it.
        Err(_) => Err(AccountError::Busy {
            retry_after: RETRY_AFTER,
        }),
    })
}

/// All public routes of the webhead, complete with their layers.
pub fn router(app: App) -> Router {
    let limits = RequestLimits {
        in_work_max: app.in_work_max,
        budget: app.budget,
        body_len_max: BODY_LEN_MAX,
        overloaded: match app.token_server {
            Some(_) => overloaded_on_one_origin,
            None => overloaded,
        },
        ..RequestLimits::default()
    };
    let random = Arc::clone(&app.accounts.random);
    let certificates = certificates(app.certificates);
    let token_server = app.token_server.clone();
    let health = health::routes(&app);
    let app = Arc::new(app);
    let router = Router::new()
        .merge(accounts())
        .merge(guards())
        .merge(oauth())
        .merge(certificates)
        .merge(health)
        .merge(page::routes())
        .route(
            "/.well-known/fxa-client-configuration",
            get(well_known::client_configuration),
        )
        .route(
            "/.well-known/openid-configuration",
            get(well_known::openid_configuration),
        )
        .route("/v0", any(gone))
        .route("/v0/{*rest}", any(gone))
        .fallback(nothing_there)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(refuse_long_body))
        .layer(from_fn_with_state(Arc::clone(&app), headers::complete))
        .with_state(app);
    let router = match token_server {
        Some(server) => router.merge(token_server::router(server)),
        None => router,
    };
    layers::public(router, limits, random)
}

fn accounts() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/account/create", post(account::create))
        .route("/v1/account/login", post(account::login))
        .route(
            "/v1/account/status",
            get(account::status_by_uid).post(account::status_by_email),
        )
        .route(
            "/v1/account/credentials/status",
            post(account::credentials_status),
        )
        .route("/v1/account/registration", get(account::registration))
        .route("/v1/invitation/status", post(invitation::status))
        .route("/v1/account/profile", get(profile::of_account))
        .route("/v1/account/lock", any(gone))
        .route("/v1/account/unlock/{*rest}", any(gone))
        .route("/v1/account/keys", get(account::keys))
        .route("/v1/account/scoped-key-data", post(account::scoped_key_data))
        .route("/v1/account/device", post(device::put))
        .route("/v1/account/devices", get(device::list))
        .route("/v1/account/device/destroy", post(device::destroy))
        .route("/v1/account/devices/notify", post(device_commands::notify))
        .route(
            "/v1/account/devices/invoke_command",
            post(device_commands::invoke),
        )
        .route("/v1/account/device/commands", get(device_commands::waiting))
        .route("/v1/account/attached_clients", get(device::attached_clients))
        .route("/v1/account/attached_client/destroy", post(device::detach))
        .route("/v1/account/sessions", get(device::sessions))
        .route("/v1/account/reset", post(password::reset))
        .route("/v1/account/destroy", post(account::destroy))
        .route("/v1/password/change/start", post(password::start_change))
        .route("/v1/password/change/finish", post(password::finish_change))
        .route("/v1/password/forgot/send_code", post(password::send_code))
        .route("/v1/password/forgot/resend_code", post(password::resend_code))
        .route("/v1/password/forgot/verify_code", post(password::verify_code))
        .route("/v1/password/forgot/send_otp", post(password::send_otp))
        .route("/v1/password/forgot/verify_otp", post(password::verify_otp))
        .route("/v1/password/forgot/status", get(password::forgot_status))
        .route("/v1/session/status", get(session::status))
        .route("/v1/session/destroy", post(session::destroy))
        .route("/v1/session/reauth", post(session::reauth))
        .route("/v1/session/duplicate", post(session::duplicate))
        .route("/v1/session/verify_code", post(session::verify_code))
        .route("/v1/session/verify/token", post(session::verify_token))
        .route("/v1/session/resend_code", post(session::resend_code))
        .route("/v1/recovery_email/status", get(email::status))
        .route("/v1/recovery_email/resend_code", post(email::resend_code))
        .route("/v1/recovery_email/verify_code", post(email::verify_code))
        .route("/v1/verify_email", get(email::to_page))
        .route("/v1/complete_reset_password", get(email::to_page))
        .route("/v1/get_random_bytes", post(random_bytes))
        .route("/v1/profile", get(profile::whole))
        .route("/v1/email", get(profile::email))
        .route("/v1/uid", get(profile::uid))
        .route("/v1/avatar", get(profile::avatar))
}

/// What guards an account beside its password.
fn guards() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/totp/create", post(guards::create_totp))
        .route("/v1/totp/exists", get(guards::totp_exists))
        .route("/v1/totp/destroy", post(guards::destroy_totp))
        .route("/v1/session/verify/totp", post(guards::verify_totp))
        .route(
            "/v1/recoveryCodes",
            get(guards::renew_backup_codes)
                .post(guards::set_backup_codes)
                .put(guards::replace_backup_codes),
        )
        .route("/v1/recoveryCodes/exists", get(guards::backup_codes_exist))
        .route(
            "/v1/session/verify/recoveryCode",
            post(guards::verify_backup_code),
        )
        .route(
            "/v1/recoveryKey",
            post(guards::create_recovery_key).delete(guards::delete_recovery_key),
        )
        .route("/v1/recoveryKey/verify", post(guards::verify_recovery_key))
        .route("/v1/recoveryKey/exists", post(guards::recovery_key_is_there))
        .route("/v1/recoveryKey/hint", get(guards::hint).post(guards::set_hint))
        .route("/v1/recoveryKey/{id}", get(guards::recovery_data))
}

/// The OAuth calls; under the OAuth base, which is `/v1` too, they have no `oauth/` and errors of their own.
fn oauth() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/oauth/authorization", post(oauth::authorization))
        .route("/v1/oauth/token", post(oauth::token))
        .route("/v1/oauth/destroy", post(oauth::destroy))
        .route("/v1/oauth/verify", post(oauth::verify))
        .route("/v1/oauth/introspect", post(oauth::introspect))
        .route("/v1/oauth/key-data", post(account::scoped_key_data))
        .route("/v1/oauth/jwks", get(oauth::jwks))
        .route("/v1/oauth/client/{id}", get(oauth::client))
        .route("/v1/authorization", post(oauth::base::authorization))
        .route("/v1/token", post(openid::token))
        .route("/v1/destroy", post(openid::destroy))
        .route("/v1/verify", post(oauth::base::verify))
        .route("/v1/introspect", post(openid::introspect))
        .route("/v1/userinfo", get(openid::userinfo).post(openid::userinfo))
        .route("/authorization", get(openid::authorization).post(openid::posted))
        .route("/oauth/logout", get(openid::logout))
        .route("/v1/key-data", post(oauth::base::key_data))
        .route("/v1/config", get(oauth::config))
        // Token Servers look for it beside the base.
        .route("/config", get(oauth::config))
        .route("/v1/client/{id}", get(oauth::base::client))
        .route("/v1/jwks", get(oauth::jwks))
}

/// BrowserID, which nobody has to offer: then the call is gone for good, and the document was never there.
fn certificates(are_signed: bool) -> Router<Arc<App>> {
    const SIGN: &str = "/v1/certificate/sign";
    if !are_signed {
        return Router::new().route(SIGN, any(gone));
    }
    Router::new()
        .route(SIGN, post(certificate::sign))
        .route("/.well-known/browserid", get(certificate::document))
}

/// Refused before any route was looked for, so the layers that complete answers have not seen it.
fn overloaded(_path: &str, _retry_after_secs: u64) -> Response {
    let mut response = ApiError::new(ErrorCode::Busy).into_response();
    headers::tell_time(response.headers_mut(), SystemClock.now());
    response
}

/// The same where the Token Server is beside accounts: each in its own form.
fn overloaded_on_one_origin(path: &str, retry_after_secs: u64) -> Response {
    if token_server::has(path) {
        token_server::overloaded(path, retry_after_secs)
    } else {
        overloaded(path, retry_after_secs)
    }
}

/// POST /v1/get_random_bytes.
async fn random_bytes(State(app): State<Arc<App>>, _call: OpenCall) -> Json<Value> {
    let bytes: [u8; 32] = foxhold_core::random::bytes(&*app.accounts.random);
    Json(serde_json::json!({ "data": foxhold_core::hex::encode(&bytes) }))
}

async fn gone() -> ApiError {
    ApiError::new(ErrorCode::Gone)
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed)
}

/// A page of ours that has no route lands on the document, which finds its way; anything else is not there.
async fn nothing_there(request: Request<axum::body::Body>) -> Response {
    if page::is_page_request(&request) {
        page::document(request.headers())
    } else {
        ApiError::new(ErrorCode::NotFound).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_refused_under_load_is_told_in_the_form_of_the_server_that_was_asked() {
        let table = [
            ("/v1/account/login", "timestamp", "errno"),
            ("/1.0/sync/1.5", "x-timestamp", "errors"),
            ("/1.0", "x-timestamp", "errors"),
            ("/1.0/webhooks/fxa/events", "x-timestamp", "errors"),
            ("/1.01", "timestamp", "errno"),
            ("/", "timestamp", "errno"),
        ];
        for (path, time, member) in table {
            let response = overloaded_on_one_origin(path, 5);
            assert_eq!(response.status(), 503, "{path}");
            assert!(response.headers().contains_key("retry-after"), "{path}");
            let now = response.headers()[time].to_str().unwrap().parse::<u64>();
            assert!(now.unwrap() > 1_700_000_000, "{path}");
            assert_eq!(response.headers()["content-type"], "application/json", "{path}");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert!(body.get(member).is_some(), "{path}: {body}");
        }
    }
}

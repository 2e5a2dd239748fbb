//! The standard dialect of OAuth and OpenID Connect, for registered clients (`accounts.md` (k), Token endpoint, Userinfo):
//! forms in, standard errors out. The same paths speak JSON to browsers' clients; the content type decides.

mod authorization;
mod client_login;
mod fault;
mod form;
mod form_post;
mod hint;
mod logout;
mod userinfo;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{FromRequest as _, Request, State},
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    AccountError,
    oauth::{CodeTrade, OpenIdGranted},
};
use foxhold_core::{Secret, hex, record::ClientKind};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::oauth::{self, active_token, base};
use crate::{
    App,
    extract::{OpenCall, OptionalSessionCall},
};
pub(super) use authorization::{authorization, posted};
use fault::Fault;
use form::{FormCall, is_form};
pub(super) use logout::logout;
pub(super) use userinfo::userinfo;

/// POST {issuer}/v1/token, in either dialect.
pub(super) async fn token(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if is_form(request.headers()) {
        return answered(granted(&app, request).await);
    }
    let call = OptionalSessionCall::from_request(request, &app).await;
    base::token(State(app), call).await.into_response()
}

/// POST {issuer}/v1/destroy, in either dialect.
pub(super) async fn destroy(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if is_form(request.headers()) {
        return answered(revoked(&app, request).await);
    }
    let call = OpenCall::from_request(request, &app).await;
    oauth::destroy(State(app), call).await.into_response()
}

/// POST {issuer}/v1/introspect, in either dialect.
pub(super) async fn introspect(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if is_form(request.headers()) {
        return answered(introspected(&app, request).await);
    }
    let call = OpenCall::from_request(request, &app).await;
    base::introspect(State(app), call).await.into_response()
}

fn answered(answer: Result<Value, Fault>) -> Response {
    let mut response = match answer {
        Ok(body) => Json(body).into_response(),
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn granted(app: &Arc<App>, request: Request<Body>) -> Result<Value, Fault> {
    let call = FormCall::from_request(request, app).await?;
    let client = call.client(app).await?;
    let form = &call.form;
    let granted = match form.needed("grant_type")? {
        "authorization_code" => {
            let trade = CodeTrade {
                code: secret(form.needed("code")?).ok_or(AccountError::UnknownCode)?,
                redirect_uri: form.needed("redirect_uri")?.to_owned(),
                code_verifier: form.get("code_verifier")?.map(str::to_owned),
            };
            app.accounts
                .trade_registered_code(&call.caller, &client, trade)
                .await?
        }
        "refresh_token" => {
            let token = secret(form.needed("refresh_token")?).ok_or(AccountError::BadToken)?;
            let scope = form.get("scope")?;
            app.accounts
                .refresh_registered(&call.caller, &client, &token, scope)
                .await?
        }
        _ => return Err(Fault::unsupported_grant_type()),
    };
    Ok(told(&granted))
}

fn secret(text: &str) -> Option<Secret<32>> {
    hex::decode(text).ok().map(Secret::new)
}

fn told(granted: &OpenIdGranted) -> Value {
    let mut answer = json!({
        "access_token": granted.access_token.expose(),
        "token_type": "Bearer",
        "expires_in": granted.expires_in_secs,
        "scope": granted.scope,
    });
    if let Some(token) = &granted.id_token {
        answer["id_token"] = token.expose().into();
    }
    if let Some(token) = &granted.refresh_token {
        answer["refresh_token"] = hex::encode(token.expose()).into();
    }
    answer
}

/// Whatever the token is, if there is one, and whatever became of it, the answer is the same. Access tokens run out.
async fn revoked(app: &Arc<App>, request: Request<Body>) -> Result<Value, Fault> {
    let call = FormCall::from_request(request, app).await?;
    let client = call.client(app).await?;
    if let Some(token) = call.form.get("token")?.and_then(secret) {
        let id = Some(client.id);
        let removed = app.accounts.destroy_token(&call.caller, &token, id).await;
        tracing::debug!(removed, "token revoked");
    }
    Ok(json!({}))
}

/// A confidential client learns about its own tokens, in seconds; about others nothing.
async fn introspected(app: &Arc<App>, request: Request<Body>) -> Result<Value, Fault> {
    let call = FormCall::from_request(request, app).await?;
    let client = call.client(app).await?;
    let (token, by) = (call.form.needed("token")?, call.caller.deadline);
    if client.kind == ClientKind::Public {
        return Err(AccountError::BadClientSecret.into());
    }
    let inactive = json!({ "active": false });
    let active = active_token(app, by, token).await?;
    let Some(active) = active.filter(|token| token.client == client.id) else {
        return Ok(inactive);
    };
    let mut answer = json!({
        "active": true,
        "scope": active.scope,
        "client_id": active.client.to_string(),
        "token_type": active.kind.as_str(),
        "sub": active.uid.to_string(),
        "iss": app.site.public_url,
        "iat": active.issued.as_secs(),
        "jti": active.jti,
    });
    if let Some(expires) = active.expires {
        answer["exp"] = expires.as_secs().into();
    }
    Ok(answer)
}

//! OAuth for the clients of `accounts.md` (e), JSON dialect.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    AccountError, Caller, SignedIn,
    oauth::{
        ActiveToken, AuthorizationRequest, CodeGrant, FxaCredentialsGrant, Granted, RefreshGrant, TokenKind,
    },
};
use foxhold_core::{ClientId, Deadline, ErrorCode, Secret, Timestamp, hex};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::Answer;
use crate::{
    App,
    app::no_keys,
    error::ApiError,
    extract::{OpenCall, OptionalSessionCall, SessionCall},
    json::Fields,
};

pub(super) mod base;

/// POST /oauth/authorization.
pub(super) async fn authorization(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let fields = &mut call.fields;
    let client: ClientId = fields.id("client_id")?;
    // Registered clients may leave it out.
    let is_built_in = app.accounts.settings.clients.find(client).is_ok();
    let state = if is_built_in {
        fields.text("state")?
    } else {
        fields.optional_text("state")?.unwrap_or_default()
    };
    let request = AuthorizationRequest {
        client,
        state,
        scope: fields.text("scope")?,
        response_type: fields.optional_text("response_type")?,
        access_type: fields.optional_text("access_type")?,
        code_challenge: fields.optional_text("code_challenge")?,
        code_challenge_method: fields.optional_text("code_challenge_method")?,
        keys_jwe: fields.optional_text("keys_jwe")?,
        redirect_uri: fields.optional_text("redirect_uri")?,
        acr_values: fields.optional_text("acr_values")?,
        nonce: fields.optional_text("nonce")?,
        max_age_secs: fields.optional_number("max_age")?,
        prompt: fields.optional_text("prompt")?,
        consent: fields.flag("consent")?,
        requested_at: fields
            .optional_number("requested_at")?
            .map(Timestamp::from_millis),
    };
    let authorized = app
        .accounts
        .authorize(&call.caller, &call.signed_in, request)
        .await?;
    Ok(Json(json!({
        "code": hex::encode(authorized.code.expose()),
        "state": authorized.state,
        "redirect": authorized.redirect,
        "scope": authorized.scope,
    })))
}

/// POST /oauth/token.
pub(super) async fn token(State(app): State<Arc<App>>, call: OptionalSessionCall<false>) -> Answer {
    let OptionalSessionCall {
        caller,
        mut fields,
        signed_in,
        ..
    } = call;
    let granted = match grant_type(&mut fields)? {
        GrantType::Code => trade_code(&app, &caller, &mut fields, signed_in.as_ref()).await,
        GrantType::Session => trade_session(&app, &caller, &mut fields, signed_in.as_ref()).await,
        GrantType::Refresh => refresh(&app, &caller, &mut fields).await,
    }?;
    Ok(Json(granted_answer(&granted)))
}

enum GrantType {
    Code,
    Session,
    Refresh,
}

/// Without a grant type, the presence of a code decides.
fn grant_type(fields: &mut Fields) -> Result<GrantType, AccountError> {
    match fields.optional_text("grant_type")?.as_deref() {
        Some("authorization_code") => Ok(GrantType::Code),
        Some("fxa-credentials") => Ok(GrantType::Session),
        Some("refresh_token") => Ok(GrantType::Refresh),
        Some(_) => Err(AccountError::BadParameter("grant_type")),
        None if fields.has("code") => Ok(GrantType::Code),
        None => Ok(GrantType::Session),
    }
}

async fn trade_code(
    app: &App,
    caller: &Caller,
    fields: &mut Fields,
    signed_in: Option<&SignedIn>,
) -> Result<Granted, AccountError> {
    let grant = CodeGrant {
        client: fields.id("client_id")?,
        code: fields.secret("code")?,
        code_verifier: fields.text("code_verifier")?,
        ttl_secs: fields.optional_number("ttl")?,
    };
    app.accounts.trade_code(caller, grant, signed_in).await
}

async fn trade_session(
    app: &App,
    caller: &Caller,
    fields: &mut Fields,
    signed_in: Option<&SignedIn>,
) -> Result<Granted, AccountError> {
    let grant = FxaCredentialsGrant {
        client: fields.id("client_id")?,
        scope: fields.text("scope")?,
        ttl_secs: fields.optional_number("ttl")?,
    };
    app.accounts
        .trade_session(caller, grant, signed_in.ok_or(AccountError::BadToken)?)
        .await
}

async fn refresh(app: &App, caller: &Caller, fields: &mut Fields) -> Result<Granted, AccountError> {
    let grant = RefreshGrant {
        client: fields.id("client_id")?,
        refresh_token: fields.secret("refresh_token")?,
        scope: fields.optional_text("scope")?,
        ttl_secs: fields.optional_number("ttl")?,
    };
    app.accounts.refresh(caller, grant).await
}

fn granted_answer(granted: &Granted) -> Value {
    let mut answer = json!({
        "access_token": granted.access_token.expose(),
        "token_type": "bearer",
        "scope": granted.scope,
        "expires_in": granted.expires_in_secs,
    });
    if let Some(auth_at) = granted.auth_at {
        answer["auth_at"] = auth_at.as_secs().into();
    }
    if let Some(token) = &granted.refresh_token {
        answer["refresh_token"] = hex::encode(token.expose()).into();
    }
    if let Some(keys_jwe) = &granted.keys_jwe {
        answer["keys_jwe"] = keys_jwe.as_str().into();
    }
    answer
}

/// POST /oauth/destroy. Whatever the token is, whatever became of it, and whether the request can be read at all, the answer
/// is the same.
pub(super) async fn destroy(State(app): State<Arc<App>>, call: Result<OpenCall, ApiError>) -> Answer {
    let mut call = match call {
        Ok(call) => call,
        Err(error) if matches!(error.code(), ErrorCode::BodyTooLarge | ErrorCode::Busy) => return Err(error),
        Err(_) => return Ok(Json(json!({}))),
    };
    let token = call.fields.optional_secret("token");
    // A client that is none has no token; without one any client's is meant.
    let client: Result<Option<ClientId>, _> = call.fields.optional_id("client_id");
    if let (Ok(Some(token)), Ok(client)) = (token, client) {
        let removed = app.accounts.destroy_token(&call.caller, &token, client).await;
        tracing::debug!(removed, "token destroyed");
    }
    Ok(Json(json!({})))
}

/// POST {oauth}/verify, for whoever was shown an access token.
pub(super) async fn verify(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let (token, by) = (call.fields.text("token")?, call.caller.deadline);
    let presented = app.presented_token(by, &token).await?;
    let presented = presented.ok_or(AccountError::BadToken)?;
    let verified = app.accounts.verify_token(by, presented).await?;
    Ok(Json(json!({
        "user": verified.uid.to_string(),
        "client_id": verified.client.to_string(),
        "scope": verified.scopes.iter().collect::<Vec<_>>(),
        "issuer": app.domain,
        "generation": verified.generation.as_millis(),
        "profile_changed_at": verified.profile_changed_at.as_millis(),
    })))
}

/// POST {oauth}/introspect (RFC 7662).
pub(super) async fn introspect(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let token = call.fields.text("token")?;
    // The form of a token tells its kind, so that a wrong hint misleads nobody.
    call.fields.optional_text("token_type_hint")?;
    let active = active_token(&app, call.caller.deadline, &token).await?;
    // Nobody is asked here who he is: whoever holds a registered program's token could watch for its replacement.
    let active = active
        .filter(|token| matches!(token.kind, TokenKind::Access) || app.accounts.is_built_in(token.client));
    Ok(Json(active.map_or_else(
        || json!({ "active": false }),
        |token| introspection(&token),
    )))
}

pub(super) async fn active_token(
    app: &App,
    by: Deadline,
    token: &str,
) -> Result<Option<ActiveToken>, ApiError> {
    if let Ok(token) = hex::decode(token) {
        let token = Secret::new(token);
        return Ok(app.accounts.introspect_refresh_token(by, &token).await?);
    }
    match app.presented_token(by, token).await? {
        Some(presented) => Ok(app.accounts.introspect_access_token(by, presented).await?),
        None => Ok(None),
    }
}

/// Times are in milliseconds, as they always were here, and not in the RFC's seconds.
fn introspection(token: &ActiveToken) -> Value {
    let mut answer = json!({
        "active": true,
        "scope": token.scope,
        "client_id": token.client.to_string(),
        "token_type": token.kind.as_str(),
        "sub": token.uid.to_string(),
        "iat": token.issued.as_millis(),
        "jti": token.jti,
    });
    if let Some(expires) = token.expires {
        answer["exp"] = expires.as_millis().into();
    }
    answer
}

/// GET {oauth}/config: Token Servers of others learn the second half of our users' names here. There is no
/// `verificationUrl`: certificates are not verified for others.
pub(super) async fn config(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({
        "browserid": { "issuer": app.domain },
        "contentUrl": app.site.public_url,
    }))
}

/// GET /oauth/client/{id}.
pub(super) async fn client(State(app): State<Arc<App>>, id: Result<Path<String>, PathRejection>) -> Answer {
    // One that is not UTF-8 is no id either.
    let Path(id) = id.map_err(|_| AccountError::BadParameter("client_id"))?;
    let id: ClientId = id.parse().map_err(|_| AccountError::BadParameter("client_id"))?;
    let client = app.accounts.client(Deadline::after(app.budget), id).await?;
    Ok(Json(json!({
        "id": client.id.to_string(),
        "name": client.name,
        "trusted": client.trusted,
        "image_uri": client.image_uri,
        "redirect_uri": client.redirect_uri(None)?,
    })))
}

/// GET {oauth}/jwks.
pub(super) async fn jwks(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let keys = app
        .keys
        .keys(Deadline::after(app.budget))
        .await
        .map_err(no_keys)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=3600"),
        ),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    Ok((headers, keys.to_jwks()).into_response())
}

//! The profile, for access tokens (`accounts.md` (f)), and GET /account/profile.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    AccountError,
    profile::{AccountProfile, Profile},
};
use foxhold_core::hex;
use foxhold_crypto::mac::sha256;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::Answer;
use crate::{
    App,
    error::ApiError,
    extract::{BearerCall, SessionOrBearer, SessionOrBearerCall},
};

/// Below the public address.
const AVATAR: &str = "/page/avatar.svg";

/// How an account can authenticate.
const fn methods(second_factor: bool) -> &'static [&'static str] {
    if second_factor {
        &["pwd", "email", "otp"]
    } else {
        &["pwd", "email"]
    }
}

/// GET /profile.
pub(super) async fn whole(State(app): State<Arc<App>>, call: BearerCall) -> Result<Response, ApiError> {
    let profile = app.accounts.profile(call.deadline, &call.token).await?;
    let body = Value::Object(shown(&app, &profile)).to_string();
    let etag = format!("\"{}\"", hex::encode(&sha256(&[body.as_bytes()])[..16]));
    let etag_header = (
        header::ETAG,
        HeaderValue::from_str(&etag).map_err(|_| AccountError::Internal)?,
    );
    let caching = (
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    if is_known(&call.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [etag_header, caching]).into_response());
    }
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(([content_type, etag_header, caching], body).into_response())
}

/// Weak comparison (RFC 9110 section 13.1.2): our tags are strong, but a proxy may have weakened one.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn shown(app: &App, profile: &Profile) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if let Some(uid) = profile.uid {
        put("uid", uid.to_string().into());
        if profile.openid {
            put("sub", uid.to_string().into());
        }
    }
    if let Some(email) = &profile.email {
        put("email", email.as_str().into());
    }
    if let Some(locale) = &profile.locale {
        put("locale", locale.as_str().into());
    }
    if profile.avatar {
        put("avatar", format!("{}{AVATAR}", app.site.public_url).into());
        put("avatarDefault", true.into());
    }
    if profile.amr {
        put("amrValues", json!(methods(profile.second_factor)));
        put("twoFactorAuthentication", profile.second_factor.into());
    }
    members
}

/// GET /account/profile, for a session or an access token.
pub(super) async fn of_account(State(app): State<Arc<App>>, call: SessionOrBearerCall) -> Answer {
    let profile = match &call.who {
        SessionOrBearer::Session(signed_in) => AccountProfile::whole(&signed_in.account),
        SessionOrBearer::Bearer(token) => app.accounts.account_profile(call.deadline, token).await?,
    };
    Ok(Json(Value::Object(of_account_shown(&profile))))
}

fn of_account_shown(profile: &AccountProfile) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    if let Some(email) = &profile.email {
        put("email", email.as_str().into());
    }
    if let Some(locale) = &profile.locale {
        put("locale", locale.as_str().into());
    }
    if profile.amr {
        put("authenticationMethods", json!(methods(profile.second_factor)));
        let level = if profile.second_factor { 2 } else { 1 };
        put("authenticatorAssuranceLevel", level.into());
    }
    put("profileChangedAt", profile.profile_changed_at.as_millis().into());
    if let Some(at) = profile.keys_changed_at {
        put("keysChangedAt", at.as_millis().into());
    }
    members
}

/// GET /email.
pub(super) async fn email(State(app): State<Arc<App>>, call: BearerCall) -> Answer {
    let profile = app.accounts.profile(call.deadline, &call.token).await?;
    let email = profile.email.ok_or(AccountError::BadToken)?;
    Ok(Json(json!({ "email": email })))
}

/// GET /uid.
pub(super) async fn uid(State(app): State<Arc<App>>, call: BearerCall) -> Answer {
    let profile = app.accounts.profile(call.deadline, &call.token).await?;
    let uid = profile.uid.ok_or(AccountError::BadToken)?;
    Ok(Json(json!({ "uid": uid.to_string() })))
}

/// GET /avatar.
pub(super) async fn avatar(State(app): State<Arc<App>>, call: BearerCall) -> Answer {
    let profile = app.accounts.profile(call.deadline, &call.token).await?;
    if !profile.avatar {
        return Err(AccountError::BadToken.into());
    }
    Ok(Json(
        json!({ "url": format!("{}{AVATAR}", app.site.public_url), "avatarDefault": true }),
    ))
}

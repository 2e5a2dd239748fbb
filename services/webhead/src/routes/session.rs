//! `/v1/session/…`.

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_accounts::{AccountError, mail::ConfirmBy};
use foxhold_core::hex;
use serde_json::json;

use super::{
    Answer,
    account::{login_answer, login_request, mail_options},
};
use crate::{App, extract::SessionCall, json::Fields};

/// GET /session/status.
pub(super) async fn status(call: SessionCall<false>) -> Answer {
    let state = if call.signed_in.verified() {
        "verified"
    } else {
        "unverified"
    };
    Ok(Json(
        json!({ "state": state, "uid": call.signed_in.account.uid.to_string() }),
    ))
}

/// POST /session/destroy.
pub(super) async fn destroy(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let other = call.fields.optional_id("customSessionToken")?;
    app.accounts
        .destroy_session(&call.caller, &call.signed_in, other)
        .await?;
    Ok(Json(json!({})))
}

/// POST /session/reauth.
pub(super) async fn reauth(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let request = login_request(&mut call.fields, &call.query)?;
    let logged_in = app
        .accounts
        .reauthenticate(&call.caller, &call.signed_in, request)
        .await?;
    Ok(Json(login_answer(&logged_in)))
}

/// POST /session/duplicate.
pub(super) async fn duplicate(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let reason = call.fields.optional_text("reason")?;
    let doubled = app
        .accounts
        .duplicate_session(&call.caller, &call.signed_in, reason.as_deref())
        .await?;
    Ok(Json(json!({
        "uid": doubled.signed_in.account.uid.to_string(),
        "sessionToken": hex::encode(doubled.session_token.expose()),
        "authAt": doubled.signed_in.session.auth_at.as_secs(),
        "verified": doubled.signed_in.verified(),
    })))
}

/// POST /session/verify/token.
pub(super) async fn verify_token(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let code = short_code(&mut call.fields)?;
    let uid = call.fields.optional_id("uid")?;
    app.accounts
        .verify_by_token_code(&call.caller, &call.signed_in, &code, uid)
        .await?;
    Ok(Json(json!({})))
}

fn short_code(fields: &mut Fields) -> Result<String, AccountError> {
    let code = fields.text("code")?;
    if code.len() != 6 || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(AccountError::BadParameter("code"));
    }
    Ok(code)
}

/// POST /session/verify_code.
pub(super) async fn verify_code(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let code = short_code(&mut call.fields)?;
    app.accounts
        .verify_by_short_code(&call.caller, &call.signed_in, &code)
        .await?;
    Ok(Json(json!({})))
}

/// POST /session/resend_code.
pub(super) async fn resend_code(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let options = mail_options(&mut call.fields)?;
    app.accounts
        .resend_code(&call.caller, &call.signed_in, ConfirmBy::Digits, &options)
        .await?;
    Ok(Json(json!({})))
}

//! `/v1/session/…`.

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_accounts::AccountError;
use serde_json::json;

use super::{Answer, account::mail_options};
use crate::{App, extract::SessionCall};

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

/// POST /session/verify_code.
pub(super) async fn verify_code(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let code = call.fields.text("code")?;
    if code.len() != 6 || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(AccountError::BadParameter("code").into());
    }
    app.accounts
        .verify_by_short_code(&call.caller, &call.signed_in, &code)
        .await?;
    Ok(Json(json!({})))
}

/// POST /session/resend_code.
pub(super) async fn resend_code(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let options = mail_options(&mut call.fields)?;
    app.accounts
        .resend_code(&call.caller, &call.signed_in, &options)
        .await?;
    Ok(Json(json!({})))
}

//! `/v1/recovery_email/…`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use foxhold_accounts::{AccountError, mail::ConfirmBy};
use http::{HeaderValue, StatusCode, Uri, header};
use serde_json::json;

use super::{Answer, account::mail_options};
use crate::{
    App,
    error::ApiError,
    extract::{OpenCall, SessionCall},
    json::Fields,
};

/// GET /recovery_email/status.
pub(super) async fn status(call: SessionCall<false>) -> Answer {
    let signed_in = &call.signed_in;
    Ok(Json(json!({
        "email": signed_in.account.email,
        "verified": signed_in.verified(),
        "sessionVerified": signed_in.session_verified(),
        "emailVerified": signed_in.account.email_verified,
    })))
}

/// POST /recovery_email/resend_code.
pub(super) async fn resend_code(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let options = mail_options(&mut call.fields)?;
    app.accounts
        .resend_code(&call.caller, &call.signed_in, ConfirmBy::Link, &options)
        .await?;
    Ok(Json(json!({})))
}

/// POST /recovery_email/verify_code: the link of the mail, through the page.
pub(super) async fn verify_code(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let uid = call.fields.id("uid")?;
    let code = mailed_code(&mut call.fields)?;
    app.accounts.verify_by_link(&call.caller, uid, &code).await?;
    Ok(Json(json!({})))
}

/// GET /verify_email and /complete_reset_password: on to the page of the same name, which judges the query.
pub(super) async fn to_page(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, ApiError> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let page = target.strip_prefix("/v1").unwrap_or(target);
    let location = HeaderValue::try_from(format!("{}{page}", app.site.public_url));
    let location = location.map_err(|_| AccountError::Internal)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}

/// The code of a mail's link: 32 hex digits, in lower case as they were mailed.
pub(super) fn mailed_code(fields: &mut Fields) -> Result<String, AccountError> {
    let code = fields.text("code")?;
    if code.len() != 32 || !code.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(AccountError::BadParameter("code"));
    }
    Ok(code.to_ascii_lowercase())
}

//! `/v1/password/…` and `/v1/account/reset`.

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_accounts::{
    AccountError, Caller,
    credentials::Version,
    guards::RecoveryKeyId,
    password::{
        CODE_LEN, FinishRequest, Forgotten, ForgottenStatus, NewPasswordMade, Renewed, ResetRequest,
        StartRequest,
    },
};
use foxhold_core::hex;
use serde_json::{Value, json};

use super::{
    Answer,
    account::{mail_options, new_password, put_token},
    email::mailed_code,
    to_the_end,
};
use crate::{
    App,
    error::secs_left,
    extract::{ByChangeToken, ByForgotToken, ByResetToken, OpenCall, OptionalSessionCall, PasswordCall},
    json::Fields,
};

/// POST /password/change/start.
pub(super) async fn start_change(
    State(app): State<Arc<App>>,
    mut call: OptionalSessionCall<false>,
) -> Answer {
    let request = StartRequest {
        email: call.fields.text("email")?,
        old_auth_pw: call.fields.secret("oldAuthPW")?,
    };
    let started = app
        .accounts
        .start_change(&call.caller, call.signed_in.as_ref(), request)
        .await?;
    let (version, token) = &started.key_fetch_token;
    let mut answer = json!({
        "passwordChangeToken": hex::encode(started.password_change_token.expose()),
        "verified": started.verified,
    });
    let name = match version {
        Version::One => "keyFetchToken",
        Version::Two => "keyFetchToken2",
    };
    put_token(&mut answer, name, Some(token));
    Ok(Json(answer))
}

/// POST /password/change/finish.
pub(super) async fn finish_change(
    State(app): State<Arc<App>>,
    mut call: PasswordCall<ByChangeToken>,
) -> Answer {
    let request = FinishRequest {
        password: new_password(&mut call.fields)?,
        session: call.fields.optional_id("sessionToken")?,
        keys: call.query.flag("keys")?,
    };
    let PasswordCall { caller, access, .. } = call;
    let made = app.accounts.make_change(&caller, access, request).await?;
    let renewed = set_password(app, caller, made).await?;
    Ok(Json(renewed_answer(renewed.as_ref())))
}

/// POST /account/reset.
pub(super) async fn reset(State(app): State<Arc<App>>, mut call: PasswordCall<ByResetToken>) -> Answer {
    let request = ResetRequest {
        password: new_password(&mut call.fields)?,
        recovery_key: recovery_key(&mut call.fields)?,
        session: call.fields.flag("sessionToken")?,
        keys: call.query.flag("keys")?,
    };
    let PasswordCall { caller, access, .. } = call;
    let made = app.accounts.make_reset(&caller, access, request).await?;
    let renewed = set_password(app, caller, made).await?;
    Ok(Json(renewed_answer(renewed.as_ref())))
}

async fn set_password(
    app: Arc<App>,
    caller: Caller,
    made: NewPasswordMade,
) -> Result<Option<Renewed>, AccountError> {
    let follow_ups = app.follow_ups.clone();
    to_the_end(follow_ups.tracked(async move { app.accounts.set_password(&caller, made).await })).await
}

fn recovery_key(fields: &mut Fields) -> Result<Option<RecoveryKeyId>, AccountError> {
    let id = fields.optional_text("recoveryKeyId")?;
    id.map(|id| RecoveryKeyId::parse(&id)).transpose()
}

/// The new session, if one was asked for.
fn renewed_answer(renewed: Option<&Renewed>) -> Value {
    let Some(renewed) = renewed else {
        return json!({});
    };
    let signed_in = &renewed.signed_in;
    let mut answer = json!({
        "uid": signed_in.account.uid.to_string(),
        "sessionToken": hex::encode(renewed.session_token.expose()),
        "authAt": signed_in.session.auth_at.as_secs(),
        "verified": signed_in.verified(),
        "emailVerified": signed_in.account.email_verified,
    });
    if let Some(method) = &renewed.verification_method {
        answer["verificationMethod"] = method.as_str().into();
    }
    put_token(&mut answer, "keyFetchToken", renewed.key_fetch_token.as_ref());
    put_token(
        &mut answer,
        "keyFetchToken2",
        renewed.key_fetch_token_version_two.as_ref(),
    );
    answer
}

/// POST /password/forgot/send_code.
pub(super) async fn send_code(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let email = call.fields.text("email")?;
    let options = mail_options(&mut call.fields)?;
    let forgotten = app
        .accounts
        .send_reset_code(&call.caller, &email, &options)
        .await?;
    Ok(Json(forgotten_answer(&forgotten)))
}

/// POST /password/forgot/resend_code.
pub(super) async fn resend_code(
    State(app): State<Arc<App>>,
    mut call: PasswordCall<ByForgotToken>,
) -> Answer {
    let email = call.fields.text("email")?;
    let options = mail_options(&mut call.fields)?;
    let forgotten = app
        .accounts
        .resend_reset_code(&call.caller, &call.access, &email, &options)
        .await?;
    Ok(Json(forgotten_answer(&forgotten)))
}

/// GET /password/forgot/status.
pub(super) async fn forgot_status(State(app): State<Arc<App>>, call: PasswordCall<ByForgotToken>) -> Answer {
    Ok(Json(status_answer(app.accounts.forgotten_status(&call.access))))
}

/// POST /password/forgot/verify_code. The uid is what a recovery key is derived with; whoever has the mail's link may know it.
pub(super) async fn verify_code(
    State(app): State<Arc<App>>,
    mut call: PasswordCall<ByForgotToken>,
) -> Answer {
    let code = mailed_code(&mut call.fields)?;
    let PasswordCall { caller, access, .. } = call;
    let uid = access.account.uid.to_string();
    let follow_ups = app.follow_ups.clone();
    let verified = async move { app.accounts.verify_reset_code(&caller, &access, &code).await };
    let token = to_the_end(follow_ups.tracked(verified)).await?;
    Ok(Json(
        json!({ "accountResetToken": hex::encode(token.expose()), "uid": uid }),
    ))
}

/// POST /password/forgot/send_otp.
pub(super) async fn send_otp(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let email = call.fields.text("email")?;
    let options = mail_options(&mut call.fields)?;
    app.accounts
        .send_reset_otp(&call.caller, &email, &options)
        .await?;
    Ok(Json(json!({})))
}

/// POST /password/forgot/verify_otp.
pub(super) async fn verify_otp(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let (email, code) = (call.fields.text("email")?, call.fields.text("code")?);
    let verified = app.accounts.verify_reset_otp(&call.caller, &email, &code).await?;
    Ok(Json(json!({
        "token": hex::encode(verified.token.expose()),
        "code": verified.code,
        "uid": verified.uid.to_string(),
        "emailToHashWith": verified.email,
    })))
}

fn forgotten_answer(forgotten: &Forgotten) -> Value {
    let mut answer = status_answer(forgotten.status);
    answer["codeLength"] = CODE_LEN.into();
    put_token(&mut answer, "passwordForgotToken", Some(&forgotten.token));
    answer
}

fn status_answer(status: ForgottenStatus) -> Value {
    json!({ "tries": status.tries, "ttl": secs_left(status.ttl) })
}

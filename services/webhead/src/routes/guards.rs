//! `/v1/totp/…`, `/v1/recoveryCodes…`, `/v1/recoveryKey…`, and the calls that verify a session by a second factor.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use data_encoding::BASE32_NOPAD;
use foxhold_accounts::{
    AccountError,
    guards::{FoldedCode, NewRecoveryKey, RecoveryKeyId, recovery_hint, recovery_key_exists},
};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::Answer;
use crate::{
    App,
    extract::{
        AnyTokenCall, ByResetToken, OrForgotOrResetToken, OrForgotToken, Owner, PasswordCall, SessionCall,
    },
    follow_ups::FollowUps,
    json::Fields,
    qr,
};

/// Work that goes on when its client has gone, and that the process waits for when it ends.
async fn to_the_end<T: Send + 'static>(
    follow_ups: &FollowUps,
    work: impl Future<Output = Result<T, AccountError>> + Send + 'static,
) -> Result<T, AccountError> {
    super::to_the_end(follow_ups.tracked(work)).await
}

/// POST /totp/create.
pub(super) async fn create_totp(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    let address = call.signed_in.account.email.clone();
    let host = app.accounts.settings.domain.clone();
    let secret = to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.create_totp(&call.caller, &call.signed_in).await
    })
    .await?;
    let secret = BASE32_NOPAD.encode(secret.expose());
    let picture = qr::data_url(&otpauth(&host, &address, &secret)).ok_or(AccountError::Internal)?;
    Ok(Json(json!({ "qrCodeUrl": picture, "secret": secret })))
}

/// What authenticators read.
fn otpauth(host: &str, address: &str, secret: &str) -> String {
    let host: String = byte_serialize(host.as_bytes()).collect();
    let address: String = byte_serialize(address.as_bytes()).collect();
    format!("otpauth://totp/{host}:{address}?secret={secret}&issuer={host}")
}

/// GET /totp/exists.
pub(super) async fn totp_exists(call: SessionCall<false>) -> Answer {
    call.signed_in.require_verified()?;
    let factor = call.signed_in.account.second_factor.as_deref();
    Ok(Json(json!({
        "exists": factor.is_some(),
        "verified": factor.is_some_and(|factor| factor.enabled),
    })))
}

/// POST /session/verify/totp.
pub(super) async fn verify_totp(State(app): State<Arc<App>>, mut call: SessionCall<false>) -> Answer {
    let code = call.fields.text("code")?;
    if code.len() != 6 || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(AccountError::BadParameter("code").into());
    }
    let SessionCall {
        caller, signed_in, ..
    } = call;
    let verified = to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.verify_totp(&caller, &signed_in, &code).await
    })
    .await?;
    let mut answer = json!({ "success": verified.is_right });
    if let Some(codes) = verified.recovery_codes {
        answer["recoveryCodes"] = codes.into();
    }
    Ok(Json(answer))
}

/// POST /totp/destroy.
pub(super) async fn destroy_totp(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.destroy_totp(&call.caller, &call.signed_in).await
    })
    .await?;
    Ok(Json(json!({})))
}

/// POST /session/verify/recoveryCode.
pub(super) async fn verify_backup_code(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let code = call.fields.text("code")?;
    let code = FoldedCode::typed(&code).ok_or(AccountError::BadParameter("code"))?;
    let SessionCall {
        caller, signed_in, ..
    } = call;
    let follow_ups = app.follow_ups.clone();
    let work = async move { app.accounts.verify_backup_code(&caller, &signed_in, &code).await };
    Ok(Json(json!({ "remaining": to_the_end(&follow_ups, work).await? })))
}

fn chosen_codes(fields: &mut Fields) -> Result<Vec<FoldedCode>, AccountError> {
    let wrong = || AccountError::BadParameter("recoveryCodes");
    let codes = fields.any("recoveryCodes")?;
    let codes = codes.as_array().ok_or_else(wrong)?;
    let code = |value: &Value| value.as_str().and_then(FoldedCode::chosen).ok_or_else(wrong);
    codes.iter().map(code).collect()
}

/// POST /recoveryCodes.
pub(super) async fn set_backup_codes(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let codes = chosen_codes(&mut call.fields)?;
    let SessionCall {
        caller, signed_in, ..
    } = call;
    to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.set_backup_codes(&caller, &signed_in, &codes).await
    })
    .await?;
    Ok(Json(json!({ "success": true })))
}

/// PUT /recoveryCodes.
pub(super) async fn replace_backup_codes(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let codes = chosen_codes(&mut call.fields)?;
    let SessionCall {
        caller, signed_in, ..
    } = call;
    let follow_ups = app.follow_ups.clone();
    let work = async move {
        app.accounts
            .replace_backup_codes(&caller, &signed_in, &codes)
            .await
    };
    to_the_end(&follow_ups, work).await?;
    Ok(Json(json!({ "success": true })))
}

/// GET /recoveryCodes: makes new ones.
pub(super) async fn renew_backup_codes(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    let follow_ups = app.follow_ups.clone();
    let work = async move {
        app.accounts
            .renew_backup_codes(&call.caller, &call.signed_in)
            .await
    };
    Ok(Json(
        json!({ "recoveryCodes": to_the_end(&follow_ups, work).await? }),
    ))
}

/// GET /recoveryCodes/exists.
pub(super) async fn backup_codes_exist(call: AnyTokenCall<OrForgotToken>) -> Answer {
    let owner = call.owner.ok_or(AccountError::BadToken)?;
    let factor = owner.account().enabled_second_factor();
    let count = factor.map_or(0, |factor| factor.backup_codes.len());
    Ok(Json(json!({ "hasBackupCodes": count > 0, "count": count })))
}

/// POST /recoveryKey.
pub(super) async fn create_recovery_key(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let fields = &mut call.fields;
    let new = NewRecoveryKey {
        id: key_id(fields)?,
        data: fields.text("recoveryData")?,
        enabled: !fields.has("enabled") || fields.flag("enabled")?,
        replace: fields.flag("replaceKey")?,
    };
    let SessionCall {
        caller, signed_in, ..
    } = call;
    to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.create_recovery_key(&caller, &signed_in, new).await
    })
    .await?;
    Ok(Json(json!({})))
}

fn key_id(fields: &mut Fields) -> Result<RecoveryKeyId, AccountError> {
    RecoveryKeyId::parse(&fields.text("recoveryKeyId")?)
}

/// POST /recoveryKey/verify.
pub(super) async fn verify_recovery_key(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let id = key_id(&mut call.fields)?;
    let SessionCall {
        caller, signed_in, ..
    } = call;
    to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.verify_recovery_key(&caller, &signed_in, &id).await
    })
    .await?;
    Ok(Json(json!({})))
}

/// POST /recoveryKey/exists, with a token or for an address.
pub(super) async fn recovery_key_is_there(
    State(app): State<Arc<App>>,
    mut call: AnyTokenCall<OrForgotToken>,
) -> Answer {
    let exists = if let Some(owner) = &call.owner {
        recovery_key_exists(owner.account())
    } else {
        let email = call.fields.text("email")?;
        app.accounts
            .recovery_key_exists_by_email(&call.caller, &email)
            .await?
    };
    Ok(Json(json!({ "exists": exists })))
}

/// GET /recoveryKey/{id}.
pub(super) async fn recovery_data(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
    call: PasswordCall<ByResetToken>,
) -> Answer {
    // One that is not UTF-8 is no id either.
    let Path(id) = id.map_err(|_| AccountError::BadParameter("recoveryKeyId"))?;
    let id = RecoveryKeyId::parse(&id)?;
    let data = app
        .accounts
        .recovery_data(&call.caller, &call.access, &id)
        .await?;
    Ok(Json(json!({ "recoveryData": data })))
}

/// DELETE /recoveryKey.
pub(super) async fn delete_recovery_key(State(app): State<Arc<App>>, call: SessionCall<false>) -> Answer {
    to_the_end(&app.follow_ups.clone(), async move {
        app.accounts
            .delete_recovery_key(&call.caller, &call.signed_in)
            .await
    })
    .await?;
    Ok(Json(json!({})))
}

/// GET /recoveryKey/hint: for whoever has a token, never for an address alone.
pub(super) async fn hint(call: AnyTokenCall<OrForgotOrResetToken>) -> Answer {
    let owner = call.owner.ok_or(AccountError::BadToken)?;
    if let Owner::Session(signed_in) = &owner {
        signed_in.require_verified()?;
    }
    Ok(Json(json!({ "hint": recovery_hint(owner.account())? })))
}

/// POST /recoveryKey/hint.
pub(super) async fn set_hint(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let hint = call.fields.text("hint")?;
    let SessionCall {
        caller, signed_in, ..
    } = call;
    to_the_end(&app.follow_ups.clone(), async move {
        app.accounts.set_recovery_hint(&caller, &signed_in, &hint).await
    })
    .await?;
    Ok(Json(json!({})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_authenticators_read_has_nothing_that_could_be_mistaken() {
        assert_eq!(
            otpauth("sync.example.org:8443", "a+b&c@example.test", "GEZDGNBV"),
            "otpauth://totp/sync.example.org%3A8443:a%2Bb%26c%40example.test?secret=GEZDGNBV\
             &issuer=sync.example.org%3A8443"
        );
    }
}

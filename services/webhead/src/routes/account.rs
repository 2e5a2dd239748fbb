//! `/v1/account/…`: making an account, signing in, keys.

use std::sync::Arc;

use axum::{Json, extract::State};
use foxhold_accounts::{
    AccountError,
    credentials::{NewPassword, NewVersionTwo, Version},
    deletion::DeletionRequest,
    login::{LoggedIn, LoginRequest},
    mail::MailOptions,
    signup::CreateRequest,
};
use foxhold_core::{ClientId, Secret, SecretText, hex};
use serde_json::{Map, Value, json};

use super::{Answer, to_the_end};
use crate::{
    App,
    extract::{KeyFetchCall, OpenCall, OptionalSessionCall, SessionCall},
    json::Fields,
    query::Query,
};

/// POST /account/create.
pub(super) async fn create(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let request = create_request(&mut call)?;
    let created = app.accounts.create_account(&call.caller, request).await?;
    let mut answer = json!({
        "uid": created.uid.to_string(),
        "sessionToken": hex::encode(created.session_token.expose()),
        "authAt": created.auth_at.as_secs(),
    });
    put_token(&mut answer, "keyFetchToken", created.key_fetch_token.as_ref());
    put_token(
        &mut answer,
        "keyFetchTokenVersion2",
        created.key_fetch_token_version_two.as_ref(),
    );
    Ok(Json(answer))
}

fn create_request(call: &mut OpenCall) -> Result<CreateRequest, AccountError> {
    let fields = &mut call.fields;
    Ok(CreateRequest {
        email: fields.text("email")?,
        password: new_password(fields)?,
        keys: call.query.flag("keys")?,
        mail: mail_options(fields)?,
        pre_verified: fields.flag("preVerified")?,
        invite: fields.optional_text("invite")?.map(SecretText::new),
    })
}

pub(super) fn new_password(fields: &mut Fields) -> Result<NewPassword, AccountError> {
    let auth_pw = fields.secret("authPW")?;
    let wrap_kb = fields.optional_secret("wrapKb")?;
    let two = fields.optional_secret("authPWVersion2")?;
    let two_wrap_kb = fields.optional_secret("wrapKbVersion2")?;
    let client_salt = fields.optional_text("clientSalt")?;
    let version_two = match (two, two_wrap_kb, client_salt) {
        (None, None, None) => None,
        (Some(auth_pw), Some(wrap_kb), Some(client_salt)) => Some(NewVersionTwo {
            auth_pw,
            wrap_kb,
            client_salt,
        }),
        (None, _, _) => return Err(AccountError::MissingParameter("authPWVersion2")),
        (_, None, _) => return Err(AccountError::MissingParameter("wrapKbVersion2")),
        (_, _, None) => return Err(AccountError::MissingParameter("clientSalt")),
    };
    Ok(NewPassword {
        auth_pw,
        wrap_kb,
        version_two,
    })
}

/// Fields of every call that may send mail.
pub(super) fn mail_options(fields: &mut Fields) -> Result<MailOptions, AccountError> {
    Ok(MailOptions {
        service: fields.optional_text("service")?,
        redirect_to: fields.optional_text("redirectTo")?,
        resume: fields.optional_text("resume")?,
    })
}

pub(super) fn put_token(answer: &mut Value, name: &str, token: Option<&Secret<32>>) {
    if let Some(token) = token {
        answer[name] = hex::encode(token.expose()).into();
    }
}

/// GET /account/registration: what the sign-up form has to know before anything is typed.
pub(super) async fn registration(State(app): State<Arc<App>>) -> Json<Value> {
    let rules = app.accounts.registration.get();
    let mut answer = json!({ "mode": rules.mode.as_str() });
    if rules.domains_shown {
        answer["domains"] = rules.domains.iter().map(ToString::to_string).collect();
    }
    Json(answer)
}

/// POST /account/login.
pub(super) async fn login(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let request = login_request(&mut call.fields, &call.query)?;
    let logged_in = app.accounts.login(&call.caller, request).await?;
    Ok(Json(login_answer(&logged_in)))
}

pub(super) fn login_request(fields: &mut Fields, query: &Query) -> Result<LoginRequest, AccountError> {
    Ok(LoginRequest {
        email: fields.text("email")?,
        auth_pw: fields.secret("authPW")?,
        keys: query.flag("keys")?,
        mail: mail_options(fields)?,
        reason: fields.optional_text("reason")?,
        verification_method: fields.optional_text("verificationMethod")?,
    })
}

pub(super) fn login_answer(logged_in: &LoggedIn) -> Value {
    let signed_in = &logged_in.signed_in;
    let mut answer = json!({
        "uid": logged_in.uid().to_string(),
        "verified": signed_in.verified(),
        "emailVerified": signed_in.account.email_verified,
        "sessionVerified": signed_in.session_verified(),
        "authAt": logged_in.auth_at().as_secs(),
        "metricsEnabled": false,
    });
    put_token(&mut answer, "sessionToken", logged_in.session_token.as_ref());
    if let Some((version, token)) = &logged_in.key_fetch_token {
        let name = match version {
            Version::One => "keyFetchToken",
            Version::Two => "keyFetchTokenVersion2",
        };
        put_token(&mut answer, name, Some(token));
    }
    if let Some(method) = &logged_in.verification_method {
        let reason = if signed_in.account.email_verified {
            "login"
        } else {
            "signup"
        };
        answer["verificationMethod"] = method.as_str().into();
        answer["verificationReason"] = reason.into();
    }
    answer
}

/// GET /account/status, for a session or a uid.
pub(super) async fn status_by_uid(State(app): State<Arc<App>>, call: OptionalSessionCall<false>) -> Answer {
    if let Some(signed_in) = call.signed_in {
        let mut answer = json!({ "exists": true });
        if let Some(locale) = signed_in.account.locale {
            answer["locale"] = locale.into();
        }
        return Ok(Json(answer));
    }
    let uid = call
        .query
        .optional("uid")?
        .ok_or(AccountError::MissingParameter("uid"))?;
    Ok(Json(
        json!({ "exists": app.accounts.exists(&call.caller, uid).await? }),
    ))
}

/// POST /account/status, for an address.
pub(super) async fn status_by_email(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let email = call.fields.text("email")?;
    Ok(Json(
        json!({ "exists": app.accounts.exists_by_email(&call.caller, &email).await? }),
    ))
}

/// POST /account/credentials/status.
pub(super) async fn credentials_status(State(app): State<Arc<App>>, mut call: OpenCall) -> Answer {
    let email = call.fields.text("email")?;
    let status = app.accounts.credentials_status(&call.caller, &email).await?;
    Ok(Json(match status.client_salt {
        Some(salt) => json!({ "currentVersion": "v2", "clientSalt": salt, "upgradeNeeded": false }),
        None => json!({ "currentVersion": "v1", "upgradeNeeded": true }),
    }))
}

/// GET /account/keys.
pub(super) async fn keys(State(app): State<Arc<App>>, call: KeyFetchCall) -> Answer {
    let bundle = app.accounts.fetch_keys(&call.caller, &call.access).await?;
    Ok(Json(json!({ "bundle": hex::encode(bundle.expose()) })))
}

/// POST /account/destroy.
pub(super) async fn destroy(State(app): State<Arc<App>>, call: OptionalSessionCall<true>) -> Answer {
    let OptionalSessionCall {
        caller,
        mut fields,
        signed_in,
        ..
    } = call;
    let request = DeletionRequest {
        email: fields.text("email")?,
        auth_pw: fields.secret("authPW")?,
    };
    let doomed = app
        .accounts
        .check_deletion(&caller, signed_in.as_ref(), request)
        .await?;
    let follow_ups = app.follow_ups.clone();
    to_the_end(follow_ups.tracked(async move { app.accounts.delete(&caller, doomed).await })).await?;
    Ok(Json(json!({})))
}

/// POST /account/scoped-key-data.
pub(super) async fn scoped_key_data(State(app): State<Arc<App>>, mut call: SessionCall<true>) -> Answer {
    let client: ClientId = call.fields.id("client_id")?;
    let scope = call.fields.text("scope")?;
    let scopes = app.accounts.scoped_key_data(&call.signed_in, client, &scope)?;
    let answer: Map<String, Value> = scopes
        .into_iter()
        .map(|data| {
            let member = json!({
                "identifier": data.identifier,
                "keyRotationSecret": "0".repeat(64),
                "keyRotationTimestamp": data.key_rotation_timestamp.as_millis(),
            });
            (data.identifier, member)
        })
        .collect();
    Ok(Json(answer.into()))
}

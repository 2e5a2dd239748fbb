//! All the way of a person who forgets a password, changes it and leaves, over a running box: what was signed in under the old
//! password is out everywhere, the Token Server of the same box included, and what is stored goes with the keys.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::{Secret, hex};
use foxhold_crypto::{
    mac::sha256,
    token::{KeyBundle, TokenKeys, TokenKind},
};
use foxhold_testkit::{
    http::Answer,
    person::{FIREFOX, OLDSYNC, exchange, mailed_header, storage, token, unique_hex},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// What a browser makes of a password, less the stretching.
struct Password {
    auth_pw: String,
    unwrap_b_key: Secret<32>,
}

impl Password {
    fn new() -> Self {
        Self {
            auth_pw: unique_hex(),
            unwrap_b_key: Secret::new(hex::decode(&unique_hex()).expect("hex")),
        }
    }
}

/// A person's browser: signed in, with the keys.
struct Browser<'a> {
    running: &'a SingleBox,
    email: String,
    uid: String,
    session: TokenKeys,
    k_b: Secret<32>,
}

fn text(body: &Value, member: &str) -> Result<String> {
    let text = body[member].as_str().map(str::to_owned);
    text.with_context(|| format!("no {member} in {body}"))
}

fn ok(answer: &Answer) -> Result<Value> {
    let body = answer.json()?;
    ensure!(answer.status == StatusCode::OK, "{} {body}", answer.status);
    Ok(body)
}

/// Status and number of a refusal.
fn refusal(answer: &Answer) -> Result<(u16, u64)> {
    let body = answer.json()?;
    Ok((answer.status.as_u16(), body["errno"].as_u64().unwrap_or_default()))
}

impl<'a> Browser<'a> {
    async fn sign_up(running: &'a SingleBox, email: &str, password: &Password) -> Result<Self> {
        let body = json!({ "email": email, "authPW": password.auth_pw });
        let path = "/v1/account/create?keys=true";
        let made = ok(&running.server.post(path, &body).await?)?;
        let session = token(TokenKind::Session, &text(&made, "sessionToken")?)?;
        let code = mailed_header(running.private, email, "x-verify-short-code").await?;
        let code = json!({ "code": code });
        let verify = "/v1/session/verify_code";
        ok(&running
            .server
            .signed(Method::POST, verify, &session, Some(&code))
            .await?)?;
        let k_b = key(running, &text(&made, "keyFetchToken")?, password).await?;
        Ok(Self {
            running,
            email: email.to_owned(),
            uid: text(&made, "uid")?,
            session,
            k_b,
        })
    }

    async fn signed(&self, path: &str, body: &Value) -> Result<Answer> {
        let server = &self.running.server;
        server.signed(Method::POST, path, &self.session, Some(body)).await
    }

    async fn access_token(&self) -> Result<String> {
        let body = json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": OLDSYNC });
        text(
            &ok(&self.signed("/v1/oauth/token", &body).await?)?,
            "access_token",
        )
    }

    /// As Firefox sends it: when the key came to be, and its fingerprint.
    async fn key_id(&self) -> Result<String> {
        let body = json!({ "client_id": FIREFOX, "scope": OLDSYNC });
        let data = ok(&self.signed("/v1/account/scoped-key-data", &body).await?)?;
        let since = data[OLDSYNC]["keyRotationTimestamp"]
            .as_u64()
            .context("keyRotationTimestamp")?;
        let fingerprint = &sha256(&[self.k_b.expose()])[..16];
        Ok(format!("{since}-{}", BASE64_URL_SAFE_NO_PAD.encode(fingerprint)))
    }

    /// The Token Server's answer to a token of now.
    async fn exchanged(&self) -> Result<Value> {
        let (access, key_id) = (self.access_token().await?, self.key_id().await?);
        ok(&exchange(&self.running.server, &access, &key_id).await?)
    }

    async fn is_signed_in(&self) -> Result<bool> {
        let server = &self.running.server;
        let path = "/v1/session/status";
        let answer = server.signed(Method::GET, path, &self.session, None).await?;
        match refusal(&answer)? {
            (200, _) => Ok(true),
            (401, 110) => Ok(false),
            other => anyhow::bail!("{other:?}"),
        }
    }

    /// The status with which the Token Server refuses.
    async fn refused(&self, access: &str, key_id: &str) -> Result<String> {
        let answer = exchange(&self.running.server, access, key_id).await?;
        ensure!(answer.status == StatusCode::UNAUTHORIZED, "{answer:?}");
        text(&answer.json()?, "status")
    }
}

/// kB behind a key-fetch token.
async fn key(running: &SingleBox, key_fetch: &str, password: &Password) -> Result<Secret<32>> {
    let keys = token(TokenKind::KeyFetch, key_fetch)?;
    let path = "/v1/account/keys";
    let answer = running.server.signed(Method::GET, path, &keys, None).await?;
    let bundle = KeyBundle::from_bytes(hex::decode(&text(&ok(&answer)?, "bundle")?)?);
    let (_, wrap_kb) = bundle.open(&keys.bundle_key)?;
    Ok(wrap_kb.xor(&password.unwrap_b_key))
}

/// Forgets the password, and sets another one by the code of the mail.
async fn reset<'a>(browser: &Browser<'a>, password: &Password) -> Result<Browser<'a>> {
    let (running, server) = (browser.running, &browser.running.server);
    let email = json!({ "email": browser.email });
    let sent = ok(&server.post("/v1/password/forgot/send_code", &email).await?)?;
    let forgot = token(TokenKind::PasswordForgot, &text(&sent, "passwordForgotToken")?)?;
    let code = mailed_header(running.private, &browser.email, "x-recovery-code").await?;
    let code = json!({ "code": code });
    let path = "/v1/password/forgot/verify_code";
    let verified = ok(&server.signed(Method::POST, path, &forgot, Some(&code)).await?)?;
    let by = token(TokenKind::AccountReset, &text(&verified, "accountResetToken")?)?;
    let body = json!({ "authPW": password.auth_pw, "sessionToken": true });
    let path = "/v1/account/reset?keys=true";
    let done = ok(&server.signed(Method::POST, path, &by, Some(&body)).await?)?;
    let told = mailed_header(running.private, &browser.email, "x-template-name").await?;
    ensure!(told == "password_reset", "{told}");
    Ok(Browser {
        running,
        email: browser.email.clone(),
        uid: text(&done, "uid")?,
        session: token(TokenKind::Session, &text(&done, "sessionToken")?)?,
        k_b: key(running, &text(&done, "keyFetchToken")?, password).await?,
    })
}

/// Changes the password; kB goes along.
async fn change<'a>(browser: &Browser<'a>, old: &Password, new: &Password) -> Result<Browser<'a>> {
    let (running, server) = (browser.running, &browser.running.server);
    let body = json!({ "email": browser.email, "oldAuthPW": old.auth_pw });
    let started = ok(&browser.signed("/v1/password/change/start", &body).await?)?;
    let k_b = key(running, &text(&started, "keyFetchToken")?, old).await?;
    let by = token(TokenKind::PasswordChange, &text(&started, "passwordChangeToken")?)?;
    let body = json!({
        "authPW": new.auth_pw, "wrapKb": hex::encode(k_b.xor(&new.unwrap_b_key).expose()),
        "sessionToken": browser.session.id.to_string(),
    });
    let path = "/v1/password/change/finish?keys=true";
    let done = ok(&server.signed(Method::POST, path, &by, Some(&body)).await?)?;
    let told = mailed_header(running.private, &browser.email, "x-template-name").await?;
    ensure!(told == "password_changed", "{told}");
    Ok(Browser {
        running,
        email: browser.email.clone(),
        uid: text(&done, "uid")?,
        session: token(TokenKind::Session, &text(&done, "sessionToken")?)?,
        k_b: key(running, &text(&done, "keyFetchToken")?, new).await?,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_forgotten_and_changed_and_the_account_destroyed() {
    let work = WorkFolder::of("box_passwords").unwrap();
    let running = SingleBox::start(work.path(), &[]).await.unwrap();
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let (first, second, third) = (Password::new(), Password::new(), Password::new());
    let signed_up = Browser::sign_up(&running, &email, &first).await.unwrap();
    let record = signed_up.exchanged().await.unwrap();
    let written = storage(
        &running.server,
        &record,
        Method::PUT,
        "/storage/meta/global",
        r#"{"payload":"a"}"#,
    );
    assert_eq!(written.await.unwrap().status, StatusCode::OK);
    let (old_token, old_key) = (
        signed_up.access_token().await.unwrap(),
        signed_up.key_id().await.unwrap(),
    );

    // Forgotten: another key, another record of the same user, and nothing of before counts.
    let again = reset(&signed_up, &second).await.unwrap();
    assert_eq!(again.uid, signed_up.uid);
    assert_ne!(again.k_b, signed_up.k_b);
    assert!(!signed_up.is_signed_in().await.unwrap());
    assert_eq!(
        again.refused(&old_token, &old_key).await.unwrap(),
        "invalid-generation"
    );
    let new_record = again.exchanged().await.unwrap();
    assert_ne!(new_record["uid"], record["uid"]);
    assert_eq!(new_record["hashed_fxa_uid"], record["hashed_fxa_uid"]);
    let read = storage(
        &running.server,
        &new_record,
        Method::GET,
        "/storage/meta/global",
        "",
    );
    assert_eq!(
        read.await.unwrap().status,
        StatusCode::NOT_FOUND,
        "the old data is not the new user's"
    );
    let newest = again.access_token().await.unwrap();
    assert_eq!(
        again.refused(&newest, &old_key).await.unwrap(),
        "invalid-client-state"
    );

    // Changed: the same key, the same record.
    let key_id = again.key_id().await.unwrap();
    let changed = change(&again, &second, &third).await.unwrap();
    assert_eq!(changed.k_b, again.k_b);
    assert!(!again.is_signed_in().await.unwrap() && changed.is_signed_in().await.unwrap());
    assert_eq!(changed.key_id().await.unwrap(), key_id);
    assert_eq!(
        changed.refused(&newest, &key_id).await.unwrap(),
        "invalid-generation"
    );
    assert_eq!(changed.exchanged().await.unwrap()["uid"], new_record["uid"]);

    // Destroyed: nobody is let in any more, and the address is free.
    let last = changed.access_token().await.unwrap();
    let body = json!({ "email": email, "authPW": second.auth_pw });
    let refused = changed.signed("/v1/account/destroy", &body).await.unwrap();
    assert_eq!(refusal(&refused).unwrap(), (400, 103), "an old password");
    let body = json!({ "email": email, "authPW": third.auth_pw });
    ok(&changed.signed("/v1/account/destroy", &body).await.unwrap()).unwrap();
    assert!(!changed.is_signed_in().await.unwrap());
    assert_eq!(
        changed.refused(&last, &key_id).await.unwrap(),
        "invalid-generation"
    );
    let exists = format!("/v1/account/status?uid={}", changed.uid);
    let exists = foxhold_testkit::http::get(running.server.address, &exists)
        .await
        .unwrap();
    assert_eq!(ok(&exists).unwrap()["exists"], false);
    let anew = Browser::sign_up(&running, &email, &first).await.unwrap();
    assert_ne!(anew.uid, changed.uid);
    anew.exchanged().await.unwrap();
}

/// What a password alone opens on a server that confirms sign-ins: nothing, until the mail's code is shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_confirmed_by_its_mail() {
    let work = WorkFolder::of("box_passwords_confirmed").unwrap();
    let running = SingleBox::start_confirming(work.path()).await.unwrap();
    let server = &running.server;
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let password = Password::new();
    let first = Browser::sign_up(&running, &email, &password).await.unwrap();
    first.exchanged().await.unwrap();
    for (wished, header) in [
        (Some("email-2fa"), "x-signin-verify-code"),
        (None, "x-verify-code"),
    ] {
        let mut body = json!({ "email": email, "authPW": password.auth_pw });
        if let Some(wished) = wished {
            body["verificationMethod"] = wished.into();
        }
        let answer = server.post("/v1/account/login?keys=true", &body).await.unwrap();
        let told = ok(&answer).unwrap();
        let state = ["verified", "emailVerified", "sessionVerified"].map(|name| told[name].as_bool());
        assert_eq!(state, [Some(false), Some(true), Some(false)]);
        assert_eq!(told["verificationReason"], "login");
        assert_eq!(told["verificationMethod"], wished.unwrap_or("email"));
        let session = token(TokenKind::Session, &text(&told, "sessionToken").unwrap()).unwrap();
        let key_fetch = text(&told, "keyFetchToken").unwrap();
        let waiting = Browser {
            running: &running,
            email: email.clone(),
            uid: first.uid.clone(),
            session,
            k_b: Secret::new(*first.k_b.expose()),
        };
        assert!(key(&running, &key_fetch, &password).await.is_err());
        let grant = json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": OLDSYNC });
        let refused = waiting.signed("/v1/oauth/token", &grant).await.unwrap();
        assert_eq!(refusal(&refused).unwrap(), (400, 138));
        let code = mailed_header(running.private, &email, header).await.unwrap();
        let shown = match wished {
            Some(_) => {
                waiting
                    .signed("/v1/session/verify_code", &json!({ "code": code }))
                    .await
            }
            None => {
                let body = json!({ "uid": first.uid, "code": code });
                server.post("/v1/recovery_email/verify_code", &body).await
            }
        };
        ok(&shown.unwrap()).unwrap();
        assert_eq!(key(&running, &key_fetch, &password).await.unwrap(), first.k_b);
        waiting.exchanged().await.unwrap();
    }
}

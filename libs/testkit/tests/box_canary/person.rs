//! A person's whole way over a box, with a secret of its own in every place that takes one.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::{Secret, hex};
use foxhold_crypto::{
    mac::sha256,
    token::{KeyBundle, TokenKeys, TokenKind},
};
use foxhold_testkit::{
    authenticator::Authenticator,
    http,
    person::{FIREFOX, OLDSYNC, exchange, storage, unique_hex},
};
use hyper::Method;
use serde_json::{Value, json};

use super::{
    caller::{By, Caller},
    marks::Home,
};

const OPEN_URI: &str = "https://identity.mozilla.com/cmd/open-uri";
const ADDRESS: Home = Home::Columns(&[
    "accounts.email",
    "accounts.email_key",
    "email_claims.email_key",
    "invitations.terms",
]);
const CALLBACK: &str = "https://wiki.example.test/callback";

/// A program that was registered at the box.
pub(crate) struct Program {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// Somebody who signs up, lives and leaves.
pub(crate) struct Person<'a> {
    pub(crate) caller: Caller<'a>,
    pub(crate) email: String,
    /// As Firefox sends it.
    client_state: String,
    unwrap_b_key: String,
    /// The one that now opens the account.
    password: Cell<String>,
}

impl<'a> Person<'a> {
    pub(crate) fn new(caller: Caller<'a>) -> Self {
        let email = format!("{}.{}@example.test", &unique_hex()[..16], &unique_hex()[..16]);
        caller.marks.text("address", ADDRESS, &email);
        let local_part = email.split('@').next().unwrap_or_default();
        caller.marks.text("local part", ADDRESS, local_part);
        let client_state = sha256(&[unique_hex().as_bytes()]);
        let unwrap_b_key = caller.marks.secret("unwrapBKey");
        Self {
            client_state: BASE64_URL_SAFE_NO_PAD.encode(&client_state[..16]),
            password: Cell::new(caller.marks.secret("password")),
            caller,
            email,
            unwrap_b_key,
        }
    }

    fn password(&self) -> String {
        let password = self.password.take();
        self.password.set(password.clone());
        password
    }

    /// With an invitation, which is for this address.
    pub(crate) async fn sign_up(&self, invite: &str) -> Result<TokenKeys> {
        let caller = &self.caller;
        let taken = caller.marks.secret("a wrong invitation");
        let mut body = json!({ "email": self.email, "authPW": self.password(), "invite": &taken[..16] });
        let path = "/v1/account/create?keys=true";
        caller.post(path, By::Nobody, &body).await?;
        body["invite"] = invite.into();
        let made = caller.done(path, By::Nobody, &body).await?;
        let session = caller.token(TokenKind::Session, &made, "sessionToken")?;
        let code = caller.mailed(&self.email, "x-verify-code").await?;
        caller.mailed(&self.email, "x-verify-short-code").await?;
        for code in [&caller.marks.secret("a wrong code")[..32], &code] {
            let body = json!({ "uid": made["uid"], "code": code });
            caller
                .post("/v1/recovery_email/verify_code", By::Nobody, &body)
                .await?;
        }
        self.keys(&made).await?;
        Ok(session)
    }

    /// The keys behind the key-fetch token of an answer, marked.
    async fn keys(&self, answer: &Value) -> Result<()> {
        let caller = &self.caller;
        let fetch = caller.token(TokenKind::KeyFetch, answer, "keyFetchToken")?;
        let body = caller.get("/v1/account/keys", By::Token(&fetch)).await?;
        let bundle = body["bundle"]
            .as_str()
            .with_context(|| format!("no keys: {body}"))?;
        let (k_a, wrap_kb) = KeyBundle::from_bytes(hex::decode(bundle)?).open(&fetch.bundle_key)?;
        let k_b = wrap_kb.xor(&Secret::new(hex::decode(&self.unwrap_b_key)?));
        // The service makes the one; the other two it must not be able to.
        let kept = Home::Columns(&["accounts.credentials"]);
        for (name, home, key) in [
            ("kA", kept, &k_a),
            ("kB", Home::Nowhere, &k_b),
            ("wrapKb", Home::Nowhere, &wrap_kb),
        ] {
            caller.marks.bytes(name, home, key.expose());
        }
        Ok(())
    }

    pub(crate) async fn sign_in(&self) -> Result<(TokenKeys, Value)> {
        let caller = &self.caller;
        let path = "/v1/account/login?keys=true";
        let wrong = json!({ "email": self.email, "authPW": caller.marks.secret("a wrong password") });
        caller.post(path, By::Nobody, &wrong).await?;
        let body = json!({ "email": self.email, "authPW": self.password() });
        let answer = caller.done(path, By::Nobody, &body).await?;
        Ok((caller.token(TokenKind::Session, &answer, "sessionToken")?, answer))
    }

    async fn device(&self, session: &TokenKeys) -> Result<String> {
        let marks = &self.caller.marks;
        let push = Home::Columns(&["devices.push"]);
        let callback = format!("https://push.example.test/{}", unique_hex());
        marks.text("a push endpoint", push, &callback);
        let (key, auth) = (
            sha256(&[unique_hex().as_bytes()]),
            sha256(&[unique_hex().as_bytes()]),
        );
        let key = BASE64_URL_SAFE_NO_PAD.encode([&[4; 33], &key[..]].concat());
        let auth = BASE64_URL_SAFE_NO_PAD.encode(&auth[..16]);
        marks.text("a push key", push, &key[44..]);
        marks.text("a push secret", push, &auth);
        let command = marks.kept("a command's key", Home::Columns(&["devices.commands"]));
        let body = json!({
            "name": marks.kept("a device's name", Home::Columns(&["devices.name"])),
            "type": "desktop", "availableCommands": { OPEN_URI: command },
            "pushCallback": callback, "pushPublicKey": key, "pushAuthKey": auth,
        });
        let path = "/v1/account/device";
        let device = self.caller.done(path, By::Token(session), &body).await?;
        let mut broken = body.clone();
        broken["pushCallback"] = callback.replace("https", "http").into();
        self.caller.post(path, By::Token(session), &broken).await?;
        Ok(device["id"].as_str().context("no device")?.to_owned())
    }

    /// Two devices, one of which sends the other something.
    pub(crate) async fn devices(&self, session: &TokenKeys) -> Result<()> {
        let caller = &self.caller;
        let to = self.device(session).await?;
        let (other, answer) = self.sign_in().await?;
        self.keys(&answer).await?;
        self.device(&other).await?;
        let payload = caller
            .marks
            .kept("a payload", Home::Columns(&["device_commands.payload"]));
        let body =
            json!({ "target": to, "command": OPEN_URI, "payload": { "encrypted": payload }, "ttl": 3600 });
        let path = "/v1/account/devices/invoke_command";
        caller.done(path, By::Token(&other), &body).await?;
        let unknown =
            json!({ "target": to, "command": caller.marks.secret("a wrong command"), "payload": body });
        caller.post(path, By::Token(&other), &unknown).await?;
        let got = caller
            .get("/v1/account/device/commands", By::Token(session))
            .await?;
        ensure!(
            got["messages"][0]["data"]["payload"]["encrypted"] == payload,
            "{got}"
        );
        let body = json!({ "to": "all", "payload": { "version": 1, "command": "fxaccounts:x", "data": { "x": payload } } });
        caller
            .post("/v1/account/devices/notify", By::Token(&other), &body)
            .await?;
        caller
            .get("/v1/account/attached_clients", By::Token(session))
            .await?;
        Ok(())
    }

    pub(crate) async fn sync(&self, session: &TokenKeys) -> Result<()> {
        let caller = &self.caller;
        let body = json!({ "client_id": FIREFOX, "grant_type": "fxa-credentials", "scope": OLDSYNC });
        let given = caller.done("/v1/oauth/token", By::Token(session), &body).await?;
        let access = given["access_token"].as_str().context("no access token")?;
        let signature = access.rsplit('.').next().unwrap_or_default();
        caller
            .marks
            .text("an access token's signature", Home::Nowhere, signature);
        let body = json!({ "client_id": FIREFOX, "scope": OLDSYNC });
        let data = caller
            .done("/v1/account/scoped-key-data", By::Token(session), &body)
            .await?;
        let since = data[OLDSYNC]["keyRotationTimestamp"].as_u64();
        let key_id = format!("{}-{}", since.context("no time of the key")?, self.client_state);
        for (access, key_id) in [
            (&access[..access.len() - 4], key_id.as_str()),
            (access, "1-"),
            (signature, &key_id),
        ] {
            caller.seen(&exchange(caller.server(), access, key_id).await?);
        }
        let record = caller.seen(&exchange(caller.server(), access, &key_id).await?);
        for (name, member) in [("node token", "id"), ("node token's key", "key")] {
            let text = record[member]
                .as_str()
                .with_context(|| format!("no {name}: {record}"))?;
            caller.marks.text(name, Home::Nowhere, text);
        }
        let body = json!({ "payload": caller.marks.kept("a record", Home::Node) }).to_string();
        for (method, path, body) in [
            (Method::PUT, "/storage/tabs/one", body.as_str()),
            (Method::PUT, "/storage/tabs/two", &body[1..]),
            (Method::GET, "/storage/tabs/one", ""),
        ] {
            caller.seen(&storage(caller.server(), &record, method, path, body).await?);
        }
        Ok(())
    }

    /// As the page and Firefox do it, with the refresh token that follows.
    pub(crate) async fn oauth(&self, session: &TokenKeys) -> Result<()> {
        let caller = &self.caller;
        let verifier = caller.marks.secret("a code verifier");
        let keys = caller
            .marks
            .kept("keys_jwe", Home::Columns(&["authorization_codes.keys_jwe"]));
        let keys = hex::encode(keys.as_bytes());
        let body = json!({
            "client_id": FIREFOX, "state": caller.marks.secret("a state"), "scope": format!("{OLDSYNC} profile"),
            "response_type": "code", "access_type": "offline", "keys_jwe": format!("{keys}.b.c.d.e"),
            "code_challenge": challenge(&verifier), "code_challenge_method": "S256",
        });
        // One is traded, one stays.
        caller
            .done("/v1/oauth/authorization", By::Token(session), &body)
            .await?;
        let asked = caller
            .done("/v1/oauth/authorization", By::Token(session), &body)
            .await?;
        let mut trade = json!({
            "grant_type": "authorization_code", "client_id": FIREFOX, "code": asked["code"],
            "code_verifier": caller.marks.secret("a wrong verifier"),
        });
        caller.post("/v1/oauth/token", By::Token(session), &trade).await?;
        trade["code_verifier"] = verifier.into();
        let tokens = caller.done("/v1/oauth/token", By::Token(session), &trade).await?;
        let refresh = json!({
            "grant_type": "refresh_token", "client_id": FIREFOX, "refresh_token": tokens["refresh_token"],
            "scope": "profile",
        });
        let fresh = caller.done("/v1/oauth/token", By::Nobody, &refresh).await?;
        let access = fresh["access_token"].as_str().context("no access token")?;
        let profile = caller.get("/v1/profile", By::bearer(access)).await?;
        ensure!(profile["email"] == self.email, "{profile}");
        for (path, token) in [
            ("/v1/oauth/verify", "x"),
            ("/v1/oauth/introspect", "y"),
            ("/v1/oauth/destroy", "z"),
        ] {
            caller.post(path, By::Nobody, &json!({ "token": access })).await?;
            caller
                .post(path, By::Nobody, &json!({ "token": format!("{access}{token}") }))
                .await?;
        }
        Ok(())
    }

    /// Another program signs the user in, by a form, with its secret.
    pub(crate) async fn program(&self, session: &TokenKeys, program: &Program) -> Result<()> {
        let caller = &self.caller;
        let nonce = caller
            .marks
            .kept("a nonce", Home::Columns(&["authorization_codes.nonce"]));
        let nonce = hex::encode(nonce.as_bytes());
        let body = json!({
            "client_id": program.id, "redirect_uri": CALLBACK, "scope": "openid email offline_access", "consent": true,
            "response_type": "code", "nonce": nonce, "state": caller.marks.secret("a state"),
        });
        caller
            .done("/v1/oauth/authorization", By::Token(session), &body)
            .await?;
        let asked = caller
            .done("/v1/oauth/authorization", By::Token(session), &body)
            .await?;
        let code = asked["code"].as_str().context("no code")?;
        let trade = format!("grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}");
        let wrong = caller.marks.secret("a wrong client secret");
        self.form("/v1/token", By::basic(&program.id, &wrong), &trade)
            .await?;
        let login = || By::basic(&program.id, &program.secret);
        let tokens = self.form("/v1/token", login(), &trade).await?;
        let text = |name: &str| {
            tokens[name]
                .as_str()
                .with_context(|| format!("no {name}: {tokens}"))
        };
        let (access, refresh) = (text("access_token")?, text("refresh_token")?);
        text("id_token")?;
        caller.get("/v1/userinfo", By::bearer(access)).await?;
        caller.get("/v1/userinfo", By::bearer(text("id_token")?)).await?;
        self.form("/v1/token", login(), &trade).await?;
        self.form("/v1/introspect", login(), &format!("token={access}"))
            .await?;
        let again = format!("grant_type=refresh_token&refresh_token={refresh}");
        self.form("/v1/token", login(), &again).await?;
        self.form("/v1/destroy", login(), &format!("token={refresh}"))
            .await?;
        self.form("/v1/token", login(), &again).await?;
        Ok(())
    }

    async fn form(&self, path: &str, by: By<'_>, form: &str) -> Result<Value> {
        let kind = "application/x-www-form-urlencoded";
        self.caller
            .send(Method::POST, path, by, kind, form.to_owned())
            .await
    }

    pub(crate) async fn change_password(&self, session: &TokenKeys) -> Result<TokenKeys> {
        let caller = &self.caller;
        let path = "/v1/password/change/start";
        let wrong = json!({ "email": self.email, "oldAuthPW": caller.marks.secret("a wrong old password") });
        caller.post(path, By::Token(session), &wrong).await?;
        let body = json!({ "email": self.email, "oldAuthPW": self.password() });
        let started = caller.done(path, By::Token(session), &body).await?;
        let by = caller.token(TokenKind::PasswordChange, &started, "passwordChangeToken")?;
        let new = caller.marks.secret("a changed password");
        let body = json!({
            "authPW": new, "wrapKb": caller.marks.secret("a changed wrapKb"),
            "sessionToken": hex::encode(session.id.as_bytes()),
        });
        let path = "/v1/password/change/finish?keys=true";
        let changed = caller.done(path, By::Token(&by), &body).await?;
        self.password.set(new);
        self.keys(&changed).await?;
        caller.token(TokenKind::Session, &changed, "sessionToken")
    }

    /// What opens the account beside the password. The recovery key's id, and a session that has shown a backup code.
    pub(crate) async fn guards(&self, session: &TokenKeys) -> Result<(String, TokenKeys)> {
        let caller = &self.caller;
        let key_id = caller.marks.secret("a recovery key's id")[..32].to_owned();
        caller.marks.text("a recovery key's id", Home::Nowhere, &key_id);
        let kept = Home::Columns(&["accounts.recovery_key"]);
        let data = hex::encode(caller.marks.kept("recovery data", kept).as_bytes());
        let body = json!({ "recoveryKeyId": key_id, "recoveryData": data });
        caller.done("/v1/recoveryKey", By::Token(session), &body).await?;
        let hint = json!({ "hint": caller.marks.kept("a hint", kept) });
        caller
            .done("/v1/recoveryKey/hint", By::Token(session), &hint)
            .await?;
        let wrong = caller.marks.secret("a wrong recovery key")[..32].to_owned();
        caller.marks.text("a wrong recovery key", Home::Nowhere, &wrong);
        let wrong = json!({ "recoveryKeyId": wrong });
        caller
            .post("/v1/recoveryKey/verify", By::Token(session), &wrong)
            .await?;

        let made = caller
            .done("/v1/totp/create", By::Token(session), &json!({}))
            .await?;
        let secret = made["secret"].as_str().context("no secret")?;
        caller.marks.text("TOTP secret", Home::Nowhere, secret);
        let authenticator = Authenticator::of(secret)?;
        let kept = Home::Columns(&["accounts.second_factor"]);
        caller
            .marks
            .bytes("TOTP secret's bytes", kept, authenticator.secret().expose());
        // A code that is not of now, and the one that is.
        let codes = [authenticator.code_after(1000), authenticator.code()];
        let mut backup = Value::Null;
        for code in codes {
            caller.marks.text("a TOTP code", Home::Nowhere, &code);
            let body = json!({ "code": code });
            backup = caller
                .done("/v1/session/verify/totp", By::Token(session), &body)
                .await?;
        }
        ensure!(backup["success"] == true, "{backup}");
        let (other, _) = self.sign_in().await?;
        let path = "/v1/session/verify/recoveryCode";
        let wrong = json!({ "code": caller.marks.secret("a wrong backup code")[..12] });
        caller.post(path, By::Token(&other), &wrong).await?;
        let body = json!({ "code": backup["recoveryCodes"][0] });
        caller.done(path, By::Token(&other), &body).await?;
        caller.get("/v1/recoveryCodes", By::Token(&other)).await?;
        Ok((key_id, other))
    }

    /// By mail, twice: the digits of which are not used, and the link, with the recovery key.
    pub(crate) async fn reset(&self, key_id: &str) -> Result<TokenKeys> {
        let caller = &self.caller;
        let email = json!({ "email": self.email });
        caller
            .done("/v1/password/forgot/send_otp", By::Nobody, &email)
            .await?;
        caller.mailed(&self.email, "x-password-forgot-otp").await?;
        let sent = caller
            .done("/v1/password/forgot/send_code", By::Nobody, &email)
            .await?;
        let forgot = caller.token(TokenKind::PasswordForgot, &sent, "passwordForgotToken")?;
        let code = caller.mailed(&self.email, "x-recovery-code").await?;
        let path = "/v1/password/forgot/verify_code";
        let wrong = json!({ "code": caller.marks.secret("a wrong recovery code")[..32] });
        caller.post(path, By::Token(&forgot), &wrong).await?;
        let body = json!({ "code": code });
        let verified = caller.done(path, By::Token(&forgot), &body).await?;
        let reset = caller.token(TokenKind::AccountReset, &verified, "accountResetToken")?;
        for id in [&caller.marks.secret("a wrong recovery key")[..32], key_id] {
            caller
                .get(&format!("/v1/recoveryKey/{id}"), By::Token(&reset))
                .await?;
        }
        let new = caller.marks.secret("a password after a reset");
        let body = json!({
            "authPW": new, "wrapKb": caller.marks.secret("a wrapKb after a reset"), "recoveryKeyId": key_id,
            "sessionToken": true,
        });
        let path = "/v1/account/reset?keys=true";
        let done = caller.done(path, By::Token(&reset), &body).await?;
        self.password.set(new);
        caller.token(TokenKind::Session, &done, "sessionToken")
    }

    /// Leaves.
    pub(crate) async fn destroy(&self, session: &TokenKeys) -> Result<()> {
        let path = "/v1/account/destroy";
        let mut body =
            json!({ "email": self.email, "authPW": self.caller.marks.secret("a wrong last password") });
        self.caller.post(path, By::Token(session), &body).await?;
        body["authPW"] = self.password().into();
        self.caller.done(path, By::Token(session), &body).await.map(drop)
    }

    /// What cannot be meant, in every way, with a secret in each part of it.
    pub(crate) async fn bungle(&self, session: &TokenKeys) -> Result<()> {
        let secret = &self.password();
        self.bungle_bodies(secret).await?;
        self.bungle_addresses(secret).await?;
        self.bungle_headers(session, secret).await
    }

    async fn bungle_bodies(&self, secret: &str) -> Result<()> {
        let email = &self.email;
        let broken = format!("{{\"email\":\"{email}\",\"authPW\":\"{secret}\"");
        let unknown = json!({ "email": email, "authPW": secret, secret: secret }).to_string();
        let short = json!({ "email": email, "authPW": &secret[..63], "code": secret }).to_string();
        let shape = json!({ "email": [email], "authPW": { secret: 1 }, "client_id": secret }).to_string();
        for body in [broken, unknown, short, shape] {
            for path in [
                "/v1/account/login",
                "/v1/account/create",
                "/v1/password/change/start",
                "/v1/password/forgot/verify_otp",
                "/v1/recovery_email/verify_code",
                "/v1/oauth/token",
                "/v1/oauth/verify",
                "/v1/invitation/status",
            ] {
                let json = "application/json";
                self.caller
                    .send(Method::POST, path, By::Nobody, json, body.clone())
                    .await?;
            }
            self.form("/v1/token", By::Nobody, &body).await?;
        }
        Ok(())
    }

    async fn bungle_addresses(&self, secret: &str) -> Result<()> {
        for path in [
            format!("/v1/account/status?uid={secret}"),
            format!("/v1/{secret}"),
            format!("/1.0/{secret}/1.5"),
            format!("/1.5/{secret}/info/collections"),
            format!("/1.5/1/storage/{secret}?ids={secret}&newer={secret}"),
            format!("/authorization?client_id={secret}&redirect_uri={secret}"),
            format!("/v1/oauth/client/{secret}"),
            format!("/v1/recoveryKey/{secret}"),
            format!("/{secret}.js?email={}", self.email),
        ] {
            self.caller.get(&path, By::Nobody).await?;
        }
        Ok(())
    }

    async fn bungle_headers(&self, session: &TokenKeys, secret: &str) -> Result<()> {
        let headers = [
            format!("Bearer {secret}"),
            format!("Bearer fxs_{}", hex::encode(session.id.as_bytes())),
            format!("Basic {secret}"),
            format!("Hawk id=\"{secret}\", ts=\"1\", nonce=\"{secret}\", mac=\"{secret}\""),
            format!("BrowserID {secret}"),
            secret.to_owned(),
        ];
        for header in headers {
            for path in [
                "/1.0/sync/1.5",
                "/v1/profile",
                "/v1/session/status",
                "/v1/userinfo",
                "/1.5/1/info/collections",
            ] {
                self.caller.get(path, By::Header(header.clone())).await?;
            }
        }
        let headers = [
            ("x-keyid", secret),
            ("x-client-state", secret),
            ("cookie", secret),
            ("accept-language", secret),
        ];
        let answer = http::send(
            self.caller.server().address,
            &Method::GET,
            "/1.0/sync/1.5",
            &headers,
            "",
        )
        .await?;
        self.caller.seen(&answer);
        Ok(())
    }
}

fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(sha256(&[verifier.as_bytes()]))
}

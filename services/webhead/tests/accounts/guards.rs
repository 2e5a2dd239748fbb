//! Second factor, backup codes and recovery key through the API: what each opens, and that each is good once.

use std::time::Duration;

use axum::body::Body;
use data_encoding::BASE32_NOPAD;
use foxhold_core::{Secret, hex};
use foxhold_crypto::{
    token::{KeyBundle, TokenKind},
    totp,
};
use foxhold_ports::{Cause, signer::AuthMethod};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Answer, Bench, EMAIL, SignedUp, Token};

const CREATE: &str = "/v1/totp/create";
const EXISTS: &str = "/v1/totp/exists";
const VERIFY: &str = "/v1/session/verify/totp";
const DESTROY: &str = "/v1/totp/destroy";
const CODES: &str = "/v1/recoveryCodes";
const BY_CODE: &str = "/v1/session/verify/recoveryCode";
const KEY: &str = "/v1/recoveryKey";
const STEP: Duration = Duration::from_secs(30);
const KEY_ID: &str = "07c78d9d5b185d059ab32e8ef4305b88";

fn nothing() -> Value {
    json!({})
}

/// The authenticator of an account.
struct Authenticator(Secret<20>);

impl Authenticator {
    /// Set up, and not shown yet.
    async fn created(bench: &Bench, session: &Token) -> Self {
        let created = bench.signed_post(CREATE, session, &nothing()).await.ok();
        let secret = BASE32_NOPAD.decode(created["secret"].as_str().unwrap().as_bytes());
        Self(Secret::from_slice(&secret.unwrap()).unwrap())
    }

    /// Of a step that nobody has used: some time goes by.
    fn next(&self, bench: &Bench) -> String {
        bench.clock.advance(STEP);
        self.now(bench)
    }

    fn now(&self, bench: &Bench) -> String {
        use foxhold_core::Clock as _;
        totp::code(&self.0, totp::step_of(bench.clock.now()))
    }
}

async fn verify(bench: &Bench, session: &Token, code: &str) -> Value {
    bench
        .signed_post(VERIFY, session, &json!({ "code": code }))
        .await
        .ok()
}

/// An account with a second factor, and its backup codes.
async fn guarded(bench: &Bench) -> (SignedUp, Authenticator, Vec<String>) {
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let authenticator = Authenticator::created(bench, &signed_up.session).await;
    let enabled = verify(bench, &signed_up.session, &authenticator.now(bench)).await;
    let codes = serde_json::from_value(enabled["recoveryCodes"].clone()).unwrap();
    (signed_up, authenticator, codes)
}

/// Signs in with the password alone, for keys.
async fn half_signed_in(bench: &Bench) -> (Value, Token, Token) {
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let answer = bench.post("/v1/account/login?keys=true", &body).await.ok();
    let session = Token::of(TokenKind::Session, &answer["sessionToken"]);
    let keys = Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]);
    (answer, session, keys)
}

async fn keys(bench: &Bench, token: &Token) -> Answer {
    bench.signed_get("/v1/account/keys", token).await
}

async fn put(bench: &Bench, path: &str, token: &Token, body: &Value) -> Answer {
    signed(bench, Method::PUT, path, token, Some(body)).await
}

async fn signed(bench: &Bench, method: Method, path: &str, token: &Token, body: Option<&Value>) -> Answer {
    let body = body.map(ToString::to_string);
    let authorization = bench.authorization(token, &method, path, body.as_deref());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json");
    let body = body.map_or_else(Body::empty, Body::from);
    bench.send(request.body(body).unwrap()).await
}

async fn exists(bench: &Bench, session: &Token) -> (bool, bool) {
    let answer = bench.signed_get(EXISTS, session).await.ok();
    (answer["exists"] == true, answer["verified"] == true)
}

fn mail_names(bench: &Bench) -> Vec<String> {
    let mails = bench.mailer.mails();
    let names = mails.iter().filter_map(|mail| {
        let mut headers = mail.headers.iter();
        headers.find(|(name, _)| *name == "X-Template-Name")
    });
    let news = names.map(|(_, value)| value.clone());
    news.filter(|name| name.ends_with("Email")).collect()
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_taken_away() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    assert_eq!(exists(&bench, &session).await, (false, false));
    let early = bench
        .signed_post(VERIFY, &session, &json!({ "code": "123456" }))
        .await;
    assert_eq!(early.refusal(), (400, 155));
    bench.signed_post(DESTROY, &session, &nothing()).await.ok();

    let created = bench.signed_post(CREATE, &session, &nothing()).await.ok();
    assert!(
        created["qrCodeUrl"]
            .as_str()
            .unwrap()
            .starts_with("data:image/svg+xml;base64,")
    );
    let second = Authenticator::created(&bench, &session).await;
    assert_ne!(
        created["secret"],
        BASE32_NOPAD.encode(second.0.expose()),
        "a new one each time"
    );
    assert_eq!(exists(&bench, &session).await, (true, false));
    let plain = bench.sign_in(EMAIL).await;
    assert_eq!(
        exists(&bench, &plain).await,
        (true, false),
        "nothing is asked for yet"
    );

    assert_eq!(
        verify(&bench, &session, "000000").await,
        json!({ "success": false })
    );
    let enabled = verify(&bench, &session, &second.now(&bench)).await;
    assert_eq!(enabled["success"], true);
    assert_eq!(enabled["recoveryCodes"].as_array().unwrap().len(), 8);
    assert_eq!(exists(&bench, &session).await, (true, true));
    let again = bench.signed_post(CREATE, &session, &nothing()).await;
    assert_eq!(again.refusal(), (400, 154));
    // The other session is older than it, and has not shown it.
    let other = bench.signed_post(DESTROY, &plain, &nothing()).await;
    assert_eq!(other.refusal(), (400, 138));

    bench.signed_post(DESTROY, &session, &nothing()).await.ok();
    assert_eq!(exists(&bench, &session).await, (false, false));
    let (answer, ..) = half_signed_in(&bench).await;
    assert_eq!(answer["verified"], true);
    assert_eq!(
        mail_names(&bench),
        [
            "postAddTwoStepAuthenticationEmail",
            "postRemoveTwoStepAuthenticationEmail"
        ]
    );
}

#[tokio::test]
async fn keys_are_given_out_when_the_second_factor_was_given_too() {
    let bench = Bench::new();
    let (_, authenticator, _) = guarded(&bench).await;
    let (answer, session, key_fetch) = half_signed_in(&bench).await;
    let expected = [
        ("verified", json!(false)),
        ("sessionVerified", json!(false)),
        ("emailVerified", json!(true)),
        ("verificationMethod", json!("totp-2fa")),
        ("verificationReason", json!("login")),
    ];
    for (name, value) in expected {
        assert_eq!(answer[name], value, "{name}");
    }
    assert_eq!(keys(&bench, &key_fetch).await.refusal(), (400, 104));
    assert_eq!(bench.signed_get(EXISTS, &session).await.refusal(), (400, 138));
    let status = bench.signed_get("/v1/session/status", &session).await.ok();
    assert_eq!(status["state"], "unverified");
    assert_eq!(keys(&bench, &key_fetch).await.refusal(), (400, 104));

    // Another session of the same account helps this one's token nothing.
    let (_, other, of_other) = half_signed_in(&bench).await;
    let used = authenticator.next(&bench);
    assert_eq!(verify(&bench, &other, &used).await["success"], true);
    assert_eq!(keys(&bench, &key_fetch).await.refusal(), (400, 104));
    keys(&bench, &of_other).await.ok();
    let repeated = verify(&bench, &session, &used).await;
    assert_eq!(repeated, json!({ "success": false }), "a step is good once");

    let verified = verify(&bench, &session, &authenticator.next(&bench)).await;
    assert_eq!(verified, json!({ "success": true }));
    let status = bench.signed_get("/v1/session/status", &session).await.ok();
    assert_eq!(status["state"], "verified");
    keys(&bench, &key_fetch).await.ok();
    assert_eq!(keys(&bench, &key_fetch).await.refusal(), (401, 110));
}

#[tokio::test]
async fn a_password_alone_ends_nothing_that_the_owner_has_open() {
    let bench = Bench::new();
    let (owner, ..) = guarded(&bench).await;
    let (_, half, _) = half_signed_in(&bench).await;
    let sessions = bench.signed_get("/v1/account/attached_clients", &half).await.ok();
    let id_of = |is_own: bool| {
        let mut all = sessions.as_array().unwrap().iter();
        let one = all.find(|client| client["isCurrentSession"] == is_own).unwrap();
        one["sessionTokenId"].clone()
    };
    let device = json!({ "name": "theirs", "type": "desktop" });
    for (path, body) in [
        (
            "/v1/session/destroy",
            json!({ "customSessionToken": id_of(false) }),
        ),
        (
            "/v1/account/attached_client/destroy",
            json!({ "sessionTokenId": id_of(false) }),
        ),
        (
            "/v1/account/attached_client/destroy",
            json!({ "clientId": "5882386c6d801776" }),
        ),
        ("/v1/account/device", device),
        ("/v1/account/device/destroy", json!({ "id": "00".repeat(16) })),
    ] {
        assert_eq!(
            bench.signed_post(path, &half, &body).await.refusal(),
            (400, 138),
            "{path}"
        );
    }
    bench.signed_get(EXISTS, &owner.session).await.ok();
    // It may sign itself out.
    let own = json!({ "sessionTokenId": id_of(true) });
    bench
        .signed_post("/v1/account/attached_client/destroy", &half, &own)
        .await
        .ok();
    assert_eq!(bench.signed_get(EXISTS, &half).await.refusal(), (401, 110));
}

#[tokio::test]
async fn what_a_session_says_of_how_it_was_verified() {
    let bench = Bench::new();
    let (signed_up, ..) = guarded(&bench).await;
    let (_, half, _) = half_signed_in(&bench).await;
    let n = "1".repeat(617);
    let body = json!({"publicKey": {"algorithm": "RS", "n": n, "e": "65537"}, "duration": 1000});
    let sign = "/v1/certificate/sign";
    assert_eq!(bench.signed_post(sign, &half, &body).await.refusal(), (400, 138));
    let _ = bench.signed_post(sign, &signed_up.session, &body).await;
    let orders = bench.signer.certificates.lock().unwrap().clone();
    assert_eq!(
        orders.last().unwrap().amr,
        [AuthMethod::Password, AuthMethod::OneTimePassword]
    );
    assert_eq!(orders.last().unwrap().aal, 2);

    let profile = bench
        .signed_get("/v1/account/profile", &signed_up.session)
        .await
        .ok();
    assert_eq!(profile["authenticationMethods"], json!(["pwd", "email", "otp"]));
    assert_eq!(profile["authenticatorAssuranceLevel"], 2);
    let authorize = |acr: &str| {
        json!({
            "client_id": "5882386c6d801776", "state": "s", "scope": "profile", "response_type": "code",
            "access_type": "offline", "code_challenge_method": "S256",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "acr_values": acr,
        })
    };
    let path = "/v1/oauth/authorization";
    bench
        .signed_post(path, &signed_up.session, &authorize("AAL2"))
        .await
        .ok();
    let refused = bench.signed_post(path, &half, &authorize("AAL2")).await;
    assert_eq!(refused.refusal(), (400, 170));
}

#[tokio::test]
async fn the_password_alone_neither_changes_it_nor_opens_keys_by_that() {
    let bench = Bench::new();
    let (signed_up, authenticator, _) = guarded(&bench).await;
    let (_, half, _) = half_signed_in(&bench).await;
    let start = "/v1/password/change/start";
    let old = json!({ "email": EMAIL, "oldAuthPW": "11".repeat(32) });
    assert_eq!(bench.post(start, &old).await.refusal(), (400, 138));
    assert_eq!(bench.signed_post(start, &half, &old).await.refusal(), (400, 138));
    let started = bench.signed_post(start, &signed_up.session, &old).await.ok();
    keys(&bench, &Token::of(TokenKind::KeyFetch, &started["keyFetchToken"]))
        .await
        .ok();
    let token = Token::of(TokenKind::PasswordChange, &started["passwordChangeToken"]);
    let new = json!({
        "authPW": "22".repeat(32), "wrapKb": "33".repeat(32),
        "sessionToken": signed_up.session.keys().id.to_string(),
    });
    let finished = bench
        .signed_post("/v1/password/change/finish?keys=true", &token, &new)
        .await
        .ok();
    assert_eq!(finished["verified"], true, "as the session was that it replaces");
    let renewed = Token::of(TokenKind::Session, &finished["sessionToken"]);
    assert_eq!(exists(&bench, &renewed).await, (true, true));
    bench.signed_post(DESTROY, &renewed, &nothing()).await.ok();
    drop(authenticator);
}

#[tokio::test]
async fn a_password_given_again_asks_who_has_not_shown_a_second_factor() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let plain = bench.sign_in(EMAIL).await;
    let authenticator = Authenticator::created(&bench, &signed_up.session).await;
    verify(&bench, &signed_up.session, &authenticator.now(&bench)).await;
    let again = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    for (session, verified) in [(&signed_up.session, true), (&plain, false)] {
        let answer = bench
            .signed_post("/v1/session/reauth?keys=true", session, &again)
            .await
            .ok();
        assert_eq!(answer["verified"], verified);
        let method = (!verified).then_some("totp-2fa");
        assert_eq!(answer["verificationMethod"].as_str(), method);
        let key_fetch = Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]);
        let opened = keys(&bench, &key_fetch).await;
        assert_eq!(opened.status == StatusCode::OK, verified);
    }
}

#[tokio::test]
async fn of_many_uses_of_one_step_or_one_backup_code_one_is_done() {
    let bench = std::sync::Arc::new(Bench::new());
    let (signed_up, authenticator, codes) = guarded(&bench).await;
    let session = std::sync::Arc::new(signed_up.session);
    let code = authenticator.next(&bench);
    let at_once = |path: &'static str, body: Value| {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..64 {
            let (bench, session, body) = (bench.clone(), session.clone(), body.clone());
            tasks.spawn(async move { bench.signed_post(path, &session, &body).await });
        }
        tasks.join_all()
    };
    let answers = at_once(VERIFY, json!({ "code": code })).await;
    let right = answers.iter().filter(|answer| answer.body["success"] == true);
    assert_eq!(right.count(), 1);
    let wrong = answers.iter().filter(|answer| answer.body["success"] == false);
    assert_eq!(wrong.count(), 63);
    let answers = at_once(BY_CODE, json!({ "code": codes[0] })).await;
    let used = answers.iter().filter(|answer| answer.body["remaining"] == 7);
    assert_eq!(used.count(), 1);
    let refused = answers.iter().filter(|answer| answer.refusal() == (400, 156));
    assert_eq!(refused.count(), 63);
}

#[tokio::test]
async fn a_backup_code_stands_for_a_code_once() {
    let bench = Bench::new();
    let (_, _, codes) = guarded(&bench).await;
    let use_code = async |session: &Token, code: &str| {
        bench
            .signed_post(BY_CODE, session, &json!({ "code": code }))
            .await
    };
    let (_, session, key_fetch) = half_signed_in(&bench).await;
    assert_eq!(use_code(&session, "zzzzzzzzzz").await.refusal(), (400, 156));
    assert_eq!(use_code(&session, "ä").await.refusal(), (400, 107));
    let typed = format!("{} {}", &codes[0][..5], codes[0][5..].to_uppercase());
    assert_eq!(use_code(&session, &typed).await.ok(), json!({ "remaining": 7 }));
    keys(&bench, &key_fetch).await.ok();
    assert_eq!(use_code(&session, &codes[0]).await.refusal(), (400, 156), "used");
    for (number, code) in codes[1..].iter().enumerate() {
        assert_eq!(use_code(&session, code).await.ok()["remaining"], 6 - number);
    }
    assert_eq!(
        use_code(&session, &codes[1]).await.refusal(),
        (400, 156),
        "none is left"
    );
    let names = mail_names(&bench);
    let count = |name: &str| names.iter().filter(|known| *known == name).count();
    assert_eq!(count("postConsumeRecoveryCodeEmail"), 8);
    assert_eq!(count("lowRecoveryCodesEmail"), 3);
}

#[tokio::test]
async fn backup_codes_are_set_replaced_and_renewed() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    let own = |first: char| -> Value {
        let codes: Vec<_> = (0..8).map(|number| format!("{first}bcdefgh{number}")).collect();
        json!({ "recoveryCodes": codes })
    };
    let set = bench.signed_post(CODES, &session, &own('a')).await;
    assert_eq!(set.refusal(), (400, 155), "nothing is set up");
    let authenticator = Authenticator::created(&bench, &session).await;
    assert_eq!(
        put(&bench, CODES, &session, &own('a')).await.refusal(),
        (400, 138)
    );
    assert_eq!(bench.signed_get(CODES, &session).await.refusal(), (400, 138));
    for (name, codes) in [
        ("seven", json!(["a1a1a1a1", "b1", "c1", "d1", "e1", "f1", "g1"])),
        ("no text", json!([1, 2, 3, 4, 5, 6, 7, 8])),
        ("no list", json!("a1a1a1a1")),
        ("all the same", json!(vec!["a1a1a1a1"; 8])),
    ] {
        let refused = bench
            .signed_post(CODES, &session, &json!({ "recoveryCodes": codes }))
            .await;
        assert_eq!(refused.refusal(), (400, 107), "{name}");
    }
    assert_eq!(
        bench.signed_post(CODES, &session, &nothing()).await.refusal(),
        (400, 108)
    );
    bench.signed_post(CODES, &session, &own('a')).await.ok();
    let enabled = verify(&bench, &session, &authenticator.now(&bench)).await;
    assert_eq!(enabled, json!({ "success": true }), "there are codes already");
    assert_eq!(
        bench.signed_post(CODES, &session, &own('c')).await.refusal(),
        (400, 154)
    );
    put(&bench, CODES, &session, &own('c')).await.ok();
    let use_code = async |code: &str| {
        bench
            .signed_post(BY_CODE, &session, &json!({ "code": code }))
            .await
    };
    assert_eq!(use_code("abcdefgh0").await.refusal(), (400, 156));
    assert_eq!(use_code("cbcdefgh0").await.ok()["remaining"], 7);
    let count = bench.signed_get("/v1/recoveryCodes/exists", &session).await.ok();
    assert_eq!(count, json!({ "hasBackupCodes": true, "count": 7 }));
    let renewed = bench.signed_get(CODES, &session).await;
    assert_eq!(renewed.headers[header::CACHE_CONTROL], "no-store");
    let renewed = renewed.ok();
    assert_eq!(use_code("cbcdefgh1").await.refusal(), (400, 156));
    assert_eq!(
        use_code(renewed["recoveryCodes"][3].as_str().unwrap()).await.ok()["remaining"],
        7
    );
    let sent = bench
        .post("/v1/password/forgot/send_code", &json!({ "email": EMAIL }))
        .await
        .ok();
    let forgot = Token::of(TokenKind::PasswordForgot, &sent["passwordForgotToken"]);
    let count = bench.signed_get("/v1/recoveryCodes/exists", &forgot).await.ok();
    assert_eq!(count["count"], 7);
    assert_eq!(bench.get("/v1/recoveryCodes/exists").await.refusal(), (401, 110));
}

/// Not scrypt's, nor anybody's: the server does not open it.
fn new_key() -> Value {
    json!({ "recoveryKeyId": KEY_ID, "recoveryData": "a sealed key" })
}

async fn reset_token(bench: &Bench) -> Token {
    let sent = bench
        .post("/v1/password/forgot/send_code", &json!({ "email": EMAIL }))
        .await
        .ok();
    let forgot = Token::of(TokenKind::PasswordForgot, &sent["passwordForgotToken"]);
    let code = json!({ "code": bench.mailed(EMAIL, "X-Recovery-Code") });
    let verified = bench
        .signed_post("/v1/password/forgot/verify_code", &forgot, &code)
        .await
        .ok();
    Token::of(TokenKind::AccountReset, &verified["accountResetToken"])
}

#[tokio::test]
async fn a_recovery_key_is_made_enabled_and_removed() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    let there = async || {
        let answer = bench
            .post("/v1/recoveryKey/exists", &json!({ "email": EMAIL }))
            .await
            .ok();
        answer["exists"] == true
    };
    let post = async |path: &str, body: Value| bench.signed_post(path, &session, &body).await;
    assert!(!there().await);
    let (check, hint) = ("/v1/recoveryKey/verify", "/v1/recoveryKey/hint");
    let id = json!({ "recoveryKeyId": KEY_ID });
    assert_eq!(post(check, id.clone()).await.refusal(), (400, 158));
    assert_eq!(
        post(hint, json!({ "hint": "drawer" })).await.refusal(),
        (400, 158)
    );
    let mut later = new_key();
    later["enabled"] = false.into();
    post(KEY, later.clone()).await.ok();
    assert!(!there().await, "it is not enabled");
    later["recoveryData"] = "another".into();
    post(KEY, later).await.ok();
    assert_eq!(
        post(check, json!({ "recoveryKeyId": "ab" })).await.refusal(),
        (400, 159)
    );
    for _ in 0..2 {
        post(check, id.clone()).await.ok();
        assert!(there().await);
    }
    assert_eq!(post(KEY, new_key()).await.refusal(), (400, 161));
    let mut other = new_key();
    other["replaceKey"] = true.into();
    post(KEY, other).await.ok();
    assert_eq!(
        bench.signed_get(hint, &session).await.ok(),
        json!({ "hint": null })
    );
    post(hint, json!({ "hint": "drawer" })).await.ok();
    assert_eq!(bench.signed_get(hint, &session).await.ok()["hint"], "drawer");
    assert_eq!(bench.get(hint).await.refusal(), (401, 110));
    post(hint, json!({ "hint": "" })).await.ok();
    let reset = reset_token(&bench).await;
    assert_eq!(bench.signed_get(hint, &reset).await.ok()["hint"], Value::Null);
    for _ in 0..2 {
        signed(&bench, Method::DELETE, KEY, &session, None).await.ok();
        assert!(!there().await);
    }
    // One that is replaced by another which is still to be shown counts no more; that other one never did.
    post(KEY, new_key()).await.ok();
    let mut unshown = new_key();
    unshown["replaceKey"] = true.into();
    unshown["enabled"] = false.into();
    post(KEY, unshown).await.ok();
    signed(&bench, Method::DELETE, KEY, &session, None).await.ok();
    assert_eq!(
        mail_names(&bench),
        [
            "postAddAccountRecoveryEmail",
            "postChangeAccountRecoveryEmail",
            "postRemoveAccountRecoveryEmail",
            "postAddAccountRecoveryEmail",
            "postRemoveAccountRecoveryEmail"
        ]
    );
}

#[tokio::test]
async fn who_may_make_a_recovery_key() {
    let bench = Bench::new();
    let unverified = bench.sign_up("new@example.test").await;
    assert_eq!(
        bench
            .signed_post(KEY, &unverified.session, &new_key())
            .await
            .refusal(),
        (400, 138)
    );
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    for (name, id, data, errno) in [
        ("no hex", "xyz", "d", 107),
        ("too long", &"ab".repeat(17), "d", 107),
        ("half a byte", "abc", "d", 107),
        ("no data", KEY_ID, "", 107),
        ("too much data", KEY_ID, &"d".repeat(1025), 107),
        ("other than ASCII", KEY_ID, "ä", 107),
        ("a line end", KEY_ID, "a\nb", 107),
    ] {
        let body = json!({ "recoveryKeyId": id, "recoveryData": data });
        let refused = bench.signed_post(KEY, &session, &body).await;
        assert_eq!(refused.refusal(), (400, errno), "{name}");
    }
    bench.clock.advance(Duration::from_secs(15 * 60 + 1));
    let stale = bench.signed_post(KEY, &session, &new_key()).await;
    assert_eq!(stale.refusal(), (400, 164));
    let nobody = json!({ "email": "nobody@example.test" });
    let answer = bench.post("/v1/recoveryKey/exists", &nobody).await.ok();
    assert_eq!(answer, json!({ "exists": false }));
    assert_eq!(
        bench.post("/v1/recoveryKey/exists", &nothing()).await.refusal(),
        (400, 108)
    );
}

/// The account of a sign-in: its wrapped kB, and when its keys changed.
async fn wrapped(bench: &Bench, answer: &Value) -> String {
    let token = Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]);
    let bundle = keys(bench, &token).await.ok();
    let bundle: [u8; 96] = hex::decode(bundle["bundle"].as_str().unwrap()).unwrap();
    let opened = KeyBundle::from_bytes(bundle).open(&token.keys().bundle_key);
    hex::encode(opened.expect("the token's bundle").1.expose())
}

#[tokio::test]
async fn a_reset_with_the_recovery_key_keeps_the_keys_and_uses_it_up() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    bench.signed_post(KEY, &session, &new_key()).await.ok();
    let scoped =
        json!({ "client_id": "5882386c6d801776", "scope": "https://identity.mozilla.com/apps/oldsync" });
    let data = async |session: &Token| {
        let answer = bench
            .signed_post("/v1/account/scoped-key-data", session, &scoped)
            .await
            .ok();
        answer["https://identity.mozilla.com/apps/oldsync"]["keyRotationTimestamp"].clone()
    };
    let changed_at = data(&session).await;
    bench.clock.advance(Duration::from_secs(3600));

    let reset = reset_token(&bench).await;
    let found = bench.signed_get(&format!("{KEY}/{KEY_ID}"), &reset).await.ok();
    assert_eq!(found, json!({ "recoveryData": "a sealed key" }));
    for (id, errno) in [("ab", 159), ("xyz", 107)] {
        let refused = bench.signed_get(&format!("{KEY}/{id}"), &reset).await;
        assert_eq!(refused.refusal(), (400, errno), "{id}");
    }
    let mut body = json!({
        "authPW": "22".repeat(32), "wrapKb": "33".repeat(32), "sessionToken": true, "recoveryKeyId": "ab",
    });
    let path = "/v1/account/reset?keys=true";
    assert_eq!(bench.signed_post(path, &reset, &body).await.refusal(), (400, 159));
    body["recoveryKeyId"] = KEY_ID.into();
    let answer = bench.signed_post(path, &reset, &body).await.ok();
    assert_eq!(wrapped(&bench, &answer).await, "33".repeat(32));
    let renewed = Token::of(TokenKind::Session, &answer["sessionToken"]);
    assert_eq!(data(&renewed).await, changed_at, "the keys are the same");
    assert_eq!(bench.signed_post(path, &reset, &body).await.refusal(), (401, 110));
    let next = reset_token(&bench).await;
    assert_eq!(
        bench.signed_post(path, &next, &body).await.refusal(),
        (400, 158),
        "used up"
    );
    assert_eq!(
        mail_names(&bench).last().unwrap(),
        "passwordResetAccountRecoveryEmail"
    );
}

#[tokio::test]
async fn a_reset_without_it_takes_the_key_and_leaves_the_second_factor() {
    let bench = Bench::new();
    let (signed_up, authenticator, codes) = guarded(&bench).await;
    bench.signed_post(KEY, &signed_up.session, &new_key()).await.ok();
    let reset = reset_token(&bench).await;
    let body = json!({ "authPW": "22".repeat(32), "sessionToken": true });
    let answer = bench
        .signed_post("/v1/account/reset?keys=true", &reset, &body)
        .await
        .ok();
    assert_eq!(answer["verified"], false);
    assert_eq!(answer["verificationMethod"], "totp-2fa");
    let key_fetch = Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]);
    assert_eq!(keys(&bench, &key_fetch).await.refusal(), (400, 104));
    let session = Token::of(TokenKind::Session, &answer["sessionToken"]);
    assert_eq!(
        verify(&bench, &session, &authenticator.next(&bench)).await["success"],
        true
    );
    keys(&bench, &key_fetch).await.ok();
    bench
        .signed_post(BY_CODE, &session, &json!({ "code": codes[7] }))
        .await
        .ok();
    let found = bench
        .signed_post("/v1/recoveryKey/exists", &session, &nothing())
        .await
        .ok();
    assert_eq!(found, json!({ "exists": false }));
}

#[tokio::test]
async fn an_outage_is_no_wrong_code_and_uses_nothing_up() {
    let bench = Bench::new();
    let (_, authenticator, codes) = guarded(&bench).await;
    let (_, session, _) = half_signed_in(&bench).await;
    let code = authenticator.next(&bench);
    bench.store.set_outage(Some(Cause::Unavailable));
    for (path, code) in [(VERIFY, &code), (BY_CODE, &codes[0])] {
        let answer = bench.signed_post(path, &session, &json!({ "code": code })).await;
        assert_eq!(answer.refusal(), (503, 201), "{path}");
        assert!(answer.headers.contains_key(header::RETRY_AFTER), "{path}");
    }
    bench.store.set_outage(None);
    assert_eq!(verify(&bench, &session, &code).await["success"], true);
    let used = bench
        .signed_post(BY_CODE, &session, &json!({ "code": codes[0] }))
        .await
        .ok();
    assert_eq!(used["remaining"], 7);
}

/// The answer to the write is lost each time it is asked for, which uses the step up: the next one is good.
#[tokio::test]
async fn an_unknown_outcome_is_told_as_one() {
    let bench = Bench::new();
    let (_, authenticator, _) = guarded(&bench).await;
    let (_, session, _) = half_signed_in(&bench).await;
    let code = authenticator.next(&bench);
    bench.store.lose_answers(2);
    let answer = bench
        .signed_post(VERIFY, &session, &json!({ "code": code }))
        .await;
    assert_eq!(answer.refusal(), (503, 201));
    assert_eq!(
        verify(&bench, &session, &code).await["success"],
        false,
        "it is used up"
    );
    bench.store.lose_answers(1);
    let next = authenticator.next(&bench);
    assert_eq!(
        verify(&bench, &session, &next).await["success"],
        true,
        "asked for once more"
    );
}

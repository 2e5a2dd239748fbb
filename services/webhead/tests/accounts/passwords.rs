//! New passwords and deletion through the API: the bodies of the contract, what a token is good for, and what follows even when
//! the client has gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::body::Body;
use foxhold_accounts::AccountEvent;
use foxhold_core::{Secret, hex};
use foxhold_crypto::token::{KeyBundle, TokenKind};
use foxhold_ports::{
    Cause, Mailer,
    mail::{Mail, MailError},
    memory::{ManualClock, MemoryMailer, SeededRandom},
};
use foxhold_webhead::limits::{LimitSettings, LocalLimits};
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, Bench, EMAIL, NOW, Options, SignedUp, Token};

const START: &str = "/v1/password/change/start";
const FINISH: &str = "/v1/password/change/finish";
const SEND: &str = "/v1/password/forgot/send_code";
const RESEND: &str = "/v1/password/forgot/resend_code";
const VERIFY: &str = "/v1/password/forgot/verify_code";
const STATUS: &str = "/v1/password/forgot/status";
const RESET: &str = "/v1/account/reset";
const DESTROY: &str = "/v1/account/destroy";

fn old_password() -> Value {
    json!({ "email": EMAIL, "oldAuthPW": "11".repeat(32) })
}

/// A new password in both versions, and kB wrapped for each.
fn new_password() -> Value {
    json!({
        "authPW": "22".repeat(32), "wrapKb": "33".repeat(32),
        "authPWVersion2": "44".repeat(32), "wrapKbVersion2": "55".repeat(32),
        "clientSalt": format!("identity.mozilla.com/picl/v1/quickStretchV2:{}", "ab".repeat(16)),
    })
}

fn with(mut body: Value, name: &str, value: impl Into<Value>) -> Value {
    body[name] = value.into();
    body
}

async fn change_token(bench: &Bench) -> Token {
    let started = bench.post(START, &old_password()).await.ok();
    Token::of(TokenKind::PasswordChange, &started["passwordChangeToken"])
}

async fn forgot_token(bench: &Bench) -> Token {
    let sent = bench.post(SEND, &json!({ "email": EMAIL })).await.ok();
    Token::of(TokenKind::PasswordForgot, &sent["passwordForgotToken"])
}

async fn reset_token(bench: &Bench) -> Token {
    let forgot = forgot_token(bench).await;
    let code = json!({ "code": bench.mailed(EMAIL, "X-Recovery-Code") });
    let verified = bench.signed_post(VERIFY, &forgot, &code).await.ok();
    // Without it nobody can derive the id of a recovery key.
    let uid = verified["uid"].as_str().expect("a uid");
    assert!(
        uid.len() == 32 && uid.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{uid}"
    );
    Token::of(TokenKind::AccountReset, &verified["accountResetToken"])
}

/// wrapKb behind a key-fetch token, in hex.
async fn wrap_kb(bench: &Bench, token: &Value) -> String {
    let token = Token::of(TokenKind::KeyFetch, token);
    let answer = bench.signed_get("/v1/account/keys", &token).await.ok();
    let bundle =
        KeyBundle::from_bytes(hex::decode(answer["bundle"].as_str().expect("a bundle")).expect("hex"));
    let (_, wrap_kb): (_, Secret<32>) = bundle.open(&token.keys().bundle_key).expect("it is ours");
    hex::encode(wrap_kb.expose())
}

async fn is_signed_in(bench: &Bench, session: &Token) -> bool {
    let answer = bench.signed_get("/v1/session/status", session).await;
    match answer.refusal() {
        (200, _) => true,
        (401, 110) => false,
        other => panic!("{other:?}"),
    }
}

/// As our page does it: keys by the old password, a new session in place of the old one.
#[tokio::test]
async fn a_password_is_changed() {
    let bench = Bench::new();
    let SignedUp { uid, session, .. } = bench.sign_up_verified(EMAIL).await;
    let other = bench.sign_in(EMAIL).await;
    bench.clock.advance(Duration::from_secs(60));
    let started = bench.signed_post(START, &session, &old_password()).await.ok();
    assert_eq!(started["verified"], true);
    assert!(started.get("keyFetchToken2").is_none());
    wrap_kb(&bench, &started["keyFetchToken"]).await;

    let token = Token::of(TokenKind::PasswordChange, &started["passwordChangeToken"]);
    let body = with(new_password(), "sessionToken", session.keys().id.to_string());
    let path = format!("{FINISH}?keys=true");
    let changed = bench.signed_post(&path, &token, &body).await.ok();
    assert_eq!(changed["uid"], uid);
    assert_eq!(
        (&changed["verified"], &changed["authAt"]),
        (&json!(true), &json!(NOW.as_secs() + 60))
    );
    assert_eq!(wrap_kb(&bench, &changed["keyFetchToken"]).await, "33".repeat(32));
    assert_eq!(wrap_kb(&bench, &changed["keyFetchToken2"]).await, "55".repeat(32));
    for session in [&session, &other] {
        assert!(!is_signed_in(&bench, session).await);
    }
    assert!(is_signed_in(&bench, &Token::of(TokenKind::Session, &changed["sessionToken"])).await);
    assert_eq!(
        bench.signed_post(FINISH, &token, &new_password()).await.refusal(),
        (401, 110)
    );

    assert_eq!(bench.mailed(EMAIL, "X-Template-Name"), "password_changed");
    assert_eq!(bench.events.take().len(), 1);
    // By the second verifier.
    let started = bench
        .post(START, &json!({ "email": EMAIL, "oldAuthPW": "44".repeat(32) }))
        .await
        .ok();
    assert!(started.get("keyFetchToken").is_none());
    assert_eq!(wrap_kb(&bench, &started["keyFetchToken2"]).await, "55".repeat(32));
    let token = Token::of(TokenKind::PasswordChange, &started["passwordChangeToken"]);
    let body = json!({ "authPW": "66".repeat(32), "wrapKb": "77".repeat(32) });
    assert_eq!(
        bench.signed_post(FINISH, &token, &body).await.ok(),
        json!({}),
        "no session was named"
    );
}

/// As PyFxA upgrades an account: the session it is in goes on, and nobody is mailed.
#[tokio::test]
async fn the_same_password_again_ends_nothing() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    let token = change_token(&bench).await;
    let body = with(new_password(), "authPW", "11".repeat(32));
    let body = with(body, "sessionToken", session.keys().id.to_string());
    let changed = bench
        .signed_post(&format!("{FINISH}?keys=true"), &token, &body)
        .await
        .ok();
    assert_eq!(wrap_kb(&bench, &changed["keyFetchToken2"]).await, "55".repeat(32));
    assert!(is_signed_in(&bench, &session).await);
    assert!(is_signed_in(&bench, &Token::of(TokenKind::Session, &changed["sessionToken"])).await);
    assert_eq!(bench.mailed(EMAIL, "X-Template-Name"), "verify");
    let status = bench
        .post("/v1/account/credentials/status", &json!({ "email": EMAIL }))
        .await
        .ok();
    assert_eq!(status["currentVersion"], "v2");
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_mail() {
    let bench = Bench::new();
    let SignedUp { uid, session, .. } = bench.sign_up(EMAIL).await;
    let body = json!({ "email": "Alice@Example.TEST", "service": "sync", "resume": "r" });
    let sent = bench.post(SEND, &body).await.ok();
    assert_eq!(
        (&sent["ttl"], &sent["codeLength"], &sent["tries"]),
        (&json!(3600), &json!(32), &json!(3))
    );
    let token = Token::of(TokenKind::PasswordForgot, &sent["passwordForgotToken"]);
    let code = bench.mailed(EMAIL, "X-Recovery-Code");
    let link = bench.mailed(EMAIL, "X-Link");
    assert_eq!(bench.mailed(EMAIL, "X-Template-Name"), "recovery");
    assert!(link.contains(&format!(
        "token={}",
        sent["passwordForgotToken"].as_str().unwrap()
    )));
    assert!(
        link.ends_with(&format!("&code={code}&service=sync&resume=r")),
        "{link}"
    );

    let wrong = bench
        .signed_post(VERIFY, &token, &json!({ "code": "0".repeat(32) }))
        .await;
    assert_eq!(wrong.refusal(), (400, 105));
    assert_eq!(
        (&wrong.body["tries"], &wrong.body["ttl"]),
        (&json!(2), &json!(3600))
    );
    bench.clock.advance(Duration::from_secs(100));
    let status = bench.signed_get(STATUS, &token).await.ok();
    assert_eq!(status, json!({ "tries": 2, "ttl": 3500 }));
    let resent = bench
        .signed_post(RESEND, &token, &json!({ "email": EMAIL }))
        .await
        .ok();
    let expected = json!({
        "passwordForgotToken": sent["passwordForgotToken"], "ttl": 3500, "codeLength": 32, "tries": 2,
    });
    assert_eq!(resent, expected);
    assert_eq!(bench.mailed(EMAIL, "X-Recovery-Code"), code);

    // As somebody may type it.
    let typed = json!({ "code": code.to_uppercase() });
    let verified = bench.signed_post(VERIFY, &token, &typed).await.ok();
    let reset = Token::of(TokenKind::AccountReset, &verified["accountResetToken"]);
    for path in [VERIFY, RESEND] {
        let body = json!({ "code": code, "email": EMAIL });
        assert_eq!(
            bench.signed_post(path, &token, &body).await.refusal(),
            (401, 110),
            "{path}"
        );
    }
    assert_eq!(bench.signed_get(STATUS, &token).await.refusal(), (401, 110));

    let body = with(new_password(), "sessionToken", true);
    let done = bench
        .signed_post(&format!("{RESET}?keys=true"), &reset, &with(body, "email", EMAIL))
        .await
        .ok();
    assert_eq!(done["uid"], uid);
    assert_eq!(
        (&done["verified"], &done["emailVerified"]),
        (&json!(true), &json!(true)),
        "the mail was read"
    );
    assert_eq!(done["authAt"], NOW.as_secs() + 100);
    assert_eq!(wrap_kb(&bench, &done["keyFetchToken"]).await, "33".repeat(32));
    assert!(!is_signed_in(&bench, &session).await);
    assert_eq!(bench.mailed(EMAIL, "X-Template-Name"), "password_reset");
    let session = Token::of(TokenKind::Session, &done["sessionToken"]);
    let data = bench
        .signed_post(
            "/v1/account/scoped-key-data",
            &session,
            &json!({ "client_id": "5882386c6d801776", "scope": "https://identity.mozilla.com/apps/oldsync" }),
        )
        .await
        .ok();
    let rotated = &data["https://identity.mozilla.com/apps/oldsync"]["keyRotationTimestamp"];
    assert_eq!(*rotated, NOW.as_millis() + 100_000, "another kB");
    let again = json!({ "authPW": "66".repeat(32) });
    assert_eq!(
        bench.signed_post(RESET, &reset, &again).await.refusal(),
        (401, 110)
    );
    // Without a session none is told of.
    let reset = reset_token(&bench).await;
    assert_eq!(bench.signed_post(RESET, &reset, &again).await.ok(), json!({}));
}

#[tokio::test]
async fn an_account_is_destroyed_with_and_without_a_session() {
    for with_session in [true, false] {
        let bench = Bench::new();
        let SignedUp { uid, session, .. } = bench.sign_up(EMAIL).await;
        let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
        let gone = if with_session {
            bench.signed_post(DESTROY, &session, &body).await
        } else {
            bench.post(DESTROY, &body).await
        };
        assert_eq!(gone.ok(), json!({}));
        assert_eq!(
            bench.get(&format!("/v1/account/status?uid={uid}")).await.ok()["exists"],
            false
        );
        assert!(!is_signed_in(&bench, &session).await);
        let uid = uid.parse().unwrap();
        assert_eq!(bench.events.take(), [AccountEvent::Deleted { uid }]);
        assert_eq!(bench.post(DESTROY, &body).await.refusal(), (400, 102));
        assert_eq!(
            bench.signed_post(DESTROY, &session, &body).await.refusal(),
            (401, 110)
        );
        bench.sign_up(EMAIL).await;
    }
}

/// As PyFxA does it: digits, then the code that they were changed for.
#[tokio::test]
async fn typed_digits_are_as_good_as_the_link() {
    let bench = Bench::new();
    let SignedUp { uid, .. } = bench.sign_up_verified(EMAIL).await;
    let asked = json!({ "email": EMAIL, "service": "sync" });
    let sent = bench.post("/v1/password/forgot/send_otp", &asked).await;
    assert_eq!(sent.ok(), json!({}));
    let digits = bench.mailed(EMAIL, "X-Password-Forgot-Otp");
    let typed = async |email: &str, code: Value| {
        let body = json!({ "email": email, "code": code });
        bench.post("/v1/password/forgot/verify_otp", &body).await
    };
    for (email, code, refused) in [
        ("nobody@example.test", json!(digits), (400, 105)),
        (EMAIL, json!("1234"), (400, 107)),
        (EMAIL, json!(12_345_678), (400, 107)),
        (EMAIL, Value::Null, (400, 108)),
    ] {
        assert_eq!(typed(email, code).await.refusal(), refused, "{email}");
    }
    let verified = typed("ALICE@example.test", json!(digits)).await.ok();
    assert_eq!(
        (&verified["uid"], &verified["emailToHashWith"]),
        (&json!(uid), &json!(EMAIL))
    );
    let token = Token::of(TokenKind::PasswordForgot, &verified["token"]);
    let code = json!({ "code": verified["code"] });
    let reset = bench.signed_post(VERIFY, &token, &code).await.ok();
    let reset = Token::of(TokenKind::AccountReset, &reset["accountResetToken"]);
    let body = json!({ "authPW": "66".repeat(32) });
    assert_eq!(bench.signed_post(RESET, &reset, &body).await.ok(), json!({}));
}

/// Each token is good for its own calls only, and for none once it has run out.
#[tokio::test]
async fn tokens_of_another_kind_or_time_are_none() {
    let bench = Bench::new();
    let SignedUp {
        session, key_fetch, ..
    } = bench.sign_up_verified(EMAIL).await;
    let (change, forgot, reset) = (
        change_token(&bench).await,
        forgot_token(&bench).await,
        reset_token(&bench).await,
    );
    let tokens = [
        ("session", &session),
        ("keys", &key_fetch),
        ("change", &change),
        ("forgot", &forgot),
        ("reset", &reset),
    ];
    let calls = [
        (START, "session"),
        (DESTROY, "session"),
        (FINISH, "change"),
        (RESEND, "forgot"),
        (VERIFY, "forgot"),
        (RESET, "reset"),
    ];
    for (path, wanted) in calls {
        for (name, token) in tokens.iter().filter(|(name, _)| *name != wanted) {
            let refused = bench.signed_post(path, token, &json!({})).await;
            assert_eq!(refused.refusal(), (401, 110), "{path} by {name}");
        }
        let own = tokens.iter().find(|(name, _)| *name == wanted).unwrap().1;
        let answer = bench.signed_post(path, own, &json!({})).await;
        assert_eq!(answer.refusal(), (400, 108), "{path} by {wanted}");
    }
    bench.clock.advance(Duration::from_secs(15 * 60));
    for (path, token) in [(FINISH, &change), (RESET, &reset)] {
        assert_eq!(
            bench.signed_post(path, token, &json!({})).await.refusal(),
            (401, 110),
            "{path}"
        );
    }
    assert_eq!(bench.signed_get(STATUS, &forgot).await.ok()["ttl"], 45 * 60);
    bench.clock.advance(Duration::from_secs(45 * 60));
    assert_eq!(bench.signed_get(STATUS, &forgot).await.refusal(), (401, 110));
}

#[tokio::test]
async fn bodies_that_change_a_password_have_to_be_covered() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    let forgot = forgot_token(&bench).await;
    let tokens = [
        (FINISH, change_token(&bench).await),
        (RESET, reset_token(&bench).await),
        (DESTROY, session),
    ];
    let send = async |path: &str, token: &Token, signed: Option<&str>| {
        let request = Request::post(path)
            .header(
                header::AUTHORIZATION,
                bench.authorization(token, &Method::POST, path, signed),
            )
            .header(header::CONTENT_TYPE, "application/json");
        bench
            .send(request.body(Body::from("{}")).unwrap())
            .await
            .refusal()
    };
    for (path, token) in &tokens {
        assert_eq!(send(path, token, None).await, (401, 109), "{path}: uncovered");
        assert_eq!(
            send(path, token, Some("{ }")).await,
            (401, 109),
            "{path}: another body"
        );
        assert_eq!(send(path, token, Some("{}")).await, (400, 108), "{path}: covered");
    }
    assert_eq!(send(VERIFY, &forgot, None).await, (400, 108), "not asked for");
    assert_eq!(send(VERIFY, &forgot, Some("{ }")).await, (401, 109), "but wrong");
}

/// PyFxA sends derived ids alone, where an operator has allowed that.
#[tokio::test]
async fn derived_ids_are_taken_as_bearers_where_they_are_allowed() {
    for on in [true, false] {
        let bench = Bench::with(Options {
            accept_bearer: on,
            ..Options::default()
        });
        let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
        let rows = [
            ("fxs_", DESTROY, session),
            ("fxpc_", FINISH, change_token(&bench).await),
            ("fxpf_", VERIFY, forgot_token(&bench).await),
            ("fxar_", RESET, reset_token(&bench).await),
        ];
        for (mark, path, token) in &rows {
            for (other, ..) in &rows {
                let bearer = format!("Bearer {other}{}", token.keys().id);
                let request = Request::post(*path).header(header::AUTHORIZATION, bearer);
                let answer = bench.send(request.body(Body::from("{}")).unwrap()).await;
                let expected = if on && mark == other {
                    (400, 108)
                } else {
                    (401, 110)
                };
                assert_eq!(answer.refusal(), expected, "{path} with {other}");
            }
        }
    }
}

#[tokio::test]
async fn fields_of_the_wrong_form() {
    let bench = Bench::new();
    bench.sign_up_verified(EMAIL).await;
    let (change, forgot, reset) = (
        change_token(&bench).await,
        forgot_token(&bench).await,
        reset_token(&bench).await,
    );
    let open = [
        (START, with(old_password(), "oldAuthPW", "11"), 107),
        (START, with(old_password(), "email", "a@b@c.d"), 107),
        (START, json!({ "email": EMAIL }), 108),
        (SEND, json!({}), 108),
        (
            SEND,
            json!({ "email": EMAIL, "redirectTo": "https://evil.example/" }),
            107,
        ),
        (SEND, json!({ "email": EMAIL, "service": "a b" }), 107),
        (DESTROY, json!({ "email": EMAIL }), 108),
        (DESTROY, json!({ "email": EMAIL, "authPW": 1 }), 107),
    ];
    for (path, body, errno) in open {
        assert_eq!(
            bench.post(path, &body).await.refusal(),
            (400, errno),
            "{path} {body}"
        );
    }
    let without = |name: &str| {
        let mut body = new_password();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let signed = [
        (FINISH, &change, without("authPW"), 108),
        (FINISH, &change, without("wrapKb"), 108),
        (FINISH, &change, without("clientSalt"), 108),
        (FINISH, &change, with(new_password(), "clientSalt", "salt"), 107),
        (FINISH, &change, with(new_password(), "sessionToken", true), 107),
        (FINISH, &change, with(new_password(), "sessionToken", "11"), 107),
        (VERIFY, &forgot, json!({ "code": "123456" }), 107),
        (VERIFY, &forgot, json!({}), 108),
        (RESEND, &forgot, json!({}), 108),
        (RESEND, &forgot, json!({ "email": "x" }), 107),
        (RESET, &reset, without("authPW"), 108),
        (RESET, &reset, without("wrapKb"), 107),
        (RESET, &reset, with(new_password(), "sessionToken", "yes"), 107),
        (RESET, &reset, with(new_password(), "recoveryKeyId", "xyz"), 107),
        (
            RESET,
            &reset,
            with(new_password(), "recoveryKeyId", "ab".repeat(16)),
            158,
        ),
    ];
    for (path, token, body, errno) in signed {
        let refused = bench.signed_post(path, token, &body).await;
        assert_eq!(refused.refusal(), (400, errno), "{path} {body}");
    }
    let keys = bench
        .signed_post(&format!("{RESET}?keys=true"), &reset, &new_password())
        .await;
    assert_eq!(
        (keys.refusal(), &keys.body["param"]),
        ((400, 108), &json!("sessionToken"))
    );
    assert_eq!(
        bench.signed_post(RESET, &reset, &new_password()).await.ok(),
        json!({}),
        "and the token is kept"
    );
}

/// Nothing of all this is a 401 or "no such account" only because something of ours is away.
#[tokio::test]
async fn an_outage_is_told_as_one() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    let (change, forgot, reset) = (
        change_token(&bench).await,
        forgot_token(&bench).await,
        reset_token(&bench).await,
    );
    let login = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let code = json!({ "code": bench.mailed(EMAIL, "X-Recovery-Code") });
    for (cause, expected) in [(Cause::Unavailable, (503, 201)), (Cause::Fault, (500, 203))] {
        bench.store.set_outage(Some(cause));
        let answers: [Answer; 11] = [
            bench.post(START, &old_password()).await,
            bench.signed_post(FINISH, &change, &new_password()).await,
            bench.post(SEND, &json!({ "email": EMAIL })).await,
            bench
                .signed_post(RESEND, &forgot, &json!({ "email": EMAIL }))
                .await,
            bench.signed_post(VERIFY, &forgot, &code).await,
            bench.signed_get(STATUS, &forgot).await,
            bench.signed_post(RESET, &reset, &new_password()).await,
            bench.post(DESTROY, &login).await,
            bench.signed_post(DESTROY, &session, &login).await,
            bench.signed_post("/v1/session/reauth", &session, &login).await,
            bench
                .signed_post("/v1/session/duplicate", &session, &json!({}))
                .await,
        ];
        for (place, answer) in answers.iter().enumerate() {
            assert_eq!(answer.refusal(), expected, "{cause:?}, call {place}");
            let waits = answer.headers.contains_key("retry-after");
            assert_eq!(waits, expected.0 == 503, "{cause:?}, call {place}");
        }
    }
    bench.store.set_outage(None);
    bench.signed_post(FINISH, &change, &new_password()).await.ok();
}

/// A bench with one rule, and somebody signed up.
async fn limited(rule: &str) -> (Bench, SignedUp) {
    let settings = LimitSettings {
        rules: vec![rule.into()],
        ..LimitSettings::default()
    };
    let clock = Arc::new(ManualClock::new(NOW));
    let limits = LocalLimits::new(&settings, clock, &SeededRandom::new(1)).expect("rules as they ship");
    let bench = Bench::with(Options {
        limits: Arc::new(limits),
        ..Options::default()
    });
    let signed_up = bench.sign_up_verified(EMAIL).await;
    (bench, signed_up)
}

#[track_caller]
fn assert_blocked(answer: &Answer, name: &str) {
    assert_eq!(answer.refusal(), (429, 114), "{name}");
    let waits = answer.headers["retry-after"].to_str().expect("text");
    assert_eq!(waits, answer.body["retryAfter"].to_string(), "{name}");
}

#[tokio::test]
async fn guesses_are_limited_and_right_passwords_are_none() {
    let rows = [
        ("passwordChange", START),
        ("passwordChangeStartFailed", START),
        ("passwordCheckFailed", START),
        ("accountDestroy", DESTROY),
        ("accountDestroyFailed", DESTROY),
        ("passwordCheckFailed", DESTROY),
    ];
    for (action, path) in rows {
        let (bench, _) = limited(&format!("{action} : email : 2 : 15 min : 15 min : block")).await;
        let guess = |byte: &str| {
            let auth_pw = byte.repeat(32);
            json!({ "email": EMAIL, "authPW": auth_pw, "oldAuthPW": auth_pw })
        };
        if path == START {
            for _ in 0..3 {
                bench.post(path, &guess("11")).await.ok();
            }
        }
        for _ in 0..2 {
            assert_eq!(
                bench.post(path, &guess("22")).await.refusal(),
                (400, 103),
                "{action}"
            );
        }
        assert_blocked(&bench.post(path, &guess("11")).await, action);
    }
    for action in ["accountLogin", "passwordCheckFailed"] {
        let (bench, SignedUp { session, .. }) =
            limited(&format!("{action} : uid : 2 : 15 min : 15 min : block")).await;
        let reauth = async |byte: &str| {
            let body = json!({ "email": EMAIL, "authPW": byte.repeat(32) });
            bench.signed_post("/v1/session/reauth", &session, &body).await
        };
        for _ in 0..3 {
            reauth("11").await.ok();
        }
        for _ in 0..2 {
            assert_eq!(reauth("22").await.refusal(), (400, 103), "{action}");
        }
        assert_blocked(&reauth("11").await, action);
    }
}

#[tokio::test]
async fn mails_and_codes_are_limited() {
    let (bench, _) = limited("passwordForgotSendCode : email : 2 : 15 min : 15 min : block").await;
    let email = json!({ "email": EMAIL });
    for _ in 0..2 {
        bench.post(SEND, &email).await.ok();
    }
    assert_blocked(&bench.post(SEND, &email).await, "send");

    let (bench, _) = limited("passwordForgotResendCode : uid : 2 : 15 min : 15 min : block").await;
    let token = forgot_token(&bench).await;
    for _ in 0..2 {
        bench.signed_post(RESEND, &token, &email).await.ok();
    }
    assert_blocked(&bench.signed_post(RESEND, &token, &email).await, "resend");

    let (bench, _) = limited("passwordForgotVerifyCode : email : 2 : 15 min : 15 min : block").await;
    let token = forgot_token(&bench).await;
    let code = json!({ "code": bench.mailed(EMAIL, "X-Recovery-Code") });
    for _ in 0..2 {
        let wrong = json!({ "code": "0".repeat(32) });
        assert_eq!(
            bench.signed_post(VERIFY, &token, &wrong).await.refusal(),
            (400, 105)
        );
    }
    assert_blocked(&bench.signed_post(VERIFY, &token, &code).await, "verify");

    let (bench, SignedUp { session, .. }) =
        limited("sessionDuplicate : uid : 2 : 15 min : 15 min : block").await;
    for _ in 0..2 {
        bench
            .signed_post("/v1/session/duplicate", &session, &json!({}))
            .await
            .ok();
    }
    let third = bench
        .signed_post("/v1/session/duplicate", &session, &json!({}))
        .await;
    assert_blocked(&third, "duplicate");

    let (bench, _) = limited("mailTo : email : 3 : 24 h : 24 h : block").await;
    let known = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    for _ in 0..4 {
        let refused = bench.post("/v1/account/create", &known).await;
        assert_eq!(refused.refusal(), (400, 101), "mails nothing");
    }
    let token = forgot_token(&bench).await;
    bench.signed_post(RESEND, &token, &email).await.ok();
    assert_blocked(
        &bench.post(SEND, &email).await,
        "all mails to one address together",
    );
}

/// Takes mails while nobody holds the gate.
#[derive(Default)]
struct GatedMailer {
    mailer: MemoryMailer,
    posts: AtomicUsize,
    gate: tokio::sync::RwLock<()>,
}

#[async_trait]
impl Mailer for GatedMailer {
    async fn post(&self, mail: Mail) -> Result<(), MailError> {
        self.posts.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.read().await);
        self.mailer.post(mail).await
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("it comes to that");
}

/// The client goes while its new password is being stretched: that work is nobody's any more, and nothing is written.
#[tokio::test]
async fn what_costs_ends_with_its_client() {
    let bench = Arc::new(Bench::new());
    bench.sign_up_verified(EMAIL).await;
    let change = change_token(&bench).await;
    let destroy = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let calls = [
        (FINISH, Some(change), new_password()),
        (RESET, Some(reset_token(&bench).await), new_password()),
        (DESTROY, None, destroy),
    ];
    for (path, token, body) in calls {
        let jobs = || bench.stretcher.jobs.load(Ordering::SeqCst);
        let before = jobs();
        let gate = bench.stretcher.gate.write().await;
        let client = bench.clone();
        let request = tokio::spawn(async move {
            match token {
                Some(token) => client.signed_post(path, &token, &body).await,
                None => client.post(path, &body).await,
            }
        });
        until(|| jobs() > before).await;
        let asked = jobs();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        drop(gate);
        let login = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
        bench.post("/v1/account/login", &login).await.ok();
        assert_eq!(jobs(), asked + 1, "{path}: only the sign-in's");
        assert_eq!(bench.events.take(), [], "{path}");
    }
}

/// The client goes when its new password is set, while its mail is being posted: whom else it concerns is told.
#[tokio::test]
async fn what_was_written_is_followed_without_the_client() {
    let mailer = Arc::new(GatedMailer::default());
    let bench = Arc::new(Bench::with(Options {
        mailer: Some(mailer.clone()),
        ..Options::default()
    }));
    let SignedUp { session, .. } = bench.sign_up(EMAIL).await;
    let mail = mailer.mailer.last_to(EMAIL).expect("a mail").headers;
    let code = mail.into_iter().find(|(name, _)| *name == "X-Verify-Short-Code");
    let code = json!({ "code": code.expect("a code").1 });
    bench
        .signed_post("/v1/session/verify_code", &session, &code)
        .await
        .ok();
    let token = change_token(&bench).await;
    let before = mailer.posts.load(Ordering::SeqCst);
    let gate = mailer.gate.write().await;
    let client = bench.clone();
    let request = tokio::spawn(async move {
        client
            .signed_post(FINISH, &token, &new_password())
            .await
            .refusal()
    });
    until(|| mailer.posts.load(Ordering::SeqCst) > before).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(bench.events.take(), [], "the owner is told first");
    drop(gate);
    let mut told = Vec::new();
    let telling = async {
        while told.is_empty() {
            tokio::task::yield_now().await;
            told = bench.events.take();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), telling)
        .await
        .unwrap();
    assert_eq!(told.len(), 1);
    let login = json!({ "email": EMAIL, "authPW": "22".repeat(32) });
    bench.post("/v1/account/login", &login).await.ok();
}

/// The rules as they ship. A stranger tries passwords until the address is blocked: who is signed in goes on, and who reads
/// the mail comes back.
#[tokio::test]
async fn a_stranger_s_guesses_shut_nobody_out_for_good() {
    let (bench, SignedUp { session, .. }) = limited("verifySessionCode : uid : 9 : 1 h : 1 h : block").await;
    let login = |byte: &str| {
        let auth_pw = byte.repeat(32);
        json!({ "email": EMAIL, "authPW": auth_pw, "oldAuthPW": auth_pw })
    };
    for guess in 0..50 {
        let told = bench.post("/v1/account/login", &login("99")).await;
        assert_eq!(told.refusal(), (400, 103), "guess {guess}");
    }
    assert_blocked(
        &bench.post("/v1/account/login", &login("11")).await,
        "the owner, too",
    );
    for path in ["/v1/session/reauth", START] {
        bench.signed_post(path, &session, &login("11")).await.ok();
    }
    let token = reset_token(&bench).await;
    let body = json!({ "authPW": "22".repeat(32) });
    bench.signed_post(RESET, &token, &body).await.ok();
    bench.post("/v1/account/login", &login("22")).await.ok();
}

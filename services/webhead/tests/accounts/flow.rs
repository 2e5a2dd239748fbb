//! Whole ways through the API: signing up, signing in, keys, OAuth, devices, and what each step refuses.

use std::{sync::Arc, time::Duration};

use foxhold_core::{Secret, hex};
use foxhold_crypto::token::{KeyBundle, TokenKind};
use foxhold_ports::memory::MemoryMailer;
use serde_json::{Value, json};

use crate::support::{Bench, NOW, Options, ROOT, SignedUp, Token};

const DESKTOP: &str = "5882386c6d801776";
const OLDSYNC: &str = "https://identity.mozilla.com/apps/oldsync";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const EMAIL: &str = "alice@example.test";

fn authorization() -> Value {
    json!({
        "client_id": DESKTOP, "state": "st", "scope": format!("{OLDSYNC} profile"), "response_type": "code",
        "access_type": "offline", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "keys_jwe": "a.b.c.d.e",
    })
}

fn trade(code: &Value) -> Value {
    json!({ "grant_type": "authorization_code", "client_id": DESKTOP, "code": code, "code_verifier": VERIFIER })
}

/// The way of the sign-in page and then of Firefox, in the order that was observed (`accounts.md` (g), (h)).
#[tokio::test]
async fn a_browser_signs_up_and_gets_all_it_needs_to_sync() {
    let bench = Bench::new();
    let SignedUp {
        uid,
        session,
        key_fetch,
    } = bench.sign_up(EMAIL).await;

    let status = bench.signed_get("/v1/session/status", &session).await.ok();
    assert_eq!(status, json!({ "state": "unverified", "uid": uid }));
    assert_eq!(
        bench.signed_get("/v1/account/keys", &key_fetch).await.refusal(),
        (400, 104)
    );
    let code = json!({ "code": bench.mailed(EMAIL, "X-Verify-Short-Code") });
    assert_eq!(
        bench
            .signed_post("/v1/session/verify_code", &session, &code)
            .await
            .ok(),
        json!({})
    );
    let status = bench.signed_get("/v1/session/status", &session).await.ok();
    assert_eq!(status["state"], "verified");

    let bundle = bench.signed_get("/v1/account/keys", &key_fetch).await.ok();
    let bundle = KeyBundle::from_bytes(hex::decode(bundle["bundle"].as_str().unwrap()).unwrap());
    assert!(bundle.open(&key_fetch.keys().bundle_key).is_ok());
    assert_eq!(
        bench.signed_get("/v1/account/keys", &key_fetch).await.refusal(),
        (401, 110)
    );

    let wanted = json!({ "client_id": DESKTOP, "scope": format!("{OLDSYNC} profile") });
    let data = bench
        .signed_post("/v1/account/scoped-key-data", &session, &wanted)
        .await
        .ok();
    let expected = json!({ OLDSYNC: {
        "identifier": OLDSYNC,
        "keyRotationSecret": "0".repeat(64),
        "keyRotationTimestamp": NOW.as_millis(),
    } });
    assert_eq!(data, expected);

    let authorized = bench
        .signed_post("/v1/oauth/authorization", &session, &authorization())
        .await
        .ok();
    let code = authorized["code"].as_str().unwrap();
    assert_eq!(
        authorized["redirect"],
        format!("urn:ietf:wg:oauth:2.0:oob:oauth-redirect-webchannel?code={code}&state=st")
    );

    browser_goes_on(&bench, &uid, &session, &authorized["code"]).await;
}

/// What Firefox does with the code and its session.
async fn browser_goes_on(bench: &Bench, uid: &str, session: &Token, code: &Value) {
    let device = json!({ "name": "Alice\u{2019}s Firefox", "type": "desktop", "availableCommands": {} });
    let device = bench
        .signed_post("/v1/account/device", session, &device)
        .await
        .ok();
    assert_eq!(device["pushEndpointExpired"], false);

    let tokens = bench
        .signed_post("/v1/oauth/token", session, &trade(code))
        .await
        .ok();
    assert_eq!(tokens["keys_jwe"], "a.b.c.d.e");
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["auth_at"], NOW.as_secs());
    let destroy = json!({ "client_id": DESKTOP, "token": tokens["refresh_token"] });
    assert_eq!(bench.post("/v1/oauth/destroy", &destroy).await.ok(), json!({}));
    let refresh = json!({ "grant_type": "refresh_token", "client_id": DESKTOP, "refresh_token": tokens["refresh_token"] });
    assert_eq!(
        bench.post("/v1/oauth/token", &refresh).await.refusal(),
        (401, 110)
    );

    let sync =
        json!({ "grant_type": "fxa-credentials", "client_id": DESKTOP, "scope": OLDSYNC, "ttl": 21600 });
    let granted = bench.signed_post("/v1/oauth/token", session, &sync).await.ok();
    assert_eq!(
        (&granted["expires_in"], &granted["scope"]),
        (&json!(21600), &json!(OLDSYNC))
    );
    let order = bench.signer.orders.lock().unwrap().last().unwrap().clone();
    assert_eq!(order.audience, format!("{ROOT}/tokens"));
    assert!(granted["access_token"].as_str().unwrap().len() <= 1024);

    let profile = bench
        .get_as("/v1/profile", tokens["access_token"].as_str().unwrap())
        .await;
    let etag = profile.headers["etag"].to_str().unwrap().to_owned();
    let profile = profile.ok();
    assert_eq!((&profile["uid"], &profile["email"]), (&json!(uid), &json!(EMAIL)));
    assert_eq!(profile["avatarDefault"], true);
    assert!(!etag.is_empty());

    let clients = bench.signed_get("/v1/account/attached_clients", session).await;
    assert_eq!(
        clients.headers["x-timestamp"],
        NOW.as_millis().to_string().as_str()
    );
    let clients = clients.ok();
    assert_eq!(clients.as_array().unwrap().len(), 1);
    assert_eq!(clients[0]["isCurrentSession"], true);
    assert_eq!(clients[0]["deviceId"], device["id"]);

    assert_eq!(
        bench
            .signed_post("/v1/session/destroy?service=sync", session, &json!({}))
            .await
            .ok(),
        json!({})
    );
    assert_eq!(
        bench.signed_get("/v1/session/status", session).await.refusal(),
        (401, 110)
    );
    assert_eq!(
        bench.get(&format!("/v1/account/status?uid={uid}")).await.ok(),
        json!({ "exists": true })
    );
}

#[tokio::test]
async fn the_link_of_the_mail_verifies_session_and_key_fetch_token_and_may_be_used_again() {
    let bench = Bench::new();
    let signed_up = bench.sign_up(EMAIL).await;
    let code = bench.mailed(EMAIL, "X-Verify-Code");
    let body = |code: &str| json!({ "uid": signed_up.uid, "code": code });
    let path = "/v1/recovery_email/verify_code";
    assert_eq!(
        bench.post(path, &body(&"0".repeat(32))).await.refusal(),
        (400, 105)
    );
    assert_eq!(bench.post(path, &body("123456")).await.refusal(), (400, 107));
    for _ in 0..2 {
        assert_eq!(bench.post(path, &body(&code)).await.ok(), json!({}));
    }
    let status = bench
        .signed_get("/v1/recovery_email/status", &signed_up.session)
        .await
        .ok();
    let expected =
        json!({ "email": EMAIL, "verified": true, "sessionVerified": true, "emailVerified": true });
    assert_eq!(status, expected);
    bench
        .signed_get("/v1/account/keys", &signed_up.key_fetch)
        .await
        .ok();
    let unknown = json!({ "uid": "00".repeat(16), "code": code });
    assert_eq!(bench.post(path, &unknown).await.refusal(), (400, 102));
}

#[tokio::test]
async fn short_codes_expire_and_can_be_sent_again() {
    let bench = Bench::new();
    let signed_up = bench.sign_up(EMAIL).await;
    let old = bench.mailed(EMAIL, "X-Verify-Short-Code");
    bench.clock.advance(Duration::from_secs(3600));
    let verify = async |code: &str| {
        bench
            .signed_post(
                "/v1/session/verify_code",
                &signed_up.session,
                &json!({ "code": code }),
            )
            .await
    };
    assert_eq!(verify(&old).await.refusal(), (400, 105));
    for malformed in ["", "12345", "1234567", "12345a"] {
        assert_eq!(verify(malformed).await.refusal(), (400, 107), "{malformed:?}");
    }
    for path in ["/v1/session/resend_code", "/v1/recovery_email/resend_code"] {
        assert_eq!(
            bench.signed_post(path, &signed_up.session, &json!({})).await.ok(),
            json!({})
        );
    }
    assert_eq!(bench.mailer.mails().len(), 3);
    assert_eq!(
        verify(&bench.mailed(EMAIL, "X-Verify-Short-Code")).await.ok(),
        json!({})
    );
    bench
        .signed_post("/v1/session/resend_code", &signed_up.session, &json!({}))
        .await
        .ok();
    assert_eq!(
        bench.mailer.mails().len(),
        3,
        "a verified account gets no further mail"
    );
}

#[tokio::test]
async fn an_address_has_one_verified_account_and_an_unverified_one_is_replaced() {
    let bench = Bench::new();
    let first = bench.sign_up(EMAIL).await;
    let second = bench.sign_up_verified("Alice@Example.TEST").await;
    assert_ne!(first.uid, second.uid);
    assert_eq!(
        bench
            .signed_get("/v1/session/status", &first.session)
            .await
            .refusal(),
        (401, 110)
    );
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let jobs = bench.stretcher.jobs.load(std::sync::atomic::Ordering::SeqCst);
    let refused = bench.post("/v1/account/create", &body).await;
    assert_eq!(refused.refusal(), (400, 101));
    assert_eq!(refused.body["email"], "Alice@Example.TEST");
    assert_eq!(
        bench.stretcher.jobs.load(std::sync::atomic::Ordering::SeqCst),
        jobs,
        "nothing was stretched"
    );
}

#[tokio::test]
async fn signing_in_tells_what_is_wrong_and_an_unknown_address_costs_as_much() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified("Alice@example.test").await;
    let login = async |email: &str, auth_pw: &str| {
        bench
            .post(
                "/v1/account/login?keys=true",
                &json!({ "email": email, "authPW": auth_pw.repeat(32) }),
            )
            .await
    };
    let answer = login("Alice@example.test", "11").await.ok();
    assert_eq!(
        (&answer["uid"], &answer["verified"]),
        (&json!(signed_up.uid), &json!(true))
    );
    assert_eq!(answer["metricsEnabled"], false);
    assert!(answer.get("verificationMethod").is_none() && answer.get("keyFetchTokenVersion2").is_none());
    let key_fetch = Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]);
    bench.signed_get("/v1/account/keys", &key_fetch).await.ok();

    assert_eq!(
        login("alice@EXAMPLE.test", "11").await.ok()["uid"],
        signed_up.uid,
        "any case, right password"
    );
    let wrong = login("Alice@example.test", "22").await;
    assert_eq!(
        (wrong.refusal(), &wrong.body["email"]),
        ((400, 103), &json!("Alice@example.test"))
    );
    let other_case = login("alice@example.test", "22").await;
    assert_eq!(
        (other_case.refusal(), &other_case.body["email"]),
        ((400, 120), &json!("Alice@example.test"))
    );
    let jobs = bench.stretcher.jobs.load(std::sync::atomic::Ordering::SeqCst);
    let unknown = login("bob@example.test", "11").await;
    assert_eq!(
        (unknown.refusal(), &unknown.body["email"]),
        ((400, 102), &json!("bob@example.test"))
    );
    assert_eq!(
        bench.stretcher.jobs.load(std::sync::atomic::Ordering::SeqCst),
        jobs + 1
    );
}

#[tokio::test]
async fn an_unverified_account_can_sign_in_and_is_told_how_to_verify() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32), "verificationMethod": "email-2fa" });
    let answer = bench.post("/v1/account/login", &body).await.ok();
    assert_eq!(answer["verified"], false);
    assert_eq!(answer["verificationMethod"], "email-2fa");
    assert_eq!(answer["verificationReason"], "signup");
    let session = Token::of(TokenKind::Session, &answer["sessionToken"]);
    let grant = json!({ "client_id": DESKTOP, "scope": OLDSYNC });
    assert_eq!(
        bench
            .signed_post("/v1/oauth/token", &session, &grant)
            .await
            .refusal(),
        (400, 138)
    );
    let refused = bench
        .signed_post("/v1/oauth/authorization", &session, &authorization())
        .await;
    assert_eq!(refused.refusal(), (400, 138));
    let grant = json!({ "client_id": DESKTOP, "scope": "profile" });
    bench.signed_post("/v1/oauth/token", &session, &grant).await.ok();
}

#[tokio::test]
async fn without_mail_accounts_come_out_verified() {
    struct NoMail;
    #[async_trait::async_trait]
    impl foxhold_ports::Mailer for NoMail {
        async fn post(&self, _: foxhold_ports::mail::Mail) -> Result<(), foxhold_ports::mail::MailError> {
            panic!("nothing is to be posted")
        }
        fn delivers(&self) -> bool {
            false
        }
    }
    let bench = Bench::with(Options {
        mailer: Some(Arc::new(NoMail)),
        ..Options::default()
    });
    let signed_up = bench.sign_up(EMAIL).await;
    let status = bench
        .signed_get("/v1/session/status", &signed_up.session)
        .await
        .ok();
    assert_eq!(status["state"], "verified");
    bench
        .signed_get("/v1/account/keys", &signed_up.key_fetch)
        .await
        .ok();
}

#[tokio::test]
async fn a_full_outbox_is_told_at_creation() {
    let mailer = Arc::new(MemoryMailer::new());
    mailer.set_full(true);
    let bench = Bench::with(Options {
        mailer: Some(mailer),
        ..Options::default()
    });
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    assert_eq!(
        bench.post("/v1/account/create", &body).await.refusal(),
        (500, 151)
    );
}

#[tokio::test]
async fn a_password_has_two_versions_and_each_opens_the_keys() {
    let bench = Bench::new();
    let salt = format!("identity.mozilla.com/picl/v1/quickStretchV2:{}", "ab".repeat(16));
    let body = json!({
        "email": EMAIL, "authPW": "11".repeat(32), "wrapKb": "22".repeat(32),
        "authPWVersion2": "33".repeat(32), "wrapKbVersion2": "44".repeat(32), "clientSalt": salt,
    });
    let created = bench.post("/v1/account/create?keys=true", &body).await.ok();
    assert!(created["keyFetchToken"].is_string() && created["keyFetchTokenVersion2"].is_string());
    let status = bench
        .post("/v1/account/credentials/status", &json!({ "email": EMAIL }))
        .await
        .ok();
    assert_eq!(
        status,
        json!({ "currentVersion": "v2", "clientSalt": salt, "upgradeNeeded": false })
    );
    let session = Token::of(TokenKind::Session, &created["sessionToken"]);
    let code = json!({ "code": bench.mailed(EMAIL, "X-Verify-Short-Code") });
    bench
        .signed_post("/v1/session/verify_code", &session, &code)
        .await
        .ok();
    for (auth_pw, name, wrap_kb) in [
        ("11", "keyFetchToken", 0x22),
        ("33", "keyFetchTokenVersion2", 0x44),
    ] {
        let body = json!({ "email": EMAIL, "authPW": auth_pw.repeat(32) });
        let answer = bench.post("/v1/account/login?keys=true", &body).await.ok();
        let token = Token::of(TokenKind::KeyFetch, &answer[name]);
        let bundle = bench.signed_get("/v1/account/keys", &token).await.ok();
        let bundle = KeyBundle::from_bytes(hex::decode(bundle["bundle"].as_str().unwrap()).unwrap());
        let (_, opened) = bundle.open(&token.keys().bundle_key).unwrap();
        assert_eq!(opened, Secret::new([wrap_kb; 32]), "{name}");
    }
}

#[tokio::test]
async fn fields_of_a_second_version_come_together() {
    let bench = Bench::new();
    let salt = format!("identity.mozilla.com/picl/v1/quickStretchV2:{}", "ab".repeat(16));
    let whole = json!({
        "email": EMAIL, "authPW": "11".repeat(32), "wrapKb": "22".repeat(32),
        "authPWVersion2": "33".repeat(32), "wrapKbVersion2": "44".repeat(32), "clientSalt": salt,
    });
    for missing in [
        "email",
        "authPW",
        "wrapKb",
        "authPWVersion2",
        "wrapKbVersion2",
        "clientSalt",
    ] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(missing);
        let refused = bench.post("/v1/account/create", &body).await;
        assert_eq!(
            (refused.refusal(), &refused.body["param"]),
            ((400, 108), &json!(missing))
        );
    }
    let mut body = whole;
    body["clientSalt"] = "quickStretchV2:00".into();
    assert_eq!(
        bench.post("/v1/account/create", &body).await.refusal(),
        (400, 107)
    );
}

#[tokio::test]
async fn codes_are_traded_once_by_the_client_that_asked() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let authorize = async || {
        let body = authorization();
        bench
            .signed_post("/v1/oauth/authorization", &signed_up.session, &body)
            .await
            .ok()["code"]
            .clone()
    };
    let changed = |code: &Value, name: &str, value: Value| {
        let mut body = trade(code);
        body[name] = value;
        body
    };
    let code = authorize().await;
    let table = [
        (172, changed(&code, "code", "00".repeat(32).into())),
        (173, changed(&code, "client_id", "8269bacd7bbc7f80".into())),
        (162, changed(&code, "client_id", "0000000000000000".into())),
        (
            175,
            changed(&code, "code_verifier", VERIFIER.replace('d', "e").into()),
        ),
        (107, changed(&code, "code", "zz".into())),
        (107, changed(&code, "ttl", 0.into())),
        (107, changed(&code, "grant_type", "password".into())),
    ];
    for (errno, body) in table {
        assert_eq!(
            bench.post("/v1/oauth/token", &body).await.refusal(),
            (400, errno),
            "{body}"
        );
    }
    let tokens = bench.post("/v1/token", &trade(&code)).await.ok();
    assert!(tokens["refresh_token"].is_string());
    assert_eq!(
        bench.post("/v1/oauth/token", &trade(&code)).await.refusal(),
        (400, 172)
    );
    assert_eq!(
        bench.post("/v1/token", &trade(&code)).await.refusal(),
        (400, 105),
        "numbers of the OAuth base"
    );

    let code = authorize().await;
    bench.clock.advance(Duration::from_secs(900));
    assert_eq!(
        bench.post("/v1/oauth/token", &trade(&code)).await.refusal(),
        (400, 174)
    );

    let code = authorize().await;
    bench
        .signed_post("/v1/session/destroy", &signed_up.session, &json!({}))
        .await
        .ok();
    assert_eq!(
        bench.post("/v1/oauth/token", &trade(&code)).await.refusal(),
        (400, 172),
        "signed out since"
    );
}

#[tokio::test]
async fn refresh_tokens_last_as_long_as_their_session() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let code = bench
        .signed_post("/v1/oauth/authorization", &signed_up.session, &authorization())
        .await
        .ok();
    let tokens = bench
        .signed_post("/v1/oauth/token", &signed_up.session, &trade(&code["code"]))
        .await
        .ok();
    let refresh = |scope: Option<&str>| {
        let mut body = json!({
            "grant_type": "refresh_token", "client_id": DESKTOP, "refresh_token": tokens["refresh_token"],
        });
        if let Some(scope) = scope {
            body["scope"] = scope.into();
        }
        body
    };
    assert_eq!(
        bench
            .post("/v1/oauth/token", &refresh(Some("profile:uid")))
            .await
            .ok()["scope"],
        "profile:uid"
    );
    let refused = bench
        .post("/v1/oauth/token", &refresh(Some("clients:write")))
        .await;
    assert_eq!(
        (refused.refusal(), &refused.body["invalidScopes"]),
        ((400, 163), &json!("clients:write"))
    );
    let mut other_client = refresh(None);
    other_client["client_id"] = "8269bacd7bbc7f80".into();
    assert_eq!(
        bench.post("/v1/oauth/token", &other_client).await.refusal(),
        (401, 110)
    );
    bench
        .signed_post("/v1/session/destroy", &signed_up.session, &json!({}))
        .await
        .ok();
    assert_eq!(
        bench.post("/v1/oauth/token", &refresh(None)).await.refusal(),
        (401, 110)
    );
}

#[tokio::test]
async fn destroying_a_token_always_works() {
    let bench = Bench::new();
    let table = [
        json!({}),
        json!({ "token": "00".repeat(32) }),
        json!({ "token": "not a token", "client_id": DESKTOP }),
        json!({ "token": 1, "client_id": [] }),
        json!({ "token": "eyJh.e30.AA", "token_type_hint": "access_token" }),
    ];
    for body in table {
        for path in ["/v1/oauth/destroy", "/v1/destroy"] {
            assert_eq!(bench.post(path, &body).await.ok(), json!({}), "{body}");
        }
    }
    bench.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
    assert_eq!(
        bench
            .post("/v1/oauth/destroy", &json!({ "token": "00".repeat(32) }))
            .await
            .ok(),
        json!({})
    );
}

#[tokio::test]
async fn devices_move_with_their_browser_and_go_with_their_session() {
    let bench = Bench::new();
    let first = bench.sign_up_verified(EMAIL).await;
    let put =
        async |session: &Token, body: Value| bench.signed_post("/v1/account/device", session, &body).await;
    let missing = put(&first.session, json!({ "name": "n" })).await;
    assert_eq!(
        (missing.refusal(), &missing.body["param"]),
        ((400, 108), &json!("type"))
    );
    let new = json!({
        "name": "n", "type": "desktop", "pushCallback": "https://push.example.test/1", "pushPublicKey": "AAAA",
        "pushAuthKey": "BBBB", "availableCommands": { "https://identity.mozilla.com/cmd/open-uri": "{}" },
    });
    let device = put(&first.session, new).await.ok();
    let id = device["id"].clone();
    let renamed = put(&first.session, json!({ "id": id, "name": "m" })).await.ok();
    assert_eq!(
        (&renamed["name"], &renamed["type"]),
        (&json!("m"), &json!("desktop"))
    );
    assert_eq!(renamed["pushAuthKey"], "BBBB");
    assert_eq!(
        put(&first.session, json!({ "id": "00".repeat(16) }))
            .await
            .refusal(),
        (400, 123)
    );
    let half = json!({ "pushCallback": "https://push.example.test/1" });
    assert_eq!(put(&first.session, half).await.refusal(), (400, 108));

    let login = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let login = bench.post("/v1/account/login", &login).await.ok();
    let second = Token::of(TokenKind::Session, &login["sessionToken"]);
    let other = put(&second, json!({ "name": "o", "type": "mobile" })).await.ok();
    let conflict = put(&second, json!({ "id": id })).await;
    assert_eq!(
        (conflict.refusal(), &conflict.body["deviceId"]),
        ((400, 124), &other["id"])
    );

    bench.clock.advance(Duration::from_secs(60));
    put(&second, json!({ "id": other["id"] })).await.ok();
    let since = NOW.as_millis() + 1000;
    let path = format!("/v1/account/devices?filterIdleDevicesTimestamp={since}");
    let heard = bench.signed_get(&path, &second).await.ok();
    assert_eq!(heard.as_array().unwrap().len(), 1);
    assert_eq!(
        (&heard[0]["id"], &heard[0]["isCurrentDevice"]),
        (&other["id"], &json!(true))
    );
    assert_eq!(
        bench
            .signed_get("/v1/account/devices", &second)
            .await
            .ok()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let destroy = json!({ "id": id });
    bench
        .signed_post("/v1/account/device/destroy", &second, &destroy)
        .await
        .ok();
    assert_eq!(
        bench
            .signed_get("/v1/session/status", &first.session)
            .await
            .refusal(),
        (401, 110)
    );
    let again = bench
        .signed_post("/v1/account/device/destroy", &second, &destroy)
        .await;
    assert_eq!(again.refusal(), (400, 123));
    let moved = bench.sign_in(EMAIL).await;
    let device = put(&moved, json!({ "id": other["id"] })).await.ok();
    assert_eq!(device["id"], other["id"]);
    let devices = bench.signed_get("/v1/account/devices", &moved).await.ok();
    assert_eq!(
        devices[0]["isCurrentDevice"], true,
        "a known id moves to the new session"
    );
}

#[tokio::test]
async fn what_is_not_there_yet_answers_as_firefox_expects() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let notify = json!({ "to": "all", "excluded": [], "payload": { "version": 1 }, "TTL": 60 });
    let answer = bench
        .signed_post("/v1/account/devices/notify", &signed_up.session, &notify)
        .await;
    assert_eq!(answer.ok(), json!({}));
    let commands = bench
        .signed_get(
            "/v1/account/device/commands?index=5&limit=100",
            &signed_up.session,
        )
        .await;
    assert_eq!(commands.ok(), json!({ "index": 5, "last": true, "messages": [] }));
    let bytes = bench.post("/v1/get_random_bytes", &json!({})).await.ok();
    assert_eq!(bytes["data"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn a_session_without_device_ends_after_28_days_and_one_with_a_device_does_not() {
    let bench = Bench::new();
    let idle = bench.sign_up_verified(EMAIL).await.session;
    let used = bench.sign_in(EMAIL).await;
    bench
        .signed_post(
            "/v1/account/device",
            &used,
            &json!({ "name": "n", "type": "desktop" }),
        )
        .await
        .ok();
    bench.clock.advance(Duration::from_secs(28 * 24 * 3600 + 1));
    assert_eq!(
        bench.signed_get("/v1/session/status", &idle).await.refusal(),
        (401, 110)
    );
    bench.signed_get("/v1/session/status", &used).await.ok();
}

#[tokio::test]
async fn questions_about_accounts() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    assert_eq!(bench.get("/v1/account/status").await.refusal(), (400, 108));
    assert_eq!(bench.get("/v1/account/status?uid=zz").await.refusal(), (400, 107));
    let nobody = format!("/v1/account/status?uid={}", "00".repeat(16));
    assert_eq!(bench.get(&nobody).await.ok(), json!({ "exists": false }));
    assert_eq!(
        bench
            .signed_get("/v1/account/status", &signed_up.session)
            .await
            .ok()["exists"],
        true
    );
    for (email, exists) in [("ALICE@example.test", true), ("bob@example.test", false)] {
        let answer = bench.post("/v1/account/status", &json!({ "email": email })).await;
        assert_eq!(answer.ok(), json!({ "exists": exists }), "{email}");
    }
    let status = bench
        .post("/v1/account/credentials/status", &json!({ "email": EMAIL }))
        .await
        .ok();
    assert_eq!(status, json!({ "currentVersion": "v1", "upgradeNeeded": true }));
    let unknown = bench
        .post(
            "/v1/account/credentials/status",
            &json!({ "email": "bob@example.test" }),
        )
        .await;
    assert_eq!(unknown.refusal(), (400, 102));
}

#[tokio::test]
async fn a_lost_answer_of_the_store_is_asked_for_again_and_nothing_happens_twice() {
    let bench = Bench::new();
    bench.store.lose_answers(1);
    let signed_up = bench.sign_up(EMAIL).await;
    bench
        .signed_get("/v1/session/status", &signed_up.session)
        .await
        .ok();
    bench.store.lose_answers(2);
    let body = json!({ "email": "bob@example.test", "authPW": "11".repeat(32) });
    let unknown = bench.post("/v1/account/create", &body).await;
    assert_eq!(unknown.refusal(), (503, 201), "still unknown: not told as done");
    assert!(unknown.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn limits_are_counted_before_the_work_and_given_back_for_a_right_password() {
    use foxhold_webhead::limits::{LimitSettings, LocalLimits};
    let clock = Arc::new(foxhold_ports::memory::ManualClock::new(NOW));
    let settings = LimitSettings {
        rules: vec!["accountLogin : email : 2 : 15 min : 15 min : block".into()],
        ..LimitSettings::default()
    };
    let limits = LocalLimits::new(&settings, clock, &foxhold_ports::memory::SeededRandom::new(1)).unwrap();
    let bench = Bench::with(Options {
        limits: Arc::new(limits),
        ..Options::default()
    });
    bench.sign_up_verified(EMAIL).await;
    let login = async |auth_pw: &str| {
        bench
            .post(
                "/v1/account/login",
                &json!({ "email": EMAIL, "authPW": auth_pw.repeat(32) }),
            )
            .await
    };
    for _ in 0..5 {
        login("11").await.ok();
    }
    for _ in 0..2 {
        assert_eq!(login("22").await.refusal(), (400, 103));
    }
    let jobs = bench.stretcher.jobs.load(std::sync::atomic::Ordering::SeqCst);
    let blocked = login("11").await;
    assert_eq!(blocked.refusal(), (429, 114));
    assert_eq!(
        blocked.headers["retry-after"],
        blocked.body["retryAfter"].to_string().as_str()
    );
    assert_eq!(
        bench.stretcher.jobs.load(std::sync::atomic::Ordering::SeqCst),
        jobs
    );
}

/// PyFxA since 0.9 sends the derived id with a mark of its kind, and signs nothing.
#[tokio::test]
async fn derived_ids_are_taken_as_bearers_only_where_that_is_switched_on() {
    for on in [false, true] {
        let bench = Bench::with(Options {
            accept_bearer: on,
            ..Options::default()
        });
        let signed_up = bench.sign_up_verified(EMAIL).await;
        let (session, key_fetch) = (signed_up.session.keys().id, signed_up.key_fetch.keys().id);
        let table = [
            ("/v1/session/status", format!("fxs_{session}"), on),
            ("/v1/session/status", format!("fxk_{session}"), false),
            ("/v1/session/status", session.to_string(), false),
            (
                "/v1/session/status",
                format!("fxs_{}", session.to_string().to_uppercase()),
                false,
            ),
            ("/v1/account/keys", format!("fxs_{key_fetch}"), false),
            ("/v1/account/keys", format!("fxk_{session}"), false),
            ("/v1/account/keys", format!("fxk_{key_fetch}"), on),
        ];
        for (path, bearer, taken) in table {
            let answer = bench.get_as(path, &bearer).await;
            let expected = if taken { (200, 0) } else { (401, 110) };
            assert_eq!(answer.refusal(), expected, "{path} {bearer}");
        }
        bench
            .signed_get("/v1/session/status", &signed_up.session)
            .await
            .ok();
    }
}

/// Of any number of parallel uses exactly one succeeds.
#[tokio::test]
async fn what_is_spent_is_spent_once() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let path = "/v1/oauth/authorization";
    let code = bench
        .signed_post(path, &signed_up.session, &authorization())
        .await
        .ok()["code"]
        .clone();
    let trade = trade(&code);
    let keys = futures_util::future::join_all(
        (0..16).map(|_| bench.signed_get("/v1/account/keys", &signed_up.key_fetch)),
    );
    let codes = futures_util::future::join_all((0..16).map(|_| bench.post("/v1/oauth/token", &trade)));
    let (keys, codes) = tokio::join!(keys, codes);
    for (name, answers, refusal) in [("keys", keys, (401, 110)), ("codes", codes, (400, 172))] {
        assert_eq!(
            answers.iter().filter(|answer| answer.status == 200).count(),
            1,
            "{name}"
        );
        assert_eq!(
            answers
                .iter()
                .filter(|answer| answer.refusal() == refusal)
                .count(),
            15,
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_judged_is_nobodys_guess() {
    use foxhold_webhead::limits::{LimitSettings, LocalLimits};
    let clock = Arc::new(foxhold_ports::memory::ManualClock::new(NOW));
    let settings = LimitSettings {
        rules: vec!["accountLogin : email : 2 : 15 min : 15 min : block".into()],
        ..LimitSettings::default()
    };
    let random = foxhold_ports::memory::SeededRandom::new(1);
    let limits = LocalLimits::new(&settings, clock, &random).unwrap();
    let bench = Bench::with(Options {
        limits: Arc::new(limits),
        ..Options::default()
    });
    bench.sign_up_verified(EMAIL).await;
    let login = json!({ "email": EMAIL, "authPW": "22".repeat(32) });
    bench
        .stretcher
        .full
        .store(true, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(
            bench.post("/v1/account/login", &login).await.refusal(),
            (503, 201)
        );
    }
    bench
        .stretcher
        .full
        .store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        bench.post("/v1/account/login", &login).await.refusal(),
        (400, 103)
    );
}

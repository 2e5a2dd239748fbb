//! Whole ways through the API: a browser signs up, verifies, and gets all it needs to sync.

use std::{sync::Arc, time::Duration};

use foxhold_core::hex;
use foxhold_crypto::token::KeyBundle;
use foxhold_ports::memory::MemoryMailer;
use serde_json::{Value, json};

use crate::{
    oauth::{DESKTOP, OLDSYNC, authorization, trade},
    support::{Bench, EMAIL, NOW, Options, ROOT, SignedUp, Token},
};

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
    let bench = Bench::with(Options {
        mailer: Some(mailer.clone()),
        ..Options::default()
    });
    let known = bench.sign_up("bob@example.test").await;
    mailer.set_full(true);
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let created = bench.post("/v1/account/create", &body).await;
    assert_eq!(
        (created.refusal(), &created.body["code"]),
        ((422, 151), &json!(422)),
        "a new address"
    );
    let resent = bench
        .signed_post("/v1/recovery_email/resend_code", &known.session, &json!({}))
        .await;
    assert_eq!(resent.refusal(), (500, 151));
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

//! A store, signer or stretcher that is away (`security.md`, Absent is not invalid): 503 with a time to come back, never
//! 401, never `exists: false`. Firefox signs its user out on those.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_ports::{
    Cause, Mailer,
    mail::{Mail, MailError},
};
use serde_json::json;

use crate::support::{Bench, Options};

const EMAIL: &str = "alice@example.test";
const DESKTOP: &str = "5882386c6d801776";

#[tokio::test]
async fn a_store_that_is_away_is_never_an_absence() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let password = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let code = json!({ "client_id": DESKTOP, "code": "00".repeat(32), "code_verifier": "v".repeat(43) });
    let refresh =
        json!({ "grant_type": "refresh_token", "client_id": DESKTOP, "refresh_token": "00".repeat(32) });
    let link = json!({ "uid": signed_up.uid, "code": "0".repeat(32) });
    let profile = json!({ "client_id": DESKTOP, "scope": "profile" });
    let token = bench
        .signed_post("/v1/oauth/token", &signed_up.session, &profile)
        .await
        .ok();
    for (cause, expected) in [
        (Cause::Unavailable, (503, 201)),
        (Cause::Timeout, (503, 201)),
        (Cause::Overloaded, (503, 201)),
        (Cause::Inconsistent, (503, 201)),
        (Cause::Fault, (500, 203)),
    ] {
        bench.store.set_outage(Some(cause));
        let answers = [
            bench.signed_get("/v1/session/status", &signed_up.session).await,
            bench.signed_get("/v1/account/keys", &signed_up.key_fetch).await,
            bench.signed_get("/v1/account/devices", &signed_up.session).await,
            bench
                .signed_post("/v1/session/destroy", &signed_up.session, &json!({}))
                .await,
            bench
                .get(&format!("/v1/account/status?uid={}", signed_up.uid))
                .await,
            bench.post("/v1/account/status", &json!({ "email": EMAIL })).await,
            bench
                .post("/v1/account/credentials/status", &json!({ "email": EMAIL }))
                .await,
            bench.post("/v1/account/login", &password).await,
            bench.post("/v1/account/create", &password).await,
            bench.post("/v1/recovery_email/verify_code", &link).await,
            bench.post("/v1/oauth/token", &code).await,
            bench.post("/v1/oauth/token", &refresh).await,
            bench
                .get_as("/v1/profile", token["access_token"].as_str().unwrap())
                .await,
        ];
        for (place, answer) in answers.iter().enumerate() {
            assert_eq!(
                answer.refusal(),
                expected,
                "{cause:?}, call {place}: {}",
                answer.text
            );
            assert_eq!(
                answer.headers.contains_key("retry-after"),
                expected.0 == 503,
                "{cause:?}, call {place}"
            );
        }
    }
    bench.store.set_outage(None);
    bench
        .signed_get("/v1/session/status", &signed_up.session)
        .await
        .ok();
    bench
        .signed_get("/v1/account/keys", &signed_up.key_fetch)
        .await
        .ok();
}

#[tokio::test]
async fn a_signer_that_is_away_costs_neither_the_code_nor_the_session() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let authorization = json!({
        "client_id": DESKTOP, "state": "st", "scope": "profile",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
    });
    let code = bench
        .signed_post("/v1/oauth/authorization", &signed_up.session, &authorization)
        .await
        .ok();
    let trade = json!({
        "client_id": DESKTOP, "code": code["code"], "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    });
    *bench.signer.outage.lock().unwrap() = Some(Cause::Unavailable);
    assert_eq!(bench.post("/v1/oauth/token", &trade).await.refusal(), (503, 201));
    assert_eq!(bench.get("/v1/jwks").await.refusal(), (503, 201));
    bench
        .signed_get("/v1/session/status", &signed_up.session)
        .await
        .ok();
    *bench.signer.outage.lock().unwrap() = None;
    bench.clock.advance(Duration::from_secs(10));
    let tokens = bench.post("/v1/oauth/token", &trade).await.ok();
    assert!(tokens.get("refresh_token").is_none(), "online access");
    bench.get("/v1/jwks").await.ok();
    *bench.signer.outage.lock().unwrap() = Some(Cause::Unavailable);
    bench
        .get_as("/v1/profile", tokens["access_token"].as_str().unwrap())
        .await
        .ok();
}

/// A refresh token comes with the code, and its store goes away in between: the client asks again with the same code.
#[tokio::test]
async fn no_code_is_spent_that_gave_nothing() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let authorization = json!({
        "client_id": DESKTOP, "state": "st", "scope": "profile", "access_type": "offline",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
    });
    let path = "/v1/oauth/authorization";
    let code = bench.signed_post(path, &signed_up.session, &authorization).await;
    let trade = json!({
        "client_id": DESKTOP, "code": code.ok()["code"], "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    });
    bench.store.go_away_after_intent(Cause::Unavailable);
    assert_eq!(bench.post("/v1/oauth/token", &trade).await.refusal(), (503, 201));
    bench.store.set_outage(None);
    let tokens = bench.post("/v1/oauth/token", &trade).await.ok();
    assert!(tokens["refresh_token"].is_string());
    assert_eq!(bench.post("/v1/oauth/token", &trade).await.refusal(), (400, 172));
}

#[tokio::test]
async fn a_full_stretcher_says_when_to_come_back() {
    let bench = Bench::new();
    bench.sign_up_verified(EMAIL).await;
    bench.stretcher.full.store(true, Ordering::SeqCst);
    let password = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let answer = bench.post("/v1/account/login", &password).await;
    assert_eq!(
        (answer.refusal(), &answer.body["retryAfter"]),
        ((503, 201), &json!(7))
    );
    assert_eq!(answer.headers["retry-after"], "7");
}

/// Breaks where it should have posted.
struct BrokenMailer;

#[async_trait]
impl Mailer for BrokenMailer {
    async fn post(&self, _mail: Mail) -> Result<(), MailError> {
        panic!("a broken invariant");
    }
}

#[tokio::test]
async fn a_panic_is_told_as_every_other_failure() {
    let bench = Bench::with(Options {
        mailer: Some(Arc::new(BrokenMailer)),
        ..Options::default()
    });
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let answer = bench.post("/v1/account/create", &body).await;
    assert_eq!(answer.refusal(), (500, 999), "{}", answer.text);
    assert!(answer.headers.contains_key("timestamp"));
    bench.get("/__lbheartbeat__").await.ok();
}

//! Signing in, questions about accounts, and limits.

use std::sync::Arc;

use foxhold_core::{Secret, hex};
use foxhold_crypto::token::{KeyBundle, TokenKind};
use serde_json::json;

use crate::{
    oauth::{DESKTOP, OLDSYNC, authorization},
    support::{Bench, EMAIL, NOW, Options, Token},
};

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

#[tokio::test]
async fn an_attempt_that_is_refused_counts_nowhere() {
    use foxhold_webhead::limits::{LimitSettings, LocalLimits};
    let clock = Arc::new(foxhold_ports::memory::ManualClock::new(NOW));
    let settings = LimitSettings {
        rules: vec![
            "accountLogin : email : 3 : 24 h : 24 h : block".into(),
            "passwordCheckFailed : email : 1 : 1 min : 1 min : block".into(),
        ],
        ..LimitSettings::default()
    };
    let random = foxhold_ports::memory::SeededRandom::new(1);
    let limits = LocalLimits::new(&settings, clock.clone(), &random).unwrap();
    let bench = Bench::with(Options {
        limits: Arc::new(limits),
        ..Options::default()
    });
    bench.sign_up_verified(EMAIL).await;
    let wrong = json!({ "email": EMAIL, "authPW": "22".repeat(32) });
    assert_eq!(
        bench.post("/v1/account/login", &wrong).await.refusal(),
        (400, 103)
    );
    for _ in 0..5 {
        assert_eq!(
            bench.post("/v1/account/login", &wrong).await.refusal(),
            (429, 114)
        );
    }
    clock.advance(std::time::Duration::from_secs(120));
    bench.sign_in(EMAIL).await;
}

/// Who tries addresses gets less far than who asks for accounts that are there.
#[tokio::test]
async fn addresses_without_an_account_count_for_themselves() {
    use foxhold_webhead::limits::{LimitSettings, LocalLimits};
    let settings = LimitSettings {
        rules: vec!["accountStatusCheckFailed : email : 2 : 24 h : 4 h : block".into()],
        ..LimitSettings::default()
    };
    let random = foxhold_ports::memory::SeededRandom::new(1);
    for path in ["/v1/account/status", "/v1/account/credentials/status"] {
        let clock = Arc::new(foxhold_ports::memory::ManualClock::new(NOW));
        let bench = Bench::with(Options {
            limits: Arc::new(LocalLimits::new(&settings, clock, &random).unwrap()),
            ..Options::default()
        });
        bench.sign_up_verified(EMAIL).await;
        let ask = async |email: &str| bench.post(path, &json!({ "email": email })).await;
        for _ in 0..5 {
            ask(EMAIL).await.ok();
        }
        bench.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
        for _ in 0..3 {
            assert_eq!(ask("bob@example.test").await.refusal().0, 503, "{path}");
        }
        bench.store.set_outage(None);
        for _ in 0..2 {
            assert_ne!(ask("bob@example.test").await.refusal().0, 429, "{path}");
        }
        assert_eq!(ask("bob@example.test").await.refusal(), (429, 114), "{path}");
    }
}

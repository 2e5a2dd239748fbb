//! Sessions through the API: given the password again, doubled, verified by the older call, listed and ended from elsewhere.

use std::time::Duration;

use axum::body::Body;
use foxhold_crypto::token::TokenKind;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::{
    oauth::{DESKTOP, authorization, trade},
    support::{Bench, EMAIL, NOW, SignedUp, Token},
};

const REAUTH: &str = "/v1/session/reauth";
const DUPLICATE: &str = "/v1/session/duplicate";
const VERIFY: &str = "/v1/session/verify/token";
const DETACH: &str = "/v1/account/attached_client/destroy";

fn password() -> Value {
    json!({ "email": EMAIL, "authPW": "11".repeat(32) })
}

#[tokio::test]
async fn a_session_is_authenticated_again() {
    let bench = Bench::new();
    let SignedUp { uid, session, .. } = bench.sign_up_verified(EMAIL).await;
    bench.clock.advance(Duration::from_secs(3600));
    let answer = bench.signed_post(REAUTH, &session, &password()).await.ok();
    let expected = json!({
        "uid": uid, "authAt": NOW.as_secs() + 3600, "verified": true, "emailVerified": true,
        "sessionVerified": true, "metricsEnabled": false,
    });
    assert_eq!(answer, expected, "no session token, and no keys");
    let answer = bench
        .signed_post(&format!("{REAUTH}?keys=true"), &session, &password())
        .await
        .ok();
    let keys = Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]);
    bench.signed_get("/v1/account/keys", &keys).await.ok();
    let grant = json!({ "client_id": DESKTOP, "scope": "profile" });
    let granted = bench.signed_post("/v1/oauth/token", &session, &grant).await.ok();
    assert_eq!(granted["auth_at"], NOW.as_secs() + 3600);

    let wrong = json!({ "email": EMAIL, "authPW": "22".repeat(32) });
    assert_eq!(
        bench.signed_post(REAUTH, &session, &wrong).await.refusal(),
        (400, 103)
    );
    bench.sign_up_verified("bob@example.test").await;
    let of_bob = json!({ "email": "bob@example.test", "authPW": "11".repeat(32) });
    assert_eq!(
        bench.signed_post(REAUTH, &session, &of_bob).await.refusal(),
        (400, 102)
    );
}

#[tokio::test]
async fn a_session_is_doubled() {
    let bench = Bench::new();
    let SignedUp { uid, session, .. } = bench.sign_up_verified(EMAIL).await;
    bench.clock.advance(Duration::from_secs(60));
    let answer = bench
        .signed_post(DUPLICATE, &session, &json!({ "reason": "app" }))
        .await
        .ok();
    assert_eq!(
        (&answer["uid"], &answer["authAt"], &answer["verified"]),
        (&json!(uid), &json!(NOW.as_secs()), &json!(true))
    );
    let second = Token::of(TokenKind::Session, &answer["sessionToken"]);
    bench
        .signed_post("/v1/session/destroy", &second, &json!({}))
        .await
        .ok();
    bench.signed_get("/v1/session/status", &session).await.ok();
    for (reason, errno) in [(json!("r".repeat(17)), 107), (json!(1), 107)] {
        let body = json!({ "reason": reason });
        assert_eq!(
            bench.signed_post(DUPLICATE, &session, &body).await.refusal(),
            (400, errno)
        );
    }
}

#[tokio::test]
async fn bodies_have_to_be_covered_and_tokens_alive() {
    let bench = Bench::new();
    let SignedUp {
        session, key_fetch, ..
    } = bench.sign_up_verified(EMAIL).await;
    for path in [REAUTH, DUPLICATE] {
        let request = Request::post(path)
            .header(
                header::AUTHORIZATION,
                bench.authorization(&session, &Method::POST, path, None),
            )
            .header(header::CONTENT_TYPE, "application/json");
        let answer = bench.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.refusal(), (401, 109), "{path}");
    }
    let calls = [REAUTH, DUPLICATE, VERIFY, DETACH];
    for path in calls {
        assert_eq!(
            bench.signed_post(path, &key_fetch, &json!({})).await.refusal(),
            (401, 110),
            "{path}"
        );
        assert_eq!(bench.post(path, &json!({})).await.refusal(), (401, 110), "{path}");
    }
    bench
        .signed_post("/v1/session/destroy", &session, &json!({}))
        .await
        .ok();
    for path in calls {
        assert_eq!(
            bench.signed_post(path, &session, &json!({})).await.refusal(),
            (401, 110),
            "{path}"
        );
    }
    assert_eq!(
        bench.signed_get("/v1/account/sessions", &session).await.refusal(),
        (401, 110)
    );
}

#[tokio::test]
async fn the_older_call_verifies_by_a_typed_code() {
    let bench = Bench::new();
    let SignedUp { uid, session, .. } = bench.sign_up(EMAIL).await;
    let code = bench.mailed(EMAIL, "X-Verify-Short-Code");
    let other = if code == "000000" { "000001" } else { "000000" };
    let verify = async |body: Value| bench.signed_post(VERIFY, &session, &body).await.refusal();
    assert_eq!(verify(json!({ "code": other })).await, (400, 152));
    assert_eq!(verify(json!({ "code": "00000" })).await, (400, 107));
    assert_eq!(verify(json!({})).await, (400, 108));
    assert_eq!(
        verify(json!({ "code": code, "uid": "00".repeat(16) })).await,
        (400, 107)
    );
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(verify(json!({ "code": code })).await, (400, 153));
    bench.clock.set(NOW);
    assert_eq!(verify(json!({ "code": code, "uid": uid })).await.0, 200);
    let status = bench.signed_get("/v1/session/status", &session).await.ok();
    assert_eq!(status["state"], "verified");
}

#[tokio::test]
async fn attached_clients_are_signed_out_by_the_ids_they_are_listed_with() {
    let bench = Bench::new();
    let SignedUp { session, .. } = bench.sign_up_verified(EMAIL).await;
    let other = bench.sign_in(EMAIL).await;
    let device = json!({ "name": "Laptop", "type": "desktop", "availableCommands": {} });
    bench
        .signed_post("/v1/account/device", &other, &device)
        .await
        .ok();
    let list = async || {
        let listed = bench
            .signed_get("/v1/account/attached_clients", &session)
            .await
            .ok();
        listed.as_array().unwrap().clone()
    };
    let older = bench.signed_get("/v1/account/sessions", &session).await.ok();
    assert_eq!(older.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&older[0]["isCurrentDevice"], &older[0]["isDevice"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&older[1]["deviceName"], &older[1]["isDevice"]),
        (&json!("Laptop"), &json!(true))
    );
    assert_eq!(older[0]["id"], session.keys().id.to_string());

    let entry = list().await[1].clone();
    for _ in 0..2 {
        let ids = json!({ "deviceId": entry["deviceId"], "sessionTokenId": entry["sessionTokenId"] });
        assert_eq!(bench.signed_post(DETACH, &session, &ids).await.ok(), json!({}));
    }
    assert_eq!(list().await.len(), 1);
    assert_eq!(
        bench.signed_get("/v1/session/status", &other).await.refusal(),
        (401, 110)
    );

    // A refresh token hangs on its session, which is what is listed.
    let code = bench
        .signed_post("/v1/oauth/authorization", &session, &authorization())
        .await
        .ok();
    let tokens = bench
        .signed_post("/v1/oauth/token", &session, &trade(&code["code"]))
        .await
        .ok();
    let refresh = json!({ "grant_type": "refresh_token", "client_id": DESKTOP,
        "refresh_token": tokens["refresh_token"] });
    bench.post("/v1/oauth/token", &refresh).await.ok();
    bench
        .signed_post(DETACH, &session, &json!({ "clientId": DESKTOP }))
        .await
        .ok();
    assert_eq!(
        bench.post("/v1/oauth/token", &refresh).await.refusal(),
        (401, 110)
    );

    for (body, errno) in [
        (json!({}), 108),
        (json!({ "refreshTokenId": "11".repeat(32) }), 108),
        (json!({ "clientId": "zz" }), 107),
        (json!({ "sessionTokenId": "11" }), 107),
        (json!({ "deviceId": 1 }), 107),
    ] {
        assert_eq!(
            bench.signed_post(DETACH, &session, &body).await.refusal(),
            (400, errno),
            "{body}"
        );
    }
}

/// Another account's ids are as good as none, and tell nothing.
#[tokio::test]
async fn another_accounts_clients_are_not_touched() {
    let bench = Bench::new();
    let alice = bench.sign_up_verified(EMAIL).await.session;
    let bob = bench.sign_up_verified("bob@example.test").await.session;
    let device = json!({ "name": "Bob's", "type": "desktop", "availableCommands": {} });
    let device = bench.signed_post("/v1/account/device", &bob, &device).await.ok();
    for ids in [
        json!({ "sessionTokenId": bob.keys().id.to_string() }),
        json!({ "deviceId": device["id"] }),
    ] {
        assert_eq!(bench.signed_post(DETACH, &alice, &ids).await.ok(), json!({}));
    }
    let other = json!({ "customSessionToken": bob.keys().id.to_string() });
    assert_eq!(
        bench
            .signed_post("/v1/session/destroy", &alice, &other)
            .await
            .refusal(),
        (401, 110)
    );
    let listed = bench.signed_get("/v1/account/devices", &bob).await.ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
}

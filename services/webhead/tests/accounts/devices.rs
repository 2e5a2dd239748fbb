//! Devices, what they are told, and the sessions they keep alive.

use std::time::Duration;

use foxhold_crypto::token::TokenKind;
use foxhold_ports::Cause;
use serde_json::{Value, json};

use crate::support::{Bench, EMAIL, NOW, Token};

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
async fn a_session_that_has_run_out_is_nobodys_client() {
    let bench = Bench::new();
    bench.sign_up_verified(EMAIL).await;
    bench.clock.advance(Duration::from_secs(29 * 24 * 60 * 60));
    let session = bench.sign_in(EMAIL).await;
    let clients = bench
        .signed_get("/v1/account/attached_clients", &session)
        .await
        .ok();
    assert_eq!(clients.as_array().unwrap().len(), 1, "{clients}");
}

/// What a webhead reads and writes again is not lost because another one's clock was ahead.
#[tokio::test]
async fn a_slow_clock_does_not_lose_what_is_written_to_a_known_device() {
    let bench = Bench::new();
    let session = bench.sign_up_verified(EMAIL).await.session;
    let put = async |body: Value| {
        bench
            .signed_post("/v1/account/device", &session, &body)
            .await
            .ok()
    };
    let made = put(json!({ "name": "n", "type": "desktop" })).await;
    bench.clock.set(NOW.minus(Duration::from_secs(600)));
    let renamed = put(json!({ "id": made["id"], "name": "m" })).await;
    assert_eq!(renamed["name"], "m");
    let devices = bench.signed_get("/v1/account/devices", &session).await.ok();
    assert_eq!(devices[0]["name"], "m");
    let last = |device: &Value| device["lastAccessTime"].as_u64().unwrap();
    assert_eq!(last(&devices[0]), NOW.as_millis() + 1, "later than it was made");
}

/// A browser registers once, and is used every day.
#[tokio::test]
async fn a_session_in_use_is_noted_now_and_then_and_its_device_is_heard_of() {
    const HOUR: Duration = Duration::from_secs(3600);
    let bench = Bench::new();
    let used = bench.sign_up_verified(EMAIL).await.session;
    let idle = bench.sign_in(EMAIL).await;
    for session in [&used, &idle] {
        let device = json!({ "name": "n", "type": "desktop" });
        bench
            .signed_post("/v1/account/device", session, &device)
            .await
            .ok();
    }
    let use_it = async || {
        bench.signed_get("/v1/session/status", &used).await.ok();
        bench.follow_ups.ended().await;
    };
    let last = async |path: &str| {
        let listed = bench.signed_get(path, &used).await.ok();
        let listed = listed.as_array().unwrap().iter();
        let times = listed.map(|client| client["lastAccessTime"].as_u64().unwrap());
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        times
    };
    let made = NOW.as_millis();
    let after = |hours: u32| NOW.plus(HOUR * hours).as_millis();
    // Hours that pass until a call, and when the session was last noted then.
    for (pause, noted) in [(5, made), (4, after(9)), (1, after(9)), (8, after(18))] {
        bench.clock.advance(HOUR * pause);
        use_it().await;
        for path in [
            "/v1/account/devices",
            "/v1/account/attached_clients",
            "/v1/account/sessions",
        ] {
            assert_eq!(last(path).await, [made, noted], "{path} after {pause} hours");
        }
    }
    let since_then = format!("/v1/account/devices?filterIdleDevicesTimestamp={}", after(1));
    assert_eq!(last(&since_then).await, [after(18)], "the other one is idle");
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_fails_no_call() {
    let bench = Bench::new();
    let session = bench.sign_up_verified(EMAIL).await.session;
    bench.clock.advance(Duration::from_secs(9 * 3600));
    bench.store.go_away_after_intent(Cause::Unavailable);
    bench.signed_get("/v1/session/status", &session).await.ok();
    bench.follow_ups.ended().await;
    let gone = bench.signed_get("/v1/session/status", &session).await;
    assert_eq!(gone.refusal(), (503, 201), "there was something to note");
    bench.store.set_outage(None);
    bench.signed_get("/v1/session/status", &session).await.ok();
}

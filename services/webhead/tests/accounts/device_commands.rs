//! What one device sends another: it waits until that comes for it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_ports::{
    Limits,
    limits::{Action, LimitKeys, Throttled},
};
use serde_json::{Value, json};

use crate::support::{Answer, Bench, EMAIL, Options, Token};

const OPEN_URI: &str = "https://identity.mozilla.com/cmd/open-uri";

/// A browser that is signed in, and its device's id.
struct Browser {
    session: Token,
    device: String,
}

impl Browser {
    async fn of(bench: &Bench, session: Token, commands: Value) -> Self {
        let body = json!({ "name": "n", "type": "desktop", "availableCommands": commands });
        let device = bench
            .signed_post("/v1/account/device", &session, &body)
            .await
            .ok();
        Self {
            session,
            device: device["id"].as_str().unwrap().to_owned(),
        }
    }

    async fn sends(&self, bench: &Bench, body: &Value) -> Answer {
        bench
            .signed_post("/v1/account/devices/invoke_command", &self.session, body)
            .await
    }

    async fn polls(&self, bench: &Bench, query: &str) -> Value {
        let path = format!("/v1/account/device/commands{query}");
        bench.signed_get(&path, &self.session).await.ok()
    }
}

/// Two browsers of one account. The first takes tabs.
async fn two(bench: &Bench) -> [Browser; 2] {
    let first = bench.sign_up_verified(EMAIL).await.session;
    let second = bench.sign_in(EMAIL).await;
    [
        Browser::of(bench, first, json!({ OPEN_URI: "{}" })).await,
        Browser::of(bench, second, json!({})).await,
    ]
}

fn tab(to: &Browser, number: u64) -> Value {
    json!({
        "target": to.device, "command": OPEN_URI, "payload": { "encrypted": format!("„{number}“") }, "ttl": 3600,
    })
}

fn payloads(page: &Value) -> Vec<&Value> {
    let messages = page["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| &message["data"]["payload"]["encrypted"])
        .collect()
}

#[tokio::test]
async fn a_tab_arrives_as_it_was_sent_and_once() {
    let bench = Bench::new();
    let [desktop, laptop] = two(&bench).await;
    let nothing = json!({ "index": 0, "last": true, "messages": [] });
    assert_eq!(desktop.polls(&bench, "").await, nothing);
    let sent = laptop.sends(&bench, &tab(&desktop, 1)).await.ok();
    assert_eq!(sent, json!({ "enqueued": true, "notified": false }));
    let page = desktop.polls(&bench, "").await;
    let index = page["index"].as_u64().unwrap();
    let message = json!({
        "index": index,
        "data": { "command": OPEN_URI, "payload": { "encrypted": "„1“" }, "sender": laptop.device },
    });
    assert_eq!(
        page,
        json!({ "index": index, "last": true, "messages": [message] })
    );
    assert_eq!(laptop.polls(&bench, "").await, nothing, "it is the other's");
    // As browsers go on: from the number after the last they have seen.
    let from = format!("?index={}", index + 1);
    let later = desktop.polls(&bench, &from).await;
    assert_eq!(
        (&later["messages"], &later["index"]),
        (&json!([]), &json!(index + 1))
    );
    laptop.sends(&bench, &tab(&desktop, 2)).await.ok();
    assert_eq!(payloads(&desktop.polls(&bench, &from).await), ["„2“"]);
}

#[tokio::test]
async fn what_waits_comes_in_pages_whose_index_only_rises() {
    let bench = Bench::new();
    let [desktop, laptop] = two(&bench).await;
    for number in 0..5 {
        // All in one millisecond, and then by a clock that was set back.
        if number == 3 {
            bench
                .clock
                .set(crate::support::NOW.minus(Duration::from_secs(3600)));
        }
        laptop.sends(&bench, &tab(&desktop, number)).await.ok();
    }
    let (mut from, mut seen) = (0, Vec::new());
    loop {
        let page = desktop.polls(&bench, &format!("?index={from}&limit=2")).await;
        let index = page["index"].as_u64().unwrap();
        assert!(index >= from, "{page}");
        seen.extend(payloads(&page).into_iter().cloned());
        from = index + 1;
        if page["last"] == true {
            break;
        }
    }
    assert_eq!(seen, ["„0“", "„1“", "„2“", "„3“", "„4“"]);
}

#[tokio::test]
async fn commands_that_cannot_arrive_are_refused() {
    let bench = Bench::new();
    let [desktop, laptop] = two(&bench).await;
    let stranger = bench.sign_up_verified("bob@example.test").await.session;
    let stranger = Browser::of(&bench, stranger, json!({ OPEN_URI: "{}" })).await;
    let good = tab(&desktop, 1);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let table = [
        ("not offered", tab(&laptop, 1), (400, 157)),
        (
            "not offered by that name",
            with("command", json!("x")),
            (400, 157),
        ),
        ("of another account", tab(&stranger, 1), (400, 123)),
        ("unknown", with("target", json!("00".repeat(16))), (400, 123)),
        ("no id", with("target", json!("desktop")), (400, 107)),
        ("no name", with("command", json!("a b")), (400, 107)),
        ("no object", with("payload", json!("x")), (400, 107)),
        ("nothing in it", with("payload", Value::Null), (400, 108)),
        ("no time", with("ttl", json!(-1)), (400, 107)),
    ];
    for (name, body, expected) in table {
        assert_eq!(laptop.sends(&bench, &body).await.refusal(), expected, "{name}");
    }
    let too_many = bench
        .signed_get("/v1/account/device/commands?limit=101", &desktop.session)
        .await;
    assert_eq!(too_many.refusal(), (400, 107));
    for browser in [&desktop, &laptop, &stranger] {
        assert_eq!(browser.polls(&bench, "").await["messages"], json!([]));
    }
}

#[tokio::test]
async fn what_waits_ends_with_its_time_and_with_its_device() {
    let bench = Bench::new();
    let [desktop, laptop] = two(&bench).await;
    laptop.sends(&bench, &tab(&desktop, 1)).await.ok();
    let mut for_good = tab(&desktop, 2);
    for_good["ttl"] = json!(1_u64 << 50);
    laptop.sends(&bench, &for_good).await.ok();
    assert_eq!(payloads(&desktop.polls(&bench, "").await), ["„1“", "„2“"]);
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(payloads(&desktop.polls(&bench, "").await), ["„2“"]);
    bench.clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(desktop.polls(&bench, "").await["messages"], json!([]));
    laptop.sends(&bench, &tab(&desktop, 3)).await.ok();
    let destroyed = json!({ "id": desktop.device });
    bench
        .signed_post("/v1/account/device/destroy", &laptop.session, &destroyed)
        .await
        .ok();
    let sent = laptop.sends(&bench, &tab(&desktop, 4)).await;
    assert_eq!(sent.refusal(), (400, 123));
}

#[tokio::test]
async fn whom_a_message_is_for_is_checked() {
    let bench = Bench::new();
    let [desktop, laptop] = two(&bench).await;
    let payload = json!({ "version": 1, "command": "sync:collection_changed", "data": {} });
    let ids = json!([desktop.device]);
    let table = [
        ("all", json!({ "to": "all", "payload": payload }), (200, 0)),
        (
            "all but one",
            json!({ "to": "all", "excluded": ids, "payload": payload, "TTL": 60 }),
            (200, 0),
        ),
        ("one", json!({ "to": ids, "payload": payload }), (200, 0)),
        (
            "nobody named",
            json!({ "to": "some", "payload": payload }),
            (400, 107),
        ),
        ("no ids", json!({ "to": ["x"], "payload": payload }), (400, 107)),
        (
            "none excluded",
            json!({ "to": "all", "excluded": "x", "payload": payload }),
            (400, 107),
        ),
        ("no object", json!({ "to": "all", "payload": [] }), (400, 107)),
        (
            "no time",
            json!({ "to": "all", "payload": payload, "TTL": "x" }),
            (400, 107),
        ),
        ("to nobody", json!({ "payload": payload }), (400, 108)),
    ];
    for (name, body, expected) in table {
        let answer = bench
            .signed_post("/v1/account/devices/notify", &laptop.session, &body)
            .await;
        assert_eq!(answer.refusal(), expected, "{name}");
    }
}

/// Refuses these calls, and nothing else.
struct NoCommands;

#[async_trait]
impl Limits for NoCommands {
    async fn count(&self, action: Action, keys: LimitKeys<'_>) -> Result<(), Throttled> {
        match action {
            Action::InvokeDeviceCommand | Action::DeviceNotify if keys.uid.is_some() => Err(Throttled {
                retry_after: Duration::from_secs(9),
            }),
            _ => Ok(()),
        }
    }

    async fn refund(&self, _: Action, _: LimitKeys<'_>) {}
}

#[tokio::test]
async fn sending_is_limited() {
    let bench = Bench::with(Options {
        limits: Arc::new(NoCommands),
        ..Options::default()
    });
    let [desktop, laptop] = two(&bench).await;
    assert_eq!(
        laptop.sends(&bench, &tab(&desktop, 1)).await.refusal(),
        (429, 114)
    );
    let notify = json!({ "to": "all", "payload": {} });
    let notified = bench
        .signed_post("/v1/account/devices/notify", &laptop.session, &notify)
        .await;
    assert_eq!(notified.refusal(), (429, 114));
}

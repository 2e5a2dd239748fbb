//! BrowserID through the router: a bundle of the own issuer's user, and every row of the contract's table that only a
//! bundle leads to.

use foxhold_core::record::Schemes;
use serde_json::Value;

use super::*;
use crate::key_set::signing::{bundle, certificate};

const ISSUER: &str = "accounts.example";

async fn world() -> World {
    let world = World::new().await;
    let policy = ServicePolicy {
        schemes: Schemes {
            oauth: true,
            browserid: true,
        },
        allowed_issuers: vec![ISSUER.to_owned()],
        ..ServicePolicy::default()
    };
    world.put_policy(policy).await;
    world
}

impl World {
    async fn present(&self, certificate: &Value, assertion: &Value) -> world::Answer {
        let request = get_with_state(&format!("BrowserID {}", bundle(certificate, assertion)), "aaaa");
        self.send(request).await
    }
}

fn get_with_state(authorization: &str, client_state: &str) -> Request {
    axum::http::Request::builder()
        .uri("/1.0/sync/1.5")
        .header("authorization", authorization)
        .header("x-client-state", client_state)
        .body(Body::empty())
        .unwrap()
}

fn assertion() -> Value {
    json!({"aud": "https://token.example", "exp": NOW.as_millis() + 300_000})
}

#[tokio::test]
async fn a_bundle_and_a_token_lead_to_one_user() {
    let world = world().await;
    let answer = world.present(&certificate(), &assertion()).await;
    assert_eq!(answer.http, 200, "{answer:?}");
    let secrets = NodeSecrets::new(vec![secret()]).unwrap();
    let read = node_token::verify(answer.body["id"].as_str().unwrap(), &secrets).unwrap();
    assert_eq!(read.fxa_uid.as_deref(), Some(UID));
    assert_eq!(read.fxa_kid.as_deref(), Some("0000000001234-qqo"));
    let by_token = world.exchange(&token(&claims())).await;
    assert_eq!(by_token.body["uid"], answer.body["uid"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_bundle_is_told_as_the_contract_says() {
    let world = world().await;
    type Row = (&'static str, Value, Value, (u16, &'static str, &'static str));
    let mut table: Vec<Row> = Vec::new();
    let invalid = (401, "invalid-credentials", "Unauthorized");
    let time = (401, "invalid-timestamp", "Unauthorized");
    let mut certified = |name, claim: &str, value: Value, expected| {
        let mut certificate = certificate();
        certificate[claim] = value;
        table.push((name, certificate, assertion(), expected));
    };
    let now = NOW.as_millis();
    certified("expired certificate", "exp", json!(now), time);
    certified("from the future", "iat", json!(now + 60_000), time);
    certified("another issuer", "iss", json!("other.example"), invalid);
    certified("unverified", "fxa-tokenVerified", json!(false), invalid);
    for value in [json!(null), json!("1234"), json!([1]), json!(true), json!(1.5)] {
        certified(
            "generation",
            "fxa-generation",
            value.clone(),
            (401, "invalid-generation", "Unauthorized"),
        );
        certified(
            "keys changed at",
            "fxa-keysChangedAt",
            value,
            (401, "invalid-credentials", "invalid keysChangedAt"),
        );
    }
    for (name, aud) in [
        ("other server", "https://token.example.evil"),
        ("port", "https://token.example:8443"),
        ("dot", "https://token.example."),
        ("case", "https://Token.example"),
    ] {
        let mut assertion = assertion();
        assertion["aud"] = json!(aud);
        table.push((name, certificate(), assertion, invalid));
    }
    let mut late = assertion();
    late["exp"] = json!(now - 120_000);
    table.push(("expired assertion", certificate(), late, time));
    for (name, certificate, assertion, (http, status, description)) in table {
        let answer = world.present(&certificate, &assertion).await;
        assert_eq!(answer.error(), (http, status, "body", "", description), "{name}");
        let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(challenges, ["Bearer", "BrowserID"]);
    }
    let nodes = world
        .store
        .nodes(Deadline::after(Duration::from_secs(30)), &service().key)
        .await;
    assert_eq!(nodes.unwrap()[0].figures.current_load, 0);
}

#[tokio::test]
async fn without_the_issuers_keys_nothing_is_said_of_the_bundle() {
    let world = world().await;
    world.published.fail(Some(SignError::NotDone(Cause::Unavailable)));
    let answer = world.present(&certificate(), &assertion()).await;
    assert_eq!(
        answer.error(),
        (503, "error", "body", "", "Resource is not available")
    );
    world.published.fail(None);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.present(&certificate(), &assertion()).await.http, 200);
}

#[tokio::test]
async fn garbage_is_refused_before_any_key_is_asked_for() {
    let world = world().await;
    world.published.times_asked();
    for credential in ["", "a", "a~b", "a.b.c~d.e.f", "~", "%", &"a".repeat(16 * 1024)] {
        let answer = world
            .send(get_with_state(&format!("BrowserID {credential}"), "aaaa"))
            .await;
        assert_eq!(
            answer.error(),
            (401, "invalid-credentials", "body", "", "Unauthorized")
        );
    }
    let long = "a".repeat(16 * 1024 + 1);
    let answer = world
        .send(get_with_state(&format!("BrowserID {long}"), "aaaa"))
        .await;
    assert_eq!(answer.http, 413);
    assert_eq!(world.published.times_asked(), 0);
}

//! The webhook of account events: what is refused and how, and what an accepted one does to the exchanges after it.

mod own_accounts;
mod second_look;
mod settings;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use data_encoding::BASE64URL_NOPAD as URL_SAFE;
use foxhold_core::{
    Clock, Deadline,
    record::{Generation, UserKey, UserRecord},
};
use foxhold_crypto::{
    mac,
    rsa_key::{KeySet, NamedKey, RsaPublicKey},
};
use foxhold_ports::{AssignmentReader, Cause, PublicKeySource, signer::SignError};
use http_body_util::BodyExt;
use ring::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::world::{World, service};
use crate::{
    key_set::{
        KeySetCache,
        signing::{KID, NOW, Published, UID, claims, token},
    },
    token_server::{
        events::{EventReceiver, PATH, SecondLooks},
        own_router,
    },
};

const ISSUER: &str = "https://accounts.example";
const CLIENT: &str = "5882386c6d801776";
const DELETE: &str = "https://schemas.accounts.firefox.com/event/delete-user";
const PASSWORD: &str = "https://schemas.accounts.firefox.com/event/password-change";
const TEST_KEY: &[u8] = include_bytes!("../../../../../libs/crypto/testdata/rsa-2048-for-tests.der");

/// The test key as an accounts server publishes it.
async fn key_set() -> KeySet {
    let by = Deadline::after(Duration::from_secs(30));
    let published = Published::new(KID).public_keys(by).await.unwrap();
    let named = published.into_iter().map(|key| NamedKey {
        key: RsaPublicKey::new(&key.n, &key.e).unwrap(),
        kid: key.kid,
    });
    KeySet::new(named.collect())
}

/// A token of any header and payload, rightly signed.
fn signed(header: &str, payload: &str) -> String {
    let input = format!(
        "{}.{}",
        URL_SAFE.encode(header.as_bytes()),
        URL_SAFE.encode(payload.as_bytes())
    );
    let pair = KeyPair::from_der(TEST_KEY).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
        .unwrap();
    format!("{input}.{}", URL_SAFE.encode(&signature))
}

/// As accounts servers write it: no type.
const HEADER: &str = r#"{"alg":"RS256","kid":"test-1"}"#;

fn about(events: &Value) -> Value {
    json!({
        "iss": ISSUER,
        "sub": UID,
        "aud": CLIENT,
        "iat": 1_699_999_999.5,
        "jti": "e19ed6c5-4816-4171-aa43-56ffe80dbda1",
        "events": events,
    })
}

fn event_token(events: &Value) -> String {
    signed(HEADER, &about(events).to_string())
}

fn deleted() -> String {
    event_token(&json!({DELETE: {}}))
}

/// An answer; 200 has no body, and every other has the one form.
#[derive(Debug)]
struct Reply {
    http: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn status(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        (self.http, body["status"].as_str().unwrap_or_default().to_owned())
    }
}

/// Alice has a record; events come from an issuer with the test key.
async fn alice() -> World {
    alice_and_issuer().await.0
}

/// The same, and the issuer, who can be away.
async fn alice_and_issuer() -> (World, Arc<Published>) {
    let (world, issuer) = nobody_and_issuer().await;
    assert_eq!(world.exchange(&token(&claims())).await.http, 200);
    (world, issuer)
}

/// Alice has no record yet.
async fn nobody_and_issuer() -> (World, Arc<Published>) {
    let mut world = World::new().await;
    let issuer = Arc::new(Published::new(KID));
    let server = Arc::get_mut(&mut world.server).unwrap();
    server.account_events = Some(EventReceiver {
        issuer: ISSUER.into(),
        audience: CLIENT.into(),
        domain: None,
        keys: KeySetCache::new(issuer.clone(), world.clock.clone()),
        second_looks: SecondLooks::after_requests_of(Duration::from_secs(30)),
    });
    (world, issuer)
}

impl World {
    async fn post_event(&self, request: Request<Body>) -> Reply {
        let response = own_router(self.server.clone(), 8).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers["content-type"], "application/json");
        assert_eq!(
            parts.headers["x-timestamp"],
            self.clock.now().as_secs().to_string()
        );
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        assert_eq!(body.is_empty(), parts.status == StatusCode::OK, "{body:?}");
        Reply {
            http: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    async fn tell_of(&self, token: &str) -> Reply {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        self.post_event(request("POST", &headers)).await
    }

    async fn record_of_alice(&self) -> Option<UserRecord> {
        let by = Deadline::after(Duration::from_secs(30));
        let user = UserKey(format!("{UID}@accounts.example"));
        let read = self.store.user_record(by, &service().key, &user).await;
        read.unwrap()
    }

    /// The exchange of Alice with credentials of this generation.
    async fn exchange_at(&self, generation: u64) -> (u16, String) {
        let mut claims = claims();
        claims["fxa-generation"] = json!(generation);
        let answer = self.exchange(&token(&claims)).await;
        let (http, status) = answer.status();
        (http, status.to_owned())
    }
}

fn request(method: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn answered(http: u16, status: &str) -> (u16, String) {
    (http, status.to_owned())
}

#[tokio::test]
async fn nothing_is_there_unless_it_is_switched_on() {
    let world = World::new().await;
    let authorization = format!("Bearer {}", deleted());
    for method in ["POST", "GET"] {
        let headers = [("authorization", authorization.as_str())];
        let reply = world.post_event(request(method, &headers)).await;
        assert_eq!(reply.status(), answered(404, "error"), "{method}");
    }
}

#[tokio::test]
async fn only_post_and_only_there() {
    let world = alice().await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let reply = world.post_event(request(method, &[])).await;
        assert_eq!(reply.status(), answered(405, "error"), "{method}");
        assert_eq!(reply.headers["allow"], "POST");
    }
    for path in [
        "/1.0/webhooks/fxa",
        "/1.0/webhooks/fxa/events/",
        "/1.0/webhooks/fxa/event",
        "/1.0/webhooks",
    ] {
        let elsewhere = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(world.post_event(elsewhere).await.http, 404, "{path}");
    }
}

#[tokio::test]
async fn a_deleted_account_is_retired() {
    let world = alice().await;
    for _ in 0..2 {
        assert_eq!(world.tell_of(&deleted()).await.http, 200);
        let record = world.record_of_alice().await.unwrap().current;
        assert_eq!(record.generation, Generation::RETIRED);
        assert_eq!(record.replaced_at, Some(NOW));
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.exchange_at(9999).await, answered(401, "invalid-generation"));
}

#[tokio::test]
async fn a_changed_password_shuts_out_older_credentials() {
    let world = alice().await;
    let changed = event_token(&json!({PASSWORD: {"changeTime": 2000}}));
    assert_eq!(world.tell_of(&changed).await.http, 200);
    assert_eq!(world.record_of_alice().await.unwrap().current.generation.0, 1999);
    assert_eq!(world.exchange_at(1234).await, answered(401, "invalid-generation"));
    assert_eq!(world.exchange_at(2000).await.0, 200);
    let late = event_token(&json!({PASSWORD: {"changeTime": 1500}}));
    assert_eq!(world.tell_of(&late).await.http, 200);
    assert_eq!(world.record_of_alice().await.unwrap().current.generation.0, 2000);
}

#[tokio::test]
async fn what_changes_nothing_is_taken_too() {
    let world = alice().await;
    let before = world.record_of_alice().await;
    let mut other = about(&json!({DELETE: {}}));
    other["sub"] = json!("b".repeat(32));
    let rows = [
        ("no event", event_token(&json!({}))),
        (
            "another event",
            event_token(&json!({"https://schemas.accounts.firefox.com/event/profile-change": {}})),
        ),
        ("an unknown user", signed(HEADER, &other.to_string())),
    ];
    for (name, token) in rows {
        assert_eq!(world.tell_of(&token).await.http, 200, "{name}");
        assert_eq!(world.record_of_alice().await, before, "{name}");
    }
}

#[tokio::test]
async fn tokens_in_other_spellings() {
    let payload = about(&json!({DELETE: {}})).to_string();
    let mut several = about(&json!({DELETE: {}}));
    several["aud"] = json!(["another", CLIENT]);
    let rows = [
        signed(r#"{"alg":"RS256"}"#, &payload),
        signed(r#"{"alg":"RS256","typ":"secevent+jwt"}"#, &payload),
        signed(r#"{"alg":"RS256","typ":"application/secevent+JWT"}"#, &payload),
        signed(r#"{"alg":"RS256","typ":"JWT","kid":"of another name"}"#, &payload),
        signed(HEADER, &several.to_string()),
    ];
    for token in rows {
        let world = alice().await;
        let authorization = format!("bEARER {token}");
        let mut request = request("POST", &[("authorization", authorization.as_str())]);
        // What else is sent does not matter.
        *request.body_mut() = Body::from("anything");
        assert_eq!(world.post_event(request).await.http, 200, "{token}");
        assert_eq!(
            world.record_of_alice().await.unwrap().current.generation,
            Generation::RETIRED
        );
    }
}

/// The JWT rows of `security.md` E.2, and the claims of section 10. What is rightly signed is refused for what it says.
async fn bad_tokens() -> Vec<(&'static str, String)> {
    let payload = about(&json!({DELETE: {}}));
    let text = payload.to_string();
    let with = |header: &str| signed(header, &text);
    let claim = |name: &str, value: Value| {
        let mut changed = payload.clone();
        changed[name] = value;
        signed(HEADER, &changed.to_string())
    };
    let good = deleted();
    let parts: Vec<&str> = good.split('.').collect();
    let (unsigned, signature) = good.rsplit_once('.').unwrap();
    let set = key_set().await;
    let hmac = |secret: &[u8]| {
        let header = URL_SAFE.encode(br#"{"alg":"HS256"}"#);
        let input = format!("{header}.{}", parts[1]);
        let mac = mac::hmac_sha256(secret, &[input.as_bytes()]);
        format!("{input}.{}", URL_SAFE.encode(&mac))
    };
    let huge = about(&json!({DELETE: {"x": "x".repeat(8192)}}));
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    vec![
        ("nothing", String::new()),
        ("opaque", "0123456789abcdef".repeat(4)),
        ("alg none", with(r#"{"alg":"none"}"#)),
        ("alg NonE", with(r#"{"alg":"NonE"}"#)),
        (
            "alg none, no signature",
            format!("{}.{}.", URL_SAFE.encode(br#"{"alg":"none"}"#), parts[1]),
        ),
        ("HS256 with the modulus", hmac(set.keys()[0].key.modulus())),
        ("HS256 with the JWK", hmac(set.keys()[0].to_jwk().as_bytes())),
        ("ES256", with(r#"{"alg":"ES256"}"#)),
        ("RS512", with(r#"{"alg":"RS512"}"#)),
        ("access token's type", with(r#"{"alg":"RS256","typ":"at+jwt"}"#)),
        ("another type", with(r#"{"alg":"RS256","typ":"logout+jwt"}"#)),
        ("type of no kind", with(r#"{"alg":"RS256","typ":7}"#)),
        (
            "jwk",
            with(r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"AQ","e":"AQ"}}"#),
        ),
        (
            "jku",
            with(r#"{"alg":"RS256","jku":"https://evil.example/jwks"}"#),
        ),
        ("x5u", with(r#"{"alg":"RS256","x5u":"https://evil.example/"}"#)),
        ("crit", with(r#"{"alg":"RS256","crit":["exp"]}"#)),
        ("b64 false", with(r#"{"alg":"RS256","b64":false}"#)),
        ("header twice", with(r#"{"alg":"RS256","alg":"none"}"#)),
        ("no signature", format!("{unsigned}.")),
        ("cut signature", good[..good.len() - 2].to_owned()),
        ("signature of zeros", format!("{unsigned}.{}", "A".repeat(342))),
        (
            "other claims",
            format!("{}.{}.{signature}", parts[0], URL_SAFE.encode(b"{}")),
        ),
        ("two signatures", format!("{good}.{signature}")),
        ("padded", format!("{good}==")),
        ("whitespace", format!("{}. {}.{signature}", parts[0], parts[1])),
        ("leading blank", format!(" {good}")),
        (
            "JSON serialization",
            format!(
                r#"{{"protected":"{}","payload":"{}","signature":"{signature}"}}"#,
                parts[0], parts[1]
            ),
        ),
        ("over-long", signed(HEADER, &huge.to_string())),
        ("an access token", token(&claims())),
        ("claims that are no JSON", signed(HEADER, "{")),
        ("claims that are no object", signed(HEADER, "[]")),
        ("claims too deep", signed(HEADER, &deep)),
        ("other issuer", claim("iss", json!("https://evil.example"))),
        ("issuer with a slash", claim("iss", json!(format!("{ISSUER}/")))),
        ("other audience", claim("aud", json!("98e6508e88680e1a"))),
        (
            "own address as audience",
            claim("aud", json!("https://token.example")),
        ),
        ("no audience", claim("aud", json!(null))),
        ("no subject", claim("sub", json!(null))),
        (
            "forged domain",
            claim("sub", json!(format!("{UID}@accounts.example"))),
        ),
        ("expired", claim("exp", json!(NOW.as_secs() - 61))),
        ("no events", claim("events", json!(null))),
        ("events of no kind", claim("events", json!([DELETE]))),
        ("a change without a time", claim("events", json!({PASSWORD: {}}))),
        (
            "a change at no whole number",
            claim("events", json!({PASSWORD: {"changeTime": "2000"}})),
        ),
    ]
}

#[tokio::test]
async fn tokens_that_are_no_event_of_the_issuer() {
    let world = alice().await;
    let before = world.record_of_alice().await;
    for (name, bad) in bad_tokens().await {
        let reply = world.tell_of(&bad).await;
        assert_eq!(reply.status(), answered(401, "invalid-credentials"), "{name}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer", "{name}");
        assert_eq!(world.record_of_alice().await, before, "{name}");
    }
    assert_eq!(
        world.tell_of(&deleted()).await.http,
        200,
        "and the process still serves"
    );
}

#[tokio::test]
async fn requests_without_one_bearer_token() {
    let world = alice().await;
    let bare = deleted();
    let (bearer, bundle) = (format!("Bearer {bare}"), format!("BrowserID {bare}"));
    let (bare, bearer, bundle) = (bare.as_str(), bearer.as_str(), bundle.as_str());
    let rows: [(&str, Vec<(&str, &str)>); 5] = [
        ("none", vec![]),
        ("no scheme", vec![("authorization", bare)]),
        ("another scheme", vec![("authorization", bundle)]),
        ("two", vec![("authorization", bearer), ("authorization", bearer)]),
        ("elsewhere", vec![("x-authorization", bearer)]),
    ];
    for (name, headers) in rows {
        let reply = world.post_event(request("POST", &headers)).await;
        assert_eq!(reply.status(), answered(401, "invalid-credentials"), "{name}");
    }
    assert!(
        world
            .record_of_alice()
            .await
            .unwrap()
            .current
            .replaced_at
            .is_none()
    );
}

#[tokio::test]
async fn an_outage_is_never_a_refusal() {
    let world = alice().await;
    for (cause, expected) in [
        (Cause::Unavailable, answered(503, "internal-error")),
        (Cause::Overloaded, answered(503, "internal-error")),
        (Cause::Timeout, answered(504, "elapsed")),
    ] {
        world.store.set_outage(Some(cause));
        let reply = world.tell_of(&deleted()).await;
        assert_eq!(reply.status(), expected, "{cause}");
        assert!(reply.headers.contains_key("retry-after"), "{cause}");
        // A bad one is bad in an outage, too.
        assert_eq!(world.tell_of("nonsense").await.http, 401, "{cause}");
    }
    world.store.set_outage(None);
    world.store.lose_answers(1);
    assert_eq!(world.tell_of(&deleted()).await.http, 200);
}

#[tokio::test]
async fn an_issuer_whose_keys_cannot_be_had() {
    let (world, issuer) = alice_and_issuer().await;
    let away = Some(SignError::NotDone(Cause::Unavailable));
    let later = || world.clock.advance(Duration::from_secs(10));
    issuer.fail(away);
    let reply = world.tell_of(&deleted()).await;
    assert_eq!(reply.status(), answered(503, "error"), "no key was ever fetched");
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(world.tell_of("nonsense").await.http, 401, "whatever the keys");
    issuer.fail(None);
    later();
    let nothing = event_token(&json!({}));
    assert_eq!(world.tell_of(&nothing).await.http, 200);

    // A key of an unknown name may be a new one: whether it is cannot be known while nobody can be asked.
    let unknown = signed(r#"{"alg":"RS256","kid":"test-2"}"#, "{}");
    let (input, _) = unknown.rsplit_once('.').unwrap();
    let unknown = format!("{input}.{}", "A".repeat(342));
    issuer.fail(away);
    later();
    assert_eq!(world.tell_of(&unknown).await.http, 503);
    assert_eq!(
        world.tell_of(&nothing).await.http,
        200,
        "the keys from before hold"
    );
    issuer.fail(None);
    later();
    assert_eq!(world.tell_of(&unknown).await.http, 401);
}

#[tokio::test]
async fn an_issuer_of_another_domain_tells_of_its_own_users_only() {
    let mut world = alice().await;
    let server = Arc::get_mut(&mut world.server).unwrap();
    let events = server.account_events.as_mut().unwrap();
    events.domain = Some("accounts.elsewhere.example".into());
    let before = world.record_of_alice().await;
    assert_eq!(world.tell_of(&deleted()).await.http, 200);
    assert_eq!(world.record_of_alice().await, before);
}

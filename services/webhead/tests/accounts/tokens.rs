//! Tokens shown to others, who ask what they are worth: verify and introspect, and what stands beside them.

use std::time::Duration;

use foxhold_core::{Deadline, record::Account};
use foxhold_ports::{AccountReader, Cause};
use serde_json::{Value, json};

use crate::{
    oauth::{DESKTOP, OLDSYNC, authorization, trade},
    support::{Bench, EMAIL, NOW, ROOT, SignedUp},
};

const VERIFY: [&str; 2] = ["/v1/oauth/verify", "/v1/verify"];
const INTROSPECT: [&str; 2] = ["/v1/oauth/introspect", "/v1/introspect"];

/// Refusals of a token that does not hold, under both sets of numbers.
const BAD_TOKEN: [(u16, u64); 2] = [(401, 110), (400, 108)];

async fn access_token(bench: &Bench, signed_up: &SignedUp, scope: &str) -> String {
    let grant = json!({ "client_id": DESKTOP, "scope": scope, "ttl": 3600 });
    let path = "/v1/oauth/token";
    let granted = bench.signed_post(path, &signed_up.session, &grant).await.ok();
    granted["access_token"].as_str().unwrap().to_owned()
}

async fn refresh_token(bench: &Bench, signed_up: &SignedUp) -> String {
    let path = "/v1/oauth/authorization";
    let wanted = authorization();
    let authorized = bench.signed_post(path, &signed_up.session, &wanted).await.ok();
    let grant = trade(&authorized["code"]);
    let tokens = bench.post("/v1/oauth/token", &grant).await.ok();
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

async fn account(bench: &Bench, signed_up: &SignedUp) -> Account {
    let by = Deadline::after(Duration::from_secs(5));
    let found = bench.store.account(by, signed_up.uid.parse().unwrap()).await;
    found.unwrap().unwrap()
}

fn shown(token: &str) -> Value {
    json!({ "token": token })
}

#[tokio::test]
async fn a_good_token_is_told_whole() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    bench.clock.advance(Duration::from_secs(60));
    let scope = format!("{OLDSYNC} profile");
    let token = access_token(&bench, &signed_up, &scope).await;
    let order = bench.signer.orders.lock().unwrap().last().unwrap().clone();
    for path in VERIFY {
        let expected = json!({
            "user": signed_up.uid, "client_id": DESKTOP, "scope": [OLDSYNC, "profile"],
            "issuer": "accounts.localhost", "generation": NOW.as_millis(), "profile_changed_at": NOW.as_millis(),
        });
        assert_eq!(bench.post(path, &shown(&token)).await.ok(), expected, "{path}");
    }
    let issued = NOW.plus(Duration::from_secs(60));
    for path in INTROSPECT {
        for hint in [None, Some("access_token"), Some("refresh_token"), Some("pigeon")] {
            let mut body = shown(&token);
            if let Some(hint) = hint {
                body["token_type_hint"] = hint.into();
            }
            let expected = json!({
                "active": true, "scope": scope, "client_id": DESKTOP, "token_type": "access_token",
                "sub": signed_up.uid, "iat": issued.as_millis(),
                "exp": issued.plus(Duration::from_secs(3600)).as_millis(),
                "jti": foxhold_core::hex::encode(&order.jti),
            });
            assert_eq!(bench.post(path, &body).await.ok(), expected, "{path} {hint:?}");
        }
    }
}

#[tokio::test]
async fn a_refresh_token_is_told_as_long_as_its_session_stands() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let token = refresh_token(&bench, &signed_up).await;
    let by = Deadline::after(Duration::from_secs(5));
    let uid = signed_up.uid.parse().unwrap();
    let stored = bench.store.refresh_tokens(by, uid).await.unwrap().remove(0);
    for path in INTROSPECT {
        let expected = json!({
            "active": true, "scope": format!("{OLDSYNC} profile"), "client_id": DESKTOP,
            "token_type": "refresh_token", "sub": signed_up.uid, "iat": NOW.as_millis(),
            "jti": stored.id.to_string(),
        });
        assert_eq!(bench.post(path, &shown(&token)).await.ok(), expected, "{path}");
    }
    for (path, refusal) in VERIFY.into_iter().zip(BAD_TOKEN) {
        let refused = bench.post(path, &shown(&token)).await;
        assert_eq!(refused.refusal(), refusal, "{path}: it is no access token");
    }
    let path = "/v1/session/destroy";
    bench.signed_post(path, &signed_up.session, &json!({})).await.ok();
    for path in INTROSPECT {
        let told = bench.post(path, &shown(&token)).await.ok();
        assert_eq!(told, json!({ "active": false }), "{path}");
    }
}

/// What is none, and what no longer holds: refused by one, not active for the other.
async fn is_worthless(bench: &Bench, name: &str, token: &str) {
    for (path, refusal) in VERIFY.into_iter().zip(BAD_TOKEN) {
        assert_eq!(
            bench.post(path, &shown(token)).await.refusal(),
            refusal,
            "{path}: {name}"
        );
    }
    for path in INTROSPECT {
        let told = bench.post(path, &shown(token)).await.ok();
        assert_eq!(told, json!({ "active": false }), "{path}: {name}");
    }
}

#[tokio::test]
async fn what_is_no_token_or_of_another_time_is_worth_nothing() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let token = access_token(&bench, &signed_up, "profile").await;
    let parts: Vec<&str> = token.split('.').collect();
    let table = [
        ("nothing", String::new()),
        ("a word", "x".to_owned()),
        ("hex that nobody gave out", "ab".repeat(32)),
        ("hex in upper case", "AB".repeat(32)),
        ("cut off", token[..token.len() - 1].to_owned()),
        ("one part less", parts[..2].join(".")),
        (
            "another signature",
            format!("{}.{}.{}", parts[0], parts[1], "A".repeat(342)),
        ),
        ("a session's id", signed_up.session.keys().id.to_string()),
        ("10 KB", "a.".repeat(5000)),
    ];
    for (name, token) in &table {
        is_worthless(&bench, name, token).await;
    }
    let foreign = Bench::with(crate::support::Options {
        root: "http://localhost:9001",
        ..Default::default()
    });
    let stranger = foreign.sign_up_verified(EMAIL).await;
    let other_issuer = access_token(&foreign, &stranger, "profile").await;
    is_worthless(&bench, "of another issuer, by the same key", &other_issuer).await;
    bench.clock.advance(Duration::from_secs(3600 + 61));
    is_worthless(&bench, "too old", &token).await;
}

#[tokio::test]
async fn a_token_ends_with_its_account_and_its_password() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let account = account(&bench, &signed_up).await;
    for (name, subject, generation) in [
        (
            "of an account that is gone",
            "ab".repeat(16),
            account.verifier_set_at,
        ),
        (
            "from before the password changed",
            signed_up.uid.clone(),
            account.verifier_set_at.minus(Duration::from_millis(1)),
        ),
    ] {
        let token = bench.signer.signed(&subject, generation, "profile");
        is_worthless(&bench, name, &token).await;
    }
    let token = bench
        .signer
        .signed(&signed_up.uid, account.verifier_set_at, "profile");
    for path in VERIFY {
        bench.post(path, &shown(&token)).await.ok();
    }
}

#[tokio::test]
async fn fields_of_the_wrong_form_have_the_numbers_of_the_path() {
    let bench = Bench::new();
    let table = [
        (json!({}), [(400, 108), (400, 109)]),
        (json!({ "token": null }), [(400, 108), (400, 109)]),
        (json!({ "token": 1 }), [(400, 107), (400, 109)]),
        (json!({ "token": ["a"] }), [(400, 107), (400, 109)]),
    ];
    for (body, refusals) in &table {
        for paths in [VERIFY, INTROSPECT] {
            for (path, refusal) in paths.into_iter().zip(refusals) {
                assert_eq!(bench.post(path, body).await.refusal(), *refusal, "{path} {body}");
            }
        }
    }
    let hint = json!({ "token": "x", "token_type_hint": 7 });
    for (path, refusal) in INTROSPECT.into_iter().zip([(400, 107), (400, 109)]) {
        assert_eq!(bench.post(path, &hint).await.refusal(), refusal, "{path}");
    }
}

/// A store or keys that cannot be asked say nothing of a token: neither bad nor inactive.
#[tokio::test]
async fn an_outage_is_no_word_on_a_token() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let access = access_token(&bench, &signed_up, "profile").await;
    let refresh = refresh_token(&bench, &signed_up).await;
    bench.post("/v1/verify", &shown(&access)).await.ok();
    for (cause, expected) in [
        (Cause::Unavailable, (503, 201)),
        (Cause::Timeout, (503, 201)),
        (Cause::Inconsistent, (503, 201)),
        (Cause::Fault, (500, 203)),
    ] {
        bench.store.set_outage(Some(cause));
        for (path, token) in VERIFY
            .into_iter()
            .chain(INTROSPECT)
            .map(|path| (path, &access))
            .chain(INTROSPECT.map(|path| (path, &refresh)))
        {
            let answer = bench.post(path, &shown(token)).await;
            assert_eq!(answer.refusal(), expected, "{cause:?} {path}");
            assert_eq!(
                answer.headers.contains_key("retry-after"),
                expected.0 == 503,
                "{cause:?} {path}"
            );
        }
    }
    bench.store.set_outage(None);
    let fresh = Bench::new();
    *fresh.signer.outage.lock().unwrap() = Some(Cause::Unavailable);
    for path in VERIFY.into_iter().chain(INTROSPECT) {
        let answer = fresh.post(path, &shown(&access)).await;
        assert_eq!(answer.refusal(), (503, 201), "{path}: no keys yet");
    }
}

/// Also for members that are of no use: Firefox's sign-in fails on anything but 200.
#[tokio::test]
async fn destroying_ends_a_refresh_token_and_nothing_else() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let access = access_token(&bench, &signed_up, "profile").await;
    let first = refresh_token(&bench, &signed_up).await;
    let second = refresh_token(&bench, &signed_up).await;
    let is_active = async |token: &str| {
        let told = bench.post("/v1/introspect", &shown(token)).await.ok();
        told["active"].as_bool().unwrap()
    };
    let table = [
        (json!({ "token": access }), [true, true]),
        (
            json!({ "token": first, "client_id": "8269bacd7bbc7f80" }),
            [true, true],
        ),
        (json!({ "token": first.to_uppercase() }), [true, true]),
        (
            json!({ "token": first, "client_id": DESKTOP, "token_type_hint": "access_token" }),
            [false, true],
        ),
        (json!({ "token": first }), [false, true]),
        (json!({ "token": second, "token_type_hint": 7 }), [false, false]),
    ];
    for (body, expected) in table {
        assert_eq!(bench.post("/v1/oauth/destroy", &body).await.ok(), json!({}));
        assert_eq!(
            [is_active(&first).await, is_active(&second).await],
            expected,
            "{body}"
        );
        assert!(is_active(&access).await, "it runs out by itself");
    }
}

/// RFC 6749 section 6: what is asked for on a refresh is bounded by what was granted, and never what needs the person.
#[tokio::test]
async fn a_refresh_drops_what_needs_the_person() {
    const SESSION: &str = "https://identity.mozilla.com/tokens/session";
    const ANDROID: &str = "a2270f727f45f648";
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let mut code = authorization();
    code["client_id"] = ANDROID.into();
    code["scope"] = format!("profile {SESSION}").into();
    let path = "/v1/oauth/authorization";
    let code = bench.signed_post(path, &signed_up.session, &code).await.ok()["code"].clone();
    let mut grant = trade(&code);
    grant["client_id"] = ANDROID.into();
    let tokens = bench.post("/v1/oauth/token", &grant).await.ok();
    assert_eq!(tokens["scope"], format!("profile {SESSION}"));
    let refresh = |scope: Option<&str>| {
        json!({
            "grant_type": "refresh_token", "client_id": ANDROID, "refresh_token": tokens["refresh_token"],
            "scope": scope,
        })
    };
    let below = format!("{SESSION}/new");
    for (scope, expected) in [
        (None, Some("profile")),
        (Some("profile:uid"), Some("profile:uid")),
        (Some(SESSION), None),
        (Some(below.as_str()), None),
    ] {
        let answer = bench.post("/v1/oauth/token", &refresh(scope)).await;
        match expected {
            Some(expected) => assert_eq!(answer.ok()["scope"], expected, "{scope:?}"),
            None => assert_eq!(answer.refusal(), (400, 107), "{scope:?}"),
        }
    }
}

#[tokio::test]
async fn the_same_calls_have_the_same_answers_under_both_names() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let wanted = json!({ "client_id": DESKTOP, "scope": OLDSYNC });
    let path = "/v1/account/scoped-key-data";
    let data = bench.signed_post(path, &signed_up.session, &wanted).await.ok();
    let mut other_scope = wanted.clone();
    other_scope["scope"] = "clients:write".into();
    for (path, refusal) in [("/v1/oauth/key-data", (400, 163)), ("/v1/key-data", (400, 114))] {
        let same = bench.signed_post(path, &signed_up.session, &wanted).await.ok();
        assert_eq!(same, data, "{path}");
        let refused = bench.signed_post(path, &signed_up.session, &other_scope).await;
        assert_eq!(refused.refusal(), refusal, "{path}");
    }
    assert_eq!(
        bench.post("/v1/oauth/key-data", &wanted).await.refusal(),
        (401, 110)
    );
    assert_eq!(bench.post("/v1/key-data", &wanted).await.refusal(), (401, 111));
    assert_eq!(
        bench.get("/v1/oauth/jwks").await.ok(),
        bench.get("/v1/jwks").await.ok()
    );
    let config = json!({ "browserid": { "issuer": "accounts.localhost" }, "contentUrl": ROOT });
    for path in ["/v1/config", "/config"] {
        assert_eq!(bench.get(path).await.ok(), config, "{path}");
    }
    let discovery = bench.get("/.well-known/openid-configuration").await.ok();
    for (member, path) in [
        ("verify_endpoint", "verify"),
        ("introspection_endpoint", "introspect"),
    ] {
        assert_eq!(discovery[member], format!("{ROOT}/v1/{path}"));
    }
}

//! OAuth: codes, refresh tokens, bearers, and what each step refuses.

use std::time::Duration;

use axum::body::Body;
use foxhold_accounts::token::hashed_id;
use foxhold_core::{Deadline, OpId, RegionMark, Secret, hex};
use foxhold_ports::{AccountReader, AccountWriter, Call, memory::SeededRandom};
use http::{Request, header};
use serde_json::{Value, json};

use crate::support::{Bench, EMAIL, NOW, Options};

pub(crate) const DESKTOP: &str = "5882386c6d801776";
pub(crate) const OLDSYNC: &str = "https://identity.mozilla.com/apps/oldsync";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What the page asks for on behalf of Firefox.
pub(crate) fn authorization() -> Value {
    json!({
        "client_id": DESKTOP, "state": "st", "scope": format!("{OLDSYNC} profile"), "response_type": "code",
        "access_type": "offline", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "keys_jwe": "a.b.c.d.e",
    })
}

/// What Firefox does with the code.
pub(crate) fn trade(code: &Value) -> Value {
    json!({ "grant_type": "authorization_code", "client_id": DESKTOP, "code": code, "code_verifier": VERIFIER })
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
async fn a_bad_refresh_token_has_a_number_of_its_own_under_the_oauth_base() {
    let bench = Bench::new();
    let body = json!({
        "grant_type": "refresh_token", "client_id": DESKTOP, "refresh_token": "00".repeat(32),
    });
    assert_eq!(bench.post("/v1/oauth/token", &body).await.refusal(), (401, 110));
    assert_eq!(bench.post("/v1/token", &body).await.refusal(), (400, 108));
    let session = json!({ "client_id": DESKTOP, "scope": "profile" });
    assert_eq!(bench.post("/v1/token", &session).await.refusal(), (401, 111));
}

/// A sign-out may come between the look at the session and the write of its refresh token.
#[tokio::test]
async fn a_refresh_token_does_not_outlive_its_session() {
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
    let refresh = json!({
        "grant_type": "refresh_token", "client_id": DESKTOP, "refresh_token": tokens["refresh_token"],
    });
    let by = Deadline::after(Duration::from_secs(5));
    let uid = signed_up.uid.parse().unwrap();
    let late = bench.store.refresh_tokens(by, uid).await.unwrap().remove(0);
    bench
        .signed_post("/v1/session/destroy", &signed_up.session, &json!({}))
        .await
        .ok();
    let call = Call {
        op: OpId::new(NOW, &SeededRandom::new(3)),
        deadline: by,
    };
    bench.store.put_refresh_token(&call, late).await.unwrap();
    assert_eq!(
        bench.post("/v1/oauth/token", &refresh).await.refusal(),
        (401, 110)
    );
}

/// A scope below a key's scope is for what the key opens, too.
#[tokio::test]
async fn an_unverified_session_gets_nothing_below_a_key_either() {
    let bench = Bench::new();
    let signed_up = bench.sign_up(EMAIL).await;
    let scope = format!("{OLDSYNC}/bookmarks");
    let mut code = authorization();
    code["scope"] = scope.as_str().into();
    let token = json!({ "client_id": DESKTOP, "scope": scope });
    for (path, body) in [("/v1/oauth/authorization", code), ("/v1/oauth/token", token)] {
        assert_eq!(
            bench.signed_post(path, &signed_up.session, &body).await.refusal(),
            (400, 138),
            "{path}"
        );
    }
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
    let post = async |content_type: &str, encoding: &str, body: String| {
        let request = Request::post("/v1/oauth/destroy")
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_ENCODING, encoding);
        bench.send(request.body(Body::from(body)).unwrap()).await
    };
    for (content_type, encoding, body) in [
        ("application/json", "identity", "{"),
        ("application/json", "identity", r#"{"token":"a","token":"b"}"#),
        ("application/json", "gzip", "{}"),
    ] {
        let answer = post(content_type, encoding, body.to_owned()).await;
        assert_eq!(answer.ok(), json!({}), "{encoding} {body}");
    }
    let long = post("application/json", "identity", " ".repeat(20_000)).await;
    assert_eq!(long.refusal(), (413, 113), "not read at all");
    bench.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
    assert_eq!(
        bench
            .post("/v1/oauth/destroy", &json!({ "token": "00".repeat(32) }))
            .await
            .ok(),
        json!({})
    );
}

/// A client that is none has no token; it is not as if none were named.
#[tokio::test]
async fn only_the_own_client_destroys_a_token() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let code = bench
        .signed_post("/v1/oauth/authorization", &signed_up.session, &authorization())
        .await
        .ok();
    let tokens = bench.post("/v1/oauth/token", &trade(&code["code"])).await.ok();
    let token = &tokens["refresh_token"];
    let refresh = json!({ "grant_type": "refresh_token", "client_id": DESKTOP, "refresh_token": token });
    for (client, left) in [
        (json!("nobody"), true),
        (json!(7), true),
        (json!("0123456789abcdef"), true),
        (json!(DESKTOP), false),
    ] {
        let body = json!({ "token": token, "client_id": client });
        assert_eq!(bench.post("/v1/oauth/destroy", &body).await.ok(), json!({}));
        let is_left = bench.post("/v1/oauth/token", &refresh).await.status == 200;
        assert_eq!(is_left, left, "{client}");
    }
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

/// Whatever is stored under an id, any region can tell from the id which one issued it.
#[tokio::test]
async fn every_token_bears_the_mark_of_its_region() {
    for mark in [0, 10].map(RegionMark::new) {
        let bench = Bench::with(Options {
            region: mark,
            ..Options::default()
        });
        let signed_up = bench.sign_up_verified(EMAIL).await;
        let signed_in = bench.sign_in(EMAIL).await;
        let mut ids = vec![
            ("session", signed_up.session.keys().id),
            ("key-fetch token", signed_up.key_fetch.keys().id),
            ("second session", signed_in.keys().id),
        ];
        for _ in 0..8 {
            let path = "/v1/oauth/authorization";
            let authorized = bench.signed_post(path, &signed_in, &authorization()).await.ok();
            let granted = bench
                .post("/v1/oauth/token", &trade(&authorized["code"]))
                .await
                .ok();
            for (name, token) in [
                ("code", &authorized["code"]),
                ("refresh token", &granted["refresh_token"]),
            ] {
                let token = hex::decode(token.as_str().unwrap()).unwrap();
                ids.push((name, hashed_id(&Secret::new(token))));
            }
        }
        for (name, id) in ids {
            assert_eq!(Some(RegionMark::of(&id)), mark, "{name}");
        }
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

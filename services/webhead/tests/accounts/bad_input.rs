//! Bad input to each kind of route (`security.md` E.2, rows about accounts): the contract's error, and the process
//! still serves.

use std::time::Duration;

use axum::body::Body;
use foxhold_crypto::token::TokenKind;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::support::{Bench, Token};

const EMAIL: &str = "alice@example.test";

/// Sends raw bytes as a body.
async fn raw(bench: &Bench, path: &str, body: impl Into<Body>) -> (u16, u64) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    bench.send(request.body(body.into()).unwrap()).await.refusal()
}

#[tokio::test]
async fn bodies_that_are_no_json() {
    let bench = Bench::new();
    let deep = format!("{{\"email\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let table: [(&str, Vec<u8>); 10] = [
        ("cut", b"{\"email\":".to_vec()),
        ("list", b"[]".to_vec()),
        ("trailing", b"{} {}".to_vec()),
        ("duplicate", br#"{"email":"a@b.c","email":"a@b.c"}"#.to_vec()),
        ("UTF-8", b"{\"email\":\"\xff\"}".to_vec()),
        ("surrogate", br#"{"email":"\ud800"}"#.to_vec()),
        ("byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("deep", deep.into_bytes()),
        ("opening", vec![b'['; 16_000]),
        ("number", br#"{"email":1e999999}"#.to_vec()),
    ];
    for (name, body) in table {
        for path in ["/v1/account/login", "/v1/account/create", "/v1/oauth/token"] {
            assert_eq!(
                raw(&bench, path, body.clone()).await,
                (400, 106),
                "{name} to {path}"
            );
        }
        // Firefox's sign-in fails on anything else.
        assert_eq!(raw(&bench, "/v1/oauth/destroy", body).await, (200, 0), "{name}");
    }
    bench.sign_up(EMAIL).await;
}

#[tokio::test]
async fn bodies_that_are_too_long_or_encoded() {
    let bench = Bench::new();
    let fits = format!("{{\"email\":\"{}\"}}", "a".repeat(16_384 - 12));
    assert_eq!(fits.len(), 16_384);
    assert_eq!(raw(&bench, "/v1/account/status", fits.clone()).await, (400, 107));
    assert_eq!(raw(&bench, "/v1/account/status", fits + " ").await, (413, 113));
    assert_eq!(
        raw(&bench, "/v1/get_random_bytes", vec![b' '; 16_385]).await,
        (413, 113),
        "nobody reads it"
    );
    let declared = Request::get("/v1/jwks")
        .body(Body::from(vec![0; 16_385]))
        .unwrap();
    assert_eq!(
        bench.send(declared).await.refusal(),
        (413, 113),
        "nobody reads it"
    );
    for encoding in ["gzip", "br", "gzip, identity"] {
        let request = Request::post("/v1/account/status").header(header::CONTENT_ENCODING, encoding);
        let answer = bench.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.refusal(), (415, 415), "{encoding}");
    }
}

#[tokio::test]
async fn fields_of_the_wrong_form() {
    let bench = Bench::new();
    let session = bench.sign_up_verified(EMAIL).await.session;
    let auth_pw = "11".repeat(32);
    let open: [(&str, Value, u64); 16] = [
        ("/v1/account/create", json!({}), 108),
        (
            "/v1/account/create",
            json!({ "email": 1, "authPW": auth_pw }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": "11" }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": "AA".repeat(32) }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": null }),
            108,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a\r\nBcc: x@b.c", "authPW": auth_pw }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "\u{430}lice@b.c", "authPW": auth_pw }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": auth_pw, "service": "a b" }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": auth_pw, "redirectTo": "//evil" }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": auth_pw, "resume": "r".repeat(2049) }),
            107,
        ),
        (
            "/v1/account/create",
            json!({ "email": "a@b.c", "authPW": auth_pw, "preVerified": "yes" }),
            107,
        ),
        (
            "/v1/account/login",
            json!({ "email": EMAIL, "authPW": auth_pw, "reason": "r".repeat(17) }),
            107,
        ),
        (
            "/v1/account/login",
            json!({ "email": EMAIL, "authPW": auth_pw, "verificationMethod": "fax" }),
            107,
        ),
        ("/v1/account/credentials/status", json!({ "email": [] }), 107),
        (
            "/v1/recovery_email/verify_code",
            json!({ "uid": "zz", "code": "0".repeat(32) }),
            107,
        ),
        (
            "/v1/oauth/token",
            json!({ "client_id": "5882386C6D801776", "code": auth_pw, "code_verifier": "v" }),
            107,
        ),
    ];
    for (path, body, errno) in open {
        assert_eq!(
            bench.post(path, &body).await.refusal(),
            (400, errno),
            "{path} {body}"
        );
    }
    let signed: [(&str, Value, u64); 8] = [
        (
            "/v1/account/device",
            json!({ "name": "\u{0}", "type": "desktop" }),
            107,
        ),
        (
            "/v1/account/device",
            json!({ "name": "n", "type": "desktop", "availableCommands": { "a": 1 } }),
            107,
        ),
        ("/v1/account/device", json!({ "id": "short" }), 107),
        (
            "/v1/account/devices/notify",
            json!({ "to": "some", "payload": {} }),
            107,
        ),
        ("/v1/account/devices/notify", json!({ "payload": {} }), 108),
        (
            "/v1/account/scoped-key-data",
            json!({ "client_id": "5882386c6d801776" }),
            108,
        ),
        (
            "/v1/account/scoped-key-data",
            json!({ "client_id": "5882386c6d801776", "scope": "\u{e4}" }),
            107,
        ),
        (
            "/v1/oauth/authorization",
            json!({ "client_id": "5882386c6d801776" }),
            108,
        ),
    ];
    for (path, body, errno) in signed {
        let refused = bench.signed_post(path, &session, &body).await;
        assert_eq!(refused.refusal(), (400, errno), "{path} {body}");
    }
    let template = json!({ "name": "{{7*7}} ${jndi:x} '; DROP TABLE devices; --", "type": "desktop" });
    let device = bench
        .signed_post("/v1/account/device", &session, &template)
        .await
        .ok();
    assert_eq!(device["name"], template["name"], "kept as it is");
}

#[tokio::test]
async fn headers_that_do_not_sign() {
    let bench = Bench::new();
    let session = bench.sign_up_verified(EMAIL).await.session;
    let path = "/v1/session/status";
    let good = bench.authorization(&session, &Method::GET, path, None);
    let id = session.keys().id.to_string();
    let long = format!("Hawk {}", "a".repeat(5000));
    let table: [(&str, String, u64); 14] = [
        ("other scheme", "Basic abc".into(), 110),
        ("bearer", format!("Bearer fxs_{id}"), 110),
        ("empty", String::new(), 110),
        ("nothing in it", "Hawk".into(), 109),
        ("too long", long, 109),
        ("unknown attribute", format!("{good}, extra=\"1\""), 109),
        ("attribute twice", format!("{good}, id=\"{id}\""), 109),
        ("no quotes", good.replace('"', ""), 109),
        ("upper-case id", good.replace(&id, &id.to_uppercase()), 110),
        ("cut id", good.replace(&id, &id[..62]), 110),
        ("id that is no hex", good.replace(&id, &"z".repeat(64)), 110),
        ("unknown id", good.replace(&id, &"0".repeat(64)), 110),
        ("other mac", good.replace("mac=\"", "mac=\"AA"), 109),
        ("other nonce", good.replace("nonce=\"", "nonce=\"x"), 109),
    ];
    for (name, header, errno) in table {
        let request = Request::get(path).header(header::AUTHORIZATION, header);
        let refused = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.refusal(), (401, errno), "{name}");
        assert!(!refused.headers.contains_key("retry-after"), "{name}");
    }
    assert_eq!(bench.get(path).await.refusal(), (401, 110), "no header at all");
    let request = Request::get(path)
        .header(header::AUTHORIZATION, &good)
        .header(header::AUTHORIZATION, &good);
    assert_eq!(
        bench.send(request.body(Body::empty()).unwrap()).await.refusal(),
        (401, 109),
        "two headers"
    );
    let request = Request::get(path).header(header::AUTHORIZATION, &good);
    assert_eq!(
        bench.send(request.body(Body::empty()).unwrap()).await.status,
        200,
        "and the right one"
    );
}

#[tokio::test]
async fn signatures_of_another_request_or_token() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let session = &signed_up.session;
    let send = async |method: Method, path: &str, authorization: String| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, authorization);
        bench.send(request.body(Body::empty()).unwrap()).await.refusal()
    };
    let of = |path: &str| bench.authorization(session, &Method::GET, path, None);
    assert_eq!(
        send(Method::GET, "/v1/session/status", of("/v1/account/devices")).await,
        (401, 109),
        "path"
    );
    assert_eq!(
        send(Method::GET, "/v1/session/status?a=1", of("/v1/session/status")).await,
        (401, 109),
        "query"
    );
    let post = bench.authorization(session, &Method::POST, "/v1/session/status", None);
    assert_eq!(
        send(Method::GET, "/v1/session/status", post).await,
        (401, 109),
        "method"
    );
    let other = Bench::with(crate::support::Options {
        root: "http://localhost:9001",
        ..Default::default()
    });
    let port = other.authorization(session, &Method::GET, "/v1/session/status", None);
    assert_eq!(
        send(Method::GET, "/v1/session/status", port).await,
        (401, 109),
        "port"
    );
    let of_keys = bench.authorization(&signed_up.key_fetch, &Method::GET, "/v1/session/status", None);
    assert_eq!(
        send(Method::GET, "/v1/session/status", of_keys).await,
        (401, 110),
        "a key-fetch token"
    );
    assert_eq!(
        send(Method::GET, "/v1/account/keys", of("/v1/account/keys")).await,
        (401, 110),
        "a session"
    );
    let unknown = Token::new(TokenKind::Session, [9; 32]);
    assert_eq!(
        bench.signed_get("/v1/session/status", &unknown).await.refusal(),
        (401, 110)
    );
}

#[tokio::test]
async fn bodies_have_to_be_covered_where_the_contract_says_so() {
    let bench = Bench::new();
    let session = bench.sign_up_verified(EMAIL).await.session;
    let send = async |path: &str, signed: Option<&str>, body: &str| {
        let request = Request::post(path)
            .header(
                header::AUTHORIZATION,
                bench.authorization(&session, &Method::POST, path, signed),
            )
            .header(header::CONTENT_TYPE, "application/json");
        bench
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .refusal()
    };
    let notify = r#"{"to":"all","payload":{}}"#;
    assert_eq!(
        send("/v1/account/devices/notify", None, notify).await.0,
        200,
        "not asked for"
    );
    assert_eq!(
        send("/v1/account/devices/notify", Some("{}"), notify).await,
        (401, 109),
        "but wrong"
    );
    for path in [
        "/v1/session/destroy",
        "/v1/oauth/authorization",
        "/v1/account/scoped-key-data",
    ] {
        assert_eq!(send(path, None, "{}").await, (401, 109), "{path}: uncovered");
        assert_eq!(
            send(path, Some("{ }"), "{}").await,
            (401, 109),
            "{path}: another body"
        );
    }
    assert_eq!(
        send("/v1/session/destroy", None, "").await.0,
        200,
        "nothing to cover"
    );
}

#[tokio::test]
async fn times_and_repetitions() {
    let bench = Bench::new();
    let session = bench.sign_up_verified(EMAIL).await.session;
    let path = "/v1/session/status";
    let send = async |authorization: &str| {
        let request = Request::get(path).header(header::AUTHORIZATION, authorization);
        bench.send(request.body(Body::empty()).unwrap()).await
    };
    let header = bench.authorization(&session, &Method::GET, path, None);
    assert_eq!(send(&header).await.status, 200);
    let replayed = send(&header).await;
    assert_eq!(replayed.refusal(), (401, 115));
    assert_eq!(replayed.body["serverTime"], bench.clock_secs());

    let header = bench.authorization(&session, &Method::GET, path, None);
    bench.clock.advance(Duration::from_secs(901));
    let stale = send(&header).await;
    assert_eq!(
        (stale.refusal(), &stale.body["serverTime"]),
        ((401, 111), &json!(bench.clock_secs()))
    );
    let broken = header.replace("mac=\"", "mac=\"AA");
    assert_eq!(
        send(&broken).await.refusal(),
        (401, 109),
        "the mac comes before the time"
    );

    let header = bench.authorization(&session, &Method::GET, path, None);
    bench.clock.advance(Duration::from_secs(900));
    assert_eq!(send(&header).await.status, 200, "the last second of the window");
}

#[tokio::test]
async fn paths_and_methods() {
    let bench = Bench::new();
    let table: [(Method, &str, u16, u64); 17] = [
        (Method::GET, "/v1/nothing", 404, 404),
        (Method::GET, "/v1", 404, 404),
        (Method::GET, "/v1/../__version__", 404, 404),
        (Method::GET, "/v1/%2e%2e/page", 404, 404),
        (Method::GET, "//v1/account/status", 404, 404),
        (Method::GET, "/v1/account/status/", 404, 404),
        (Method::GET, "/page/../lib.rs", 404, 404),
        (Method::GET, "/page/%2e%2e%2flib.rs", 404, 404),
        (Method::GET, "/page/%00", 404, 404),
        (Method::GET, "/page/%ff", 404, 404),
        (Method::GET, "/v1/oauth/client/%ff", 400, 107),
        (Method::GET, "/v1/client/%ff", 400, 109),
        (Method::GET, "/.well-known/nothing", 404, 404),
        (Method::GET, "/v1/account/login", 405, 405),
        (Method::TRACE, "/v1/account/login", 405, 405),
        (Method::DELETE, "/v1/session/status", 405, 405),
        (Method::GET, "/v0/account/login", 410, 116),
    ];
    for (method, path, status, errno) in table {
        let request = Request::builder().method(method.clone()).uri(path);
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.refusal(), (status, errno), "{method} {path}");
        assert_eq!(
            answer.headers["content-type"], "application/json",
            "{method} {path}"
        );
        assert!(answer.headers.contains_key("timestamp"), "{method} {path}");
    }
}

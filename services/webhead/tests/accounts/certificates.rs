//! BrowserID: what is ordered for whom, what each call refuses, the document, and the switch.

use foxhold_browserid::Document;
use foxhold_ports::{
    Cause,
    signer::{AuthMethod, SubjectNumbers},
};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Bench, EMAIL, NOW, Options, SignedUp};

const SIGN: &str = "/v1/certificate/sign";
const DOCUMENT: &str = "/.well-known/browserid";

const DSA_KEYS: &str = include_str!("../../../../libs/crypto/testdata/dsa-rfc-6979.json");

/// 2^2047 + 1, in decimal.
fn modulus() -> String {
    let mut n = [0; 256];
    (n[0], n[255]) = (0x80, 1);
    foxhold_crypto::certificate::decimal(&n)
}

fn body() -> Value {
    json!({"publicKey": {"algorithm": "RS", "n": modulus(), "e": "65537"}, "duration": 21_600_000})
}

async fn sign(bench: &Bench, signed_up: &SignedUp, body: &Value) -> (u16, u64) {
    bench.signed_post(SIGN, &signed_up.session, body).await.refusal()
}

#[tokio::test]
async fn the_order_says_what_account_and_session_are() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let signed = bench.signed_post(SIGN, &signed_up.session, &body()).await.ok();
    assert_eq!(signed, json!({"cert": "a certificate"}));
    let device = bench
        .signed_post(
            "/v1/account/device",
            &signed_up.session,
            &json!({"name": "d", "type": "desktop"}),
        )
        .await
        .ok();
    let path = "/v1/certificate/sign?service=sync";
    let mut with_more = body();
    with_more["publicKey"]["version"] = "2012.08.15".into();
    with_more["publicKey"]["kty"] = "whatever".into();
    with_more["unknown"] = 1.into();
    bench.signed_post(path, &signed_up.session, &with_more).await.ok();

    let orders = bench.signer.certificates.lock().unwrap().clone();
    let order = &orders[0];
    assert_eq!(order.uid.to_string(), signed_up.uid);
    assert_eq!(order.duration_millis, 21_600_000);
    assert_eq!((order.verified_email.as_str(), order.device), (EMAIL, None));
    assert_eq!(
        [
            order.generation,
            order.keys_changed_at,
            order.profile_changed_at,
            order.last_auth_at
        ],
        [NOW; 4]
    );
    assert!(order.token_verified);
    assert_eq!(order.amr, [AuthMethod::Password, AuthMethod::Email]);
    assert_eq!(order.aal, 1);
    let SubjectNumbers::Rsa { n, e } = &order.subject else {
        panic!("{order:?}")
    };
    assert_eq!((n.len(), e.as_slice()), (256, &[1, 0, 1][..]));
    assert_eq!(
        orders[1].device.map(|id| id.to_string()).as_deref(),
        device["id"].as_str()
    );
}

/// Nothing was mailed for a session that was opened on a verified account.
#[tokio::test]
async fn a_later_session_has_shown_a_password_only() {
    let bench = Bench::new();
    bench.sign_up_verified(EMAIL).await;
    let session = bench.sign_in(EMAIL).await;
    bench.signed_post(SIGN, &session, &body()).await.ok();
    let orders = bench.signer.certificates.lock().unwrap().clone();
    assert_eq!(orders[0].amr, [AuthMethod::Password]);
    assert!(orders[0].token_verified);
}

#[tokio::test]
async fn dsa_keys_of_old_browsers_are_taken() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let file: Value = serde_json::from_str(DSA_KEYS).unwrap();
    for key in file["keys"].as_array().unwrap() {
        let (y, p, q, g) = (&key["y"], &key["p"], &key["q"], &key["g"]);
        let body = json!({"publicKey": {"algorithm": "DS", "y": y, "p": p, "q": q, "g": g}, "duration": 0});
        bench.signed_post(SIGN, &signed_up.session, &body).await.ok();
    }
    let orders = bench.signer.certificates.lock().unwrap().clone();
    let sizes: Vec<_> = orders
        .iter()
        .map(|order| match &order.subject {
            SubjectNumbers::Dsa { p, q, .. } => (p.len(), q.len()),
            SubjectNumbers::Rsa { .. } => panic!("{order:?}"),
        })
        .collect();
    assert_eq!(sizes, [(128, 20), (256, 32)]);
}

#[tokio::test]
async fn who_gets_none_learns_that_before_anything_else() {
    let bench = Bench::new();
    let signed_up = bench.sign_up(EMAIL).await;
    for body in [body(), json!({}), json!({"publicKey": 7, "duration": -1})] {
        assert_eq!(sign(&bench, &signed_up, &body).await, (400, 104), "{body}");
    }
    let open = bench.post(SIGN, &body()).await;
    assert_eq!(open.refusal(), (401, 110));
    assert!(bench.signer.certificates.lock().unwrap().is_empty());
}

/// Bodies with one thing wrong; the keys' numbers are looked through in the parts that read and certify them.
#[tokio::test]
async fn bodies_that_are_refused() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let with = |name: &str, value: Value| {
        let mut body = body();
        body[name] = value;
        body
    };
    let rs = |n: Value, e: Value| with("publicKey", json!({"algorithm": "RS", "n": n, "e": e}));
    let n = || Value::from(modulus());
    let without = |name: &str| {
        let mut body = body();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let table = [
        ("no key", without("publicKey"), 108),
        ("no duration", without("duration"), 108),
        ("null", with("duration", Value::Null), 108),
        (
            "no algorithm",
            with("publicKey", json!({"n": modulus(), "e": "3"})),
            108,
        ),
        (
            "a key of a document",
            with("publicKey", json!({"kty": "RSA", "n": "AA", "e": "AQAB"})),
            108,
        ),
        (
            "no modulus",
            with("publicKey", json!({"algorithm": "RS", "e": "3"})),
            108,
        ),
        (
            "no q",
            with(
                "publicKey",
                json!({"algorithm": "DS", "y": "2", "p": "5", "g": "2"}),
            ),
            108,
        ),
        ("a text for a key", with("publicKey", "RS".into()), 107),
        ("a list for a key", with("publicKey", json!([])), 107),
        (
            "RS256 for RS",
            with(
                "publicKey",
                json!({"algorithm": "RS256", "n": modulus(), "e": "3"}),
            ),
            107,
        ),
        (
            "ES",
            with("publicKey", json!({"algorithm": "ES", "x": "1", "y": "1"})),
            107,
        ),
        (
            "lower case",
            with("publicKey", json!({"algorithm": "rs", "n": modulus(), "e": "3"})),
            107,
        ),
        ("an even modulus", rs("10".into(), "3".into()), 107),
        (
            "a short modulus",
            rs("1234567890123456789".into(), "3".into()),
            107,
        ),
        ("hex", rs("ff".repeat(128).into(), "3".into()), 107),
        (
            "leading zero",
            rs(format!("0{}", modulus()).into(), "3".into()),
            107,
        ),
        ("a number", rs(n(), 3.into()), 107),
        ("e = 1", rs(n(), "1".into()), 107),
        ("even e", rs(n(), "2".into()), 107),
        ("long e", rs(n(), "4294967297".into()), 107),
        ("endless modulus", rs("9".repeat(9000).into(), "3".into()), 107),
        ("a day and more", with("duration", 86_400_001.into()), 107),
        ("negative", with("duration", (-1).into()), 107),
        ("half", with("duration", json!(0.5)), 107),
        ("a text", with("duration", "1".into()), 107),
    ];
    for (name, body, expected) in table {
        assert_eq!(sign(&bench, &signed_up, &body).await, (400, expected), "{name}");
    }
    let long_service = format!("{SIGN}?service=12345678901234567");
    let refused = bench
        .signed_post(&long_service, &signed_up.session, &body())
        .await;
    assert_eq!(refused.refusal(), (400, 107));
    assert!(bench.signer.certificates.lock().unwrap().is_empty());
    for duration in [0, 86_400_000] {
        bench
            .signed_post(SIGN, &signed_up.session, &with("duration", duration.into()))
            .await
            .ok();
    }
}

/// The mark ● of the contract: the body must be under the signature.
#[tokio::test]
async fn a_body_that_is_not_signed_is_refused() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    let authorization = bench.authorization(&signed_up.session, &Method::POST, SIGN, None);
    let request = Request::post(SIGN)
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json");
    let refused = bench.send(request.body(body().to_string().into()).unwrap()).await;
    assert_eq!(refused.refusal(), (401, 109));
}

#[tokio::test]
async fn a_signer_that_is_away_is_no_verdict() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified(EMAIL).await;
    for (cause, expected) in [
        (Cause::Unavailable, (503, 201)),
        (Cause::Overloaded, (503, 201)),
        (Cause::Timeout, (503, 201)),
        (Cause::Fault, (500, 203)),
    ] {
        *bench.signer.outage.lock().unwrap() = Some(cause);
        assert_eq!(sign(&bench, &signed_up, &body()).await, expected, "{cause:?}");
    }
    let document = bench.get(DOCUMENT).await;
    assert_eq!(document.status, StatusCode::INTERNAL_SERVER_ERROR);
    *bench.signer.outage.lock().unwrap() = None;
    assert_eq!(sign(&bench, &signed_up, &body()).await, (200, 0));
}

#[tokio::test]
async fn the_document_can_be_kept_and_is_one_that_verifiers_read() {
    let bench = Bench::new();
    let answer = bench.get(DOCUMENT).await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=3600");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let Ok(Document::Keys(keys)) = Document::parse(answer.text.as_bytes()) else {
        panic!("{}", answer.text)
    };
    assert_eq!(keys[0].kid.as_deref(), Some("test-1"));
    assert_eq!(answer.body["public-key"]["fxa-createdAt"], NOW.as_secs());
    assert_eq!(answer.body["keys"][0]["kty"], "RSA");

    let tag = answer.headers[header::ETAG].clone();
    let again = Request::get(DOCUMENT).header(header::IF_NONE_MATCH, tag.clone());
    let again = bench.send(again.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
    assert_eq!(again.headers[header::ETAG], tag);
}

#[tokio::test]
async fn one_switch_turns_both_off() {
    let bench = Bench::with(Options {
        certificates: false,
        ..Options::default()
    });
    let signed_up = bench.sign_up_verified(EMAIL).await;
    assert_eq!(sign(&bench, &signed_up, &body()).await, (410, 116));
    assert_eq!(bench.post(SIGN, &json!({})).await.refusal(), (410, 116));
    assert_eq!(bench.get(DOCUMENT).await.refusal(), (404, 404));
}

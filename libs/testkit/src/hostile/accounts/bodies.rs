//! Bodies that are no JSON object, too long, encoded, or hold more than asked for (`accounts.md`, Conventions;
//! `security.md` E.2). Sent to every call that takes a body, well signed where it takes a signature.

use super::{Auth, CALLS, Call, Cast};
use crate::hostile::{
    row::{Expected, Row},
    wire::{Body, RawRequest},
};

/// Longest body.
const LEN_MAX: usize = 16_384;

/// What is no JSON object.
fn unreadable() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!("{{\"email\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
    vec![
        ("cut off", b"{".to_vec()),
        ("only blank", b" ".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a list of objects", b"[{}]".to_vec()),
        ("a text", b"\"email\"".to_vec()),
        ("a number", b"1".to_vec()),
        ("true", b"true".to_vec()),
        ("null", b"null".to_vec()),
        ("a form", b"email=a%40example.test&authPW=1".to_vec()),
        (
            "XML",
            b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>".to_vec(),
        ),
        ("single quotes", b"{'email':'a@example.test'}".to_vec()),
        ("a comment", b"{/* */}".to_vec()),
        ("a comma too many", b"{\"a\":1,}".to_vec()),
        ("no quotes", b"{a:1}".to_vec()),
        ("NaN", b"{\"a\":NaN}".to_vec()),
        ("a plus", b"{\"a\":+1}".to_vec()),
        ("a leading zero", b"{\"a\":01}".to_vec()),
        ("trailing data", b"{} x".to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("a NUL behind it", b"{}\0".to_vec()),
        ("a raw control character", b"{\"a\":\"\x01\"}".to_vec()),
        ("a raw line break", b"{\"a\":\"b\nc\"}".to_vec()),
        ("a number that is too large", b"{\"a\":1e999999}".to_vec()),
        ("a name twice", b"{\"email\":\"a\",\"email\":\"b\"}".to_vec()),
        (
            "a name twice, once escaped",
            br#"{"email":"a","\u0065mail":"b"}"#.to_vec(),
        ),
        ("a name twice inside", b"{\"a\":{\"b\":1,\"b\":2}}".to_vec()),
        ("invalid UTF-8", b"{\"a\":\"\xff\"}".to_vec()),
        ("invalid UTF-8 in a name", b"{\"\xfe\":1}".to_vec()),
        ("UTF-8 that stops", b"{\"a\":\"\xe2\x82\"}".to_vec()),
        ("an overlong form", b"{\"a\":\"\xc0\xaf\"}".to_vec()),
        ("a surrogate in UTF-8", b"{\"a\":\"\xed\xa0\x80\"}".to_vec()),
        ("a lone surrogate", br#"{"a":"\ud800"}"#.to_vec()),
        ("a lone low surrogate", br#"{"a":"\udc00x"}"#.to_vec()),
        (
            "surrogates in the wrong order",
            br#"{"a":"\udc00\ud800"}"#.to_vec(),
        ),
        ("an unknown escape", br#"{"a":"\x41"}"#.to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("40 deep", deep.into_bytes()),
        ("40 objects deep", deep_objects.into_bytes()),
        ("only opening", vec![b'['; 16_000]),
        ("only opening objects", b"{\"a\":".repeat(3_000)),
    ]
}

/// Whatever is sent to these in 16 KB, the answer is 200: Firefox's sign-in fails on anything else.
fn takes_anything(call: &Call) -> bool {
    ["/v1/oauth/destroy", "/v1/destroy"].contains(&call.path)
}

/// Bodies that are no JSON object, for every call that takes one.
#[must_use]
pub fn unreadable_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for call in CALLS.iter().filter(|call| !call.body.is_empty()) {
        for (what, body) in unreadable() {
            let expected = if takes_anything(call) {
                Expected::Status(200)
            } else {
                call.numbers.bad_json()
            };
            rows.push(cast.row(call, what, &body, expected));
        }
        if !call.required.is_empty() {
            let none = call.numbers.refusal(400, &[106, 108], &[109]);
            rows.push(cast.row(call, "no byte", b"", none));
        }
    }
    rows
}

/// Bodies that are too long, also where none is looked at; declared and sent in chunks.
#[must_use]
pub fn oversized_rows(cast: &Cast) -> Vec<Row> {
    let too_large = Expected::Accounts(413, &[113]);
    let mut rows = Vec::new();
    for call in CALLS.iter().filter(|call| call.method == "POST") {
        let path = call.path;
        let mut put = |what: &str, body: Body| {
            let request = RawRequest::new("POST", path)
                .header("content-type", "application/json")
                .body(body);
            rows.push(Row::new(
                format!("POST {path}: {what}"),
                &cast.host,
                &request,
                too_large.clone(),
            ));
        };
        put("17 KB declared, none sent", Body::Promised(LEN_MAX as u64 + 1));
        put("a terabyte declared", Body::Promised(1 << 40));
        put("17 KB sent", Body::Sized(vec![b' '; LEN_MAX + 1]));
        put("a megabyte sent", Body::Sized(vec![b'['; 1024 * 1024]));
        put("17 KB in chunks", Body::Chunked(vec![b' '; LEN_MAX + 1], 1000));
        put(
            "a megabyte in small chunks",
            Body::Chunked(vec![b'['; 1024 * 1024], 100),
        );
    }
    for path in [
        "/v1/session/status",
        "/v1/jwks",
        "/.well-known/browserid",
        "/.well-known/fxa-client-configuration",
    ] {
        let request = RawRequest::new("GET", path).body(Body::Promised(LEN_MAX as u64 + 1));
        rows.push(Row::new(
            format!("GET {path}: 17 KB declared"),
            &cast.host,
            &request,
            too_large.clone(),
        ));
    }
    rows
}

/// A body of exactly the longest length is taken.
#[must_use]
pub fn longest_rows(cast: &Cast) -> Vec<Row> {
    let body = format!(
        "{{\"email\":\"nobody@example.test\",\"more\":\"{}\"}}",
        "x".repeat(LEN_MAX)
    );
    let cut = body.len() - LEN_MAX;
    let body = body.replacen(&"x".repeat(cut), "", 1).into_bytes();
    let request = RawRequest::new("POST", "/v1/account/status").header("content-type", "application/json");
    let sized = request.clone().body(Body::Sized(body.clone()));
    let chunked = request.body(Body::Chunked(body, 1));
    vec![
        Row::new(
            "16 KB",
            &cast.host,
            &sized,
            Expected::Member("exists", false.into()),
        ),
        Row::new(
            "16 KB in chunks of one byte",
            &cast.host,
            &chunked,
            Expected::Member("exists", false.into()),
        ),
    ]
}

/// Bodies in an encoding: 415.
#[must_use]
pub fn encoded_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for call in CALLS.iter().filter(|call| !call.body.is_empty()) {
        for encoding in ["gzip", "deflate", "br", "x-gzip", "GZIP", "identity, gzip"] {
            let body = cast.body_of(call);
            let request = cast
                .request(call, body.as_bytes())
                .header("content-encoding", encoding);
            let name = format!("POST {}: {encoding}", call.path);
            let expected = if takes_anything(call) {
                Expected::Status(200)
            } else {
                Expected::Accounts(415, &[])
            };
            rows.push(Row::new(name, &cast.host, &request, expected));
        }
    }
    rows
}

/// Members nobody asked for are ignored, whatever they are called (`accounts.md`, Conventions).
#[must_use]
pub fn extra_rows(cast: &Cast) -> Vec<Row> {
    let more = r#","unknown":1,"__proto__":{"admin":true},"constructor":[],"":null,"uid":{}}"#;
    // Calls whose well-formed body does something that can be repeated.
    const REPEATABLE: &[&str] = &[
        "/v1/account/status",
        "/v1/account/scoped-key-data",
        "/v1/account/device",
        "/v1/account/devices/notify",
        "/v1/account/attached_client/destroy",
        "/v1/session/duplicate",
        "/v1/certificate/sign",
        "/v1/oauth/authorization",
        "/v1/oauth/token",
        "/v1/oauth/introspect",
        "/v1/oauth/key-data",
    ];
    let is_repeatable = |call: &&Call| call.method == "POST" && REPEATABLE.contains(&call.path);
    CALLS
        .iter()
        .filter(is_repeatable)
        .map(|call| {
            let body = cast.body_of(call);
            let body = format!("{}{more}", body.strip_suffix('}').unwrap_or(&body));
            cast.row(call, "unknown members", body.as_bytes(), Expected::Status(200))
        })
        .collect()
}

/// Calls without the credentials they need, and with those of another kind.
#[must_use]
pub fn unauthorized_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for call in CALLS.iter().filter(|call| call.auth != Auth::Open) {
        let body = cast.body_of(call);
        let bare = || {
            let request = RawRequest::new(call.method, call.path);
            if body.is_empty() {
                request
            } else {
                request.json(body.as_bytes())
            }
        };
        let mut put = |what: &str, request: &RawRequest| {
            let name = format!("{} {}: {what}", call.method, call.path);
            rows.push(Row::new(name, &cast.host, request, call.numbers.bad_token()));
        };
        put("no credentials", &bare());
        put("another scheme", &bare().header("authorization", "Basic YTpi"));
        put("an unknown scheme", &bare().header("authorization", "Token a"));
        let hex = "ab".repeat(32);
        put(
            "a bearer that nobody gave out",
            &bare().header("authorization", format!("Bearer {hex}")),
        );
        if call.auth == Auth::Bearer {
            put(
                "a session's signature",
                &cast.session.request(call.method, call.path),
            );
        } else {
            if call.auth != Auth::SessionOrBearer {
                let token = format!("Bearer {}", cast.access_token);
                put("an access token", &bare().header("authorization", token));
            }
            let id = &cast.session.id;
            put(
                "the id as a bearer",
                &bare().header("authorization", format!("Bearer fxs_{id}")),
            );
        }
    }
    rows
}

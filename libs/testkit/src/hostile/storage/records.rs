//! Records and uploads that are refused, as a whole or one by one (`storage.md` 6, 9, 10 and 19).

use serde_json::json;

use super::{Cast, NEVER, TAKEN};
use crate::hostile::{
    row::{Expected, Row},
    wire::{Body, RawRequest},
};

const INVALID: Expected = Expected::Storage(400, 8);
const UNPARSABLE: Expected = Expected::Storage(400, 6);
const TOO_LARGE: Expected = Expected::Storage(413, 17);

/// Longest request body.
const REQUEST_BYTES_MAX: usize = 2_686_976;
/// Longest payload of one record.
const PAYLOAD_BYTES_MAX: usize = 2_621_440;

/// Bodies of a PUT that are no record.
#[must_use]
pub fn put_rows(cast: &Cast) -> Vec<Row> {
    let item = format!("/storage/{NEVER}/a");
    let mut rows = Vec::new();
    for body in [
        "\"notabso\"",
        "42",
        "null",
        "true",
        "[]",
        "[{\"payload\":\"x\"}]",
        "{\"payload\":42}",
        "{\"payload\":[]}",
        "{\"payload\":{\"a\":1}}",
        "{\"payload\":true}",
        "{\"ttl\":\"eh\"}",
        "{\"ttl\":-1}",
        "{\"ttl\":1.5}",
        "{\"ttl\":1000000000}",
        "{\"ttl\":[]}",
        "{\"sortindex\":\"2.6\"}",
        "{\"sortindex\":2.6}",
        "{\"sortindex\":1000000000}",
        "{\"sortindex\":-1000000000}",
        "{\"sortindex\":9223372036854775808}",
        "{\"sortindex\":true}",
        "{\"unexpected\":1}",
        "{\"__proto__\":{}}",
        "{\"Payload\":\"x\"}",
        "{\"id\":[\"1\"]}",
        "{\"id\":1}",
        "{\"id\":\"other\"}",
        "{\"id\":\"\"}",
    ] {
        rows.push(cast.row(&format!("PUT {body}"), &cast.write("PUT", &item, body), INVALID));
    }
    for (name, body) in unparsable() {
        rows.push(cast.row(
            &format!("PUT {name}"),
            &cast.write("PUT", &item, body),
            UNPARSABLE,
        ));
    }
    rows.push(cast.row("PUT of nothing", &cast.write("PUT", &item, ""), UNPARSABLE));
    rows
}

/// What is no JSON.
fn unparsable() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!("{{\"payload\":{}{}}}", "[".repeat(9), "]".repeat(9));
    vec![
        ("cut off", b"{\"payload\":\"x".to_vec()),
        ("only opening", vec![b'['; 100_000]),
        ("nine deep", deep.into_bytes()),
        ("invalid UTF-8", b"{\"payload\":\"\xff\"}".to_vec()),
        ("an overlong form", b"{\"payload\":\"\xc0\xaf\"}".to_vec()),
        ("a lone surrogate", br#"{"payload":"\ud800"}"#.to_vec()),
        ("trailing data", b"{} x".to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("a comma too many", b"{\"payload\":\"x\",}".to_vec()),
        ("single quotes", b"{'payload':'x'}".to_vec()),
        ("NaN", b"{\"ttl\":NaN}".to_vec()),
        ("a raw line break", b"{\"payload\":\"a\nb\"}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("a form", b"payload=x".to_vec()),
    ]
}

/// Uploads that are refused whole.
#[must_use]
pub fn post_rows(cast: &Cast) -> Vec<Row> {
    let list = format!("/storage/{NEVER}");
    let lines = |body: &str| {
        cast.signed("POST", &list)
            .header("content-type", "application/newlines")
            .body(Body::Sized(body.as_bytes().to_vec()))
    };
    let mut rows = Vec::new();
    for body in [
        "\"x\"",
        "1",
        "null",
        "{}",
        "{\"id\":\"a\"}",
        "[1]",
        "[null]",
        "[[]]",
        "[{\"id\":\"a\"},\"BAD\"]",
        "[{\"payload\":\"no id\"}]",
        "[{\"id\":1}]",
        "[{\"id\":null}]",
        "[{\"id\":\"a\"},{\"id\":\"a\"}]",
    ] {
        rows.push(cast.row(&format!("POST {body}"), &cast.write("POST", &list, body), INVALID));
    }
    for (name, body) in unparsable() {
        rows.push(cast.row(
            &format!("POST {name}"),
            &cast.write("POST", &list, body),
            UNPARSABLE,
        ));
    }
    for (name, body, expected) in [
        ("a line that is no JSON", "{\"id\":\"a\"}\nx\n", UNPARSABLE),
        ("a line that is cut off", "{\"id\":\"a\"}\n{\"id\":", UNPARSABLE),
        ("a line that is a text", "{\"id\":\"a\"}\n\"b\"\n", INVALID),
        ("an array in a line", "[{\"id\":\"a\"}]\n", INVALID),
        ("two lines of one id", "{\"id\":\"a\"}\n{\"id\":\"a\"}\n", INVALID),
    ] {
        rows.push(cast.row(name, &lines(body), expected));
    }
    // The contract gives no number for a blank line.
    rows.push(cast.row(
        "a blank line",
        &lines("{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n"),
        Expected::Status(400),
    ));
    let zero_iv = json!({ "payload": r#"{"ciphertext":"x","IV":  "AAAAAAAAAAAAAAAAAAAAAA=="}"# });
    let with_id = json!([{ "id": "keys", "payload": zero_iv["payload"] }]);
    rows.push(cast.row(
        "PUT of a zero IV into crypto",
        &cast.write("PUT", "/storage/crypto/keys", zero_iv.to_string()),
        INVALID,
    ));
    rows.push(cast.row(
        "POST of a zero IV into crypto",
        &cast.write("POST", "/storage/crypto", with_id.to_string()),
        INVALID,
    ));
    rows.push(cast.row(
        "a zero IV elsewhere is fine",
        &cast.write("PUT", &format!("/storage/{TAKEN}/iv"), zero_iv.to_string()),
        Expected::Status(200),
    ));
    rows
}

/// Bodies that are too long.
#[must_use]
pub fn oversized_rows(cast: &Cast) -> Vec<Row> {
    let item = format!("/storage/{NEVER}/a");
    let list = format!("/storage/{NEVER}");
    let payload = json!({ "payload": "x".repeat(PAYLOAD_BYTES_MAX + 1) }).to_string();
    let sized = |method: &str, rest: &str, body: Body| {
        cast.signed(method, rest)
            .header("content-type", "application/json")
            .body(body)
    };
    let long = || vec![b' '; REQUEST_BYTES_MAX + 1];
    let bare = |method: &str, rest: &str| RawRequest::new(method, cast.path(rest));
    vec![
        cast.row(
            "PUT of one byte too many in the payload",
            &cast.write("PUT", &item, payload),
            TOO_LARGE,
        ),
        cast.row(
            "PUT declared too long",
            &sized("PUT", &item, Body::Promised(REQUEST_BYTES_MAX as u64 + 1)),
            TOO_LARGE,
        ),
        cast.row(
            "POST declared too long",
            &sized("POST", &list, Body::Promised(1 << 50)),
            TOO_LARGE,
        ),
        cast.row(
            "PUT too long",
            &sized("PUT", &item, Body::Sized(long())),
            TOO_LARGE,
        ),
        cast.row(
            "POST too long",
            &sized("POST", &list, Body::Sized(long())),
            TOO_LARGE,
        ),
        cast.row(
            "PUT too long in chunks",
            &sized("PUT", &item, Body::Chunked(long(), 65_536)),
            TOO_LARGE,
        ),
        cast.row(
            "POST too long in chunks",
            &sized("POST", &list, Body::Chunked(long(), 4_096)),
            TOO_LARGE,
        ),
        // Who is not known is told so first.
        cast.row(
            "declared too long, not signed",
            &bare("PUT", &item).body(Body::Promised(1 << 40)),
            Expected::Storage(401, 0),
        ),
    ]
}

/// Elements that fail alone: the answer is 200 and names them; and what is just within the limits.
#[must_use]
pub fn element_rows(cast: &Cast) -> Vec<Row> {
    let list = format!("/storage/{TAKEN}");
    let upload = |elements: serde_json::Value| cast.write("POST", &list, elements.to_string());
    let failed = |name: &str, element: serde_json::Value, reason: &str| {
        let id = element["id"].as_str().unwrap_or_default().to_owned();
        let expected = Expected::Member("failed", json!({ id: reason }));
        cast.row(
            &format!("POST {name}"),
            &upload(json!([element, { "id": "good" }])),
            expected,
        )
    };
    let taken = |name: &str, element: serde_json::Value| {
        cast.row(
            &format!("POST {name} is fine"),
            &upload(json!([element])),
            Expected::Member("failed", json!({})),
        )
    };
    let batch = |bytes: u64| {
        cast.write("POST", &format!("{list}?batch=true"), "[]")
            .header("x-weave-total-bytes", bytes.to_string())
    };
    vec![
        failed("an empty id", json!({ "id": "" }), "invalid id"),
        failed("an id with a line break", json!({ "id": "A\nB" }), "invalid id"),
        failed("an id that ends in one", json!({ "id": "A\n" }), "invalid id"),
        failed("an id that begins with one", json!({ "id": "\nN" }), "invalid id"),
        failed("an id with a tab", json!({ "id": "A\tB" }), "invalid id"),
        failed("an id beyond ASCII", json!({ "id": "\u{e4}" }), "invalid id"),
        failed(
            "an id of 65 letters",
            json!({ "id": "X".repeat(65) }),
            "invalid id",
        ),
        failed(
            "a ttl too long",
            json!({ "id": "t", "ttl": 1_000_000_000 }),
            "invalid ttl",
        ),
        failed(
            "a ttl that is a text",
            json!({ "id": "t", "ttl": "1" }),
            "invalid ttl",
        ),
        failed("a negative ttl", json!({ "id": "t", "ttl": -1 }), "invalid ttl"),
        failed(
            "a sortindex that is a text",
            json!({ "id": "s", "sortindex": "1" }),
            "invalid sortindex",
        ),
        failed(
            "a sortindex too high",
            json!({ "id": "s", "sortindex": 1_000_000_000 }),
            "invalid sortindex",
        ),
        failed(
            "a payload that is a number",
            json!({ "id": "p", "payload": 42 }),
            "invalid payload",
        ),
        failed(
            "an unknown field",
            json!({ "id": "u", "unexpected": 1 }),
            "unknown field",
        ),
        failed(
            "a payload too long",
            json!({ "id": "l", "payload": "x".repeat(PAYLOAD_BYTES_MAX + 1) }),
            "payload too large",
        ),
        taken("the longest ttl", json!({ "id": "t", "ttl": 999_999_999 })),
        taken("an id of 64 letters", json!({ "id": "X".repeat(64) })),
        taken(
            "an id of signs",
            json!({ "id": "../../etc/passwd; DROP TABLE bso;--" }),
        ),
        taken(
            "a payload of commands",
            json!({ "id": "c", "payload": "'; DROP TABLE bso; --\u{0}${jndi:x}{{7*7}}" }),
        ),
        taken(
            "the longest payload",
            json!({ "id": "l", "payload": "x".repeat(PAYLOAD_BYTES_MAX) }),
        ),
        cast.row(
            "total bytes at the limit",
            &batch(262_144_000),
            Expected::Status(202),
        ),
    ]
}

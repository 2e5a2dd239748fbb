//! Keys that are none, or that fall to anybody, and lives that are too long (`accounts.md` (d), `security.md` C.1): 107
//! each time, and never a certificate.

use serde_json::{Value, json};

use super::{CALLS, Call, Cast};
use crate::hostile::row::{Expected, Row};

const PATH: &str = "/v1/certificate/sign";
/// RFC 6979, A.2.1 and A.2.2.
const DSA_KEYS: &str = include_str!("../../../../crypto/testdata/dsa-rfc-6979.json");

fn call() -> &'static Call {
    let found = CALLS.iter().find(|call| call.path == PATH);
    found.expect("the call is served")
}

/// The well-formed body with one member set.
fn with(cast: &Cast, name: &str, value: Value) -> Vec<u8> {
    let mut body: Value = serde_json::from_str(&cast.body_of(call())).unwrap_or_default();
    body[name] = value;
    body.to_string().into_bytes()
}

fn rsa(n: impl Into<Value>, e: impl Into<Value>) -> Value {
    json!({"algorithm": "RS", "n": n.into(), "e": e.into()})
}

fn dsa(at: usize) -> Value {
    let file: Value = serde_json::from_str(DSA_KEYS).unwrap_or_default();
    let key = &file["keys"][at];
    json!({"algorithm": "DS", "y": key["y"], "p": key["p"], "q": key["q"], "g": key["g"]})
}

/// A DSA key with one number changed.
fn dsa_with(name: &str, value: &str) -> Value {
    let mut key = dsa(0);
    key[name] = value.into();
    key
}

/// All keys that are looked at, with the status they must get.
fn keys(sound: &str) -> Vec<(&'static str, Value, u16)> {
    // 2^1024 - 1, which is divisible by 3, and 2^1023.
    let ones = decimal_of_ones(1024);
    let even = format!("{}0", &sound[..sound.len() - 1]);
    let digits = |count: usize| "7".repeat(count);
    vec![
        ("1024 bits", rsa(sound, "65537"), 200),
        ("e = 3", rsa(sound, "3"), 200),
        ("DSA 1024/160", dsa(0), 200),
        ("DSA 2048/256", dsa(1), 200),
        ("a small factor", rsa(ones, "65537"), 400),
        ("even", rsa(even, "65537"), 400),
        ("512 bits", rsa(digits(154), "65537"), 400),
        ("5000 bits", rsa(digits(1506), "65537"), 400),
        ("15000 digits", rsa(digits(15_000), "65537"), 400),
        ("nothing", rsa("", "65537"), 400),
        ("zero", rsa("0", "65537"), 400),
        ("negative", rsa(format!("-{sound}"), "65537"), 400),
        ("a plus", rsa(format!("+{sound}"), "65537"), 400),
        ("a leading zero", rsa(format!("0{sound}"), "65537"), 400),
        ("a blank", rsa(format!("{sound} "), "65537"), 400),
        ("hex", rsa(format!("0x{}", "f".repeat(256)), "65537"), 400),
        ("other digits", rsa("\u{661}".repeat(309), "65537"), 400),
        ("a number", rsa(7, "65537"), 400),
        ("a list", rsa(json!([sound]), "65537"), 400),
        ("e = 0", rsa(sound, "0"), 400),
        ("e = 1", rsa(sound, "1"), 400),
        ("e = 2", rsa(sound, "2"), 400),
        ("e of 33 bits", rsa(sound, "4294967297"), 400),
        ("e as a number", rsa(sound, 65537), 400),
        ("y of no order", dsa_with("y", "3"), 400),
        ("y = 1", dsa_with("y", "1"), 400),
        ("y = 0", dsa_with("y", "0"), 400),
        ("g = 1", dsa_with("g", "1"), 400),
        ("g of no order", dsa_with("g", "2"), 400),
        ("g beyond p", dsa_with("g", &"f".repeat(256)), 400),
        ("q of no divisor", dsa_with("q", &"f".repeat(40)), 400),
        ("a short q", dsa_with("q", "ff"), 400),
        ("a short p", dsa_with("p", &"f".repeat(128)), 400),
        ("an endless p", dsa_with("p", &"f".repeat(14_000)), 400),
        ("no hex", dsa_with("y", "xyz"), 400),
        ("ES256", json!({"algorithm": "ES", "x": "1", "y": "1"}), 400),
        (
            "RS256",
            json!({"algorithm": "RS256", "n": sound, "e": "65537"}),
            400,
        ),
        ("none", json!({"algorithm": "none"}), 400),
        (
            "an algorithm that is none",
            json!({"algorithm": 5, "n": sound, "e": "65537"}),
            400,
        ),
        (
            "both kinds, called DSA",
            json!({"algorithm": "DS", "n": sound, "e": "65537", "y": 1}),
            400,
        ),
    ]
}

/// 2^bits - 1, by doubling digits.
fn decimal_of_ones(bits: usize) -> String {
    let mut digits = vec![0_u8];
    for _ in 0..bits {
        let mut carry = 1;
        for digit in &mut digits {
            let doubled = *digit * 2 + carry;
            (*digit, carry) = (doubled % 10, doubled / 10);
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

/// Keys of all kinds.
#[must_use]
pub fn key_rows(cast: &Cast) -> Vec<Row> {
    let body: Value = serde_json::from_str(&cast.body_of(call())).unwrap_or_default();
    let sound = body["publicKey"]["n"].as_str().unwrap_or_default();
    let of_keys = keys(sound).into_iter().map(|(what, key, status)| {
        let expected = match status {
            200 => Expected::Status(200),
            // A member that the named kind needs may be missing altogether.
            _ => Expected::Accounts(400, &[107, 108]),
        };
        cast.row(call(), what, &with(cast, "publicKey", key), expected)
    });
    let no_objects = ["text".into(), 7.into(), true.into(), json!([]), json!([{}])];
    let of_others = no_objects.into_iter().map(|value: Value| {
        let what = format!("publicKey is {value}");
        let refused = call().numbers.bad_parameter();
        cast.row(call(), &what, &with(cast, "publicKey", value), refused)
    });
    of_keys.chain(of_others).collect()
}

/// Lives of certificates.
#[must_use]
pub fn duration_rows(cast: &Cast) -> Vec<Row> {
    let refused = [
        "86400001",
        "-1",
        "0.5",
        "\"60\"",
        "true",
        "[]",
        "{}",
        "9007199254740993",
    ];
    let taken = ["0", "1", "86400000"];
    let row = |value: &str, expected: Expected| {
        let body = with(cast, "duration", "SPLICE".into());
        let body = String::from_utf8_lossy(&body).replace("\"SPLICE\"", value);
        cast.row(call(), &format!("duration is {value}"), body.as_bytes(), expected)
    };
    let refused = refused.map(|value| row(value, call().numbers.bad_parameter()));
    let taken = taken.map(|value| row(value, Expected::Status(200)));
    refused.into_iter().chain(taken).collect()
}

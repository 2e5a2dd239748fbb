//! Runs `testdata/vectors.json` natively, and tries what no page should send. The same vectors are run against the
//! compiled module in a browser.

use foxhold_page_crypto::call;
use proptest::prelude::*;
use serde_json::{Value, json};

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../testdata/vectors.json")).expect("the file is JSON")
}

#[test]
fn every_vector() {
    assert!(vectors().len() > 20);
    for vector in vectors() {
        let name = vector["name"].as_str().unwrap();
        match call(vector["input"].to_string().as_bytes()) {
            Ok(json) => assert_eq!(
                serde_json::from_slice::<Value>(&json).unwrap(),
                vector["output"],
                "{name}"
            ),
            Err(error) => assert_eq!(json!({"error": error.to_string()}), vector["output"], "{name}"),
        }
    }
}

#[test]
fn text_that_is_no_operation() {
    for input in [
        &b""[..],
        b"[",
        b"[]",
        b"null",
        b"\xff",
        br#"{"op":1}"#,
        br#"{"op":"token","op":"hawk"}"#,
    ] {
        assert!(call(input).is_err(), "{}", String::from_utf8_lossy(input));
    }
}

/// An error that repeated the password would carry it to a console or a log.
#[test]
fn errors_never_repeat_input() {
    for vector in vectors() {
        for member in vector["input"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| *name != "op")
        {
            let mut input = vector["input"].clone();
            input[member] = json!({"very": "secret-marker"});
            let error = call(input.to_string().as_bytes()).expect_err(member).to_string();
            assert!(!error.contains("secret-marker"), "{member}: {error}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = call(&bytes);
    }

    #[test]
    fn no_member_panics(
        which in any::<proptest::sample::Index>(), member in any::<proptest::sample::Index>(), value in "\\PC{0,80}",
    ) {
        // Stretching is left out: it takes whatever text there is, slowly.
        let quick: Vec<_> = vectors()
            .into_iter()
            .filter(|vector| !matches!(vector["input"]["op"].as_str(), Some("stretch_v2" | "sign_up")))
            .collect();
        let mut input = which.get(&quick)["input"].clone();
        let names: Vec<_> = input.as_object().unwrap().keys().cloned().collect();
        input[member.get(&names)] = json!(value);
        let _ = call(input.to_string().as_bytes());
    }
}

//! Runs `testdata/vectors.json` through the exports the page calls, natively. The same file is run against the
//! compiled module in a browser.

use foxhold_page_crypto::call;
use serde_json::Value;

#[test]
fn every_vector() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    assert!(vectors.len() > 20);
    for vector in vectors {
        let name = vector["name"].as_str().unwrap();
        let answer = call(vector["input"].to_string().as_bytes());
        match answer {
            Ok(json) => assert_eq!(
                serde_json::from_slice::<Value>(&json).unwrap(),
                vector["output"],
                "{name}"
            ),
            Err(error) => assert_eq!(
                Some(error.to_string().as_str()),
                vector["output"]["error"].as_str(),
                "{name}"
            ),
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

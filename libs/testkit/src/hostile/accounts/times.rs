//! Signed requests of another time, that come again, or whose token has ended (`accounts.md` (b)): 111 and 115, both
//! with the server's time, and 110.

use anyhow::Result;
use foxhold_core::hex;
use hyper::Method;
use serde_json::json;

use super::{
    Cast,
    signatures::{BAD_SIGNATURE, BAD_TOKEN, DEVICE, FINE, STATUS, get},
};
use crate::hostile::{
    row::{Expected, Row},
    signer::{Signer, Signing},
    stage::Stage,
    wire::RawRequest,
};

const STALE: Expected = Expected::Accounts(401, &[111]);
const REPLAYED: Expected = Expected::Accounts(401, &[115]);

/// Times outside the window, and requests that come again.
#[must_use]
pub fn time_rows(cast: &Cast) -> Vec<Row> {
    let at = |offset: i64| cast.session.signing("GET", STATUS).at(offset);
    let mut rows = Vec::new();
    // A row is sent when all before it are answered: on a busy machine minutes after it was signed.
    for (name, offset, expected) in [
        ("901 s ago", -901 - 30, STALE),
        ("an hour ago", -3600, STALE),
        ("in an hour", 3600, STALE),
        ("in 1500 s", 1500, STALE),
        ("600 s ago is fine", -600, FINE),
        ("in 850 s is fine", 850, FINE),
    ] {
        rows.push(get(
            cast,
            &format!("signed {name}"),
            at(offset).header(),
            expected,
        ));
    }
    for (name, ts) in [("1970", "0"), ("the end of 64 bits", "18446744073709551615")] {
        let mut signing = at(0);
        signing.ts = ts.into();
        rows.push(get(cast, &format!("signed at {name}"), signing.header(), STALE));
    }
    for (name, ts) in [
        ("beyond 64 bits", "18446744073709551616"),
        ("beyond all", "99999999999999999999999999"),
    ] {
        let mut signing = at(0);
        signing.ts = ts.into();
        rows.push(get(
            cast,
            &format!("signed at a time {name}"),
            signing.header(),
            Expected::Accounts(401, &[109, 111]),
        ));
    }
    // A stale one with a wrong signature is told nothing about the time.
    rows.push(get(
        cast,
        "stale and wrong",
        at(-5000).header_with_mac("AAAA"),
        BAD_SIGNATURE,
    ));
    for offset in [0, 800, -600] {
        let header = at(offset).header();
        rows.push(get(
            cast,
            &format!("first time, {offset} s off"),
            header.as_str(),
            FINE,
        ));
        rows.push(get(
            cast,
            &format!("again, {offset} s off"),
            header.as_str(),
            REPLAYED,
        ));
        rows.push(get(cast, &format!("and again, {offset} s off"), header, REPLAYED));
    }
    // Only a right signature is remembered: nobody can burn another one's nonce.
    let burned = at(0);
    rows.push(get(
        cast,
        "a forged nonce",
        burned.header_with_mac("AAAA"),
        BAD_SIGNATURE,
    ));
    rows.push(get(cast, "the nonce itself", burned.header(), FINE));
    let reused = Signing {
        ts: at(-1).ts,
        ..burned
    };
    rows.push(get(
        cast,
        "the nonce at another time is fine",
        reused.header(),
        FINE,
    ));
    let body = br#"{"name":"again","type":"desktop"}"#;
    let post = cast.session.request_with("POST", DEVICE, body);
    rows.push(Row::new("Hawk: a POST", &cast.host, &post, FINE));
    rows.push(Row::new("Hawk: the POST again", &cast.host, &post, REPLAYED));
    rows
}

/// Tokens that are spent or ended: 110. A key-fetch token before the address is confirmed: 104, and it is kept.
///
/// # Errors
/// When the box signs nobody up.
pub async fn ended_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let keys = "/v1/account/keys";
    let unconfirmed = stage.unverified_person().await?;
    let early = Signer::of_token(&cast.root, &unconfirmed.key_fetch)?;
    let signed_out = stage.person().await?;
    let ended = Signer::of_token(&cast.root, &signed_out.session)?;
    let answer = stage
        .server()
        .signed(
            Method::POST,
            "/v1/session/destroy",
            &signed_out.session,
            Some(&json!({})),
        )
        .await?;
    anyhow::ensure!(answer.status == 200, "signing out: {:?}", answer.json()?);
    let spent = Signer::of_token(&cast.root, &signed_out.key_fetch)?;
    let row = |name: &str, request: &RawRequest, expected: Expected| {
        Row::new(format!("Hawk: {name}"), &cast.host, request, expected)
    };
    let short = hex::encode(&[0; 31]);
    Ok(vec![
        row(
            "keys before the address is confirmed",
            &early.request("GET", keys),
            Expected::Accounts(400, &[104]),
        ),
        row(
            "the same again",
            &early.request("GET", keys),
            Expected::Accounts(400, &[104]),
        ),
        row(
            "a session that was signed out",
            &ended.request("GET", STATUS),
            BAD_TOKEN,
        ),
        row(
            "signing out again",
            &ended.request_with("POST", "/v1/session/destroy", b"{}"),
            BAD_TOKEN,
        ),
        row("keys for the first time", &spent.request("GET", keys), FINE),
        row("keys for the second time", &spent.request("GET", keys), BAD_TOKEN),
        row(
            "an id of 31 bytes",
            &RawRequest::new("GET", STATUS).header(
                "authorization",
                format!("Hawk id=\"{short}\", ts=\"1\", nonce=\"a\", mac=\"b\""),
            ),
            BAD_TOKEN,
        ),
    ])
}

//! Tokens that are none, of others, or at their end; signatures over something else (`storage.md` 3): always 401 with
//! body 0, never `Retry-After`.

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE};
use foxhold_core::{SecretText, ServiceUid};
use foxhold_crypto::{
    hawk::payload_hash,
    node_secret::NodeSecret,
    node_token::{NodeTokenClaims, mint},
};
use serde_json::{Value, json};

use super::{Cast, NEVER};
use crate::{
    hostile::{
        row::{Expected, Row},
        signer::{Signer, Signing},
        stage::{Stage, Syncing},
        wire::RawRequest,
    },
    http,
    person::{OLDSYNC, now_secs, unique_hex},
    wait::wait_until,
};

const UNAUTHORIZED: Expected = Expected::Storage(401, 0);
const FINE: Expected = Expected::Status(200);

fn get(cast: &Cast, name: &str, authorization: impl Into<Vec<u8>>, expected: Expected) -> Row {
    let target = cast.path("/info/collections");
    let request = RawRequest::new("GET", target).header("authorization", authorization);
    cast.row(name, &request, expected)
}

/// Headers that cannot be read, and tokens that are none.
///
/// # Errors
/// When the person's own token is none.
pub fn token_rows(cast: &Cast) -> Result<Vec<Row>> {
    let path = cast.path("/info/collections");
    let right = || cast.syncing.signer.signing("GET", &path);
    let bare = RawRequest::new("GET", path.as_str());
    let mut rows = vec![cast.row("no credentials", &bare, UNAUTHORIZED)];
    let mut not_ascii = right().header().into_bytes();
    not_ascii.insert(not_ascii.len() - 1, 0xff);
    for (name, header) in [
        ("an empty header", Vec::new()),
        ("a bearer", b"Bearer x".to_vec()),
        ("Basic", b"Basic YTpi".to_vec()),
        ("no attributes", b"Hawk".to_vec()),
        ("only a blank", b"Hawk ".to_vec()),
        ("id twice", format!("{}, id=\"x\"", right().header()).into()),
        ("mac twice", format!("{}, mac=\"x\"", right().header()).into()),
        (
            "an unknown attribute",
            format!("{}, foo=\"x\"", right().header()).into(),
        ),
        ("no quotes", right().header().replace('"', "").into()),
        (
            "garbage behind it",
            format!("{} garbage", right().header()).into(),
        ),
        (
            "more than 4096 bytes",
            format!("{}, ext=\"{}\"", right().header(), "x".repeat(4096)).into(),
        ),
        ("a letter beyond ASCII", not_ascii),
    ] {
        rows.push(get(cast, name, header, UNAUTHORIZED));
    }
    let token = &cast.syncing.signer.id;
    let bytes = BASE64_URL_SAFE
        .decode(token)
        .ok()
        .context("a token in base64url")?;
    let encode = |bytes: &[u8]| BASE64_URL_SAFE.encode(bytes);
    let flipped = |at: usize| {
        let changed: Vec<u8> = bytes
            .iter()
            .enumerate()
            .map(|(n, byte)| byte ^ u8::from(n == at))
            .collect();
        encode(&changed)
    };
    let payload: Value = serde_json::from_slice(&bytes[..bytes.len() - 32])?;
    let resigned = |change: &Value| {
        let mut payload = payload.clone();
        for (name, value) in change.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        encode(&[payload.to_string().as_bytes(), &bytes[bytes.len() - 32..]].concat())
    };
    for (name, id) in [
        ("empty", String::new()),
        ("one letter", "A".into()),
        ("no base64", "!!!!".into()),
        ("of 32 bytes", encode(&[7; 32])),
        ("of 31 bytes", encode(&[7; 31])),
        ("of 33 bytes", encode(&[7; 33])),
        ("cut", token[..token.len() - 4].to_owned()),
        (
            "without padding or cut",
            token.trim_end_matches('=')[..token.len() - 5].to_owned(),
        ),
        ("with something behind it", format!("{token}AAAA")),
        (
            "in the standard alphabet",
            encode(&bytes)
                .replace('-', "+")
                .replace('_', "/")
                .replacen('e', "+", 1),
        ),
        ("only a signature", encode(&bytes[bytes.len() - 32..])),
        ("without signature", encode(&bytes[..bytes.len() - 32])),
        ("with one bit of the payload changed", flipped(10)),
        ("with one bit of the signature changed", flipped(bytes.len() - 1)),
        ("of another user", resigned(&json!({ "uid": 1 }))),
        (
            "of another node",
            resigned(&json!({ "node": "https://evil.example" })),
        ),
        (
            "with a later end",
            resigned(&json!({ "expires": 4_102_444_800_u64 })),
        ),
        ("64 hex digits", unique_hex()),
        ("3 KB of letters", "A".repeat(3000)),
    ] {
        let signing = Signing { id, ..right() };
        rows.push(get(
            cast,
            &format!("a token {name}"),
            signing.header(),
            UNAUTHORIZED,
        ));
    }
    Ok(rows)
}

/// Well-made tokens that this node has not the secret of, and signatures over something else.
///
/// # Errors
/// When the person's number is none.
pub fn signature_rows(cast: &Cast) -> Result<Vec<Row>> {
    let path = cast.path("/info/collections");
    let right = || cast.syncing.signer.signing("GET", &path);
    let with = |change: fn(&mut Signing)| {
        let said = right();
        let mut signed = said.clone();
        change(&mut signed);
        said.header_with_mac(&signed.mac())
    };
    let mut wrong_hash = right();
    wrong_hash.hash = Some(payload_hash("application/json", b"other"));
    let mut stale = right();
    stale.ts = (now_secs() - 53 * 7 * 86_400).to_string();
    let mut future = right();
    future.ts = (now_secs() + 53 * 7 * 86_400).to_string();
    let mut skewed = right();
    skewed.ts = (now_secs() - 86_400).to_string();
    let again = right().header();
    let mut rows: Vec<Row> = [
        (
            "a token of another secret",
            foreign(cast)?.signing("GET", &path).header(),
            UNAUTHORIZED,
        ),
        (
            "another method",
            with(|s| s.method = "DELETE".into()),
            UNAUTHORIZED,
        ),
        (
            "another host",
            with(|s| s.host = "evil.example".into()),
            UNAUTHORIZED,
        ),
        (
            "another port",
            with(|s| s.port = s.port.wrapping_add(1)),
            UNAUTHORIZED,
        ),
        (
            "another path",
            with(|s| s.target = s.target.replace("collections", "quota")),
            UNAUTHORIZED,
        ),
        ("a query more", with(|s| s.target.push_str("?a")), UNAUTHORIZED),
        ("another nonce", with(|s| s.nonce.push('x')), UNAUTHORIZED),
        ("another time", with(|s| s.ts.push('0')), UNAUTHORIZED),
        ("an empty mac", right().header_with_mac(""), UNAUTHORIZED),
        ("a short mac", right().header_with_mac("AAAA"), UNAUTHORIZED),
        (
            "a mac that is no base64",
            right().header_with_mac("!!"),
            UNAUTHORIZED,
        ),
        ("a hash of something else", wrong_hash.header(), UNAUTHORIZED),
        ("signed 53 weeks ago", stale.header(), UNAUTHORIZED),
        ("signed in 53 weeks", future.header(), UNAUTHORIZED),
        ("signed a day ago is fine", skewed.header(), FINE),
        ("a request", again.clone(), FINE),
        ("the request again is fine", again, FINE),
    ]
    .into_iter()
    .map(|(name, header, expected)| get(cast, name, header, expected))
    .collect();
    let uid = cast.syncing.uid;
    for (name, base) in [
        ("of another number", uid + 1),
        ("of the number 0", 0),
        ("of a huge number", 9_007_199_254_740_991),
    ] {
        let target = format!("/1.5/{base}/info/collections");
        rows.push(cast.row(
            &format!("the data {name}"),
            &cast.syncing.signer.request("GET", &target),
            UNAUTHORIZED,
        ));
        let target = format!("/1.5/{base}/storage/{NEVER}/a");
        let write = cast.syncing.signer.request("PUT", &target).json("{}");
        rows.push(cast.row(&format!("writing to the data {name}"), &write, UNAUTHORIZED));
        let wipe = cast
            .syncing
            .signer
            .request("DELETE", &format!("/1.5/{base}/storage"));
        rows.push(cast.row(&format!("wiping the data {name}"), &wipe, UNAUTHORIZED));
    }
    let body = b"{\"payload\":\"a\"}";
    let target = cast.path(&format!("/storage/{NEVER}/a"));
    let signing = Signing {
        hash: Some(payload_hash("application/json", b"{}")),
        ..cast.syncing.signer.signing("PUT", &target)
    };
    let request = RawRequest::new("PUT", target)
        .header("authorization", signing.header())
        .json(body);
    rows.push(cast.row("the hash of another body", &request, UNAUTHORIZED));
    Ok(rows)
}

/// Somebody with a token for this user and node, made with a secret of their own.
fn foreign(cast: &Cast) -> Result<Signer> {
    let claims = NodeTokenClaims {
        node: format!("http://{}", cast.host),
        fxa_kid: "0000000000001-AAAAAAAAAAAAAAAAAAAAAA".into(),
        fxa_uid: "0".repeat(32),
        hashed_device_id: "0".repeat(32),
        hashed_fxa_uid: "0".repeat(32),
        expires_secs: now_secs() + 3600,
        uid: ServiceUid::new(cast.syncing.uid).context("a uid")?,
        salt: [1, 2, 3],
    };
    let token = mint(
        &claims,
        &NodeSecret::new(SecretText::new("not the node's secret".into())),
    );
    Signer::new(
        &format!("http://{}", cast.host),
        token.token,
        token.key.expose().as_bytes().to_vec(),
    )
}

/// A token at its end: nothing but the look at the collections is left (`storage.md` 3.4).
///
/// # Errors
/// When the box gives none, or it does not end.
pub async fn expired_rows(stage: &Stage) -> Result<Vec<Row>> {
    let person = stage.person().await?;
    let access = format!("Bearer {}", stage.access_token(&person, OLDSYNC).await?);
    let key_id = person.key_id(stage.server()).await?;
    let key_id = key_id.map_err(|answer| anyhow::anyhow!("key id: {}", answer.status))?;
    let headers = [("authorization", access.as_str()), ("x-keyid", key_id.as_str())];
    let address = stage.server().address;
    let path = "/1.0/sync/1.5?duration=1";
    let token = http::send(address, &hyper::Method::GET, path, &headers, "")
        .await?
        .json()?;
    let syncing = Stage::syncing_with(&token)?;
    ended(stage, &syncing).await?;
    let cast = Cast {
        host: stage.host().to_owned(),
        syncing,
    };
    let mut rows: Vec<Row> = [
        ("GET", "/info/quota"),
        ("GET", "/info/collection_usage"),
        ("GET", "/info/collection_counts"),
        ("GET", "/info/configuration"),
        ("GET", "/storage/meta"),
        ("GET", "/storage/meta/global"),
        ("GET", "/storage/info/collections"),
        ("DELETE", "/storage/info/collections"),
        ("DELETE", "/storage"),
        ("DELETE", ""),
    ]
    .into_iter()
    .map(|(method, rest)| {
        cast.row(
            &format!("expired: {method} {rest}"),
            &cast.signed(method, rest),
            UNAUTHORIZED,
        )
    })
    .collect();
    rows.extend([
        cast.row(
            "expired: PUT",
            &cast.write("PUT", "/storage/info/collections", "{}"),
            UNAUTHORIZED,
        ),
        cast.row(
            "expired: POST",
            &cast.write("POST", "/storage/info", "[]"),
            UNAUTHORIZED,
        ),
        cast.row(
            "expired: the collections",
            &cast.signed("GET", "/info/collections"),
            FINE,
        ),
        cast.row(
            "expired: the collections' head",
            &cast.signed("HEAD", "/info/collections"),
            FINE,
        ),
    ]);
    Ok(rows)
}

async fn ended(stage: &Stage, syncing: &Syncing) -> Result<()> {
    let address = stage.server().address;
    let path = format!("{}/info/quota", syncing.base);
    wait_until("the token's end", || {
        let header = syncing.signer.signing("GET", &path).header();
        let path = path.clone();
        async move {
            let headers = [("authorization", header.as_str())];
            let answer = http::send(address, &hyper::Method::GET, &path, &headers, "").await;
            answer.is_ok_and(|answer| answer.status == 401)
        }
    })
    .await
}

//! The token exchange (`tokenserver.md` sections 1 to 5): whatever is sent, the answer is JSON with the server's time,
//! and says what the table of section 4 says.

pub mod jwt;

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    row::{Expected, Row},
    stage::Stage,
    wire::{Body, RawRequest},
};
use crate::person::{OLDSYNC, Person};

const PATH: &str = "/1.0/sync/1.5";
/// The client state that [`Person::key_id`] speaks of.
const CLIENT_STATE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

const fn refused(http: u16, status: &'static str, description: &'static str) -> Expected {
    Expected::TokenServer {
        http,
        status,
        description,
    }
}

const INVALID: Expected = refused(401, "invalid-credentials", "Unauthorized");
const KEYS_CHANGED: Expected = refused(401, "invalid-keysChangedAt", "Unauthorized");
const MALFORMED_STATE: Expected = refused(400, "error", "Invalid client state value");

/// A bundle of the right shape that nobody signed.
fn bundle(algorithm: &str, issuer: &str) -> String {
    let part = |claims: Value| {
        let base64 = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AA", base64(&json!({"alg": algorithm})), base64(&claims))
    };
    let year_3000 = 32_503_680_000_000_u64;
    let certificate = part(json!({
        "iss": issuer,
        "iat": 1_700_000_000_000_u64,
        "exp": year_3000,
        "public-key": {"algorithm": "RS", "n": "1", "e": "3"},
        "principal": {"email": format!("a@{issuer}")},
    }));
    let assertion = part(json!({"exp": year_3000, "aud": "http://localhost"}));
    format!("BrowserID {certificate}~{assertion}")
}

/// Somebody who has a node already.
pub struct Cast {
    host: String,
    token: String,
    profile_token: String,
    keys_changed_at: u64,
    uid: u64,
    person: Person,
}

impl Cast {
    /// Signs somebody up and lets them have a node.
    ///
    /// # Errors
    /// When the box does not do that.
    pub async fn call_in(stage: &Stage) -> Result<Self> {
        let person = stage.person().await?;
        let exchanged = stage.exchanged(&person).await?;
        let key_id = person.key_id(stage.server()).await?;
        let key_id = key_id.map_err(|answer| anyhow::anyhow!("key id: {}", answer.status))?;
        let (time, _) = key_id.split_once('-').context("a key id")?;
        Ok(Self {
            host: stage.host().to_owned(),
            token: stage.access_token(&person, OLDSYNC).await?,
            profile_token: stage.access_token(&person, "profile").await?,
            keys_changed_at: time.parse()?,
            uid: exchanged["uid"].as_u64().context("uid")?,
            person,
        })
    }

    fn key_id(&self) -> String {
        format!("{}-{CLIENT_STATE}", self.keys_changed_at)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn row(&self, name: &str, request: &RawRequest, expected: Expected) -> Row {
        Row::new(format!("token server: {name}"), &self.host, request, expected)
    }

    /// The exchange with a key id.
    fn with_key_id(&self, key_id: impl Into<Vec<u8>>) -> RawRequest {
        RawRequest::new("GET", PATH)
            .header("authorization", self.bearer())
            .header("x-keyid", key_id)
    }

    /// The exchange with some credentials.
    fn with_credentials(&self, authorization: impl Into<Vec<u8>>) -> RawRequest {
        RawRequest::new("GET", PATH)
            .header("authorization", authorization)
            .header("x-keyid", self.key_id())
    }

    fn granted(&self) -> Expected {
        Expected::Member("uid", self.uid.into())
    }
}

/// Paths and methods, bodies: refused before anything is looked at.
#[must_use]
pub fn route_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for (path, description) in [
        ("/1.0/sync/1.1", "Unsupported application version"),
        ("/1.0/sync/2.0", "Unsupported application version"),
        ("/1.0/sync/1.5%00", "Unsupported application version"),
        ("/1.0/sync/%3Cscript%3E", "Unsupported application version"),
        ("/1.0/sync/%ff", ""),
        ("/1.0/SYNC/1.5", "Unsupported application"),
        ("/1.0/none/1.5", "Unsupported application"),
        ("/1.0/%00/1.5", "Unsupported application"),
        ("/1.0/%ff/1.5", ""),
        ("/1.0/%2e%2e/1.5", "Unsupported application"),
        ("/1.0/sync/1.5/", ""),
        ("/1.0/sync/1.5/x", ""),
        ("/1.0/sync/", ""),
        ("/1.0/sync", ""),
        ("/1.0//1.5", ""),
        ("/1.0/", ""),
        ("/1.0", ""),
    ] {
        let bare = RawRequest::new("GET", path);
        let signed = RawRequest::new("GET", path)
            .header("authorization", cast.bearer())
            .header("x-keyid", cast.key_id());
        rows.push(cast.row(path, &bare, refused(404, "error", description)));
        rows.push(cast.row(
            &format!("{path} with credentials"),
            &signed,
            refused(404, "error", description),
        ));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        rows.push(cast.row(method, &RawRequest::new(method, PATH), refused(405, "error", "")));
    }
    for (name, body) in [
        ("a body of one byte", Body::Sized(b"x".to_vec())),
        ("a body in chunks", Body::Chunked(b"{}".to_vec(), 1)),
        ("a long body", Body::Sized(vec![b'x'; 1024 * 1024])),
        ("a long body, declared only", Body::Promised(1 << 40)),
    ] {
        let request = cast.with_key_id(cast.key_id()).body(body);
        rows.push(cast.row(name, &request, refused(413, "error", "")));
    }
    rows
}

/// Credentials that are none.
///
/// # Errors
/// When the published keys cannot be read.
pub async fn credential_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let unauthorized = || refused(401, "error", "Unauthorized");
    let unsupported = || refused(401, "error", "Unsupported");
    let mut rows = vec![
        cast.row("no credentials", &RawRequest::new("GET", PATH), unauthorized()),
        cast.row(
            "only a key id",
            &RawRequest::new("GET", PATH).header("x-keyid", cast.key_id()),
            unauthorized(),
        ),
    ];
    for (name, authorization, expected) in [
        ("empty credentials", "", unauthorized()),
        ("only a scheme", "Bearer", unauthorized()),
        ("no blank", "Bearertoken", unauthorized()),
        ("a tab for the blank", "Bearer\ttoken", unauthorized()),
        ("Basic", "Basic YTpi", unsupported()),
        (
            "Hawk",
            "Hawk id=\"a\", ts=\"1\", nonce=\"b\", mac=\"c\"",
            unsupported(),
        ),
        ("a bundle that is none", "BrowserID a~b", INVALID),
        ("by the old name", "Browser-ID a~b", INVALID),
        ("a bundle of nothing", "BrowserID ", unauthorized()),
        ("an assertion without certificate", "BrowserID a.b.c", INVALID),
        ("two certificates", "BrowserID a.b.c~a.b.c~a.b.c", INVALID),
        (
            "a bundle without algorithm",
            &bundle("none", "localhost"),
            INVALID,
        ),
        (
            "a bundle of a stranger's issuer",
            &bundle("RS256", "169.254.169.254"),
            INVALID,
        ),
        ("an unknown scheme", "Token a", unsupported()),
    ] {
        rows.push(cast.row(name, &cast.with_credentials(authorization), expected));
    }
    let keys = jwt::Keys::published(stage).await?;
    for (name, token) in jwt::forgeries(&cast.token, &keys)? {
        rows.push(cast.row(&name, &cast.with_credentials(format!("Bearer {token}")), INVALID));
    }
    let twice = cast
        .with_credentials(cast.bearer())
        .header("authorization", cast.bearer());
    rows.extend([
        cast.row(
            "a token without the scope",
            &cast.with_credentials(format!("Bearer {}", cast.profile_token)),
            INVALID,
        ),
        cast.row(
            "two blanks",
            &cast.with_credentials(format!("Bearer  {}", cast.token)),
            INVALID,
        ),
        cast.row(
            "a letter beyond ASCII",
            &cast.with_credentials(b"Bearer \xff\xfe".to_vec()),
            Expected::Status(401),
        ),
        cast.row("two headers", &twice, Expected::Status(401)),
        cast.row(
            "the scheme in lower case is fine",
            &cast.with_credentials(format!("bearer {}", cast.token)),
            cast.granted(),
        ),
    ]);
    Ok(rows)
}

/// Key ids and client states that cannot be read, or disagree.
#[must_use]
pub fn key_id_rows(cast: &Cast) -> Vec<Row> {
    let time = cast.keys_changed_at;
    let bare = RawRequest::new("GET", PATH).header("authorization", cast.bearer());
    let missing = || refused(401, "invalid-key-id", "Missing X-KeyID header");
    let mut rows = vec![
        cast.row("no key id", &bare, missing()),
        cast.row(
            "a key id beyond ASCII",
            &cast.with_key_id(b"1-\xff".to_vec()),
            refused(401, "invalid-key-id", "Invalid X-KeyID header"),
        ),
    ];
    for (name, key_id, expected) in [
        ("no dash", time.to_string(), INVALID),
        ("no time", format!("-{CLIENT_STATE}"), INVALID),
        ("a word for a time", format!("abc-{CLIENT_STATE}"), INVALID),
        (
            "a plus before the time",
            format!("+{time}-{CLIENT_STATE}"),
            INVALID,
        ),
        ("a fraction", format!("{time}.5-{CLIENT_STATE}"), INVALID),
        ("an exponent", format!("1e3-{CLIENT_STATE}"), INVALID),
        ("hexadecimal", format!("0x10-{CLIENT_STATE}"), INVALID),
        (
            "a time beyond 64 bits",
            format!("99999999999999999999-{CLIENT_STATE}"),
            INVALID,
        ),
        ("a padded state", format!("{time}-{CLIENT_STATE}=="), INVALID),
        ("the standard alphabet", format!("{time}-AA+/AA"), INVALID),
        ("stray bits", format!("{time}-AAAAAAAAAAAAAAAAAAAAAB"), INVALID),
        ("a blank in the state", format!("{time}-AAAA AAAA"), INVALID),
        ("a length that no bytes have", format!("{time}-AAAAA"), INVALID),
        ("an empty state", format!("{time}-"), MALFORMED_STATE),
        (
            "a state of 17 bytes",
            format!("{time}-AAAAAAAAAAAAAAAAAAAAAAA"),
            MALFORMED_STATE,
        ),
        (
            "a state of 6 KB",
            format!("{time}-{}", "AAAA".repeat(1500)),
            MALFORMED_STATE,
        ),
    ] {
        rows.push(cast.row(&format!("key id: {name}"), &cast.with_key_id(key_id), expected));
    }
    for (name, state) in [
        ("a sign", "!!"),
        ("33 letters", "abcdefghijklmnopqrstuvwxyz0123456"),
        ("a blank", "a b"),
    ] {
        let request = RawRequest::new("GET", PATH).header("x-client-state", state);
        rows.push(cast.row(
            &format!("client state: {name}, no credentials"),
            &request,
            MALFORMED_STATE,
        ));
    }
    let disagreeing = cast
        .with_key_id(cast.key_id())
        .header("x-client-state", "f".repeat(32));
    rows.push(cast.row(
        "client states that disagree",
        &disagreeing,
        refused(401, "invalid-client-state", "Unauthorized"),
    ));
    let agreeing = cast
        .with_key_id(cast.key_id())
        .header("x-client-state", "0".repeat(32));
    rows.push(cast.row("client states that agree are fine", &agreeing, cast.granted()));
    let twice = cast.with_key_id(cast.key_id()).header("x-keyid", cast.key_id());
    rows.push(cast.row("two key ids", &twice, Expected::Status(401)));
    rows
}

/// Keys that go back, or change without a reason (section 5); and wishes that are ignored.
#[must_use]
pub fn state_rows(cast: &Cast) -> Vec<Row> {
    let time = cast.keys_changed_at;
    let other_state = "BBBBBBBBBBBBBBBBBBBBBA";
    let mut rows = Vec::new();
    for (name, key_id, expected) in [
        (
            "keys of before",
            format!("{}-{CLIENT_STATE}", time - 1),
            KEYS_CHANGED,
        ),
        ("keys of no time", format!("0-{CLIENT_STATE}"), KEYS_CHANGED),
        (
            "keys newer than the password",
            format!("{}-{CLIENT_STATE}", time + 1),
            KEYS_CHANGED,
        ),
        (
            "keys of the far future",
            format!("9223372036854775807-{CLIENT_STATE}"),
            KEYS_CHANGED,
        ),
        (
            "another key of the same time",
            format!("{time}-{other_state}"),
            refused(
                401,
                "invalid-client-state",
                "Unacceptable client-state value new value with no generation change",
            ),
        ),
        (
            "another key newer than the password",
            format!("{}-{other_state}", time + 1),
            KEYS_CHANGED,
        ),
        ("the right one, as before", cast.key_id(), cast.granted()),
        (
            "leading zeros are fine",
            format!("000{}", cast.key_id()),
            cast.granted(),
        ),
    ] {
        rows.push(cast.row(name, &cast.with_key_id(key_id), expected));
    }
    for duration in [
        "0",
        "-1",
        "abc",
        "",
        "1.5",
        "99999999999999999999",
        "3601",
        "%00",
        "10x",
        "+10",
    ] {
        let target = format!("{PATH}?duration={duration}");
        let request = RawRequest::new("GET", target.as_str())
            .header("authorization", cast.bearer())
            .header("x-keyid", cast.key_id());
        let full = Expected::Member("duration", 3600.into());
        rows.push(cast.row(&format!("duration {duration:?} is ignored"), &request, full));
    }
    let short = RawRequest::new("GET", format!("{PATH}?duration=10"))
        .header("authorization", cast.bearer())
        .header("x-keyid", cast.key_id());
    rows.push(cast.row(
        "a shorter duration",
        &short,
        Expected::Member("duration", 10.into()),
    ));
    let accept = cast.with_key_id(cast.key_id()).header("accept", "text/html");
    rows.push(cast.row("Accept is ignored", &accept, cast.granted()));
    rows
}

/// After all that, the same user has the same number.
///
/// # Errors
/// When the box answers otherwise.
pub async fn still_the_same_node(stage: &Stage, cast: &Cast) -> Result<()> {
    let uid = stage.exchanged(&cast.person).await?["uid"].as_u64();
    anyhow::ensure!(uid == Some(cast.uid), "uid {uid:?} instead of {}", cast.uid);
    Ok(())
}

//! OAuth calls that are well-formed and still refused (`accounts.md` (e)), and access tokens that are none.

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};

use super::{Cast, Numbers};
use crate::{
    hostile::{
        row::{AUTH_PW, Expected, Row},
        signer::Signer,
        stage::Stage,
        token_server::jwt,
        wire::RawRequest,
    },
    person::{FIREFOX, OLDSYNC, unique_hex},
};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Firefox for Android.
const ANDROID: &str = "a2270f727f45f648";

fn authorization() -> Value {
    json!({
        "client_id": FIREFOX, "state": "s", "scope": "profile", "access_type": "online",
        "response_type": "code", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

const fn refused(numbers: &'static [u16]) -> Expected {
    Expected::Accounts(400, numbers)
}

/// Codes that are not given.
#[must_use]
pub fn authorization_rows(cast: &Cast) -> Vec<Row> {
    let table = [
        (
            "an unknown client",
            json!({ "client_id": "0000000000000000" }),
            refused(&[162]),
            refused(&[101]),
        ),
        (
            "a scope of others",
            json!({ "scope": "clients:write" }),
            refused(&[163]),
            refused(&[114]),
        ),
        (
            "an unknown scope",
            json!({ "scope": "https://identity.mozilla.com/apps/none" }),
            refused(&[163]),
            refused(&[114]),
        ),
        (
            "a scope above",
            json!({ "scope": "https://identity.mozilla.com/apps" }),
            refused(&[163]),
            refused(&[114]),
        ),
        (
            "a scope beside",
            json!({ "scope": "https://identity.mozilla.com/apps/oldsyncx" }),
            refused(&[163]),
            refused(&[114]),
        ),
        (
            "a token response",
            json!({ "response_type": "token" }),
            refused(&[168]),
            refused(&[110]),
        ),
        (
            "no challenge",
            json!({ "code_challenge": null }),
            refused(&[169]),
            refused(&[118]),
        ),
        (
            "no method",
            json!({ "code_challenge_method": null }),
            refused(&[169]),
            refused(&[118]),
        ),
        (
            "plain",
            json!({ "code_challenge_method": "plain" }),
            refused(&[107, 169]),
            refused(&[109, 118]),
        ),
        (
            "another redirect",
            json!({ "redirect_uri": "https://evil.example/" }),
            refused(&[167]),
            refused(&[103]),
        ),
        (
            "a redirect that is longer",
            json!({ "redirect_uri": "urn:ietf:wg:oauth:2.0:oob:oauth-redirect-webchannel/x" }),
            refused(&[167]),
            refused(&[103]),
        ),
        (
            "a script as redirect",
            json!({ "redirect_uri": "javascript:alert(1)" }),
            refused(&[107, 167]),
            refused(&[103, 109]),
        ),
        (
            "a second factor",
            json!({ "acr_values": "AAL2" }),
            refused(&[170]),
            refused(&[120]),
        ),
    ];
    let mut rows = Vec::new();
    for (name, change, of_accounts, of_oauth) in table {
        let body = changed(authorization(), &change);
        for (path, expected) in [
            ("/v1/oauth/authorization", of_accounts),
            ("/v1/authorization", of_oauth.of_oauth_base()),
        ] {
            let request = cast.session.request_with("POST", path, body.as_bytes());
            rows.push(Row::new(
                format!("POST {path}: {name}"),
                &cast.host,
                &request,
                expected,
            ));
        }
    }
    rows
}

/// Replaces members; null takes one out.
fn changed(mut body: Value, change: &Value) -> String {
    for (name, value) in change.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body.to_string()
}

/// Tokens that are not given.
///
/// # Errors
/// When the box gives no code to spend.
pub async fn token_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let answer = stage
        .server()
        .signed(
            Method::POST,
            "/v1/oauth/authorization",
            &cast.person.session,
            Some(&authorization()),
        )
        .await?
        .json()?;
    let code = answer["code"].as_str().with_context(|| answer.to_string())?;
    let code_grant = |client: &str, code: &str, verifier: &str| json!({ "grant_type": "authorization_code", "client_id": client, "code": code, "code_verifier": verifier });
    let unknown = unique_hex();
    let other_verifier = VERIFIER.replace('d', "e");
    let open = [
        (
            "an unknown code",
            code_grant(FIREFOX, &unknown, VERIFIER),
            refused(&[172]),
            refused(&[105]),
        ),
        (
            "another client's code",
            code_grant(ANDROID, code, VERIFIER),
            refused(&[173]),
            refused(&[106]),
        ),
        (
            "an unknown client's code",
            code_grant("0000000000000000", code, VERIFIER),
            refused(&[162]),
            refused(&[101]),
        ),
        (
            "another verifier",
            code_grant(FIREFOX, code, &other_verifier),
            refused(&[175]),
            refused(&[117]),
        ),
        (
            "the challenge as verifier",
            code_grant(FIREFOX, code, CHALLENGE),
            refused(&[175]),
            refused(&[117]),
        ),
        (
            "a short verifier",
            code_grant(FIREFOX, code, "abc"),
            refused(&[107, 175]),
            refused(&[109, 117]),
        ),
        (
            "a session's grant without one",
            json!({ "grant_type": "fxa-credentials", "client_id": FIREFOX, "scope": "profile" }),
            Expected::Accounts(401, &[110]),
            Expected::Accounts(401, &[111]),
        ),
    ];
    let mut rows = Vec::new();
    for (name, body, of_accounts, of_oauth) in open {
        for (path, expected) in [
            ("/v1/oauth/token", of_accounts),
            ("/v1/token", of_oauth.of_oauth_base()),
        ] {
            let request = RawRequest::new("POST", path).json(body.to_string());
            rows.push(Row::new(
                format!("POST {path}: {name}"),
                &cast.host,
                &request,
                expected,
            ));
        }
    }
    let spending =
        RawRequest::new("POST", "/v1/oauth/token").json(code_grant(FIREFOX, code, VERIFIER).to_string());
    rows.push(Row::new(
        "the code for the first time",
        &cast.host,
        &spending,
        Expected::Status(200),
    ));
    rows.push(Row::new(
        "the code for the second time",
        &cast.host,
        &spending,
        refused(&[172]),
    ));
    rows.extend(refresh_rows(cast));
    rows.extend(session_grant_rows(stage, cast).await?);
    Ok(rows)
}

fn refresh_rows(cast: &Cast) -> Vec<Row> {
    let grant = json!({ "grant_type": "refresh_token", "client_id": FIREFOX, "refresh_token": AUTH_PW });
    let table = [
        (
            "an unknown refresh token",
            json!({}),
            Expected::Accounts(401, &[110]),
        ),
        (
            "a short refresh token",
            json!({ "refresh_token": "ab" }),
            refused(&[107]),
        ),
        (
            "no refresh token",
            json!({ "refresh_token": null }),
            refused(&[108]),
        ),
        (
            "an unknown client",
            json!({ "client_id": "0000000000000000" }),
            refused(&[162]),
        ),
    ];
    let row = |(name, change, expected)| {
        let request = RawRequest::new("POST", "/v1/oauth/token").json(changed(grant.clone(), &change));
        Row::new(format!("refreshing: {name}"), &cast.host, &request, expected)
    };
    table.into_iter().map(row).collect()
}

/// What a session may not have.
async fn session_grant_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let unconfirmed = stage.unverified_person().await?;
    let unconfirmed = Signer::of_token(&cast.root, &unconfirmed.session)?;
    let grant = json!({ "grant_type": "fxa-credentials", "client_id": FIREFOX, "scope": "profile" });
    let table = [
        (
            "a scope of others",
            &cast.session,
            json!({ "scope": "clients:write" }),
            refused(&[163]),
        ),
        (
            "an unknown client",
            &cast.session,
            json!({ "client_id": "0000000000000000" }),
            refused(&[162]),
        ),
        (
            "keys before the address is confirmed",
            &unconfirmed,
            json!({ "scope": OLDSYNC }),
            refused(&[104, 138]),
        ),
    ];
    let row = |(name, signer, change): (&str, &Signer, Value), expected| {
        let request = signer.request_with(
            "POST",
            "/v1/oauth/token",
            changed(grant.clone(), &change).as_bytes(),
        );
        Row::new(
            format!("a session's grant: {name}"),
            &cast.host,
            &request,
            expected,
        )
    };
    Ok(table
        .into_iter()
        .map(|(name, signer, change, expected)| row((name, signer, change), expected))
        .collect())
}

/// POST /oauth/destroy answers 200 whatever the token is: Firefox's sign-in fails on anything else.
#[must_use]
pub fn destroy_rows(cast: &Cast) -> Vec<Row> {
    let bodies = [
        "{}",
        r#"{"token":null}"#,
        r#"{"token":""}"#,
        r#"{"token":"xyz"}"#,
        r#"{"token":5}"#,
        r#"{"token":["a"]}"#,
        r#"{"token":"5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7"}"#,
        r#"{"token":"a.b.c","client_id":"5882386c6d801776","token_type_hint":"access_token"}"#,
        r#"{"token":"x","client_id":"nobody"}"#,
        r#"{"token":"x","client_id":"0000000000000000","token_type_hint":7}"#,
    ];
    let mut rows = Vec::new();
    for path in ["/v1/oauth/destroy", "/v1/destroy"] {
        for body in bodies {
            let request = RawRequest::new("POST", path).json(body);
            rows.push(Row::new(
                format!("POST {path} {body}"),
                &cast.host,
                &request,
                Expected::Status(200),
            ));
        }
    }
    rows
}

/// Tokens that are none, shown to whoever tells what they are worth; and the one that is.
///
/// # Errors
/// When the published keys cannot be read.
pub async fn inspection_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let keys = jwt::Keys::published(stage).await?;
    let mut worthless = jwt::forgeries(&cast.access_token, &keys)?;
    for (name, token) in [
        ("nothing", String::new()),
        ("a refresh token that nobody gave out", unique_hex()),
        ("a session's id", cast.session.id.clone()),
        ("16 KB without an end", "a.".repeat(8000)),
        ("a quote", "\"'; DROP TABLE refresh_tokens; --".to_owned()),
        ("NUL", "\0".to_owned()),
    ] {
        worthless.push((name.to_owned(), token));
    }
    let mut rows = Vec::new();
    let mut put = |path: &str, name: &str, token: &str, expected: Expected| {
        let request = RawRequest::new("POST", path).json(json!({ "token": token }).to_string());
        let name = format!("POST {path}: {name}");
        rows.push(Row::new(name, &cast.host, &request, expected));
    };
    for (name, token) in &worthless {
        put("/v1/oauth/verify", name, token, Expected::Accounts(401, &[110]));
        put("/v1/verify", name, token, Expected::Oauth(400, &[108]));
        for path in ["/v1/oauth/introspect", "/v1/introspect"] {
            put(path, name, token, Expected::Member("active", false.into()));
        }
    }
    let (good, uid) = (&cast.access_token, Value::from(cast.person.uid.as_str()));
    put("/v1/verify", "the right one", good, Expected::Member("user", uid));
    put(
        "/v1/introspect",
        "the right one",
        good,
        Expected::Member("active", true.into()),
    );
    Ok(rows)
}

/// Unknown clients, and ids that are none.
#[must_use]
pub fn client_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, is_id) in [
        ("0000000000000000", true),
        ("xyz", false),
        ("5882386c6d80177", false),
        ("5882386c6d8017766", false),
        ("%00", false),
        ("..%2f..%2fetc", false),
        ("%ff", false),
    ] {
        for (path, numbers) in [
            ("/v1/oauth/client/", Numbers::Accounts),
            ("/v1/client/", Numbers::Oauth),
        ] {
            let expected = if is_id {
                numbers.refusal(400, &[162], &[101])
            } else {
                numbers.refusal(400, &[107], &[109])
            };
            let target = format!("{path}{id}");
            let request = RawRequest::new("GET", target.as_str());
            rows.push(Row::new(format!("GET {target}"), &cast.host, &request, expected));
        }
    }
    rows
}

/// Access tokens that are none, for the profile.
///
/// # Errors
/// When the published keys cannot be read.
pub async fn bearer_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let keys = jwt::Keys::published(stage).await?;
    for (name, token) in jwt::forgeries(&cast.access_token, &keys)? {
        let request =
            RawRequest::new("GET", "/v1/profile").header("authorization", format!("Bearer {token}"));
        let expected = Expected::Accounts(401, &[110]);
        rows.push(Row::new(
            format!("profile: {name}"),
            &cast.host,
            &request,
            expected,
        ));
    }
    // For sync, not for the profile: a token without the scope is not one that has ended.
    let sync = stage.access_token(&cast.person, OLDSYNC).await?;
    let request = RawRequest::new("GET", "/v1/profile").header("authorization", format!("Bearer {sync}"));
    rows.push(Row::new(
        "profile: a token for sync",
        &cast.host,
        &request,
        Expected::OneOf(&[401, 403]),
    ));
    Ok(rows)
}

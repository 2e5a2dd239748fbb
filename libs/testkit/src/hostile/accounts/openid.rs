//! The OpenID provider (`accounts.md` (k)) as registered programs and strangers misuse it: forms with standard errors, and
//! addresses that browsers are sent to.

use std::fmt::Write as _;

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::Cast;
use crate::{
    hostile::{
        row::{AUTH_PW, Expected, Row},
        stage::{Program, Stage},
        token_server::jwt,
        wire::{Body, RawRequest},
    },
    person::FIREFOX,
};

/// Where the program's answers go.
pub const CALLBACK: &str = "https://wiki.example.test/callback";
const FORM: &str = "application/x-www-form-urlencoded";
const LONGEST: usize = 16_384;

fn form(path: &str, body: impl Into<Vec<u8>>) -> RawRequest {
    RawRequest::new("POST", path)
        .header("content-type", FORM)
        .body(Body::Sized(body.into()))
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// A trade of a code that nobody was given.
fn trade() -> String {
    format!("grant_type=authorization_code&code={AUTH_PW}&redirect_uri={CALLBACK}")
}

/// Who is not the program, at every endpoint that asks for it.
#[must_use]
pub fn login_rows(cast: &Cast, program: &Program) -> Vec<Row> {
    let Program { id, secret } = program;
    let in_body =
        |id: &str, secret: &str| format!("client_id={id}&client_secret={secret}&token=x&{}", trade());
    let refused = Expected::Standard(401, "invalid_client");
    let bodies = [
        ("nobody", trade()),
        ("nothing", String::new()),
        ("an unknown client", in_body("0000000000000000", AUTH_PW)),
        (
            "a client that is no id",
            in_body("%27%20OR%201%3D1%20--", AUTH_PW),
        ),
        ("a browser's client", in_body(FIREFOX, AUTH_PW)),
        ("another secret", in_body(id, AUTH_PW)),
        ("a secret cut short", in_body(id, &secret[..63])),
        ("a longer secret", in_body(id, &format!("{secret}0"))),
        ("an empty secret", in_body(id, "")),
        ("no secret", format!("client_id={id}&{}", trade())),
    ];
    let headers = [
        ("Basic of another secret", basic(id, AUTH_PW)),
        ("Basic of another client", basic("0000000000000000", secret)),
        (
            "Basic without a colon",
            format!("Basic {}", BASE64_STANDARD.encode(id)),
        ),
        ("Basic that is no base64", "Basic %%%".to_owned()),
        ("Basic alone", "Basic".to_owned()),
        ("a bearer", format!("Bearer {secret}")),
        ("Hawk", format!("Hawk id=\"{id}\", mac=\"{secret}\"")),
    ];
    let mut rows = Vec::new();
    for path in ["/v1/token", "/v1/introspect", "/v1/destroy"] {
        for (name, body) in &bodies {
            let request = form(path, body.as_str());
            rows.push(Row::new(
                format!("{path}: {name}"),
                &cast.host,
                &request,
                refused.clone(),
            ));
        }
        for (name, header) in &headers {
            let request = form(path, trade()).header("authorization", header.as_str());
            rows.push(Row::new(
                format!("{path}: {name}"),
                &cast.host,
                &request,
                refused.clone(),
            ));
        }
        let twice = form(path, in_body(id, secret)).header("authorization", basic(id, secret));
        rows.push(Row::new(
            format!("{path}: both ways"),
            &cast.host,
            &twice,
            refused.clone(),
        ));
    }
    rows
}

/// Forms of the program itself that cannot be served.
#[must_use]
pub fn form_rows(cast: &Cast, program: &Program) -> Vec<Row> {
    let login = format!("client_id={}&client_secret={}", program.id, program.secret);
    let code = |code: &str| {
        format!("{login}&grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}").into_bytes()
    };
    let refresh =
        |token: &str| format!("{login}&grant_type=refresh_token&refresh_token={token}").into_bytes();
    let (grant, request) = (
        Expected::Standard(400, "invalid_grant"),
        Expected::Standard(400, "invalid_request"),
    );
    let many = (0..65).fold(login.clone(), |mut form, number| {
        // Writing into a text cannot fail.
        let _ = write!(form, "&x{number}=y");
        form
    });
    let mut not_text = code("a");
    not_text.push(0xff);
    let long = code(&"a".repeat(LONGEST));
    let table = [
        ("an unknown code", code(AUTH_PW), grant.clone()),
        ("a code that is none", code("short"), grant.clone()),
        (
            "a code that looks like SQL",
            code("%27%3B%20DROP%20TABLE%20accounts%3B%20--"),
            grant.clone(),
        ),
        (
            "a code that looks like a template",
            code("%7B%7B7*7%7D%7D"),
            grant.clone(),
        ),
        ("an unknown refresh token", refresh(AUTH_PW), grant.clone()),
        (
            "a refresh token that is none",
            refresh("..%2F..%2Fetc%2Fpasswd"),
            grant,
        ),
        (
            "no redirect",
            format!("{login}&grant_type=authorization_code&code={AUTH_PW}").into_bytes(),
            request.clone(),
        ),
        (
            "no code",
            format!("{login}&grant_type=authorization_code&redirect_uri={CALLBACK}").into_bytes(),
            request.clone(),
        ),
        ("an empty code", code(""), request.clone()),
        ("no grant", login.clone().into_bytes(), request.clone()),
        (
            "an unknown grant",
            format!("{login}&grant_type=password&username=a&password={AUTH_PW}").into_bytes(),
            Expected::Standard(400, "unsupported_grant_type"),
        ),
        (
            "a code twice",
            [code(AUTH_PW), b"&code=b".to_vec()].concat(),
            request.clone(),
        ),
        (
            "a client twice",
            [code(AUTH_PW), b"&client_id=b".to_vec()].concat(),
            request.clone(),
        ),
        ("a NUL", code("a%00b"), request.clone()),
        ("bytes that are no text, escaped", code("a%ffb"), request.clone()),
        ("bytes that are no text", not_text, request.clone()),
        ("too many pairs", many.into_bytes(), request.clone()),
        ("too much", long, Expected::Accounts(413, &[113])),
    ];
    let rows = table.into_iter().map(|(name, body, expected)| {
        Row::new(
            format!("/v1/token: {name}"),
            &cast.host,
            &form("/v1/token", body),
            expected,
        )
    });
    // There is nothing to tell of no token, and nothing to end (`accounts.md` (k), Revocation).
    let answers = [
        ("/v1/introspect", request),
        ("/v1/destroy", Expected::Status(200)),
    ];
    let without_token = answers.map(|(path, expected)| {
        let asked = form(path, login.as_str());
        Row::new(format!("{path}: no token"), &cast.host, &asked, expected)
    });
    rows.chain(without_token).collect()
}

/// Addresses that a browser is sent to by somebody: none leads away, and none sets a header.
#[must_use]
pub fn address_rows(cast: &Cast, program: &Program) -> Vec<Row> {
    let id = &program.id;
    let asked = |more: &str| format!("/authorization?response_type=code&client_id={id}&scope=openid{more}");
    let to = |target: &str| asked(&format!("&redirect_uri={target}"));
    let refused = Expected::Page(400);
    let table = [
        ("nothing", "/authorization".to_owned()),
        ("no redirect", asked("")),
        ("an unknown client", asked("").replace(id, "0000000000000000")),
        ("a browser's client", asked("").replace(id, FIREFOX)),
        ("a client that is none", asked("").replace(id, "%27%20OR%201%3D1")),
        ("a client twice", format!("{}&client_id={id}", to(CALLBACK))),
        ("another host", to("https://evil.example/callback")),
        (
            "a host with the right one before it",
            to("https://wiki.example.test@evil.example/callback"),
        ),
        ("a longer path", to(&format!("{CALLBACK}/"))),
        ("a query more", to(&format!("{CALLBACK}%3Fx=y"))),
        ("no scheme", to("//evil.example/")),
        ("a script", to("javascript:alert(1)")),
        ("data", to("data:text/html,x")),
        ("a line more", to(&format!("{CALLBACK}%0d%0aSet-Cookie:%20a=b"))),
        ("a NUL", format!("{}%00", to(CALLBACK))),
        ("bytes that are no text", format!("{}&state=%ff", to(CALLBACK))),
        (
            "leaving to another host",
            "/oauth/logout?post_logout_redirect_uri=https://evil.example/".to_owned(),
        ),
        (
            "leaving as an unknown client",
            "/oauth/logout?client_id=0000000000000000&post_logout_redirect_uri=https://evil.example/"
                .to_owned(),
        ),
        (
            "leaving to a script",
            format!("/oauth/logout?client_id={id}&post_logout_redirect_uri=javascript:alert(1)"),
        ),
    ];
    let mut rows: Vec<_> = table
        .iter()
        .map(|(name, path)| {
            let request = RawRequest::new("GET", path.as_str()).header("accept", "text/html");
            Row::new(format!("GET {name}"), &cast.host, &request, refused.clone())
        })
        .collect();
    let json = RawRequest::new("POST", "/authorization").json("{}");
    rows.push(Row::new(
        "POST /authorization: JSON",
        &cast.host,
        &json,
        Expected::Status(415),
    ));
    let odd = form("/authorization", "client_id=%ff");
    rows.push(Row::new(
        "POST /authorization: no text",
        &cast.host,
        &odd,
        refused,
    ));
    rows
}

/// Tokens that tell nothing of anybody.
///
/// # Errors
/// When the keys are not published, or nothing can be forged.
pub async fn userinfo_rows(stage: &Stage, cast: &Cast, program: &Program) -> Result<Vec<Row>> {
    let own = [
        ("a word", "x".to_owned()),
        ("a token of nobody", AUTH_PW.to_owned()),
        ("the client's secret", program.secret.clone()),
        ("two words", "a b".to_owned()),
    ];
    let keys = jwt::Keys::published(stage).await?;
    let mut bearers = jwt::forgeries(&cast.access_token, &keys)?;
    bearers.extend(own.map(|(name, token)| (name.to_owned(), token)));
    let mut rows = Vec::new();
    for method in ["GET", "POST"] {
        let bare = RawRequest::new(method, "/v1/userinfo");
        rows.push(Row::new(
            format!("{method} /v1/userinfo"),
            &cast.host,
            &bare,
            Expected::Status(401),
        ));
        for (name, token) in &bearers {
            let request = bare.clone().header("authorization", format!("Bearer {token}"));
            let name = format!("{method} /v1/userinfo: {name}");
            rows.push(Row::new(name, &cast.host, &request, Expected::Status(401)));
        }
        let narrow = bare.header("authorization", format!("Bearer {}", cast.access_token));
        let name = format!("{method} /v1/userinfo: a token without openid");
        rows.push(Row::new(name, &cast.host, &narrow, Expected::Status(403)));
    }
    for method in ["PUT", "DELETE", "BREW"] {
        for path in ["/v1/userinfo", "/authorization", "/oauth/logout"] {
            let request = RawRequest::new(method, path);
            let expected = Expected::Accounts(405, &[]);
            rows.push(Row::new(
                format!("{method} {path}"),
                &cast.host,
                &request,
                expected,
            ));
        }
    }
    Ok(rows)
}

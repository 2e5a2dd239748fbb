//! Addresses that are more than one, hide something, or look like another one; and texts that other programs would
//! take for commands (`security.md` E.2).

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Cast, fields};
use crate::{
    hostile::{
        row::{AUTH_PW, Expected, Row},
        stage::Stage,
        wire::RawRequest,
    },
    person::unique_hex,
};

/// The calls that take an address from anybody.
const PATHS: [&str; 8] = [
    "/v1/account/create",
    "/v1/account/login",
    "/v1/account/status",
    "/v1/account/credentials/status",
    "/v1/account/destroy",
    "/v1/password/change/start",
    "/v1/password/forgot/send_code",
    "/v1/password/forgot/send_otp",
];

/// Refused wherever an address is taken.
const REFUSED: &[(&str, &str)] = &[
    ("empty", ""),
    ("no sign at all", "alice"),
    ("only a sign", "@"),
    ("no local part", "@example.test"),
    ("no domain", "alice@"),
    ("a domain without dot", "alice@localhost"),
    ("two signs", "alice@bob@example.test"),
    ("two addresses", "alice@example.test,bob@example.test"),
    (
        "two addresses with a semicolon",
        "alice@example.test;bob@example.test",
    ),
    (
        "two addresses with a blank",
        "alice@example.test bob@example.test",
    ),
    ("a display name", "Alice <alice@example.test>"),
    ("in brackets", "<alice@example.test>"),
    ("a quoted local part", "\"alice\"@example.test"),
    ("a quoted sign", "\"a@b\"@example.test"),
    ("a quoted blank", "\"a b\"@example.test"),
    ("a comment", "alice(comment)@example.test"),
    ("a domain literal", "alice@[127.0.0.1]"),
    ("a backslash", "al\\ice@example.test"),
    ("a line end", "alice@example.test\r\nBcc: bob@example.test"),
    ("a line feed in the local part", "ali\nce@example.test"),
    ("a carriage return", "alice\r@example.test"),
    ("an encoded line end", "alice%0d%0aBcc:bob@example.test"),
    ("an encoded line feed", "alice%0A@example.test"),
    ("an encoded NUL", "alice%00@example.test"),
    ("a NUL", "alice\0@example.test"),
    ("a NUL behind it", "alice@example.test\0"),
    ("a blank before it", " alice@example.test"),
    ("a blank behind it", "alice@example.test "),
    ("a tab", "ali\tce@example.test"),
    ("an empty label", "alice@example..test"),
    ("a dot first", "alice@.example.test"),
    ("an underscore in the domain", "alice@ex_ample.test"),
    ("a port", "alice@example.test:25"),
    ("a path", "alice@example.test/x"),
    ("a percent in the domain", "alice@example%2etest"),
    ("zero width in the local part", "ali\u{200b}ce@example.test"),
    ("zero width in the domain", "alice@exam\u{200b}ple.test"),
    ("a joiner", "ali\u{200d}ce@example.test"),
    ("a soft hyphen", "ali\u{ad}ce@example.test"),
    ("a word joiner", "ali\u{2060}ce@example.test"),
    ("a byte order mark", "\u{feff}alice@example.test"),
    ("right to left override", "ali\u{202e}ce@example.test"),
    ("right to left mark", "ali\u{200f}ce@example.test"),
    ("a bidi isolate", "\u{2066}alice\u{2069}@example.test"),
    ("bidi in the domain", "alice@exa\u{202e}mple.test"),
    ("Cyrillic among Latin", "\u{430}lice@example.test"),
    ("Cyrillic among Latin in the domain", "alice@ex\u{430}mple.test"),
    ("the same as an A-label", "alice@xn--exmple-4nf.test"),
    ("Greek among Latin", "alic\u{3b5}@example.test"),
    (
        "all Cyrillic that reads as Latin",
        "\u{440}\u{430}\u{443}\u{440}\u{430}@example.test",
    ),
    ("a full-width sign", "alice\u{ff20}example.test"),
    (
        "a full-width sign beside a plain one",
        "alice\u{ff20}bob@example.test",
    ),
    ("a small sign", "alice\u{fe6b}bob@example.test"),
    ("a full-width comma", "alice\u{ff0c}bob@example.test"),
    ("a private character", "ali\u{e000}ce@example.test"),
    ("a replacement character", "ali\u{fffd}ce@example.test"),
    ("a tag character", "alice\u{e0061}@example.test"),
];

/// Addresses that are refused, at every call.
#[must_use]
pub fn refused_rows(cast: &Cast) -> Vec<Row> {
    let long_local = format!("{}@example.test", "a".repeat(65));
    let long = format!("a@{}.test", vec!["a".repeat(60); 5].join("."));
    let longer = format!("{}@example.test", "\u{e4}".repeat(300));
    let more = [
        ("65 in the local part", long_local.as_str()),
        ("more than 255 bytes", &long),
        ("600 bytes of umlauts", &longer),
    ];
    let mut rows = Vec::new();
    for (name, email) in REFUSED.iter().chain(&more) {
        for path in PATHS {
            let body = json!({ "email": email, "authPW": AUTH_PW, "oldAuthPW": AUTH_PW }).to_string();
            let request = RawRequest::new("POST", path).json(body);
            let expected = Expected::Accounts(400, &[107]);
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

/// Signs people up, and then asks for other spellings of their addresses: which are the same account, and which are
/// nobody's.
///
/// # Errors
/// When the box signs nobody up.
pub async fn spelling_rows(stage: &Stage, cast: &Cast) -> Result<Vec<Row>> {
    let mark = &unique_hex()[..12];
    let (kelvin, istanbul, strasse) = (
        format!("kelvin{mark}"),
        format!("ilgaz{mark}"),
        format!("strasse{mark}"),
    );
    for local in [&kelvin, &istanbul, &strasse] {
        let body = json!({ "email": format!("{local}@example.test"), "authPW": AUTH_PW });
        let answer = stage.server().post("/v1/account/create", &body).await?;
        ensure!(answer.status == 200, "{local}: {:?}", answer.json()?);
    }
    let wide: String = kelvin
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c))
        .collect();
    let table = [
        ("itself", format!("{kelvin}@example.test"), true),
        (
            "upper case",
            format!("{}@EXAMPLE.TEST", kelvin.to_uppercase()),
            true,
        ),
        ("a Kelvin sign", kelvin.replacen('k', "\u{212a}", 1), true),
        ("full-width letters", wide, true),
        (
            "a full-width domain",
            format!("{kelvin}@\u{ff45}xample.test"),
            true,
        ),
        (
            "an ideographic full stop",
            format!("{kelvin}@example\u{3002}test"),
            true,
        ),
        ("a long s", strasse.replacen('s', "\u{17f}", 1), true),
        ("capital i without a locale", istanbul.to_uppercase(), true),
        ("dotless i", istanbul.replacen('i', "\u{131}", 1), false),
        ("capital i with dot", istanbul.replacen('i', "\u{130}", 1), false),
        ("sharp s", strasse.replacen("ss", "\u{df}", 1), false),
        ("a dot more", format!("k.{}", &kelvin[1..]), false),
        ("a tag", format!("{kelvin}+tag"), false),
    ];
    Ok(table
        .into_iter()
        .map(|(name, email, exists)| {
            let email = if email.contains('@') {
                email
            } else {
                format!("{email}@example.test")
            };
            let request =
                RawRequest::new("POST", "/v1/account/status").json(json!({ "email": email }).to_string());
            Row::new(
                name,
                &cast.host,
                &request,
                Expected::Member("exists", Value::Bool(exists)),
            )
        })
        .collect())
}

/// Texts that databases, shells, templates and loggers take for commands. They are stored as they are or refused.
#[must_use]
pub fn injection_rows(cast: &Cast) -> Vec<Row> {
    const TEXTS: [&str; 12] = [
        "'; DROP TABLE accounts; --",
        "' OR '1'='1",
        "\" OR 1=1 --",
        "1); DELETE FROM session; --",
        "{{7*7}}",
        "${7*7}",
        "${jndi:ldap://127.0.0.1/a}",
        "<script>alert(1)</script>",
        "`reboot`",
        "$(reboot)",
        "%s%s%s%n",
        "../../../../etc/passwd",
    ];
    let mut rows = Vec::new();
    for text in TEXTS {
        let body = json!({ "name": text, "type": "desktop" }).to_string();
        let device = cast
            .session
            .request_with("POST", "/v1/account/device", body.as_bytes());
        let stored = Expected::Member("name", text.into());
        rows.push(Row::new(
            format!("a device named {text}"),
            &cast.host,
            &device,
            stored,
        ));
        let asking = RawRequest::new("POST", "/v1/account/status")
            .header("user-agent", text)
            .header("accept-language", text)
            .header("x-forwarded-for", text)
            .header("referer", text)
            .header("x-request-id", text)
            .json(r#"{"email":"nobody@example.test"}"#);
        let nobody = Expected::Member("exists", false.into());
        rows.push(Row::new(
            format!("headers of {text}"),
            &cast.host,
            &asking,
            nobody,
        ));
        for (path, field) in [
            ("/v1/account/create", "service"),
            ("/v1/account/login", "reason"),
            ("/v1/account/create", "redirectTo"),
            ("/v1/oauth/authorization", "client_id"),
            ("/v1/account/device/destroy", "id"),
        ] {
            // Short enough texts are a reason like any other.
            if field != "reason" || text.len() > 16 {
                rows.push(fields::text_row(cast, path, field, text));
            }
        }
    }
    let hostile = "(a+)+$".repeat(1000);
    for (name, header, value) in [
        ("a user agent of 6 KB", "user-agent", hostile.clone()),
        ("languages of 8 KB", "accept-language", "de-DE;q=0.1,".repeat(680)),
        (
            "languages without end of one",
            "accept-language",
            "-".repeat(8_000),
        ),
        ("an address of 6 KB", "x-forwarded-for", "1.2.3.4,".repeat(800)),
        ("an origin of 6 KB", "origin", hostile),
    ] {
        let request = cast
            .session
            .request("GET", "/v1/session/status")
            .header(header, value);
        rows.push(Row::new(name, &cast.host, &request, Expected::Status(200)));
    }
    rows
}

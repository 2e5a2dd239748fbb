//! Fields and queries of the wrong type or form: 107; missing ones: 108 (`accounts.md` (c), Field limits).

use serde_json::Value;

use super::{CALLS, Call, Cast, Numbers};
use crate::hostile::{
    row::{Expected, Row},
    signer::Signer,
    wire::RawRequest,
};

/// Values that no text field takes.
const NO_TEXT: &[&str] = &[
    "1",
    "-1",
    "1.5",
    "true",
    "[]",
    "{}",
    "[\"a\"]",
    "{\"a\":\"b\"}",
    "9007199254740993",
];

/// A field of a call, and a value it must not have. The value is JSON.
struct Wrong {
    path: &'static str,
    field: &'static str,
    values: &'static [&'static str],
}

const fn wrong(path: &'static str, field: &'static str, values: &'static [&'static str]) -> Wrong {
    Wrong { path, field, values }
}

const HEX_FORMS: &[&str] = &[
    "\"\"",
    "\"ab\"",
    "\"5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec\"",
    "\"5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec75\"",
    "\"gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg\"",
    "\" 5ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7e75ec7\"",
    "\"\\u0665\\u0665\"",
];

const REDIRECT_FORMS: &[&str] = &[
    "\"javascript:alert(1)\"",
    "\"data:text/html,x\"",
    "\"//localhost/\"",
    "\"/\\\\localhost/\"",
    "\"https://evil.example/\"",
    "\"https://localhost.evil.example/\"",
    "\"https://evillocalhost/\"",
    "\"https://localhost@evil.example/\"",
    "\"https://evil.example#localhost\"",
    "\"https://evil.example?localhost\"",
    "\"https://evil.example\\\\@localhost/\"",
    "\"ftp://localhost/\"",
    "\"file:///etc/passwd\"",
    "\"not a url\"",
];

const CODE_FORMS: &[&str] = &["\"\"", "\"00000\"", "\"0000000\"", "\"00000a\"", "\"-00001\""];

const ID_FORMS: &[&str] = &[
    "\"\"",
    "\"xyz\"",
    "\"0123\"",
    "\"../../../../../../../../../../etc\"",
];

const DEVICE_NAMES: &[&str] = &[
    "\"\\u0000\"",
    "\"tab\\t\"",
    "\"\\u001b[31m\"",
    "\"\\u007f\"",
    "\"\\u0085\"",
    "\"\\ue000\"",
    "\"\\ufff9\"",
    "\"\\uffff\"",
    "\"\\udbff\\udffd\"",
];

const PUSH_FORMS: &[&str] = &[
    "\"http://push.example.test/\"",
    "\"javascript:alert(1)\"",
    "\"data:,x\"",
    "\"//push.example.test/\"",
    "\"https://user:password@push.example.test/\"",
    "\"\"",
];

/// What must be refused with 107.
const WRONG: &[Wrong] = &[
    wrong("/v1/account/create", "authPW", HEX_FORMS),
    wrong("/v1/account/create", "wrapKb", HEX_FORMS),
    wrong("/v1/account/create", "redirectTo", REDIRECT_FORMS),
    wrong(
        "/v1/account/create",
        "service",
        &["\"sync sync\"", "\"12345678901234567\"", "\"a/b\""],
    ),
    wrong("/v1/account/create", "preVerified", &["\"yes\"", "1", "[]"]),
    wrong("/v1/account/login", "authPW", HEX_FORMS),
    wrong("/v1/account/login", "redirectTo", REDIRECT_FORMS),
    wrong(
        "/v1/account/login",
        "service",
        &["\"sync sync\"", "\"12345678901234567\""],
    ),
    wrong("/v1/account/login", "reason", &["\"12345678901234567\"", "7"]),
    wrong("/v1/account/login", "verificationMethod", &["\"pigeon\"", "7"]),
    wrong("/v1/recovery_email/verify_code", "uid", ID_FORMS),
    wrong("/v1/recovery_email/verify_code", "code", ID_FORMS),
    wrong("/v1/session/verify_code", "code", CODE_FORMS),
    wrong("/v1/session/verify/token", "code", CODE_FORMS),
    wrong("/v1/session/verify/token", "uid", ID_FORMS),
    wrong("/v1/session/verify/totp", "code", CODE_FORMS),
    wrong(
        "/v1/session/verify/recoveryCode",
        "code",
        &[
            "\"012345678901234567890\"",
            "\"a_b\"",
            "\"\\u0430\"",
            "\"a\\u0000b\"",
        ],
    ),
    wrong(
        "/v1/recoveryCodes",
        "recoveryCodes",
        &[
            "\"aaaaaaaa\"",
            "{}",
            "[]",
            "[\"aaaaaaaa\"]",
            "[1,2,3,4,5,6,7,8]",
            "[\"aaaaaaaa\",\"aaaaaaaa\",\"aaaaaaaa\",\"aaaaaaaa\",\"aaaaaaaa\",\"aaaaaaaa\",\"aaaaaaaa\",\"aaaaaaaa\"]",
        ],
    ),
    wrong(
        "/v1/recoveryKey",
        "recoveryKeyId",
        &[
            "\"\"",
            "\"xyz\"",
            "\"+1\"",
            "\"ABCD\"",
            "\"012\"",
            "\"../../etc\"",
        ],
    ),
    wrong(
        "/v1/recoveryKey",
        "recoveryData",
        &["\"\"", "\"a\\u0000b\"", "\"\\u00e4\"", "\"a\\nb\""],
    ),
    wrong("/v1/recoveryKey", "enabled", &["\"yes\"", "1", "[]"]),
    wrong("/v1/recoveryKey", "replaceKey", &["\"yes\"", "1", "[]"]),
    wrong("/v1/session/reauth", "authPW", HEX_FORMS),
    wrong("/v1/session/reauth", "redirectTo", REDIRECT_FORMS),
    wrong("/v1/session/reauth", "reason", &["\"12345678901234567\"", "7"]),
    wrong("/v1/session/reauth", "verificationMethod", &["\"pigeon\"", "7"]),
    wrong("/v1/session/duplicate", "reason", &["\"12345678901234567\"", "7"]),
    wrong("/v1/account/attached_client/destroy", "clientId", ID_FORMS),
    wrong("/v1/account/attached_client/destroy", "sessionTokenId", ID_FORMS),
    wrong("/v1/account/attached_client/destroy", "refreshTokenId", ID_FORMS),
    wrong("/v1/account/attached_client/destroy", "deviceId", ID_FORMS),
    wrong("/v1/account/destroy", "authPW", HEX_FORMS),
    wrong("/v1/account/reset", "authPW", HEX_FORMS),
    wrong("/v1/account/reset", "wrapKb", HEX_FORMS),
    wrong("/v1/account/reset", "recoveryKeyId", ID_FORMS),
    wrong("/v1/account/reset", "sessionToken", &["\"yes\"", "1", "[]"]),
    wrong("/v1/password/change/start", "oldAuthPW", HEX_FORMS),
    wrong("/v1/password/change/finish", "authPW", HEX_FORMS),
    wrong("/v1/password/change/finish", "wrapKb", HEX_FORMS),
    wrong("/v1/password/change/finish", "sessionToken", ID_FORMS),
    wrong("/v1/password/change/finish", "authPWVersion2", HEX_FORMS),
    wrong("/v1/password/forgot/send_code", "redirectTo", REDIRECT_FORMS),
    wrong(
        "/v1/password/forgot/send_code",
        "service",
        &["\"sync sync\"", "\"12345678901234567\""],
    ),
    wrong("/v1/password/forgot/resend_code", "redirectTo", REDIRECT_FORMS),
    wrong("/v1/password/forgot/verify_code", "code", ID_FORMS),
    wrong("/v1/password/forgot/send_otp", "redirectTo", REDIRECT_FORMS),
    wrong("/v1/password/forgot/verify_otp", "code", ID_FORMS),
    wrong("/v1/account/scoped-key-data", "client_id", ID_FORMS),
    wrong(
        "/v1/account/scoped-key-data",
        "scope",
        &["\"a\\\"b\"", "\"\\u00e4\"", "\"a\\u0000b\""],
    ),
    wrong("/v1/account/device", "id", ID_FORMS),
    wrong("/v1/account/device", "name", DEVICE_NAMES),
    wrong(
        "/v1/account/device",
        "type",
        &["\"12345678901234567\"", "\"desk top\"", "\"a\\u0000\""],
    ),
    wrong("/v1/account/device", "pushCallback", PUSH_FORMS),
    wrong(
        "/v1/account/device",
        "availableCommands",
        &[
            "[]",
            "\"a\"",
            "1",
            "{\"a\":1}",
            "{\"a b\":\"c\"}",
            "{\"\":\"c\"}",
            "{\"a\\u0000\":\"c\"}",
        ],
    ),
    wrong("/v1/account/device/destroy", "id", ID_FORMS),
    wrong(
        "/v1/account/devices/notify",
        "to",
        &["5", "\"some\"", "{}", "true"],
    ),
    wrong("/v1/account/devices/notify", "payload", &["\"x\"", "[]", "1"]),
    wrong("/v1/account/devices/invoke_command", "target", ID_FORMS),
    wrong(
        "/v1/account/devices/invoke_command",
        "command",
        &["5", "\"\"", "\"a b\"", "\"a\\u0000\""],
    ),
    wrong(
        "/v1/account/devices/invoke_command",
        "payload",
        &["\"x\"", "[]", "1"],
    ),
    wrong(
        "/v1/account/devices/invoke_command",
        "ttl",
        &["\"x\"", "-1", "1.5", "{}"],
    ),
    wrong("/v1/oauth/authorization", "client_id", ID_FORMS),
    wrong(
        "/v1/oauth/authorization",
        "scope",
        &["\"\"", "\"a\\\"b\"", "\"\\u00e4\""],
    ),
    wrong(
        "/v1/oauth/authorization",
        "access_type",
        &["\"maybe\"", "\"OFFLINE\""],
    ),
    wrong(
        "/v1/oauth/authorization",
        "code_challenge",
        &["\"short\"", "\"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM\""],
    ),
    wrong(
        "/v1/oauth/authorization",
        "keys_jwe",
        &["\"\"", "\"a.b.c\"", "\"a.b.c.d.e.f\"", "\"a.b.c.d.=\""],
    ),
    wrong("/v1/oauth/token", "client_id", ID_FORMS),
    wrong(
        "/v1/oauth/token",
        "grant_type",
        &["\"\"", "\"password\"", "\"FXA-CREDENTIALS\""],
    ),
    wrong("/v1/oauth/token", "scope", &["\"\"", "\"a\\\"b\""]),
    wrong(
        "/v1/oauth/token",
        "ttl",
        &[
            "\"60\"",
            "-1",
            "1.5",
            "0",
            "true",
            "[]",
            "9007199254740993",
            "1e400000000000000000",
        ],
    ),
    wrong("/v1/authorization", "client_id", ID_FORMS),
    wrong("/v1/token", "grant_type", &["\"password\""]),
    wrong("/v1/token", "ttl", &["-1", "\"60\""]),
];

/// Text fields that are optional, beside those that are required.
const TEXTS: &[(&str, &[&str])] = &[
    (
        "/v1/account/create",
        &["service", "redirectTo", "resume", "wrapKb"],
    ),
    (
        "/v1/account/login",
        &["service", "redirectTo", "resume", "reason", "verificationMethod"],
    ),
    ("/v1/session/reauth", &["service", "resume", "reason"]),
    ("/v1/session/verify/totp", &[]),
    ("/v1/session/verify/recoveryCode", &[]),
    ("/v1/recoveryKey", &[]),
    ("/v1/recoveryKey/verify", &[]),
    ("/v1/session/duplicate", &["reason"]),
    (
        "/v1/account/attached_client/destroy",
        &["clientId", "sessionTokenId", "refreshTokenId", "deviceId"],
    ),
    ("/v1/account/destroy", &[]),
    (
        "/v1/account/reset",
        &[
            "wrapKb",
            "authPWVersion2",
            "wrapKbVersion2",
            "clientSalt",
            "recoveryKeyId",
        ],
    ),
    ("/v1/password/change/start", &[]),
    (
        "/v1/password/change/finish",
        &["authPWVersion2", "wrapKbVersion2", "clientSalt", "sessionToken"],
    ),
    (
        "/v1/password/forgot/send_code",
        &["service", "redirectTo", "resume"],
    ),
    (
        "/v1/password/forgot/resend_code",
        &["service", "redirectTo", "resume"],
    ),
    ("/v1/password/forgot/verify_code", &[]),
    (
        "/v1/password/forgot/send_otp",
        &["service", "redirectTo", "resume"],
    ),
    ("/v1/password/forgot/verify_otp", &[]),
    ("/v1/session/resend_code", &["service", "redirectTo"]),
    ("/v1/recovery_email/resend_code", &["service", "redirectTo"]),
    (
        "/v1/account/device",
        &["id", "pushCallback", "pushPublicKey", "pushAuthKey"],
    ),
    (
        "/v1/oauth/authorization",
        &[
            "response_type",
            "access_type",
            "code_challenge",
            "code_challenge_method",
            "keys_jwe",
            "redirect_uri",
        ],
    ),
    ("/v1/oauth/token", &["grant_type"]),
    ("/v1/oauth/verify", &[]),
    ("/v1/verify", &[]),
    ("/v1/oauth/introspect", &["token_type_hint"]),
    ("/v1/introspect", &["token_type_hint"]),
    ("/v1/oauth/key-data", &[]),
    ("/v1/key-data", &[]),
];

/// Fields that take no text.
const NOT_TEXT: &[&str] = &["to", "payload"];

fn of_path(path: &str) -> &'static Call {
    let found = CALLS
        .iter()
        .find(|call| call.path == path && call.method == "POST");
    found.expect("tables name calls that are served")
}

/// The well-formed body with one field changed. The value is spliced in as text: JSON values could not say all of it.
fn with(cast: &Cast, call: &Call, field: &str, value: &str) -> Vec<u8> {
    let mut body: Value = serde_json::from_str(&cast.body_of(call)).unwrap_or_default();
    body[field] = "SPLICE".into();
    body.to_string().replace("\"SPLICE\"", value).into_bytes()
}

/// Fields with values they must not have.
#[must_use]
pub fn wrong_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for Wrong { path, field, values } in WRONG {
        let call = of_path(path);
        for value in *values {
            let body = with(cast, call, field, value);
            // A number that JSON readers cannot hold is no JSON for some of them.
            let expected = match (value.contains("e4"), call.numbers) {
                (true, Numbers::Accounts) => Expected::Accounts(400, &[106, 107]),
                _ => call.numbers.bad_parameter(),
            };
            rows.push(cast.row(call, &format!("{field} is {value:.50}"), &body, expected));
        }
    }
    for (path, fields) in TEXTS {
        let call = of_path(path);
        let required = call.required.iter().filter(|field| !NOT_TEXT.contains(field));
        for field in required.chain(*fields) {
            for value in NO_TEXT {
                let body = with(cast, call, field, value);
                rows.push(cast.row(
                    call,
                    &format!("{field} is {value}"),
                    &body,
                    call.numbers.bad_parameter(),
                ));
            }
        }
    }
    rows.extend(long_rows(cast));
    rows
}

/// Texts that are too long by one.
fn long_rows(cast: &Cast) -> Vec<Row> {
    let url = |len: usize| format!("https://push.example.test/{}", "a".repeat(len - 26));
    let table = [
        (
            "/v1/account/create",
            "redirectTo",
            format!("http://localhost/{}", "a".repeat(512 - 16)),
        ),
        ("/v1/account/create", "resume", "a".repeat(2049)),
        ("/v1/account/login", "resume", "a".repeat(2049)),
        ("/v1/session/reauth", "resume", "a".repeat(2049)),
        ("/v1/password/forgot/send_code", "resume", "a".repeat(2049)),
        ("/v1/password/forgot/resend_code", "resume", "a".repeat(2049)),
        ("/v1/account/scoped-key-data", "scope", "a".repeat(257)),
        ("/v1/account/device", "name", "a".repeat(256)),
        ("/v1/account/device", "pushCallback", url(256)),
        ("/v1/oauth/authorization", "state", "s".repeat(513)),
        ("/v1/oauth/authorization", "scope", "profile ".repeat(33)),
        (
            "/v1/oauth/authorization",
            "keys_jwe",
            format!("a.b.c.d.{}", "e".repeat(1017)),
        ),
        ("/v1/oauth/authorization", "code_challenge", "a".repeat(44)),
        ("/v1/oauth/token", "scope", "a".repeat(257)),
    ];
    let mut rows: Vec<Row> = table
        .into_iter()
        .map(|(path, field, value)| {
            let call = of_path(path);
            let body = with(cast, call, field, &format!("\"{value}\""));
            let what = format!("{field} of {} characters", value.len());
            cast.row(call, &what, &body, call.numbers.bad_parameter())
        })
        .collect();
    let device = of_path("/v1/account/device");
    let long_name = format!("{{\"{}\":\"v\"}}", "c".repeat(101));
    let long_value = format!("{{\"c\":\"{}\"}}", "v".repeat(2049));
    for (what, commands) in [
        ("a long command", long_name),
        ("a long command's value", long_value),
    ] {
        let body = with(cast, device, "availableCommands", &commands);
        rows.push(cast.row(device, what, &body, device.numbers.bad_parameter()));
    }
    rows
}

/// Required fields that are not there, or null.
#[must_use]
pub fn missing_rows(cast: &Cast, without_device: &Signer) -> Vec<Row> {
    let mut rows = Vec::new();
    for call in CALLS {
        for field in call.required {
            let mut body: Value = serde_json::from_str(&cast.body_of(call)).unwrap_or_default();
            if let Some(members) = body.as_object_mut() {
                members.remove(*field);
            }
            let request = |body: &str| {
                // What is missing for a new device is there for one that is known.
                if call.path == "/v1/account/device" {
                    without_device.request_with(call.method, call.path, body.as_bytes())
                } else {
                    cast.request(call, body.as_bytes())
                }
            };
            let name = format!("{} {}: no {field}", call.method, call.path);
            let missing = call.numbers.missing_parameter();
            rows.push(Row::new(&name, &cast.host, &request(&body.to_string()), missing));
            body[*field] = Value::Null;
            let null = call.numbers.refusal(400, &[107, 108], &[109]);
            rows.push(Row::new(
                format!("{name}, but null"),
                &cast.host,
                &request(&body.to_string()),
                null,
            ));
        }
    }
    rows.extend(incomplete_rows(cast));
    rows.extend(mixed_rows(cast));
    rows
}

/// Fields of a new password that do not go together (`accounts.md` (c), Reset).
fn mixed_rows(cast: &Cast) -> Vec<Row> {
    let (finish, reset) = (
        of_path("/v1/password/change/finish"),
        of_path("/v1/account/reset"),
    );
    let hex = "\"00000000000000000000000000000000000000000000000000000000000000aa\"";
    let salt = "\"identity.mozilla.com/picl/v1/quickStretchV2:00112233445566778899aabbccddeeff\"";
    let key = "\"07c78d9d5b185d059ab32e8ef4305b88\"";
    let refused = |number: &'static [u16]| Expected::Accounts(400, number);
    let table = [
        (
            finish,
            "half of version 2",
            "authPWVersion2",
            hex,
            refused(&[108]),
        ),
        (finish, "only a salt", "clientSalt", salt, refused(&[108])),
        (
            finish,
            "only a second wrapKb",
            "wrapKbVersion2",
            hex,
            refused(&[108]),
        ),
        (
            reset,
            "a wrapKb without version 2",
            "wrapKb",
            hex,
            refused(&[107]),
        ),
        (reset, "half of version 2", "authPWVersion2", hex, refused(&[108])),
        (
            reset,
            "a recovery key without a wrapKb",
            "recoveryKeyId",
            key,
            refused(&[107]),
        ),
    ];
    table
        .into_iter()
        .map(|(call, what, field, value, expected)| {
            cast.row(call, what, &with(cast, call, field, value), expected)
        })
        .collect()
}

/// Fields that go together or not at all.
fn incomplete_rows(cast: &Cast) -> Vec<Row> {
    let create = of_path("/v1/account/create");
    let device = of_path("/v1/account/device");
    let either = || Expected::Accounts(400, &[107, 108]);
    let hex = "\"00000000000000000000000000000000000000000000000000000000000000aa\"";
    let salt = "\"identity.mozilla.com/picl/v1/quickStretchV2:00112233445566778899aabbccddeeff\"";
    vec![
        cast.row(
            create,
            "half of version 2",
            &with(cast, create, "authPWVersion2", hex),
            either(),
        ),
        cast.row(
            create,
            "only a salt",
            &with(cast, create, "clientSalt", salt),
            either(),
        ),
        cast.row(
            create,
            "only a second wrapKb",
            &with(cast, create, "wrapKbVersion2", hex),
            either(),
        ),
        cast.row(
            device,
            "only a push address",
            &with(cast, device, "pushCallback", "\"https://push.example.test/\""),
            either(),
        ),
        cast.row(
            device,
            "only a push key",
            &with(cast, device, "pushPublicKey", "\"abcd\""),
            either(),
        ),
        cast.row(
            device,
            "only a push secret",
            &with(cast, device, "pushAuthKey", "\"abcd\""),
            either(),
        ),
    ]
}

/// Queries that cannot be read.
#[must_use]
pub fn query_rows(cast: &Cast) -> Vec<Row> {
    let bad = Expected::Accounts(400, &[107]);
    let missing = Expected::Accounts(400, &[108]);
    let mut rows = Vec::new();
    for (path, expected) in [
        ("/v1/account/status", missing.clone()),
        ("/v1/account/status?uid", Expected::Accounts(400, &[107, 108])),
        ("/v1/account/status?uid=", Expected::Accounts(400, &[107, 108])),
        ("/v1/account/status?UID=00000000000000000000000000000000", missing),
        ("/v1/account/status?uid=0", bad.clone()),
        ("/v1/account/status?uid=%00", bad.clone()),
        ("/v1/account/status?uid=%ff", bad.clone()),
        (
            "/v1/account/status?uid=zz000000000000000000000000000000",
            bad.clone(),
        ),
        (
            "/v1/account/status?uid=000000000000000000000000000000000",
            bad.clone(),
        ),
    ] {
        rows.push(Row::new(
            format!("GET {path}"),
            &cast.host,
            &RawRequest::new("GET", path),
            expected,
        ));
    }
    for path in [
        "/v1/account/devices?filterIdleDevicesTimestamp=abc",
        "/v1/account/devices?filterIdleDevicesTimestamp=-1",
        "/v1/account/devices?filterIdleDevicesTimestamp=1.5",
        "/v1/account/devices?filterIdleDevicesTimestamp=99999999999999999999",
        "/v1/account/device/commands?index=x",
        "/v1/account/device/commands?limit=x",
        "/v1/account/device/commands?limit=101",
    ] {
        rows.push(Row::new(
            format!("GET {path}"),
            &cast.host,
            &cast.session.request("GET", path),
            bad.clone(),
        ));
    }
    rows.extend(keys_rows(cast));
    rows
}

/// `?keys=`, of calls that give key-fetch tokens.
fn keys_rows(cast: &Cast) -> Vec<Row> {
    let mut rows = Vec::new();
    for (path, signer) in [
        ("/v1/account/create", None),
        ("/v1/account/login", None),
        ("/v1/session/reauth", Some(&cast.session)),
        ("/v1/account/reset", Some(&cast.reset)),
        ("/v1/password/change/finish", Some(&cast.change)),
    ] {
        for query in ["keys=maybe", "keys=1", "keys=TRUE", "keys=%ff"] {
            let target = format!("{path}?{query}");
            let body = cast.body_of(of_path(path));
            let request = match signer {
                Some(signer) => signer.request_with("POST", &target, body.as_bytes()),
                None => RawRequest::new("POST", target.as_str()).json(body),
            };
            let name = format!("POST {target}");
            rows.push(Row::new(
                name,
                &cast.host,
                &request,
                Expected::Accounts(400, &[107]),
            ));
        }
    }
    rows
}

/// One field of a call with a text that it must not have.
#[must_use]
pub fn text_row(cast: &Cast, path: &str, field: &str, text: &str) -> Row {
    let call = of_path(path);
    let body = with(cast, call, field, &Value::from(text).to_string());
    cast.row(
        call,
        &format!("{field} is {text}"),
        &body,
        call.numbers.bad_parameter(),
    )
}

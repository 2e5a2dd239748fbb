//! What the webhead's extractors say of a call: who may make it, and what may be wrong with it before its meaning matters.

use foxhold_core::{ErrorCode, record::PasswordTokenKind};
use foxhold_openapi::{Answer, Call, Part};
use serde_json::{Value, json};

use super::refuse;
use crate::{
    error::ApiError,
    extract::{
        AnyToken, AnyTokenCall, BearerCall, KeyFetchCall, OpenCall, OptionalSessionCall, PasswordCall,
        PasswordKind, SessionCall, SessionOrBearerCall,
    },
    routes::oauth::base::OauthError,
};

/// Ways to show who is calling, by name.
pub(super) fn ways() -> Value {
    let hawk = |what: &str, mark: &str| {
        json!({
            "type": "http",
            "scheme": "Hawk",
            "description": format!(
                "A Hawk header (docs/signing.md) made with {what}. Where the operator has set `accept_bearer`, \
                 `Bearer {mark}_<id>` stands for it."
            ),
        })
    };
    let signed =
        |what: &str, mark: &str| hawk(&format!("{what}, with a payload hash that covers the body"), mark);
    json!({
        "session": hawk("the session token", "fxs"),
        "sessionSigned": signed("the session token", "fxs"),
        "keyFetch": hawk("the key-fetch token", "fxk"),
        "passwordChange": signed("the password change token", "fxpc"),
        "passwordForgot": hawk("the password forgot token", "fxpf"),
        "accountReset": signed("the account reset token", "fxar"),
        "accountResetUnsigned": hawk("the account reset token", "fxar"),
        "accessToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token." },
        "client": { "type": "http", "scheme": "basic", "description": "A registered client's id and secret; they may stand in the form, too." },
    })
}

const HAWK: [ErrorCode; 4] = [
    ErrorCode::BadSignature,
    ErrorCode::BadToken,
    ErrorCode::StaleTimestamp,
    ErrorCode::Replayed,
];

/// What is read of a request: its body's form and length, its query.
fn read(call: &mut Call) {
    refuse(
        call,
        &[
            ErrorCode::BodyTooLarge,
            ErrorCode::UnsupportedMedia,
            ErrorCode::BadParameter,
        ],
    );
    if call.method != "GET" {
        refuse(call, &[ErrorCode::BadJson]);
    }
}

fn hawk(call: &mut Call, way: &'static str) {
    read(call);
    call.security.push(way);
    refuse(call, &HAWK);
}

fn session(hashed: bool) -> &'static str {
    if hashed { "sessionSigned" } else { "session" }
}

impl Part for OpenCall {
    fn describe(call: &mut Call) {
        read(call);
    }
}

impl<const HASHED: bool> Part for SessionCall<HASHED> {
    fn describe(call: &mut Call) {
        hawk(call, session(HASHED));
    }
}

impl<const HASHED: bool> Part for OptionalSessionCall<HASHED> {
    fn describe(call: &mut Call) {
        call.security.push("");
        hawk(call, session(HASHED));
    }
}

impl<K: PasswordKind> Part for PasswordCall<K> {
    fn describe(call: &mut Call) {
        hawk(call, of_kind(K::KIND, K::HASHED));
    }
}

const fn of_kind(kind: PasswordTokenKind, hashed: bool) -> &'static str {
    match kind {
        PasswordTokenKind::Change => "passwordChange",
        PasswordTokenKind::Forgot => "passwordForgot",
        PasswordTokenKind::Reset if hashed => "accountReset",
        PasswordTokenKind::Reset => "accountResetUnsigned",
    }
}

impl<K: AnyToken> Part for AnyTokenCall<K> {
    fn describe(call: &mut Call) {
        hawk(call, "session");
        let others = K::PASSWORD_KINDS.iter().map(|kind| of_kind(*kind, false));
        call.security.extend(others);
    }
}

impl Part for KeyFetchCall {
    fn describe(call: &mut Call) {
        hawk(call, "keyFetch");
    }
}

impl Part for BearerCall {
    fn describe(call: &mut Call) {
        read(call);
        call.security.push("accessToken");
        refuse(call, &[ErrorCode::BadToken]);
    }
}

impl Part for SessionOrBearerCall {
    fn describe(call: &mut Call) {
        hawk(call, "session");
        call.security.push("accessToken");
    }
}

/// What can happen to any call.
impl Answer for ApiError {
    fn describe(call: &mut Call) {
        refuse(
            call,
            &[
                ErrorCode::Busy,
                ErrorCode::Throttled,
                ErrorCode::Internal,
                ErrorCode::BackendFault,
            ],
        );
    }
}

impl Answer for OauthError {
    fn describe(call: &mut Call) {
        ApiError::describe(call);
    }
}

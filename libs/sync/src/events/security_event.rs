//! The claims of a security event token (SET, RFC 8417) as an accounts server sends it (`tokenserver.md` section 10). The
//! webhook has verified its signature before.

use foxhold_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{AccountEvent, Told, user_key};

/// What its header may call it. Many issuers give it no type at all.
pub const TYPES: [&str; 2] = ["secevent+jwt", "JWT"];

/// The account is gone.
pub const DELETE_USER: &str = "https://schemas.accounts.firefox.com/event/delete-user";
/// The password was changed or reset; `changeTime` says when, in ms.
pub const PASSWORD_CHANGE: &str = "https://schemas.accounts.firefox.com/event/password-change";

/// How far clocks may be apart: as with access tokens.
const LEEWAY_SECS: f64 = 60.0;

/// Whose tokens are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The one issuer, as it writes itself.
    pub issuer: &'a str,
    /// Our client id there.
    pub audience: &'a str,
    /// The domain of its users' keys.
    pub domain: &'a str,
}

/// Claims that are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum SecurityEventError {
    /// They are not those of a SET, or not of a form that can be understood.
    #[error("unusable claims")]
    Claims,
    /// Somebody else's.
    #[error("another issuer")]
    Issuer,
    /// For somebody else.
    #[error("another audience")]
    Audience,
    /// Its time is over. Most have no end, since they are delivered late as well.
    #[error("expired")]
    Expired,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    // A NumericDate (RFC 7519 section 2) may have a fraction.
    exp: Option<f64>,
    events: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

/// What a SET with this payload tells; `None` if none of its events matters here.
///
/// # Errors
/// [`SecurityEventError`]
pub fn parse(
    payload: &[u8],
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Option<Told>, SecurityEventError> {
    let claims: Claims = serde_json::from_slice(payload).map_err(|_| SecurityEventError::Claims)?;
    if claims.iss != expected.issuer {
        return Err(SecurityEventError::Issuer);
    }
    if !claims.aud.has(expected.audience) {
        return Err(SecurityEventError::Audience);
    }
    if claims.exp.is_some_and(|exp| is_over(exp, now)) {
        return Err(SecurityEventError::Expired);
    }
    let user = user_key(&claims.sub, expected.domain).ok_or(SecurityEventError::Claims)?;
    let event = greatest(&claims.events)?;
    if event.is_some_and(|event| event.is_ahead_of(now)) {
        return Err(SecurityEventError::Claims);
    }
    Ok(event.map(|event| Told { user, event }))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of any real date fit an f64 exactly"
)]
fn is_over(exp: f64, now: Timestamp) -> bool {
    exp < now.as_secs() as f64 - LEEWAY_SECS
}

/// One token may tell of several events: the greatest includes the others.
fn greatest(events: &Map<String, Value>) -> Result<Option<AccountEvent>, SecurityEventError> {
    let mut greatest = None;
    for (kind, payload) in events {
        greatest = greatest.max(event(kind, payload)?);
    }
    Ok(greatest)
}

/// A password change that does not say when is refused, not ignored: whoever sends it should learn of it.
fn event(kind: &str, payload: &Value) -> Result<Option<AccountEvent>, SecurityEventError> {
    match kind {
        DELETE_USER => Ok(Some(AccountEvent::Retire)),
        PASSWORD_CHANGE => {
            let millis = payload.get("changeTime").and_then(Value::as_u64);
            let event = millis.and_then(AccountEvent::credentials_changed_at);
            event.map(Some).ok_or(SecurityEventError::Claims)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::Generation;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
    const EXPECTED: Expected<'_> = Expected {
        issuer: "https://accounts.example",
        audience: "5882386c6d801776",
        domain: "accounts.example",
    };

    fn claims() -> Value {
        json!({
            "iss": EXPECTED.issuer,
            "sub": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
            "aud": EXPECTED.audience,
            "iat": 1_700_000_000.25,
            "jti": "e19ed6c5-4816-4171-aa43-56ffe80dbda1",
            "events": {DELETE_USER: {}},
        })
    }

    fn read(claims: &Value) -> Result<Option<Told>, SecurityEventError> {
        parse(claims.to_string().as_bytes(), EXPECTED, NOW)
    }

    #[test]
    fn events_and_what_they_ask_for() {
        let raised_to = |generation| Ok(Some(AccountEvent::RaiseGeneration(Generation(generation))));
        let (retire, nothing, refused) = (
            Ok(Some(AccountEvent::Retire)),
            Ok(None),
            Err(SecurityEventError::Claims),
        );
        let password = |payload: Value| json!({PASSWORD_CHANGE: payload});
        let (max, ahead) = (i64::MAX as u64, NOW.as_millis() + 86_400_000);
        let table = [
            ("delete", json!({DELETE_USER: {}}), retire),
            ("delete, whatever it says", json!({DELETE_USER: null}), retire),
            ("password", password(json!({"changeTime": 1235})), raised_to(1234)),
            ("at zero", password(json!({"changeTime": 0})), raised_to(0)),
            (
                "a clock that is ahead",
                password(json!({"changeTime": ahead})),
                raised_to(ahead - 1),
            ),
            (
                "in the future",
                password(json!({"changeTime": ahead + 2})),
                refused,
            ),
            (
                "in microseconds",
                password(json!({"changeTime": NOW.as_millis() * 1000})),
                refused,
            ),
            ("at the end", password(json!({"changeTime": max})), refused),
            ("after the end", password(json!({"changeTime": max + 1})), refused),
            ("no time", password(json!({})), refused),
            ("time is text", password(json!({"changeTime": "1235"})), refused),
            (
                "time has a fraction",
                password(json!({"changeTime": 1235.5})),
                refused,
            ),
            ("time is negative", password(json!({"changeTime": -1})), refused),
            ("no object", password(json!([1235])), refused),
            (
                "others",
                json!({"https://schemas.accounts.firefox.com/event/profile-change": {"email": "a@b.example"}}),
                nothing,
            ),
            (
                "nearly",
                json!({"https://schemas.accounts.firefox.com/event/delete-user/": {}}),
                nothing,
            ),
            ("none", json!({}), nothing),
            (
                "several",
                json!({PASSWORD_CHANGE: {"changeTime": 1235}, DELETE_USER: {}, "https://x.example": 1}),
                retire,
            ),
        ];
        for (name, events, expected) in table {
            let mut claims = claims();
            claims["events"] = events;
            assert_eq!(
                read(&claims).map(|told| told.map(|told| told.event)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn claims_that_are_taken_and_not() {
        use SecurityEventError::{Audience, Claims, Expired, Issuer};
        let now = NOW.as_secs();
        let table = [
            (
                "several audiences",
                "aud",
                json!(["other", EXPECTED.audience]),
                Ok(()),
            ),
            ("an end to come", "exp", json!(now + 1), Ok(())),
            ("an end just gone", "exp", json!(now - 59), Ok(())),
            ("over", "exp", json!(now - 61), Err(Expired)),
            ("end of no kind", "exp", json!("soon"), Err(Claims)),
            ("of the future", "iat", json!(now + 86_400), Ok(())),
            ("other issuer", "iss", json!("https://evil.example"), Err(Issuer)),
            (
                "issuer with a slash",
                "iss",
                json!("https://accounts.example/"),
                Err(Issuer),
            ),
            ("issuer of no kind", "iss", json!(7), Err(Claims)),
            ("other audience", "aud", json!("98e6508e88680e1a"), Err(Audience)),
            ("no audience", "aud", json!([]), Err(Audience)),
            ("audience of no kind", "aud", json!({}), Err(Claims)),
            ("empty subject", "sub", json!(""), Err(Claims)),
            ("forged domain", "sub", json!("a@accounts.example"), Err(Claims)),
            ("long subject", "sub", json!("a".repeat(256)), Err(Claims)),
            ("subject of no kind", "sub", json!(null), Err(Claims)),
            ("events of no kind", "events", json!([DELETE_USER]), Err(Claims)),
        ];
        for (name, claim, value, expected) in table {
            let mut claims = claims();
            claims[claim] = value;
            assert_eq!(read(&claims).map(drop), expected, "{name}");
        }
        for absent in ["iss", "sub", "aud", "events"] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(absent);
            assert_eq!(read(&claims), Err(Claims), "without {absent}");
        }
        for payload in ["", "null", "[]", "\"x\"", "{}"] {
            assert_eq!(parse(payload.as_bytes(), EXPECTED, NOW), Err(Claims), "{payload}");
        }
    }

    #[test]
    fn the_user_is_one_of_the_configured_domain() {
        let told = read(&claims()).unwrap().unwrap();
        assert_eq!(told.user.0, "a1b2c3d4e5f60718293a4b5c6d7e8f90@accounts.example");
    }
}

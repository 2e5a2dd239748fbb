//! A queue's message: `{"Message": "<JSON text>"}`, as a notification service wraps what the accounts server tells
//! (`tokenserver.md` section 10). Both forms of naming a user are read: `uid` and `iss`, and the older `uid` alone,
//! which is `uid@domain`.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::{AccountEvent, Told, user_key};

/// A message that tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum MessageError {
    /// No JSON object with a text called `Message`.
    #[error("no object with a text `Message`")]
    Envelope,
    /// `Message` is no JSON object with a text called `event`.
    #[error("`Message` is no object with a text `event`")]
    Event,
    /// An event that changes nothing here: accounts servers tell of much else.
    #[error("an event that is not for token servers")]
    Other,
    /// `uid` and `iss` name no user.
    #[error("`uid` and `iss` name no user")]
    User,
    /// `generation` is absent, or no whole number of milliseconds.
    #[error("no usable `generation`")]
    Generation,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Message")]
    message: String,
}

/// Only `event` has one form for all events; the others are looked at once it is known that they matter.
#[derive(Deserialize)]
struct Inner {
    event: String,
    uid: Option<Value>,
    iss: Option<Value>,
    generation: Option<Value>,
}

/// What a message tells.
///
/// # Errors
/// [`MessageError`]
pub fn parse(message: &[u8]) -> Result<Told, MessageError> {
    let envelope: Envelope = serde_json::from_slice(message).map_err(|_| MessageError::Envelope)?;
    let inner: Inner = serde_json::from_str(&envelope.message).map_err(|_| MessageError::Event)?;
    match inner.event.as_str() {
        "delete" => inner.about(AccountEvent::Retire),
        "reset" | "passwordChange" => {
            let millis = inner.generation.as_ref().and_then(Value::as_u64);
            let event = millis.and_then(AccountEvent::credentials_changed_at);
            inner.about(event.ok_or(MessageError::Generation)?)
        }
        _ => Err(MessageError::Other),
    }
}

impl Inner {
    fn about(&self, event: AccountEvent) -> Result<Told, MessageError> {
        let uid = self.uid.as_ref().and_then(Value::as_str);
        let uid = uid.ok_or(MessageError::User)?;
        let user = match &self.iss {
            Some(iss) => iss.as_str().and_then(|iss| user_key(uid, iss)),
            None => uid
                .split_once('@')
                .and_then(|(uid, domain)| user_key(uid, domain)),
        };
        let user = user.ok_or(MessageError::User)?;
        Ok(Told { user, event })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::Generation;
    use serde_json::json;

    use super::*;

    const UID: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";

    fn wrapped(inner: &Value) -> Vec<u8> {
        json!({"Type": "Notification", "Message": inner.to_string()})
            .to_string()
            .into_bytes()
    }

    fn raised_to(generation: u64) -> Result<AccountEvent, MessageError> {
        Ok(AccountEvent::RaiseGeneration(Generation(generation)))
    }

    #[test]
    fn events_and_what_they_ask_for() {
        let retire = Ok(AccountEvent::Retire);
        let max = i64::MAX as u64;
        let table = [
            ("delete", json!({"event": "delete"}), retire),
            ("ts is not needed", json!({"event": "delete", "ts": 1.5}), retire),
            (
                "reset",
                json!({"event": "reset", "generation": 1235}),
                raised_to(1234),
            ),
            (
                "password change",
                json!({"event": "passwordChange", "generation": 1235}),
                raised_to(1234),
            ),
            (
                "zero stays zero",
                json!({"event": "reset", "generation": 0}),
                raised_to(0),
            ),
            (
                "the last number is no tombstone",
                json!({"event": "reset", "generation": max}),
                raised_to(max - 1),
            ),
            (
                "beyond what is stored",
                json!({"event": "reset", "generation": max + 1}),
                Err(MessageError::Generation),
            ),
            (
                "no generation",
                json!({"event": "reset"}),
                Err(MessageError::Generation),
            ),
            (
                "null",
                json!({"event": "reset", "generation": null}),
                Err(MessageError::Generation),
            ),
            (
                "text",
                json!({"event": "reset", "generation": "1235"}),
                Err(MessageError::Generation),
            ),
            (
                "fraction",
                json!({"event": "reset", "generation": 1235.5}),
                Err(MessageError::Generation),
            ),
            (
                "negative",
                json!({"event": "passwordChange", "generation": -1}),
                Err(MessageError::Generation),
            ),
            (
                "other",
                json!({"event": "profileDataChange"}),
                Err(MessageError::Other),
            ),
            (
                "case counts",
                json!({"event": "Delete"}),
                Err(MessageError::Other),
            ),
            ("no event", json!({}), Err(MessageError::Event)),
            ("event of no kind", json!({"event": 7}), Err(MessageError::Event)),
        ];
        for (name, mut inner, expected) in table {
            inner["uid"] = json!(UID);
            inner["iss"] = json!("accounts.example");
            let told = parse(&wrapped(&inner));
            assert_eq!(told.map(|told| told.event), expected, "{name}");
        }
    }

    #[test]
    fn both_forms_of_naming_a_user() {
        let user = format!("{UID}@accounts.example");
        let long = "a".repeat(256);
        let table = [
            ("new", json!({"uid": UID, "iss": "accounts.example"}), Some(&user)),
            ("old", json!({"uid": user}), Some(&user)),
            ("old, null", json!({"uid": user, "iss": null}), Some(&user)),
            ("neither", json!({"uid": UID}), None),
            ("both", json!({"uid": user, "iss": "accounts.example"}), None),
            (
                "two domains",
                json!({"uid": format!("{user}@evil.example")}),
                None,
            ),
            (
                "forged domain",
                json!({"uid": UID, "iss": "accounts.example@evil.example"}),
                None,
            ),
            ("no uid", json!({"iss": "accounts.example"}), None),
            ("empty uid", json!({"uid": "", "iss": "accounts.example"}), None),
            ("empty domain", json!({"uid": UID, "iss": ""}), None),
            ("empty, old", json!({"uid": "@accounts.example"}), None),
            ("long uid", json!({"uid": long, "iss": "accounts.example"}), None),
            ("long domain", json!({"uid": UID, "iss": long}), None),
            (
                "uid of no kind",
                json!({"uid": 7, "iss": "accounts.example"}),
                None,
            ),
            ("domain of no kind", json!({"uid": UID, "iss": [1]}), None),
        ];
        for (name, mut inner, expected) in table {
            inner["event"] = json!("delete");
            let expected = expected.ok_or(MessageError::User);
            let told = parse(&wrapped(&inner)).map(|told| told.user.0);
            assert_eq!(told.as_ref(), expected.as_ref().copied(), "{name}");
        }
    }

    #[test]
    fn envelopes_that_are_none() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let table: [(&[u8], MessageError); 10] = [
            (b"", MessageError::Envelope),
            (b"{", MessageError::Envelope),
            (b"\xff", MessageError::Envelope),
            (b"null", MessageError::Envelope),
            (b"{}", MessageError::Envelope),
            (br#"{"message":"{}"}"#, MessageError::Envelope),
            (br#"{"Message":{"event":"delete"}}"#, MessageError::Envelope),
            (br#"{"Message":"{}","Message":"{}"}"#, MessageError::Envelope),
            (br#"{"Message":"delete"}"#, MessageError::Event),
            (deep.as_bytes(), MessageError::Envelope),
        ];
        for (message, expected) in table {
            let shown = String::from_utf8_lossy(&message[..message.len().min(40)]);
            assert_eq!(parse(message), Err(expected), "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_or_refused(
            message in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
            inner in "\\PC{0,80}",
        ) {
            let _ = parse(&message);
            let _ = parse(json!({"Message": inner}).to_string().as_bytes());
        }
    }
}

//! The `X-KeyID` and `X-Client-State` headers (`tokenserver.md` section 2).
//!
//! Called by [`exchange`](crate::exchange). Both hold what a client says of its sync key; one key has one spelling.

use std::num::NonZeroU64;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use foxhold_core::{hex, record::ClientState};
use thiserror::Error;

/// A parsed `X-KeyID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId {
    /// When the sync key last changed, in ms; absent = not reported (written as zero).
    pub keys_changed_at: Option<NonZeroU64>,
    /// The sync key's fingerprint, 1 to 16 bytes.
    pub client_state: ClientState,
}

/// An `X-KeyID` that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyIdError {
    /// No `-`, no decimal number before it, or no strict base64url after it.
    #[error("the key id is malformed")]
    Malformed,
    /// The fingerprint has not 1 to 16 bytes.
    #[error("the key id's client state has not 1 to 16 bytes")]
    ClientStateLength,
}

impl KeyId {
    /// Reads `<keys_changed_at>-<base64url(client state), unpadded>`.
    ///
    /// # Errors
    /// [`KeyIdError`]. Numbers that do not fit a signed 64-bit column are malformed.
    pub fn parse(text: &str) -> Result<Self, KeyIdError> {
        let (time, fingerprint) = text.split_once('-').ok_or(KeyIdError::Malformed)?;
        let keys_changed_at = NonZeroU64::new(decimal(time)?);
        // Strict: no padding, no other alphabet, no stray bits in the last character.
        let bytes = BASE64URL_NOPAD
            .decode(fingerprint.as_bytes())
            .map_err(|_| KeyIdError::Malformed)?;
        let client_state = ClientState::new(bytes)
            .filter(|state| !state.is_empty())
            .ok_or(KeyIdError::ClientStateLength)?;
        Ok(Self {
            keys_changed_at,
            client_state,
        })
    }

    /// The client state as old clients send it in `X-Client-State`: lower-case hex.
    #[must_use]
    pub fn client_state_hex(&self) -> String {
        hex::encode(self.client_state.as_bytes())
    }
}

/// Whether an `X-Client-State` has the one allowed form, `^[a-zA-Z0-9._-]{1,32}$`. Missing and empty are the same, and
/// are the caller's to tell apart from this.
#[must_use]
pub fn is_client_state_header(value: &[u8]) -> bool {
    (1..=32).contains(&value.len())
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

/// The bytes of a client state as old clients write it: pairs of hex digits, in any case. `None` if it is no such thing,
/// which no client ever sent.
#[must_use]
pub fn client_state_of_hex(text: &str) -> Option<ClientState> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    ClientState::new(bytes)
}

fn decimal(text: &str) -> Result<u64, KeyIdError> {
    // `parse` alone would take a leading plus.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(KeyIdError::Malformed);
    }
    text.parse::<i64>()
        .map(i64::unsigned_abs)
        .map_err(|_| KeyIdError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Result<Option<u64>, KeyIdError> {
        KeyId::parse(text).map(|id| id.keys_changed_at.map(NonZeroU64::get))
    }

    #[test]
    fn client_states_of_old_clients() {
        let bytes = |text: &str| client_state_of_hex(text).map(|state| state.as_bytes().to_vec());
        assert_eq!(bytes("aaAA"), Some(vec![0xaa, 0xaa]));
        assert_eq!(bytes(&"0f".repeat(16)), Some(vec![0x0f; 16]));
        for other in ["aaa", "a.", "zz", &"00".repeat(17)] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }

    #[test]
    fn the_contracts_vector() {
        let id = KeyId::parse("1510726317000-ASNFZ4mrze8BI0VniavN7w").unwrap();
        assert_eq!(id.keys_changed_at.map(NonZeroU64::get), Some(1_510_726_317_000));
        assert_eq!(id.client_state_hex(), "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn forms() {
        use KeyIdError::{ClientStateLength, Malformed};
        let table = [
            ("leading zeros", "0000000001234-qqo", Ok(Some(1234))),
            ("a reported zero is absent", "0-qqo", Ok(None)),
            ("a dash in the fingerprint", "1234--_-_", Ok(Some(1234))),
            ("largest", "9223372036854775807-qqo", Ok(Some(i64::MAX as u64))),
            ("one more", "9223372036854775808-qqo", Err(Malformed)),
            ("no dash", "1234", Err(Malformed)),
            ("no time", "-qqo", Err(Malformed)),
            ("plus", "+1-qqo", Err(Malformed)),
            ("blank", " 1-qqo", Err(Malformed)),
            ("fraction", "1.5-qqo", Err(Malformed)),
            ("padding", "1234-qqo=", Err(Malformed)),
            ("standard alphabet", "1234-+/+/", Err(Malformed)),
            ("stray bits", "1234-qqp", Err(Malformed)),
            ("line break", "1234-qqo\n", Err(Malformed)),
            ("no fingerprint", "1234-", Err(ClientStateLength)),
            ("17 bytes", "1234-AAAAAAAAAAAAAAAAAAAAAAA", Err(ClientStateLength)),
        ];
        for (name, text, expected) in table {
            assert_eq!(time(text), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,64}", number in any::<u64>()) {
            let _ = KeyId::parse(&text);
            let _ = KeyId::parse(&format!("{number}-{text}"));
        }

        #[test]
        fn what_is_written_is_read_back(time in 0..=i64::MAX as u64, state in prop::collection::vec(any::<u8>(), 1..=16)) {
            let id = KeyId::parse(&format!("{time:013}-{}", BASE64URL_NOPAD.encode(&state))).unwrap();
            prop_assert_eq!(id.keys_changed_at.map_or(0, NonZeroU64::get), time);
            prop_assert_eq!(id.client_state_hex(), hex::encode(&state));
        }
    }

    #[test]
    fn the_old_header_has_one_alphabet() {
        for good in ["a", "A.b_c-9", &"f".repeat(32)] {
            assert!(is_client_state_header(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "\u{e9}", "a/b", &"f".repeat(33)] {
            assert!(!is_client_state_header(bad.as_bytes()), "{bad}");
        }
    }
}

//! Scoped keys (`accounts.md` (e)): what an application gets instead of kB. Made by the page, used by Firefox; the
//! key ids travel to the Token Server.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::{Secret, SecretText, Timestamp, Uid};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    hkdf::{self, NS},
    mac,
};

/// The scope of Firefox Sync, the only one with the legacy rule.
pub const OLDSYNC_SCOPE: &str = "https://identity.mozilla.com/apps/oldsync";

/// What the server says about the key of one scope (answer of POST /account/scoped-key-data).
pub struct ScopedKeySource<'a> {
    /// The scope.
    pub identifier: &'a str,
    /// Zeros as long as nothing is rotated.
    pub rotation_secret: &'a [u8; 32],
    /// When the account's keys changed last.
    pub rotated_at: Timestamp,
}

/// The key of one scope, in the text forms of the bundle.
pub struct ScopedKey {
    /// The scope.
    pub scope: String,
    /// Names the key: a time, `-`, a fingerprint.
    pub kid: String,
    /// The key in unpadded base64url.
    pub k: SecretText,
}

impl ScopedKey {
    /// Derives the key of `source` from kB.
    #[must_use]
    pub fn derive(k_b: &Secret<32>, uid: Uid, source: &ScopedKeySource<'_>) -> Self {
        if source.identifier == OLDSYNC_SCOPE {
            Self::derive_oldsync(k_b, source)
        } else {
            Self::derive_general(k_b, uid, source)
        }
    }

    fn derive_oldsync(k_b: &Secret<32>, source: &ScopedKeySource<'_>) -> Self {
        let key = hkdf::derive_named::<64>(k_b.expose(), "oldsync");
        Self::new(
            source,
            source.rotated_at.as_millis(),
            &client_state(k_b),
            key.expose(),
        )
    }

    fn derive_general(k_b: &Secret<32>, uid: Uid, source: &ScopedKeySource<'_>) -> Self {
        let mut ikm = Zeroizing::new([0; 64]);
        ikm[..32].copy_from_slice(k_b.expose());
        ikm[32..].copy_from_slice(source.rotation_secret);
        let info = [NS.as_bytes(), b"scoped_key\n", source.identifier.as_bytes()];
        let derived = hkdf::derive::<48>(ikm.as_slice(), uid.as_bytes(), &info);
        let (fingerprint, key) = derived.expose().split_at(16);
        // Rounded to the nearest second.
        Self::new(
            source,
            source.rotated_at.as_millis().saturating_add(500) / 1000,
            fingerprint,
            key,
        )
    }

    fn new(source: &ScopedKeySource<'_>, time: u64, fingerprint: &[u8], key: &[u8]) -> Self {
        Self {
            scope: source.identifier.to_owned(),
            kid: format!("{time}-{}", BASE64_URL_SAFE_NO_PAD.encode(fingerprint)),
            k: SecretText::new(BASE64_URL_SAFE_NO_PAD.encode(key)),
        }
    }
}

/// The fingerprint of kB that Sync calls client state.
#[must_use]
pub fn client_state(k_b: &Secret<32>) -> [u8; 16] {
    let hash = mac::sha256(&[k_b.expose()]);
    let (first, _) = hash.split_first_chunk().expect("a SHA-256 has 32 bytes");
    *first
}

/// The bundle that is sealed for the browser: a JSON object with one member a scope, in the order given.
#[must_use]
pub fn bundle(keys: &[ScopedKey]) -> SecretText {
    #[derive(Serialize)]
    struct Member<'a> {
        kty: &'static str,
        scope: &'a str,
        k: &'a str,
        kid: &'a str,
    }
    // Written member by member: a map type would sort the scopes.
    let mut json = String::from("{");
    for key in keys {
        let member = Member {
            kty: "oct",
            scope: &key.scope,
            k: key.k.expose(),
            kid: &key.kid,
        };
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&serde_json::to_string(&key.scope).expect("a string always serializes"));
        json.push(':');
        let text = Zeroizing::new(serde_json::to_string(&member).expect("strings always serialize"));
        json.push_str(&text);
    }
    json.push('}');
    SecretText::new(json)
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    fn k_b() -> Secret<32> {
        Secret::new(hex::decode("a095c51c1c6e384e8d5777d97e3c487a4fc2128a00ab395a73d57fedf41631f0").unwrap())
    }

    fn key(identifier: &str, rotated_at_millis: u64) -> ScopedKey {
        let source = ScopedKeySource {
            identifier,
            rotation_secret: &[0; 32],
            rotated_at: Timestamp::from_millis(rotated_at_millis),
        };
        ScopedKey::derive(
            &k_b(),
            "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap(),
            &source,
        )
    }

    #[test]
    fn oldsync_is_that_of_the_contract() {
        let key = key(OLDSYNC_SCOPE, 1_700_000_000_123);
        assert_eq!(key.kid, "1700000000123-w_NDVTH7Ap9OINQpwXCVYg");
        assert_eq!(
            key.k.expose(),
            "kQPj8kEpjWjYyASPJYIswcHf4ZOHCch5O6LNi56NYMyB_TPaZSxVw_es82GVY0aQQFKXc5KhNAdeLw8dFzLWiA"
        );
        assert_eq!(
            hex::encode(&client_state(&k_b())),
            "c3f3435531fb029f4e20d429c1709562"
        );
    }

    #[test]
    fn other_scopes_are_those_of_the_contract() {
        let notes = key("https://identity.example.test/apps/notes", 1_700_000_000_123);
        assert_eq!(notes.kid, "1700000000-MisY8a4BBCJJc6KYRqKfwQ");
        assert_eq!(notes.k.expose(), "Y1MrsJ-Yaj7vT5-EC_cz-WEhhwjN16FgmQ4IF_cm93s");
        for (millis, secs) in [(1_499, "1"), (1_500, "2"), (u64::MAX, "18446744073709551")] {
            assert!(key("x", millis).kid.starts_with(&format!("{secs}-")), "{millis}");
        }
    }

    #[test]
    fn a_bundle_keeps_order_and_escapes_names() {
        let keys = [key("b\"", 1), key("a", 1)];
        let json: serde_json::Value = serde_json::from_str(bundle(&keys).expose()).unwrap();
        assert_eq!(json["b\""]["scope"], "b\"");
        assert_eq!(json["a"]["kty"], "oct");
        assert!(
            bundle(&keys)
                .expose()
                .starts_with(r#"{"b\"":{"kty":"oct","scope":"b\"","k":""#)
        );
        assert_eq!(bundle(&[]).expose(), "{}");
    }
}

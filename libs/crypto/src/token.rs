//! Tokens of the accounts API and the key bundle (`accounts.md` (a), Tokens).
//!
//! A client holds the 32-byte token; servers keep only what is derived from it, never the token itself.

use foxhold_core::{Secret, TokenId};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{hkdf, mac};

/// What a token may be used for. The kind is part of the derivation: a token of one kind is nothing as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A signed-in client; used many times.
    Session,
    /// Fetches the key bundle once.
    KeyFetch,
    /// Finishes a password change once.
    PasswordChange,
    /// Proves an e-mail code of a forgotten password.
    PasswordForgot,
    /// Resets the account once.
    AccountReset,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Session,
        Self::KeyFetch,
        Self::PasswordChange,
        Self::PasswordForgot,
        Self::AccountReset,
    ];

    /// The name on the wire, which is also the derivation's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "sessionToken",
            Self::KeyFetch => "keyFetchToken",
            Self::PasswordChange => "passwordChangeToken",
            Self::PasswordForgot => "passwordForgotToken",
            Self::AccountReset => "accountResetToken",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a token stands for.
pub struct TokenKeys {
    /// What a store looks the token up by; the Hawk id in hex.
    pub id: TokenId,
    /// The Hawk key.
    pub key: Secret<32>,
    /// Covers the answer of GET /account/keys; of use for [`TokenKind::KeyFetch`] only.
    pub bundle_key: Secret<32>,
}

impl TokenKeys {
    /// Derives them from the client's token.
    #[must_use]
    pub fn derive(kind: TokenKind, token: &Secret<32>) -> Self {
        let derived = hkdf::derive_named::<96>(token.expose(), kind.name());
        let (id, rest) = derived
            .expose()
            .split_first_chunk()
            .expect("96 bytes hold three of 32");
        let (key, bundle_key) = rest.split_first_chunk().expect("96 bytes hold three of 32");
        Self {
            id: TokenId::from_bytes(*id),
            key: Secret::new(*key),
            bundle_key: Secret::from_slice(bundle_key).expect("96 bytes hold three of 32"),
        }
    }
}

/// The answer of GET /account/keys: kA and wrapKb under a token's bundle key, with a MAC. Made when the token is
/// minted, so that neither key has to be reachable later.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBundle([u8; 96]);

/// The bundle was changed, or belongs to another token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the key bundle does not belong to this token")]
pub struct BundleError;

impl KeyBundle {
    /// Covers both keys (server side).
    #[must_use]
    pub fn seal(bundle_key: &Secret<32>, k_a: &Secret<32>, wrap_kb: &Secret<32>) -> Self {
        let cover = BundleCover::derive(bundle_key);
        let mut bytes = [0; 96];
        bytes[..32].copy_from_slice(k_a.expose());
        bytes[32..64].copy_from_slice(wrap_kb.expose());
        cover.apply(&mut bytes[..64]);
        let mac = cover.mac(&bytes[..64]);
        bytes[64..].copy_from_slice(&mac);
        Self(bytes)
    }

    /// kA and wrapKb (client side).
    ///
    /// # Errors
    /// [`BundleError`] if the MAC is not right.
    pub fn open(&self, bundle_key: &Secret<32>) -> Result<(Secret<32>, Secret<32>), BundleError> {
        let cover = BundleCover::derive(bundle_key);
        if !mac::same(&cover.mac(&self.0[..64]), &self.0[64..]) {
            return Err(BundleError);
        }
        let mut keys = Zeroizing::new([0; 64]);
        keys.copy_from_slice(&self.0[..64]);
        cover.apply(keys.as_mut_slice());
        let (k_a, wrap_kb) = keys.split_at(32);
        Secret::from_slice(k_a)
            .zip(Secret::from_slice(wrap_kb))
            .ok_or(BundleError)
    }

    /// From the bytes of an answer or a store.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 96]) -> Self {
        Self(bytes)
    }

    /// The bytes, for an answer or a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 96] {
        &self.0
    }
}

/// respHMACkey and respXORkey.
struct BundleCover(Secret<96>);

impl BundleCover {
    fn derive(bundle_key: &Secret<32>) -> Self {
        Self(hkdf::derive_named(bundle_key.expose(), "account/keys"))
    }

    fn apply(&self, text: &mut [u8]) {
        for (byte, cover) in text.iter_mut().zip(&self.0.expose()[32..]) {
            *byte ^= cover;
        }
    }

    fn mac(&self, ciphertext: &[u8]) -> [u8; 32] {
        mac::hmac_sha256(&self.0.expose()[..32], &[ciphertext])
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    fn consecutive(first: u8) -> Secret<32> {
        let mut bytes = [0; 32];
        for (byte, value) in bytes.iter_mut().zip(first..=255) {
            *byte = value;
        }
        Secret::new(bytes)
    }

    #[test]
    fn ids_and_keys_are_those_of_the_contract() {
        let table = [
            (
                TokenKind::KeyFetch,
                0x80,
                "3d0a7c02a15a62a2882f76e39b6494b500c022a8816e048625a495718998ba60",
                "87b8937f61d38d0e29cd2d5600b3f4da0aa48ac41de36a0efe84bb4a9872ceb7",
            ),
            (
                TokenKind::Session,
                0xa0,
                "c0a29dcf46174973da1378696e4c82ae10f723cf4f4d9f75e39f4ae3851595ab",
                "9d8f22998ee7f5798b887042466b72d53e56ab0c094388bf65831f702d2febc0",
            ),
            (
                TokenKind::AccountReset,
                0xc0,
                "46ec557e56e531a058620e9344ca9c75afac0d0bcbdd6f8c3c2f36055d9540cf",
                "716ebc28f5122ef48670a48209190a1605263c3188dfe45256265929d1c45e48",
            ),
            (
                TokenKind::PasswordChange,
                0xe0,
                "c04fd0af1b6b5bb2e824d7dbb9849bc87cd8464769a67ff293c3cf2bc802d103",
                "4d4c47a5fe374d2c0ab104260a56fe96c69170182c7df448711c0ccd0d61627d",
            ),
            (
                TokenKind::PasswordForgot,
                0x60,
                "d7ca054602270d3c3ebc8bdbcb8afa0fc11d5ca8c684878083432997a47c0993",
                "4a3880657b61b93b16d1e9636f30bb0e7edf2b312505a7e21ebe5a039c44d151",
            ),
        ];
        for (kind, first, id, key) in table {
            let keys = TokenKeys::derive(kind, &consecutive(first));
            assert_eq!(keys.id.to_string(), id, "{kind:?}");
            assert_eq!(hex::encode(keys.key.expose()), key, "{kind:?}");
            assert_eq!(TokenKind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn the_key_bundle_is_that_of_the_contract() {
        let keys = TokenKeys::derive(TokenKind::KeyFetch, &consecutive(0x80));
        assert_eq!(
            hex::encode(keys.bundle_key.expose()),
            "14f338a9e8c6324d9e102d4e6ee83b209796d5c74bb734a410e729e014a4a546"
        );
        let wrap_kb = Secret::new(
            hex::decode("7effe354abecbcb234a8dfc2d7644b4ad339b525589738f2d27341bb8622ecd8").unwrap(),
        );
        let bundle = KeyBundle::seal(&keys.bundle_key, &consecutive(0x20), &wrap_kb);
        let expected = concat!(
            "ee5c58845c7c9412b11bbd20920c2fddd83c33c9cd2c2de2d66b222613364636",
            "fc7e59d854d599f10e212801de3a47c34333f3b838ee3471e0f285649c332bbb",
            "4c17f42a0b319bbba327d2b326ad23e937219b4de32e3ec7b3e3f740522ad6ef",
        );
        assert_eq!(hex::encode(bundle.as_bytes()), expected);
        assert_eq!(bundle.open(&keys.bundle_key), Ok((consecutive(0x20), wrap_kb)));
    }

    #[test]
    fn a_changed_bundle_does_not_open() {
        let bundle_key = consecutive(1);
        let bundle = KeyBundle::seal(&bundle_key, &consecutive(2), &consecutive(3));
        for at in 0..96 {
            let mut bytes = *bundle.as_bytes();
            bytes[at] ^= 1;
            assert_eq!(
                KeyBundle::from_bytes(bytes).open(&bundle_key),
                Err(BundleError),
                "byte {at}"
            );
        }
        assert_eq!(bundle.open(&consecutive(4)), Err(BundleError));
    }
}

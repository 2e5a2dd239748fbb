//! The onepw key protocol (`accounts.md` (a)): what the page makes of a password, and what the server makes of
//! the stretched `authPW`. The server never learns the password or kB.

use foxhold_core::{Secret, hex};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hkdf::{self, NS};

const V1_ROUNDS: u32 = 1_000;
const V2_ROUNDS: u32 = 650_000;

/// What a password becomes on the client.
pub struct ClientKeys {
    /// Proves the password to the server.
    pub auth_pw: Secret<32>,
    /// Opens wrapKb; never leaves the client.
    pub unwrap_b_key: Secret<32>,
}

impl ClientKeys {
    /// Version 1: the salt is the e-mail address exactly as first registered.
    #[must_use]
    pub fn stretch_v1(email: &str, password: &str) -> Self {
        Self::stretch(password, &format!("{NS}quickStretch:{email}"), V1_ROUNDS)
    }

    /// Version 2: the salt is random and kept by the server.
    #[must_use]
    pub fn stretch_v2(client_salt: &ClientSalt, password: &str) -> Self {
        Self::stretch(password, client_salt.as_str(), V2_ROUNDS)
    }

    fn stretch(password: &str, salt: &str, rounds: u32) -> Self {
        let mut stretched = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha256>(
            password.as_bytes(),
            salt.as_bytes(),
            rounds,
            stretched.as_mut_slice(),
        );
        Self {
            auth_pw: hkdf::derive_named(stretched.as_slice(), "authPW"),
            unwrap_b_key: hkdf::derive_named(stretched.as_slice(), "unwrapBkey"),
        }
    }
}

/// The salt of version 2, always the whole string `identity.mozilla.com/picl/v1/quickStretchV2:<32 hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSalt(String);

/// Text that is not a client salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a client salt of version 2")]
pub struct ClientSaltError;

impl ClientSalt {
    const PREFIX: &str = "identity.mozilla.com/picl/v1/quickStretchV2:";

    /// From its random part.
    #[must_use]
    pub fn from_core(core: [u8; 16]) -> Self {
        Self(format!("{}{}", Self::PREFIX, hex::encode(&core)))
    }

    /// The whole string.
    ///
    /// # Errors
    /// [`ClientSaltError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ClientSaltError> {
        let core = text.strip_prefix(Self::PREFIX).ok_or(ClientSaltError)?;
        hex::decode::<16>(core)
            .map(Self::from_core)
            .map_err(|_| ClientSaltError)
    }

    /// The whole string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the server derives from the stretched `authPW`.
pub struct ServerKeys {
    /// Stored; decides whether a password is right. Comparing [`Secret`]s takes constant time.
    pub verify_hash: Secret<32>,
    /// XORed with the stored wrapWrapKb it gives wrapKb; never stored.
    pub wrapwrap_key: Secret<32>,
}

impl ServerKeys {
    /// Derives them from the output of scrypt.
    #[must_use]
    pub fn derive(stretched: &Secret<32>) -> Self {
        Self {
            verify_hash: hkdf::derive_named(stretched.expose(), "verifyHash"),
            wrapwrap_key: hkdf::derive_named(stretched.expose(), "wrapwrapKey"),
        }
    }

    /// wrapKb from the stored wrapWrapKb, and the other way round: the same XOR.
    #[must_use]
    pub fn wrap_kb(&self, wrap_wrap_kb: &Secret<32>) -> Secret<32> {
        wrap_wrap_kb.xor(&self.wrapwrap_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<32> {
        Secret::new(hex::decode(text).unwrap())
    }

    fn shown(secret: &Secret<32>) -> String {
        hex::encode(secret.expose())
    }

    const EMAIL: &str = "andr\u{e9}@example.org";
    const PASSWORD: &str = "p\u{e4}ssw\u{f6}rd";

    #[test]
    fn version_1_is_that_of_the_contract() {
        let table = [
            (
                EMAIL,
                PASSWORD,
                "247b675ffb4c46310bc87e26d712153abe5e1c90ef00a4784594f97ef54f2375",
                "de6a2648b78284fcb9ffa81ba95803309cfba7af583c01a8a1a63e567234dd28",
            ),
            (
                "alice@example.test",
                "correct horse",
                "4174869a6266b9009ac078d4b5b8139e960fe0f37528c24a5330ac7397523fde",
                "614959235049411bdc9aac8e800a8fa97e65919ce4e92357cfc6f6c51d7718d1",
            ),
        ];
        for (email, password, auth_pw, unwrap_b_key) in table {
            let keys = ClientKeys::stretch_v1(email, password);
            assert_eq!(shown(&keys.auth_pw), auth_pw, "{email}");
            assert_eq!(shown(&keys.unwrap_b_key), unwrap_b_key, "{email}");
        }
    }

    #[test]
    fn version_2_is_that_of_the_contract() {
        let salt = ClientSalt::from_core(hex::decode("c2dc400c9cc1a93dd3cd3af1b05ebd60").unwrap());
        let keys = ClientKeys::stretch_v2(&salt, PASSWORD);
        assert_eq!(
            shown(&keys.auth_pw),
            "28c81379c31905d16f9aa9c63fcf0950094e413e16a9c9be41f52dbb09af518e"
        );
        assert_eq!(
            shown(&keys.unwrap_b_key),
            "e1c1f362437c8977e2ad8372cafcaf873df7dce30ae351bcd262af05e84caa92"
        );
    }

    #[test]
    fn server_keys_and_wrapping_are_those_of_the_contract() {
        let v1 = ServerKeys::derive(&secret(
            "441509e25c92ee103d5a1a874e6f155df25a44d06e61c894616c9e85181dba97",
        ));
        assert_eq!(
            shown(&v1.verify_hash),
            "a4765bf103dc057f4cf4bc2c131ddb6716e8a4333cc55e1d3c449f31f0eec4f1"
        );
        assert_eq!(
            shown(&v1.wrapwrap_key),
            "3ebea117efa9faf57ce195899b2905058368e7760cc26ea58a2a1be0da7fb287"
        );
        let wrap_wrap_kb = secret("404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f");
        let wrap_kb = v1.wrap_kb(&wrap_wrap_kb);
        assert_eq!(
            shown(&wrap_kb),
            "7effe354abecbcb234a8dfc2d7644b4ad339b525589738f2d27341bb8622ecd8"
        );
        assert_eq!(v1.wrap_kb(&wrap_kb), wrap_wrap_kb);
        let unwrap_b_key = secret("de6a2648b78284fcb9ffa81ba95803309cfba7af583c01a8a1a63e567234dd28");
        assert_eq!(
            shown(&wrap_kb.xor(&unwrap_b_key)),
            "a095c51c1c6e384e8d5777d97e3c487a4fc2128a00ab395a73d57fedf41631f0"
        );

        let v2 = ServerKeys::derive(&secret(
            "389882cd9b5cce91535777ebbff98a43b275148851244aca7913c19e38dbbde7",
        ));
        assert_eq!(
            shown(&v2.verify_hash),
            "d74d13afd2b8f4202e3477c8796851e03a2e6fb4d949299860e3f539b120eca1"
        );
        assert_eq!(
            shown(&v2.wrapwrap_key),
            "b5a8836594f289e180c9d9e79fff6bb07f67d4f03e3b37aaef8b6d4685d756c2"
        );
        assert_eq!(
            shown(&v2.wrap_kb(&secret(
                "4154367e5f12b1396ffaf4abb4c0e7fd7235ce690a4868e6a1b7d0e81c5a9b62"
            ))),
            "f4fcb51bcbe038d8ef332d4c2b3f8c4d0d521a9934735f4c4e3cbdae998dcda0"
        );
    }

    #[test]
    fn only_the_whole_lower_case_string_is_a_client_salt() {
        let core = "c2dc400c9cc1a93dd3cd3af1b05ebd60";
        let whole = format!("identity.mozilla.com/picl/v1/quickStretchV2:{core}");
        assert_eq!(ClientSalt::parse(&whole).unwrap().as_str(), whole);
        let bad = [
            core.to_owned(),
            whole.to_uppercase(),
            format!("{whole}0"),
            whole.replace("V2:", ":"),
            format!(" {whole}"),
            whole.replace('c', "C"),
            String::new(),
        ];
        for text in bad {
            assert_eq!(ClientSalt::parse(&text), Err(ClientSaltError), "{text:?}");
        }
    }
}

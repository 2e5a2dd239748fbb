//! HKDF-SHA256 (RFC 5869), the one key derivation of every protocol here.

use foxhold_core::Secret;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What the names of the key protocol start with (`accounts.md` (a)).
pub const NS: &str = "identity.mozilla.com/picl/v1/";

/// `N` bytes derived from `ikm`. The parts of `info` count as one string. An empty salt, one zero byte and
/// 32 zero bytes are the same salt.
#[must_use]
pub fn derive<const N: usize>(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Secret<N> {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 ends after 255 blocks") };
    let mut out = Zeroizing::new([0; N]);
    fill(ikm, salt, info, out.as_mut_slice());
    Secret::new(*out)
}

/// `N` bytes of the key protocol: no salt, info = [`NS`] and `name`.
#[must_use]
pub fn derive_named<const N: usize>(ikm: &[u8], name: &str) -> Secret<N> {
    derive(ikm, &[], &[NS.as_bytes(), name.as_bytes()])
}

/// Fills `out`, at most 255 blocks of 32 bytes.
pub(crate) fn fill(ikm: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    ::hkdf::Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(info, out)
        .expect("every caller asks for at most 255 blocks");
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    #[test]
    fn rfc_5869_test_case_1() {
        let ikm = [0x0b; 22];
        let salt: [u8; 13] = hex::decode("000102030405060708090a0b0c").unwrap();
        let info: [u8; 10] = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let okm = derive::<42>(&ikm, &salt, &[&info[..4], &info[4..]]);
        assert_eq!(
            hex::encode(okm.expose()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn every_spelling_of_no_salt_is_the_same() {
        let none = derive::<32>(b"key", &[], &[b"x"]);
        assert_eq!(none, derive::<32>(b"key", &[0], &[b"x"]));
        assert_eq!(none, derive::<32>(b"key", &[0; 32], &[b"x"]));
    }
}

//! HMAC-SHA256, SHA-256 and the constant-time comparison the other modules stand on.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// HMAC-SHA256 over the parts as one message.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// An HMAC-SHA256 under `key`, to be fed piece by piece.
pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// SHA-256 over the parts as one message.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    #[test]
    fn rfc_4231_test_case_2_in_one_part_and_in_two() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            hex::encode(&hmac_sha256(b"Jefe", &[b"what do ya want for nothing?"])),
            expected
        );
        assert_eq!(
            hex::encode(&hmac_sha256(b"Jefe", &[b"what do ya ", b"want for nothing?"])),
            expected
        );
    }

    #[test]
    fn sameness_is_of_length_and_contents() {
        assert!(same(b"ab", b"ab"));
        assert!(!same(b"ab", b"ac"));
        assert!(!same(b"ab", b"abc"));
        assert!(same(b"", b""));
    }
}

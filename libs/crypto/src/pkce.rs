//! Proof Key for Code Exchange (RFC 7636), method S256 only (`accounts.md` (e)).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::mac;

/// The code challenge of a verifier: 43 characters.
#[must_use]
pub fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(mac::sha256(&[verifier.as_bytes()]))
}

/// Whether `verifier` is well formed and made `expected_challenge`.
#[must_use]
pub fn verify(verifier: &str, expected_challenge: &str) -> bool {
    is_verifier(verifier) && mac::same(challenge(verifier).as_bytes(), expected_challenge.as_bytes())
}

/// Whether `text` has the form of a verifier: 43 to 128 unreserved characters.
#[must_use]
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Whether `text` has the form of an S256 challenge: 32 bytes as 43 characters of unpadded base64url.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    let mut hash = [0; 32];
    text.len() == 43 && BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut hash) == Ok(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc_7636_appendix_b() {
        assert_eq!(challenge(VERIFIER), CHALLENGE);
        assert!(verify(VERIFIER, CHALLENGE));
    }

    #[test]
    fn other_verifiers_and_malformed_ones_fail() {
        let long = "a".repeat(129);
        for verifier in [
            "",
            "short",
            &VERIFIER[1..],
            &long,
            "dBjftJeZ4CVP+mB92K27uhbUJU1p1r/wW1gFWFOEjXk",
        ] {
            assert!(!verify(verifier, &challenge(verifier)), "{verifier:?}");
        }
        assert!(!verify(&VERIFIER.replace('d', "e"), CHALLENGE));
        assert!(!verify(VERIFIER, ""));
    }

    #[test]
    fn a_challenge_is_32_bytes_in_canonical_base64url() {
        assert!(is_challenge(CHALLENGE));
        let not_canonical = CHALLENGE.replace("cM", "cN");
        let padded = format!("{CHALLENGE}=");
        for text in [
            "",
            &CHALLENGE[1..],
            &not_canonical,
            &padded,
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
        ] {
            assert!(!is_challenge(text), "{text:?}");
        }
    }
}

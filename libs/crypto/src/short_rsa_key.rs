//! RSA public keys of BrowserID users (`accounts.md` (d)): from 1024 bits, which a key may have that a certificate
//! vouches for during one day at most. Everything that lives longer is an `RsaPublicKey`.

use ring::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents};

use crate::{
    big_endian::{bits, is_odd, without_leading_zeros},
    rsa_key::RsaKeyError,
    rsa_soundness::is_hard_to_factor,
};

/// Bits of the modulus (`security.md` C.1).
const BITS: std::ops::RangeInclusive<usize> = 1024..=4096;

/// A public key of 1024 to 4096 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortRsaPublicKey {
    // Big-endian, no leading zero.
    n: Vec<u8>,
    e: Vec<u8>,
}

impl ShortRsaPublicKey {
    /// From modulus and exponent, big-endian; leading zeros do not count.
    ///
    /// # Errors
    /// [`RsaKeyError::Modulus`] if it is even or has not 1024 to 4096 bits, [`RsaKeyError::Exponent`] if it is even, 1 or
    /// beyond 32 bits.
    pub fn new(n: &[u8], e: &[u8]) -> Result<Self, RsaKeyError> {
        let [n, e] = [n, e].map(without_leading_zeros);
        if !is_odd(n) || !BITS.contains(&bits(n)) {
            return Err(RsaKeyError::Modulus);
        }
        if !is_odd(e) || e == [1] || e.len() > 4 {
            return Err(RsaKeyError::Exponent);
        }
        Ok(Self {
            n: n.to_vec(),
            e: e.to_vec(),
        })
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        bits(&self.n)
    }

    /// The modulus, big-endian.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.n
    }

    /// The exponent, big-endian.
    #[must_use]
    pub fn exponent(&self) -> &[u8] {
        &self.e
    }

    /// Whether no stranger factors its modulus in passing. Takes up to some milliseconds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_hard_to_factor(&self.n)
    }

    /// Whether `signature` is this key's RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        RsaPublicKeyComponents {
            n: &self.n,
            e: &self.e,
        }
        .verify(
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            message,
            signature,
        )
        .is_ok()
    }
}

#[cfg(test)]
mod tests;

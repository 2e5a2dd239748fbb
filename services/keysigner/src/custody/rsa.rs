//! RSA private keys of this process's memory: the only place that touches aws-lc-rs (ADR: it generates RSA keys, which
//! ring cannot, and signs about twice as fast).

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use foxhold_core::Timestamp;
use foxhold_crypto::rsa_key::{NamedKey, RsaPublicKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Custody, CustodyError};

/// Bytes of the moduli that are accepted: 2048 to 4096 bits.
const MODULUS_LEN: std::ops::RangeInclusive<usize> = 256..=512;

/// Characters of the thumbprint that name a key: enough for all keys there will ever be, and short in every token.
const KID_LEN: usize = 16;

/// Bytes that are no key to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum RsaError {
    /// Not an RSA key in PKCS#8, or an inconsistent one.
    #[error("not a sound RSA key")]
    Unsound,
    /// Shorter than 2048 or longer than 4096 bits.
    #[error("the key is not of 2048 to 4096 bits")]
    Size,
    /// The library gave no key.
    #[error("no key could be made")]
    NotMade,
}

/// A private key in memory. The library wipes it when it is dropped.
pub(crate) struct RsaKey {
    pair: KeyPair,
    public: NamedKey,
    created_at: Timestamp,
    signs_from: Timestamp,
}

impl RsaKey {
    /// From PKCS#8. The library checks that the numbers belong together.
    pub(crate) fn from_pkcs8(der: &[u8], created_at: Timestamp) -> Result<Self, RsaError> {
        let pair = KeyPair::from_pkcs8(der).map_err(|_| RsaError::Unsound)?;
        Self::of(pair, created_at)
    }

    /// The same, but it signs from then on only.
    pub(crate) const fn signing_from(mut self, at: Timestamp) -> Self {
        self.signs_from = at;
        self
    }

    /// A new one of 2048 bits. The library draws the primes itself: they never pass through our hands.
    pub(crate) fn generate(created_at: Timestamp) -> Result<Self, RsaError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| RsaError::NotMade)?;
        Self::of(pair, created_at)
    }

    fn of(pair: KeyPair, created_at: Timestamp) -> Result<Self, RsaError> {
        let numbers = pair.public_key();
        if !MODULUS_LEN.contains(&numbers.modulus_len()) {
            return Err(RsaError::Size);
        }
        let (n, e) = (numbers.modulus(), numbers.exponent());
        let key = RsaPublicKey::new(
            n.big_endian_without_leading_zero(),
            e.big_endian_without_leading_zero(),
        )
        .map_err(|_| RsaError::Unsound)?;
        let kid = key.thumbprint()[..KID_LEN].to_owned();
        Ok(Self {
            pair,
            public: NamedKey { kid, key },
            created_at,
            signs_from: Timestamp::default(),
        })
    }

    /// The private key as PKCS#8, to be encrypted at once.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, RsaError> {
        let der = self.pair.as_der().map_err(|_| RsaError::NotMade)?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }
}

impl Custody for RsaKey {
    fn public_key(&self) -> &NamedKey {
        &self.public
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn signs_from(&self) -> Timestamp {
        self.signs_from
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CustodyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        // Blinding needs randomness, which the library takes from its own generator.
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .map_err(|_| CustodyError)?;
        Ok(signature)
    }

    fn health(&self) -> Result<(), CustodyError> {
        Ok(())
    }
}

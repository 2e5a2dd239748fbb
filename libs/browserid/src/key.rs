//! Public keys as BrowserID writes them, and the algorithms they sign with (`accounts.md` (d)).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_crypto::{
    dsa_key::{DsaHash, DsaNumbers, DsaPublicKey},
    short_rsa_key::ShortRsaPublicKey,
};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    json,
    number::{from_decimal, from_hex},
};

/// Decimal digits of 4096 bits.
const MODULUS_DIGITS_MAX: usize = 1234;
/// Decimal digits of 32 bits.
const EXPONENT_DIGITS_MAX: usize = 10;
/// Hexadecimal digits of 3072 bits, and of a leading zero byte.
const DSA_DIGITS_MAX: usize = 770;
/// Base64 digits of 4096 bits and of a leading zero byte.
const JWK_DIGITS_MAX: usize = 684;

/// What a signature is said to be made with. The names are labels of sizes; `RS64` is too short to be taken, and ES256
/// is not part of BrowserID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA below 2048 bits, with SHA-256.
    Rs128,
    /// RSA from 2048 bits on, with SHA-256: the RS256 of JWT.
    Rs256,
    /// DSA 1024/160 with SHA-1.
    Ds128,
    /// DSA 2048/256 with SHA-256.
    Ds256,
}

impl Algorithm {
    /// By the name in a header.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "RS128" => Some(Self::Rs128),
            "RS256" => Some(Self::Rs256),
            "DS128" => Some(Self::Ds128),
            "DS256" => Some(Self::Ds256),
            _ => None,
        }
    }
}

/// Why a key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A member is missing.
    #[error("a member of the public key is missing")]
    Missing,
    /// Another kind of key.
    #[error("a public key of another kind")]
    Algorithm,
    /// Not numbers in their spelling, or too small, too large, out of range.
    #[error("unusable numbers in a public key")]
    Numbers,
}

/// A key of a size that is taken: RSA of 1024 to 4096 bits, or DSA (`security.md` C.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// `"algorithm":"RS"`.
    Rsa(ShortRsaPublicKey),
    /// `"algorithm":"DS"`. That its numbers fit each other is part of verifying with it.
    Dsa(DsaPublicKey),
}

impl PublicKey {
    /// From JSON text, as [`Self::from_members`]; one member twice makes it none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        json::object(json)
            .ok_or(KeyError::Missing)
            .and_then(|members| Self::from_members(&members))
    }

    /// From `{"algorithm":"RS","n","e"}` with decimal strings, `{"algorithm":"DS","y","p","q","g"}` with hexadecimal ones,
    /// or the JWK-like form of a support document: `{"kty":"RSA","n","e"}` with base64url. Other members are ignored.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_members(members: &Map<String, Value>) -> Result<Self, KeyError> {
        if let Some(kind) = members.get("kty") {
            return if kind == "RSA" {
                jwk(members)
            } else {
                Err(KeyError::Algorithm)
            };
        }
        match text(members, "algorithm")? {
            "RS" => {
                let n = from_decimal(text(members, "n")?, MODULUS_DIGITS_MAX).ok_or(KeyError::Numbers)?;
                let e = from_decimal(text(members, "e")?, EXPONENT_DIGITS_MAX).ok_or(KeyError::Numbers)?;
                rsa(&n, &e)
            }
            "DS" => dsa(members),
            _ => Err(KeyError::Algorithm),
        }
    }

    /// Whether `algorithm` is the name of what this key signs with. DSA keys of the sizes between have none.
    #[must_use]
    pub fn signs_with(&self, algorithm: Algorithm) -> bool {
        match (algorithm, self) {
            (Algorithm::Rs128, Self::Rsa(key)) => key.bits() < 2048,
            (Algorithm::Rs256, Self::Rsa(key)) => key.bits() >= 2048,
            (Algorithm::Ds128, Self::Dsa(key)) => key.size() == (1024, 160),
            (Algorithm::Ds256, Self::Dsa(key)) => key.size() == (2048, 256),
            (Algorithm::Rs128 | Algorithm::Rs256, Self::Dsa(_))
            | (Algorithm::Ds128 | Algorithm::Ds256, Self::Rsa(_)) => false,
        }
    }

    /// Whether `signature` is this key's over `message`, made with `algorithm`.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.signs_with(algorithm)
            && match self {
                Self::Rsa(key) => key.verifies(message, signature),
                Self::Dsa(key) => {
                    let hash = if algorithm == Algorithm::Ds128 {
                        DsaHash::Sha1
                    } else {
                        DsaHash::Sha256
                    };
                    key.verifies(hash, message, signature)
                }
            }
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, KeyError> {
    let value = members.get(name).ok_or(KeyError::Missing)?;
    value.as_str().ok_or(KeyError::Numbers)
}

fn rsa(n: &[u8], e: &[u8]) -> Result<PublicKey, KeyError> {
    ShortRsaPublicKey::new(n, e)
        .map(PublicKey::Rsa)
        .map_err(|_| KeyError::Numbers)
}

fn dsa(members: &Map<String, Value>) -> Result<PublicKey, KeyError> {
    let number = |name| from_hex(text(members, name)?, DSA_DIGITS_MAX).ok_or(KeyError::Numbers);
    let (y, p, q, g) = (number("y")?, number("p")?, number("q")?, number("g")?);
    let numbers = DsaNumbers {
        y: &y,
        p: &p,
        q: &q,
        g: &g,
    };
    DsaPublicKey::new(numbers)
        .map(PublicKey::Dsa)
        .map_err(|_| KeyError::Numbers)
}

fn jwk(members: &Map<String, Value>) -> Result<PublicKey, KeyError> {
    let is_or_absent = |name, wanted: &str| members.get(name).is_none_or(|value| value == wanted);
    if !is_or_absent("use", "sig") || !is_or_absent("alg", "RS256") || !is_or_absent("algorithm", "RS") {
        return Err(KeyError::Algorithm);
    }
    let number = |name| {
        let text = text(members, name)?;
        if text.len() > JWK_DIGITS_MAX {
            return Err(KeyError::Numbers);
        }
        BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Numbers)
    };
    rsa(&number("n")?, &number("e")?)
}

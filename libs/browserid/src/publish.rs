//! What a domain of ours publishes at `/.well-known/browserid` (`accounts.md` (d)). [`Document::parse`](crate::Document)
//! reads the same.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::Timestamp;
use foxhold_crypto::certificate::decimal;
use serde::Serialize;

/// Every verifier asks for two paths, and no browser goes there any more.
const NOWHERE: &str = "/.well-known/browserid/nonexistent.html";

/// A key that certificates verify under: numbers big-endian, without leading zeros.
#[derive(Debug, Clone, Copy)]
pub struct PublishedKey<'a> {
    /// What certificates call it by.
    pub kid: &'a str,
    /// Modulus.
    pub n: &'a [u8],
    /// Exponent.
    pub e: &'a [u8],
    /// When it was made; written in seconds.
    pub created_at: Timestamp,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "public-key")]
    public_key: Decimal<'a>,
    authentication: &'static str,
    provisioning: &'static str,
    keys: Vec<Jwk<'a>>,
}

/// As verifiers of old read a key.
#[derive(Serialize)]
struct Decimal<'a> {
    algorithm: &'static str,
    n: String,
    e: String,
    kid: &'a str,
    #[serde(rename = "fxa-createdAt")]
    created_at: u64,
}

/// As later ones do.
#[derive(Serialize)]
struct Jwk<'a> {
    kty: &'static str,
    algorithm: &'static str,
    n: String,
    e: String,
    kid: &'a str,
    #[serde(rename = "use")]
    usage: &'static str,
    #[serde(rename = "fxa-createdAt")]
    created_at: u64,
}

impl<'a> PublishedKey<'a> {
    fn decimal(self) -> Decimal<'a> {
        Decimal {
            algorithm: "RS",
            n: decimal(self.n),
            e: decimal(self.e),
            kid: self.kid,
            created_at: self.created_at.as_secs(),
        }
    }

    fn jwk(self) -> Jwk<'a> {
        Jwk {
            kty: "RSA",
            algorithm: "RS",
            n: BASE64_URL_SAFE_NO_PAD.encode(self.n),
            e: BASE64_URL_SAFE_NO_PAD.encode(self.e),
            kid: self.kid,
            usage: "sig",
            created_at: self.created_at.as_secs(),
        }
    }
}

/// The document of these keys, the current one first. `None` without any: nobody takes such a document.
#[must_use]
pub fn support_document(keys: &[PublishedKey<'_>]) -> Option<String> {
    let written = Written {
        public_key: keys.first()?.decimal(),
        authentication: NOWHERE,
        provisioning: NOWHERE,
        keys: keys.iter().map(|key| key.jwk()).collect(),
    };
    Some(serde_json::to_string(&written).expect("strings and numbers always serialize"))
}

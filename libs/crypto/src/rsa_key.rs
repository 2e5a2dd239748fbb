//! Public RSA keys: as JWK (RFC 7517), as set of keys, and the one way a signature of theirs is checked. Private keys
//! are the keysigner's custody and never here.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    big_endian::{bits, is_odd, without_leading_zeros},
    mac,
};

/// Why numbers or a JWK are no RSA key to verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RsaKeyError {
    /// The modulus is even or has not 2048 to 8192 bits.
    #[error("the modulus is not of 2048 to 8192 bits")]
    Modulus,
    /// The exponent is even, 1, or beyond 32 bits.
    #[error("the exponent is not an odd number from 3 to 32 bits")]
    Exponent,
    /// Not a public RSA key in JWK form for RS256 signatures.
    #[error("not an RS256 key in JWK form")]
    Jwk,
}

/// A public key for RS256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    /// Big-endian, no leading zero.
    n: Vec<u8>,
    /// Big-endian, no leading zero.
    e: Vec<u8>,
}

impl RsaPublicKey {
    /// From modulus and exponent, big-endian; leading zeros do not count.
    ///
    /// # Errors
    /// [`RsaKeyError`].
    pub fn new(n: &[u8], e: &[u8]) -> Result<Self, RsaKeyError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        if !is_odd(n) || !(2048..=8192).contains(&bits(n)) {
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

    /// The key's name where nobody gave it another: its thumbprint (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let [e, n] = [&self.e, &self.n].map(|number| BASE64_URL_SAFE_NO_PAD.encode(number));
        let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        BASE64_URL_SAFE_NO_PAD.encode(mac::sha256(&[members.as_bytes()]))
    }

    /// Whether `signature` is this key's RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        RsaPublicKeyComponents {
            n: &self.n,
            e: &self.e,
        }
        .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        .is_ok()
    }
}

/// A key and the name that headers call it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// The `kid`.
    pub kid: String,
    /// The key.
    pub key: RsaPublicKey,
}

/// One key as the JWKS document holds it.
#[derive(Serialize)]
struct WrittenJwk<'a> {
    kty: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: &'a str,
    n: String,
    e: String,
}

#[derive(Deserialize)]
struct ReadJwk {
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl NamedKey {
    /// From a JWK; one without `kid` is called by its thumbprint.
    ///
    /// # Errors
    /// [`RsaKeyError`] for anything but an RSA key that may verify RS256.
    pub fn from_jwk(json: &[u8]) -> Result<Self, RsaKeyError> {
        let jwk: ReadJwk = serde_json::from_slice(json).map_err(|_| RsaKeyError::Jwk)?;
        jwk.named_key()
    }

    /// As JWK.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        serde_json::to_string(&self.written()).expect("strings always serialize")
    }

    fn written(&self) -> WrittenJwk<'_> {
        WrittenJwk {
            kty: "RSA",
            alg: "RS256",
            usage: "sig",
            kid: &self.kid,
            n: BASE64_URL_SAFE_NO_PAD.encode(&self.key.n),
            e: BASE64_URL_SAFE_NO_PAD.encode(&self.key.e),
        }
    }
}

impl ReadJwk {
    fn named_key(self) -> Result<NamedKey, RsaKeyError> {
        let is_or_absent =
            |member: &Option<String>, wanted| member.as_deref().is_none_or(|text| text == wanted);
        if self.kty != "RSA" || !is_or_absent(&self.alg, "RS256") || !is_or_absent(&self.usage, "sig") {
            return Err(RsaKeyError::Jwk);
        }
        let number = |text: Option<String>| {
            text.and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok())
                .ok_or(RsaKeyError::Jwk)
        };
        let key = RsaPublicKey::new(&number(self.n)?, &number(self.e)?)?;
        Ok(NamedKey {
            kid: self.kid.unwrap_or_else(|| key.thumbprint()),
            key,
        })
    }
}

/// The keys a verifier trusts, the one in use first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet(Vec<NamedKey>);

#[derive(Deserialize)]
struct ReadKeySet {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Of these keys.
    #[must_use]
    pub const fn new(keys: Vec<NamedKey>) -> Self {
        Self(keys)
    }

    /// From a JWKS document. Keys of other kinds are left out: what they sign does not verify.
    ///
    /// # Errors
    /// [`RsaKeyError::Jwk`] if it is no JWKS document.
    pub fn from_jwks(json: &[u8]) -> Result<Self, RsaKeyError> {
        let set: ReadKeySet = serde_json::from_slice(json).map_err(|_| RsaKeyError::Jwk)?;
        let keys = set
            .keys
            .into_iter()
            .filter_map(|value| serde_json::from_value::<ReadJwk>(value).ok());
        Ok(Self(keys.filter_map(|jwk| jwk.named_key().ok()).collect()))
    }

    /// As JWKS document.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        #[derive(Serialize)]
        struct Written<'a> {
            keys: Vec<WrittenJwk<'a>>,
        }
        let written = Written {
            keys: self.0.iter().map(NamedKey::written).collect(),
        };
        serde_json::to_string(&written).expect("strings always serialize")
    }

    /// The keys, the one in use first.
    #[must_use]
    pub fn keys(&self) -> &[NamedKey] {
        &self.0
    }

    /// The key of this name.
    #[must_use]
    pub fn named(&self, kid: &str) -> Option<&RsaPublicKey> {
        self.0
            .iter()
            .find(|named| named.kid == kid)
            .map(|named| &named.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 section 3.1.
    const RFC_7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

    #[test]
    fn thumbprint_and_jwk_are_those_of_rfc_7638() {
        let named = NamedKey::from_jwk(RFC_7638.as_bytes()).unwrap();
        assert_eq!(named.kid, "2011-04-29");
        assert_eq!(
            named.key.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        assert_eq!(NamedKey::from_jwk(named.to_jwk().as_bytes()), Ok(named.clone()));
        let set = KeySet::new(vec![named]);
        assert_eq!(KeySet::from_jwks(set.to_jwks().as_bytes()), Ok(set));
    }

    #[test]
    fn a_key_without_a_name_gets_its_thumbprint() {
        let nameless = RFC_7638.replace(r#","kid":"2011-04-29""#, "");
        assert_eq!(
            NamedKey::from_jwk(nameless.as_bytes()).unwrap().kid,
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn weak_and_malformed_numbers_are_refused() {
        let good_n = [0xff; 256];
        let mut even_n = good_n;
        even_n[255] = 0xfe;
        let mut small_n = good_n;
        small_n[0] = 0x7f;
        let table: [(&str, &[u8], &[u8], RsaKeyError); 9] = [
            ("empty n", &[], &[3], RsaKeyError::Modulus),
            ("1024 bits", &good_n[..128], &[3], RsaKeyError::Modulus),
            ("2047 bits", &small_n, &[3], RsaKeyError::Modulus),
            ("over 8192 bits", &[0xff; 1025], &[3], RsaKeyError::Modulus),
            ("even n", &even_n, &[3], RsaKeyError::Modulus),
            ("empty e", &good_n, &[], RsaKeyError::Exponent),
            ("e = 1", &good_n, &[0, 1], RsaKeyError::Exponent),
            ("even e", &good_n, &[1, 0, 0], RsaKeyError::Exponent),
            ("e over 32 bits", &good_n, &[1, 0, 0, 0, 1], RsaKeyError::Exponent),
        ];
        for (name, n, e, expected) in table {
            assert_eq!(RsaPublicKey::new(n, e), Err(expected), "{name}");
        }
        assert!(RsaPublicKey::new(&[[0].as_slice(), &good_n].concat(), &[0, 1, 0, 1]).is_ok());
    }

    #[test]
    fn other_kinds_of_keys_are_refused_and_left_out_of_sets() {
        let ec = r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"2011-04-29"}"#;
        let others = [
            RFC_7638.replace("RS256", "PS256"),
            RFC_7638.replace(r#""alg":"RS256""#, r#""use":"enc""#),
            RFC_7638.replace("AQAB", "AQAB="),
            RFC_7638.replace("AQAB", "AQ"),
            ec.to_owned(),
            "{}".to_owned(),
            "7".to_owned(),
        ];
        for jwk in &others {
            assert!(NamedKey::from_jwk(jwk.as_bytes()).is_err(), "{jwk}");
        }
        let document = format!(r#"{{"keys":[{},{RFC_7638}]}}"#, others.join(","));
        let set = KeySet::from_jwks(document.as_bytes()).unwrap();
        assert_eq!(set.keys().len(), 1);
        assert!(set.named("2011-04-29").is_some());
        assert_eq!(KeySet::from_jwks(b"[]"), Err(RsaKeyError::Jwk));
    }
}

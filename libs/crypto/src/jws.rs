//! Compact JWS (RFC 7515) with RS256 and nothing else. Verified on the hot path of every token exchange: one pass,
//! few allocations. The signing side only builds what the keysigner signs.

mod form;

use std::borrow::Cow;

use base64::{DecodeSliceError, Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use thiserror::Error;

pub use self::form::{Form, form};
use crate::rsa_key::KeySet;

/// The longest token that is looked at. Own access tokens have at most 1024 characters.
pub const LEN_MAX: usize = 8192;

/// Headers name an algorithm, a key and a type; what is longer is not one of those.
const HEADER_LEN_MAX: usize = 512;

/// RSA-8192.
const SIGNATURE_LEN_MAX: usize = 1024;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwsError {
    /// Not three parts of unpadded canonical base64url, the first of them a JSON header: no JWS at all.
    #[error("not a compact JWS")]
    Malformed,
    /// Another algorithm than RS256, or a header that brings its own key or asks for an extension.
    #[error("a JWS header that is not allowed")]
    Header,
    /// Not of the type that was asked for (RFC 8725 section 3.11).
    #[error("a JWS of another type")]
    Type,
    /// The header names a key that is not in the set, and none in the set made the signature. A set that was fetched
    /// may be old.
    #[error("a JWS of an unknown key")]
    UnknownKey,
    /// No key in question made the signature.
    #[error("a JWS with a wrong signature")]
    Signature,
}

/// Every member that matters; the ones that could bring a key or change the meaning are only noticed.
#[derive(Deserialize)]
struct ReadHeader<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    typ: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present")]
    jwk: bool,
    #[serde(default, deserialize_with = "present")]
    jku: bool,
    #[serde(default, deserialize_with = "present")]
    x5u: bool,
    #[serde(default, deserialize_with = "present")]
    x5c: bool,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// Also `null` counts as present.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

impl ReadHeader<'_> {
    fn is_allowed(&self) -> bool {
        self.alg == "RS256" && self.is_plain()
    }

    /// Brings no key of its own and asks for no extension.
    fn is_plain(&self) -> bool {
        !(self.jwk || self.jku || self.x5u || self.x5c || self.crit || self.b64)
    }

    /// Compared without case and without `application/` (RFC 7515 section 4.1.9).
    fn is_of_type(&self, wanted: &str) -> bool {
        const PREFIX: &str = "application/";
        self.typ.as_deref().is_some_and(|typ| {
            let (start, rest) = typ.split_at_checked(PREFIX.len()).unwrap_or(("", typ));
            let short = if start.eq_ignore_ascii_case(PREFIX) {
                rest
            } else {
                typ
            };
            short.eq_ignore_ascii_case(wanted)
        })
    }
}

/// The payload of `token`, once a key of the set has signed it and its type is `typ` (such as `at+jwt`). The payload
/// is not read: claims are the caller's.
///
/// # Errors
/// [`JwsError`].
pub fn verify(token: &str, typ: &str, keys: &KeySet) -> Result<Vec<u8>, JwsError> {
    verify_if(token, keys, |header| header.is_of_type(typ))
}

/// Like [`verify`], for a kind of token that not every issuer names: its type is one of `types`, or there is none. The
/// caller has to know by the claims that it is no token of another kind (RFC 8725 section 3.12).
///
/// # Errors
/// [`JwsError`].
pub fn verify_unnamed(token: &str, types: &[&str], keys: &KeySet) -> Result<Vec<u8>, JwsError> {
    verify_if(token, keys, |header| {
        header.typ.is_none() || types.iter().any(|typ| header.is_of_type(typ))
    })
}

fn verify_if(
    token: &str,
    keys: &KeySet,
    is_wanted: impl FnOnce(&ReadHeader<'_>) -> bool,
) -> Result<Vec<u8>, JwsError> {
    if token.len() > LEN_MAX {
        return Err(JwsError::Malformed);
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
    let (header, payload) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
    // A fourth part fails here: the alphabet has no dot.
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| JwsError::Malformed)?;
    let mut header_bytes = [0; HEADER_LEN_MAX];
    let header = decode_into(header, &mut header_bytes)?;
    let header: ReadHeader<'_> = serde_json::from_slice(header).map_err(|_| JwsError::Malformed)?;
    if !header.is_allowed() {
        return Err(JwsError::Header);
    }
    if !is_wanted(&header) {
        return Err(JwsError::Type);
    }
    let mut signature_bytes = [0; SIGNATURE_LEN_MAX];
    let signature = decode_into(signature, &mut signature_bytes)?;
    verify_signature(header.kid.as_deref(), signing_input.as_bytes(), signature, keys)?;
    Ok(payload)
}

fn decode_into<'a>(part: &str, to: &'a mut [u8]) -> Result<&'a [u8], JwsError> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode_slice(part, to);
    let len = decoded.map_err(|_: DecodeSliceError| JwsError::Malformed)?;
    Ok(&to[..len])
}

/// The key the header names, where the set has it; else any.
fn verify_signature(
    kid: Option<&str>,
    message: &[u8],
    signature: &[u8],
    keys: &KeySet,
) -> Result<(), JwsError> {
    if let Some(key) = kid.and_then(|kid| keys.named(kid)) {
        return if key.verifies(message, signature) {
            Ok(())
        } else {
            Err(JwsError::Signature)
        };
    }
    if keys
        .keys()
        .iter()
        .any(|named| named.key.verifies(message, signature))
    {
        return Ok(());
    }
    Err(if kid.is_some() {
        JwsError::UnknownKey
    } else {
        JwsError::Signature
    })
}

/// A JWS that still lacks its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned(String);

impl Unsigned {
    /// With a header of RS256, `kid` and `typ`, and these claims in the order they serialize in.
    #[must_use]
    pub fn new(kid: &str, typ: &str, claims: &impl Serialize) -> Self {
        Self::with_header(kid, Some(typ), claims)
    }

    /// The same without a type: for a kind of token whose readers ask for none.
    #[must_use]
    pub fn without_type(kid: &str, claims: &impl Serialize) -> Self {
        Self::with_header(kid, None, claims)
    }

    fn with_header(kid: &str, typ: Option<&str>, claims: &impl Serialize) -> Self {
        #[derive(Serialize)]
        struct WrittenHeader<'a> {
            alg: &'static str,
            kid: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            typ: Option<&'a str>,
        }
        let alg = "RS256";
        let header = to_base64(&WrittenHeader { alg, kid, typ });
        Self(format!("{header}.{}", to_base64(claims)))
    }

    /// What the key signs.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The compact form.
    #[must_use]
    pub fn with_signature(mut self, signature: &[u8]) -> String {
        self.0.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut self.0);
        self.0
    }
}

fn to_base64(value: &impl Serialize) -> String {
    let json = serde_json::to_vec(value).expect("claims are strings, numbers and lists of those");
    BASE64_URL_SAFE_NO_PAD.encode(json)
}

#[cfg(test)]
pub(crate) mod tests;

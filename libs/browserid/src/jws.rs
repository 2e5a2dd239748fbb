//! Compact JWS (RFC 7515) as BrowserID uses it: certificates and assertions are both. Read strictly; one text has one
//! reading, and the key never comes out of the header.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{Algorithm, PublicKey, VerifyError, json};

/// Members that would bring a key or change the meaning (`security.md` E.2).
const FORBIDDEN: [&str; 6] = ["jwk", "jku", "x5u", "x5c", "crit", "b64"];

/// Names of keys are short.
const KID_LEN_MAX: usize = 256;

/// A JWS of the right shape whose signature nobody has checked.
pub(crate) struct Jws<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) claims: Map<String, Value>,
    signing_input: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, VerifyError> {
        let (signing_input, signature) = text.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, claims) = signing_input.split_once('.').ok_or(VerifyError::Malformed)?;
        // A fourth part fails in here: the alphabet has no dot.
        let [header, claims, signature] = [decode(header)?, decode(claims)?, decode(signature)?];
        let mut header = json::object(&header).ok_or(VerifyError::Malformed)?;
        if FORBIDDEN.iter().any(|name| header.contains_key(*name)) {
            return Err(VerifyError::Header);
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::named);
        let kid = match header.remove("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= KID_LEN_MAX => Some(kid),
            Some(_) => return Err(VerifyError::Header),
        };
        Ok(Self {
            algorithm: algorithm.ok_or(VerifyError::Algorithm)?,
            kid,
            claims: json::object(&claims).ok_or(VerifyError::Malformed)?,
            signing_input,
            signature,
        })
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.verifies(self.algorithm, self.signing_input.as_bytes(), &self.signature)
    }
}

/// Unpadded, canonical, and not empty.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    decoded
        .filter(|bytes| !bytes.is_empty())
        .ok_or(VerifyError::Malformed)
}

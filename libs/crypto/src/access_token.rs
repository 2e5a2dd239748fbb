//! Access tokens as JWT (`accounts.md` (e), RFC 9068): written by the keysigner, checked by the Token Server and other
//! relying parties without asking anybody.

use foxhold_core::{ClientId, Timestamp, Uid};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{
    jws::{self, JwsError, Unsigned},
    rsa_key::KeySet,
};

/// The type in the header.
pub const TYPE: &str = "at+jwt";

/// How far clocks may be apart (`tokenserver.md` section 8).
const LEEWAY_SECS: f64 = 60.0;

/// What a new token says.
#[derive(Debug, Clone, Copy)]
pub struct NewAccessToken<'a> {
    /// The public root URL.
    pub issuer: &'a str,
    /// The account.
    pub uid: Uid,
    /// Whom it is for: the client's id, or the Token Server's URL.
    pub audience: &'a str,
    /// The client it was given to.
    pub client_id: ClientId,
    /// Written in whole seconds.
    pub issued_at: Timestamp,
    /// Written in whole seconds.
    pub expires: Timestamp,
    /// The opaque id.
    pub jti: &'a str,
    /// Separated by blanks.
    pub scope: &'a str,
    /// When the password changed last; written in milliseconds.
    pub generation: Timestamp,
    /// When the profile changed last; written in milliseconds.
    pub profile_changed_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct WrittenClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    client_id: String,
    iat: u64,
    exp: u64,
    jti: &'a str,
    scope: &'a str,
    #[serde(rename = "fxa-generation")]
    generation: u64,
    #[serde(rename = "fxa-profileChangedAt", skip_serializing_if = "Option::is_none")]
    profile_changed_at: Option<u64>,
}

impl NewAccessToken<'_> {
    /// What the key called `kid` is to sign. The same claims give the same bytes.
    #[must_use]
    pub fn unsigned(&self, kid: &str) -> Unsigned {
        let claims = WrittenClaims {
            iss: self.issuer,
            sub: self.uid.to_string(),
            aud: self.audience,
            client_id: self.client_id.to_string(),
            iat: self.issued_at.as_secs(),
            exp: self.expires.as_secs(),
            jti: self.jti,
            scope: self.scope,
            generation: self.generation.as_millis(),
            profile_changed_at: self.profile_changed_at.map(Timestamp::as_millis),
        };
        Unsigned::new(kid, TYPE, &claims)
    }
}

/// What a valid token says. Who may issue it and which scope is needed is the caller's to check; the audience is not
/// looked at (`tokenserver.md` section 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The issuer, where it is named.
    pub issuer: Option<String>,
    /// The account: a uid, if the issuer is ours.
    pub subject: String,
    /// The client it was given to, where it is named.
    pub client_id: Option<String>,
    /// The opaque id, where it is named.
    pub jti: Option<String>,
    /// Separated by blanks; empty if the token names none.
    pub scope: String,
    /// When the password changed last, where the issuer reports it.
    pub generation: Option<Timestamp>,
    /// When it was made, where it says so.
    pub issued: Option<Timestamp>,
    /// End of validity, without the tolerance.
    pub expires: Timestamp,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AccessTokenError {
    /// Not a JWS of the right kind and key.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// Signed, but the claims are not those of an access token.
    #[error("unusable claims")]
    Claims,
    /// Its time is over.
    #[error("expired access token")]
    Expired,
    /// Its time has not begun.
    #[error("access token of the future")]
    NotYetValid,
    /// `fxa-generation` is there and not a whole number (Token Server: `invalid-generation`).
    #[error("the generation is not a whole number")]
    Generation,
}

#[derive(Deserialize)]
struct ReadClaims {
    iss: Option<String>,
    sub: String,
    client_id: Option<String>,
    jti: Option<String>,
    #[serde(default)]
    scope: String,
    // A NumericDate (RFC 7519 section 2) may have a fraction.
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    // `null` is there, too: it must not read as absent.
    #[serde(default, rename = "fxa-generation", deserialize_with = "even_null")]
    generation: Option<Value>,
}

fn even_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Checks signature, type and times of `token`.
///
/// # Errors
/// [`AccessTokenError`].
pub fn check(token: &str, keys: &KeySet, now: Timestamp) -> Result<AccessToken, AccessTokenError> {
    let payload = jws::verify(token, TYPE, keys)?;
    let claims: ReadClaims = serde_json::from_slice(&payload).map_err(|_| AccessTokenError::Claims)?;
    claims.check_times(now)?;
    let generation = match &claims.generation {
        None => None,
        Some(value) => Some(value.as_u64().ok_or(AccessTokenError::Generation)?),
    };
    Ok(AccessToken {
        issuer: claims.iss,
        subject: claims.sub,
        client_id: claims.client_id,
        jti: claims.jti,
        scope: claims.scope,
        generation: generation.map(Timestamp::from_millis),
        issued: claims.iat.map(timestamp),
        expires: timestamp(claims.exp),
    })
}

impl ReadClaims {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of any real date fit an f64 exactly"
    )]
    fn check_times(&self, now: Timestamp) -> Result<(), AccessTokenError> {
        let now_secs = now.as_secs() as f64;
        if self.exp < now_secs - LEEWAY_SECS {
            return Err(AccessTokenError::Expired);
        }
        let is_future = |secs: Option<f64>| secs.is_some_and(|secs| secs > now_secs + LEEWAY_SECS);
        if is_future(self.nbf) || is_future(self.iat) {
            return Err(AccessTokenError::NotYetValid);
        }
        Ok(())
    }
}

/// Whole seconds; negative times become 1970, a cast from float saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturation is what is wanted"
)]
fn timestamp(secs: f64) -> Timestamp {
    Timestamp::from_secs(secs as u64)
}

#[cfg(test)]
mod tests;

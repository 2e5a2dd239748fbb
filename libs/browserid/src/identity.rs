//! Whom a verified bundle stands for, with the claims that the Token Server's rules read.

use std::{fmt, num::NonZeroU64};

use foxhold_core::{Timestamp, record::Generation};
use serde_json::{Map, Value};

use crate::{VerifyError, bundle::Bundle, claims};

/// Ids of devices are 32 digits; they go into a hash as text.
const DEVICE_ID_LEN_MAX: usize = 255;

/// What a bundle proves.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// `uid@domain`.
    pub email: String,
    /// The half before the `@`.
    pub uid: String,
    /// The half after it.
    pub domain: String,
    /// Who signed the certificate: the domain, or one that is trusted to speak for others.
    pub issuer: String,
    /// `fxa-generation` in ms; 0 where the issuer reports none.
    pub generation: Generation,
    /// `fxa-keysChangedAt` in ms; absent and 0 are the same.
    pub keys_changed_at: Option<NonZeroU64>,
    /// `fxa-deviceId`.
    pub device_id: Option<String>,
    /// `fxa-lastAuthAt`, in whole seconds. Anything that is not a number of seconds counts as absent.
    pub last_auth_at: Option<Timestamp>,
    /// When the proof ends: with the assertion or with the certificate, whichever ends first.
    pub expires: Timestamp,
}

/// Shows nothing that names a person.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .field("generation", &self.generation)
            .field("keys_changed_at", &self.keys_changed_at)
            .finish_non_exhaustive()
    }
}

/// The claims of an issuer about its user, as far as they matter here.
pub(crate) struct IdpClaims {
    generation: Generation,
    keys_changed_at: Option<NonZeroU64>,
    device_id: Option<String>,
    last_auth_at: Option<Timestamp>,
}

impl IdpClaims {
    pub(crate) fn read(claims: &Map<String, Value>) -> Result<Self, VerifyError> {
        // Absent in certificates of other providers, and then it is true.
        if claims
            .get("fxa-tokenVerified")
            .is_some_and(|value| *value != true)
        {
            return Err(VerifyError::TokenUnverified);
        }
        let generation = claims::optional_millis(claims, "fxa-generation", VerifyError::Generation)?;
        let keys_changed_at =
            claims::optional_millis(claims, "fxa-keysChangedAt", VerifyError::KeysChangedAt)?;
        let device_id = match claims.get("fxa-deviceId") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if id.len() <= DEVICE_ID_LEN_MAX => Some(id.clone()),
            Some(_) => return Err(VerifyError::Claims),
        };
        let last_auth_at = claims.get("fxa-lastAuthAt").and_then(Value::as_u64);
        Ok(Self {
            generation: Generation(generation.unwrap_or(0)),
            keys_changed_at: keys_changed_at.and_then(NonZeroU64::new),
            device_id,
            last_auth_at: last_auth_at.map(Timestamp::from_secs),
        })
    }
}

impl Identity {
    /// Of a bundle whose signatures are good.
    pub(crate) fn of(bundle: &Bundle<'_>) -> Result<Self, VerifyError> {
        let certificate = &bundle.certificate;
        let claims = IdpClaims::read(&certificate.jws.claims)?;
        let expires = certificate.expires.min(bundle.assertion.expires);
        let (uid, domain) = (&certificate.uid, &certificate.domain);
        Ok(Self::new(uid, domain, &certificate.issuer, claims, expires))
    }

    pub(crate) fn new(uid: &str, domain: &str, issuer: &str, claims: IdpClaims, expires: Timestamp) -> Self {
        Self {
            email: format!("{uid}@{domain}"),
            uid: uid.to_owned(),
            domain: domain.to_owned(),
            issuer: issuer.to_owned(),
            generation: claims.generation,
            keys_changed_at: claims.keys_changed_at,
            device_id: claims.device_id,
            last_auth_at: claims.last_auth_at,
            expires,
        }
    }
}

//! The bundle as a client sends it, `certificate~assertion`, with everything read that can be read without believing it.

use std::fmt;

use foxhold_core::Timestamp;
use serde_json::Value;

use crate::{Algorithm, PublicKey, VerifyError, claims, domain, jws::Jws};

/// The longest bundle that is looked at, in bytes (`security.md` E.2).
pub const LEN_MAX: usize = 16 * 1024;

/// A bundle of the right shape. Nothing of it is verified.
pub struct Bundle<'a> {
    pub(crate) certificate: Certificate<'a>,
    pub(crate) assertion: Assertion<'a>,
}

pub(crate) struct Certificate<'a> {
    pub(crate) jws: Jws<'a>,
    pub(crate) issuer: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) uid: String,
    pub(crate) domain: String,
    pub(crate) public_key: PublicKey,
}

pub(crate) struct Assertion<'a> {
    pub(crate) jws: Jws<'a>,
    pub(crate) audience: String,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) expires: Timestamp,
}

/// Says nothing of whom it names, nor what could be used again.
impl fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bundle(..)")
    }
}

impl<'a> Bundle<'a> {
    /// From its text: one certificate, one assertion, both well formed, with keys of sizes that are taken.
    ///
    /// # Errors
    /// [`VerifyError`], always of the row [`crate::Row::InvalidCredentials`].
    pub fn parse(text: &'a str) -> Result<Self, VerifyError> {
        if text.len() > LEN_MAX {
            return Err(VerifyError::TooLong);
        }
        let (certificate, assertion) = text.split_once('~').ok_or(VerifyError::CertificateCount)?;
        if assertion.contains('~') {
            return Err(VerifyError::CertificateCount);
        }
        let certificate = Certificate::parse(certificate)?;
        let assertion = Assertion::parse(assertion)?;
        if !certificate.public_key.signs_with(assertion.jws.algorithm) {
            return Err(VerifyError::Algorithm);
        }
        Ok(Self {
            certificate,
            assertion,
        })
    }
}

impl Bundle<'_> {
    /// Whether verifying it takes milliseconds and more: some of it is signed by DSA, as old browsers do.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        let algorithms = [self.certificate.jws.algorithm, self.assertion.jws.algorithm];
        algorithms
            .iter()
            .any(|algorithm| matches!(algorithm, Algorithm::Ds128 | Algorithm::Ds256))
    }
}

impl<'a> Certificate<'a> {
    fn parse(text: &'a str) -> Result<Self, VerifyError> {
        let jws = Jws::parse(text)?;
        // The key of an issuer lives for years: none of the short sizes.
        if !matches!(jws.algorithm, Algorithm::Rs256 | Algorithm::Ds256) {
            return Err(VerifyError::Algorithm);
        }
        let issuer = claims::text(&jws.claims, "iss")?.to_owned();
        if !domain::is_domain(&issuer) {
            return Err(VerifyError::Claims);
        }
        let principal = jws.claims.get("principal").and_then(|value| value.get("email"));
        let principal = principal.and_then(Value::as_str).ok_or(VerifyError::Principal)?;
        let (uid, domain) = domain::split_principal(principal).ok_or(VerifyError::Principal)?;
        let (uid, domain) = (uid.to_owned(), domain.to_owned());
        let public_key = jws.claims.get("public-key").and_then(Value::as_object);
        let public_key = public_key.and_then(|members| PublicKey::from_members(members).ok());
        Ok(Self {
            issued_at: claims::time(&jws.claims, "iat")?,
            expires: claims::time(&jws.claims, "exp")?,
            public_key: public_key.ok_or(VerifyError::PublicKey)?,
            jws,
            issuer,
            uid,
            domain,
        })
    }
}

impl<'a> Assertion<'a> {
    fn parse(text: &'a str) -> Result<Self, VerifyError> {
        let jws = Jws::parse(text)?;
        Ok(Self {
            audience: claims::text(&jws.claims, "aud")?.to_owned(),
            issued_at: claims::optional_time(&jws.claims, "iat")?,
            expires: claims::time(&jws.claims, "exp")?,
            jws,
        })
    }
}

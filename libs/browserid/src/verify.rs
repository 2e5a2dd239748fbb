//! The verdict on a bundle: everything free first, then the issuer's document, then signatures, and only then what the
//! certificate claims.

use std::time::Duration;

use foxhold_core::{Deadline, Timestamp};

use crate::{
    Identity, IssuerKey, SupportDocuments, VerifyError,
    bundle::{Assertion, Bundle, Certificate},
    issuer,
};

/// How far ahead of ours the clock of an issuer may be; as far as issuers themselves set a certificate back
/// (`security.md` C.1, E.2).
const AHEAD_MAX: Duration = Duration::from_secs(10);

/// The longest life of a certificate: a day (`tokenserver.md` section 8) from the moment it was signed, which is
/// [`AHEAD_MAX`] after the one written in it.
const CERTIFICATE_LIFE_MAX: Duration = Duration::from_secs(24 * 3600 + AHEAD_MAX.as_secs());

/// What a bundle has to fit.
#[derive(Debug, Clone, Copy)]
pub struct Expectations<'a> {
    /// The origin of this server, exactly as clients write it.
    pub audience: &'a str,
    /// The issuers a service takes, in lower-case A-labels. Any, if it is `["*"]` and nothing else.
    pub allowed_issuers: &'a [String],
    /// Issuers that may speak for domains other than their own.
    pub trusted_issuers: &'a [String],
    /// The domains whose users a service takes; `None` for any.
    pub allowed_email_domains: Option<&'a [String]>,
    /// The time to judge by.
    pub now: Timestamp,
    /// How long after its end an assertion is still taken: the clocks of browsers are bad. Two minutes
    /// (`security.md` E.2).
    pub skew: Duration,
}

/// Whom `bundle` stands for. Asks `documents` only for an issuer that `expected` allows, and not at all for a bundle that
/// is not good in every other way. Two RSA or, of old browsers, DSA verifications are made on the calling thread; whoever
/// cannot spare it takes the two halves, [`issuer_keys`] and [`prove`].
///
/// # Errors
/// [`VerifyError`]; only [`VerifyError::IssuerUnavailable`] is no verdict.
pub async fn verify(
    bundle: &Bundle<'_>,
    expected: &Expectations<'_>,
    documents: &dyn SupportDocuments,
    by: Deadline,
) -> Result<Identity, VerifyError> {
    let keys = issuer_keys(bundle, expected, documents, by).await?;
    prove(bundle, &keys)
}

/// The keys that one of must have made the certificate, once the bundle fits in every other way.
///
/// # Errors
/// As [`verify`].
pub async fn issuer_keys(
    bundle: &Bundle<'_>,
    expected: &Expectations<'_>,
    documents: &dyn SupportDocuments,
    by: Deadline,
) -> Result<Vec<IssuerKey>, VerifyError> {
    let Bundle {
        certificate,
        assertion,
    } = bundle;
    expected.check_times(certificate, assertion)?;
    if assertion.audience != expected.audience {
        return Err(VerifyError::Audience);
    }
    expected.check_issuer(&certificate.issuer, &certificate.domain)?;
    issuer::keys(&certificate.issuer, documents, by).await
}

/// Whom a bundle stands for that fits ([`issuer_keys`]): both signatures, and then the claims. Slow where
/// [`Bundle::is_slow`].
///
/// # Errors
/// As [`verify`].
pub fn prove(bundle: &Bundle<'_>, keys: &[IssuerKey]) -> Result<Identity, VerifyError> {
    let Bundle {
        certificate,
        assertion,
    } = bundle;
    if !issuer::is_signed_by_one_of(&certificate.jws, keys) {
        return Err(VerifyError::CertificateSignature);
    }
    if !assertion.jws.is_signed_by(&certificate.public_key) {
        return Err(VerifyError::AssertionSignature);
    }
    Identity::of(bundle)
}

impl Expectations<'_> {
    /// That the assertion ends after its certificate is no fault: Firefox writes 25 years into it, so as not to depend on
    /// the browser's clock. It is bounded by the certificate, without which it proves nothing.
    fn check_times(
        &self,
        certificate: &Certificate<'_>,
        assertion: &Assertion<'_>,
    ) -> Result<(), VerifyError> {
        if assertion.expires.plus(self.skew) <= self.now {
            return Err(VerifyError::AssertionExpired);
        }
        if certificate.expires <= self.now {
            return Err(VerifyError::CertificateExpired);
        }
        let is_ahead = |at: Timestamp, by: Duration| at > self.now.plus(by);
        if is_ahead(certificate.issued_at, AHEAD_MAX)
            || assertion.issued_at.is_some_and(|at| is_ahead(at, self.skew))
        {
            return Err(VerifyError::NotYetValid);
        }
        if certificate.expires.since(certificate.issued_at) > CERTIFICATE_LIFE_MAX {
            return Err(VerifyError::CertificateLifetime);
        }
        Ok(())
    }

    /// Whether `issuer` is taken, and may speak for users of `domain`.
    pub(crate) fn check_issuer(&self, issuer: &str, domain: &str) -> Result<(), VerifyError> {
        let names = |names: &[String], name: &str| names.iter().any(|one| one == name);
        if issuer != domain && !names(self.trusted_issuers, issuer) {
            return Err(VerifyError::IssuerOfDomain);
        }
        if self.allowed_issuers != ["*"] && !names(self.allowed_issuers, issuer) {
            return Err(VerifyError::IssuerNotAllowed);
        }
        let allowed_domains = self.allowed_email_domains;
        if allowed_domains.is_some_and(|domains| !names(domains, domain)) {
            return Err(VerifyError::EmailDomainNotAllowed);
        }
        Ok(())
    }
}

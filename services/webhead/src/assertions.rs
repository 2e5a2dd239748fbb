//! BrowserID for the token exchange: what a service's policy takes, and the verdict of `foxhold-browserid`, or of a
//! verifier that the operator has named, in the words of the exchange.

mod remote;
mod slow;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_browserid::{Bundle, Expectations, Identity, SupportDocuments, VerifyError, issuer_keys, prove};
use foxhold_core::{
    Clock, Deadline,
    record::{ServicePolicy, UserKey},
};
use foxhold_ports::Cause;
use foxhold_sync::{
    credential::{AssertionError, AssertionVerifier, VerifiedAssertion},
    reason::Reason,
};

pub use self::{
    remote::{Audience, BrowserIdError, BrowserIdSettings, RemoteAssertions, RemoteVerifier},
    slow::SlowProofs,
};
use crate::{home_domain::HomeDomain, issuer_documents::IssuerDocuments};

/// How far a browser's clock may be behind (`security.md` E.2).
const SKEW: Duration = Duration::from_secs(120);

/// Verifies bundles for one audience.
pub struct Assertions {
    /// The Token Server's origin, as clients write it.
    pub audience: String,
    /// The domain of the users with access tokens, which is another than the own one if they are another server's.
    pub home: Arc<HomeDomain>,
    /// Where issuers' keys come from.
    pub documents: Arc<IssuerDocuments>,
    /// Where signatures are verified that take long.
    pub slow: SlowProofs,
    /// The time to judge by.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl AssertionVerifier for Assertions {
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        bundle: &str,
        policy: &ServicePolicy,
    ) -> Result<VerifiedAssertion, AssertionError> {
        let parsed = Bundle::parse(bundle).map_err(refused)?;
        let shown = Shown {
            by,
            from,
            text: bundle,
            parsed: &parsed,
        };
        let expected = expectations(&self.audience, policy, &*self.clock);
        let documents = &*self.documents;
        let identity = match self.verify_with(&shown, &expected, documents).await {
            // The issuer may have a new key, of which nobody here has heard.
            Err(AssertionError::Invalid(Reason::BundleCertificateSignature)) => {
                self.verify_with(&shown, &expected, &documents.fresh()).await?
            }
            verdict => verdict?,
        };
        let home = self.home.get(by).await.map_err(AssertionError::Unavailable)?;
        taken(identity, [documents.own_domain(), home])
    }
}

/// A bundle, and who waits for its verdict.
struct Shown<'a> {
    by: Deadline,
    from: Option<IpAddr>,
    text: &'a str,
    parsed: &'a Bundle<'a>,
}

impl Assertions {
    async fn verify_with(
        &self,
        shown: &Shown<'_>,
        expected: &Expectations<'_>,
        documents: &dyn SupportDocuments,
    ) -> Result<Identity, AssertionError> {
        let keys = issuer_keys(shown.parsed, expected, documents, shown.by).await;
        let keys = keys.map_err(refused)?;
        let proven = if shown.parsed.is_slow() {
            let proving = self.slow.prove(shown.by, shown.from, shown.text, keys).await;
            proving.map_err(AssertionError::Unavailable)?
        } else {
            prove(shown.parsed, &keys)
        };
        proven.map_err(refused)
    }
}

fn expectations<'a>(audience: &'a str, policy: &'a ServicePolicy, clock: &dyn Clock) -> Expectations<'a> {
    let domains = policy.allowed_email_domains.as_slice();
    Expectations {
        audience,
        allowed_issuers: &policy.allowed_issuers,
        trusted_issuers: &policy.trusted_issuers,
        allowed_email_domains: (!domains.is_empty()).then_some(domains),
        now: clock.now(),
        skew: SKEW,
    }
}

/// Whatever a service trusts its issuers with: of `guarded` domains users come by another credential, too, which only
/// their own issuer can make.
fn taken(identity: Identity, guarded: [&str; 2]) -> Result<VerifiedAssertion, AssertionError> {
    if guarded.contains(&identity.domain.as_str()) && identity.issuer != identity.domain {
        return Err(AssertionError::Invalid(Reason::BundleIssuerOfOwnDomain));
    }
    Ok(VerifiedAssertion {
        user: UserKey(identity.email),
        issuer: identity.issuer,
        generation: identity.generation,
        keys_changed_at: identity.keys_changed_at,
        device_id: identity.device_id,
        last_auth_at: identity.last_auth_at,
    })
}

/// The row of `tokenserver.md` section 4, and the word in logs.
fn refused(error: VerifyError) -> AssertionError {
    use AssertionError::{Invalid, Time};
    use VerifyError as E;
    match error {
        E::TooLong => Invalid(Reason::BundleTooLong),
        E::CertificateCount => Invalid(Reason::BundleCertificateCount),
        E::Malformed => Invalid(Reason::BundleMalformed),
        E::Header => Invalid(Reason::BundleHeader),
        E::Algorithm => Invalid(Reason::BundleAlgorithm),
        E::PublicKey => Invalid(Reason::BundlePublicKey),
        E::Claims => Invalid(Reason::BundleClaims),
        E::Principal => Invalid(Reason::BundlePrincipal),
        E::AssertionExpired => Time(Reason::BundleAssertionExpired),
        E::CertificateExpired => Time(Reason::BundleCertificateExpired),
        E::NotYetValid => Time(Reason::BundleNotYetValid),
        E::CertificateLifetime => Invalid(Reason::BundleCertificateLifetime),
        E::Audience => Invalid(Reason::BundleAudience),
        E::IssuerOfDomain => Invalid(Reason::BundleIssuerOfDomain),
        E::IssuerNotAllowed => Invalid(Reason::BundleIssuerNotAllowed),
        E::EmailDomainNotAllowed => Invalid(Reason::BundleEmailDomainNotAllowed),
        E::IssuerForbidden => Invalid(Reason::BundleIssuerForbidden),
        E::NoIssuer => Invalid(Reason::BundleNoIssuer),
        E::Delegation => Invalid(Reason::BundleDelegation),
        E::CertificateSignature => Invalid(Reason::BundleCertificateSignature),
        E::AssertionSignature => Invalid(Reason::BundleAssertionSignature),
        E::TokenUnverified => Invalid(Reason::BundleTokenUnverified),
        E::VerifierTime => Time(Reason::BundleVerifierTime),
        E::VerifierRefused => Invalid(Reason::BundleVerifierRefused),
        E::Generation => AssertionError::Generation,
        E::KeysChangedAt => AssertionError::KeysChangedAt,
        E::IssuerUnavailable => AssertionError::Unavailable(Cause::Unavailable),
    }
}

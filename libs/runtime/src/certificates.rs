//! A private authority and short-lived certificates for the roles of a fleet: for tests, and for fleets too small to run
//! an authority of their own. `foxhold certificates create` writes them to files.
//!
//! What must stay true: a role's certificate carries exactly one URI name, lives a day at most (`security.md` C.2), and
//! serves both sides of a connection.

mod files;
#[cfg(test)]
mod tests;

use std::time::Duration;

use foxhold_core::{Clock, Random, Timestamp, random};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};
use zeroize::Zeroizing;

use crate::tls::{SpiffeId, TlsError, TlsIdentity};

pub use files::{CreateError, CreateOptions, Created, create, settings};

/// The longest life of a role's certificate.
pub const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long an authority lives.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// Machines' clocks differ a little.
const BACKDATING: Duration = Duration::from_secs(300);

/// Certificates that cannot be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// More than a day.
    #[error("a certificate lives 24 hours at most")]
    LifetimeTooLong,
    /// A host name that cannot stand in a certificate.
    #[error("`{0}` is neither a host name nor an address")]
    HostName(String),
    /// The authority's files are not what this module writes.
    #[error("the authority's certificate or key cannot be read")]
    Authority,
    /// The library refuses.
    #[error("making a certificate")]
    Making(#[from] rcgen::Error),
}

/// A certificate and its key, PEM.
pub struct Pair {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: Zeroizing<String>,
}

impl Pair {
    /// For a TLS configuration without files.
    ///
    /// # Errors
    /// The certificate carries no identity, or is none.
    pub fn identity(&self, authority: &Authority) -> Result<TlsIdentity, TlsError> {
        let der = |pem: &str| {
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| TlsError::Certificate {
                key: "certificate",
                path: "(memory)".into(),
            })
        };
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|_| TlsError::Key)?;
        TlsIdentity::from_der(
            vec![der(&self.certificate_pem)?],
            key,
            vec![der(authority.certificate_pem())?],
        )
    }
}

/// What stands in a role's certificate.
#[derive(Debug, Clone)]
pub struct Subject {
    /// URI names: exactly one, unless a test wants to see it refused.
    pub uris: Vec<String>,
    /// Host names and addresses, for tools that look at them; our own peers do not.
    pub hosts: Vec<String>,
    /// How long it lives.
    pub lifetime: Duration,
}

impl Subject {
    /// Of one process, on this machine.
    #[must_use]
    pub fn of(id: &SpiffeId, lifetime: Duration) -> Self {
        Self {
            uris: vec![id.to_string()],
            hosts: vec![
                "localhost".into(),
                "127.0.0.1".into(),
                "::1".into(),
                id.role().to_string(),
            ],
            lifetime,
        }
    }
}

/// The deployment's authority.
pub struct Authority {
    certificate_pem: String,
    key_pem: Zeroizing<String>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new one, good for a year.
    ///
    /// # Errors
    /// The library refuses.
    pub fn create(
        trust_domain: &str,
        clock: &dyn Clock,
        source: &dyn Random,
    ) -> Result<Self, CertificateError> {
        let key = KeyPair::generate()?;
        let now = clock.now();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{trust_domain} authority"));
        params.serial_number = Some(serial(source));
        params.not_before = date(now.minus(BACKDATING))?;
        params.not_after = date(now.plus(AUTHORITY_LIFETIME))?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
            issuer: Issuer::new(params, key),
        })
    }

    /// Takes up one that was made before.
    ///
    /// # Errors
    /// The texts are not a certificate and its key.
    pub fn from_pem(certificate_pem: String, key_pem: Zeroizing<String>) -> Result<Self, CertificateError> {
        let unreadable = |_| CertificateError::Authority;
        let key = KeyPair::from_pem(&key_pem).map_err(unreadable)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(unreadable)?;
        Ok(Self {
            certificate_pem,
            key_pem,
            issuer,
        })
    }

    /// Its certificate: what every process must believe.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key: whoever has it can be anybody.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Whether it ends before `at`: certificates it makes would end with it.
    ///
    /// # Errors
    /// Its own certificate cannot be read.
    pub fn ends_before(&self, at: Timestamp) -> Result<bool, CertificateError> {
        let der = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .map_err(|_| CertificateError::Authority)?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| CertificateError::Authority)?;
        let end = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or_default();
        Ok(Timestamp::from_secs(end) < at)
    }

    /// Makes a certificate.
    ///
    /// # Errors
    /// Too long a life, or a name that cannot stand in a certificate.
    pub fn issue(
        &self,
        subject: &Subject,
        clock: &dyn Clock,
        source: &dyn Random,
    ) -> Result<Pair, CertificateError> {
        if subject.lifetime > LIFETIME_MAX {
            return Err(CertificateError::LifetimeTooLong);
        }
        let key = KeyPair::generate()?;
        let now = clock.now();
        let mut params = CertificateParams::new(subject.hosts.clone())
            .map_err(|_| CertificateError::HostName(subject.hosts.join(", ")))?;
        for uri in &subject.uris {
            let name = uri
                .as_str()
                .try_into()
                .map_err(|_| CertificateError::HostName(uri.clone()))?;
            params.subject_alt_names.push(SanType::URI(name));
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.serial_number = Some(serial(source));
        params.not_before = date(now.minus(BACKDATING))?;
        params.not_after = date(now.plus(subject.lifetime))?;
        Ok(Pair {
            certificate_pem: params.signed_by(&key, &self.issuer)?.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }
}

/// Sixteen random bytes, positive as RFC 5280 4.1.2.2 asks.
fn serial(source: &dyn Random) -> SerialNumber {
    let mut bytes: [u8; 16] = random::bytes(source);
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, CertificateError> {
    let secs = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(secs).map_err(|_| CertificateError::Making(rcgen::Error::Time))
}

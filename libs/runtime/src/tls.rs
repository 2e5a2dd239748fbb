//! Mutual TLS between the tiers (`security.md` C.2): TLS 1.3 only, both sides show a certificate of the deployment's own
//! authority, and who a peer is stands in the certificate's URI name, never in an address or a host name.
//!
//! What must stay true: the name is judged inside the handshake, so that a wrong peer never gets to send a request; a
//! client also says which role it expects of the server; nothing is resumed, and no connection outlives the certificate that
//! it was opened with, so that an expired certificate ends there.

mod current;
mod follow;
mod handshake;
mod identity;
mod verify;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use foxhold_core::{Clock, Timestamp};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    sign::CertifiedKey,
    time_provider::TimeProvider,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

pub use follow::Following;
pub(crate) use handshake::accepted;
pub use identity::{IdentityError, Role, SpiffeId};

use crate::{
    config::{SecretError, SecretFile, Secrets},
    metrics::{amount, list as metrics},
};
use current::{Current, Material};
use verify::{PeerVerifier, ServerRoleVerifier};

/// Where a tier's certificate lies.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate chain, PEM, own certificate first.
    #[schemars(extend("x-reload" = "file"))]
    pub certificate_file: PathBuf,
    /// Its private key, PEM, mode 0600.
    #[schemars(extend("x-reload" = "file"))]
    pub key_file: SecretFile,
    /// The authority's certificates, PEM.
    #[schemars(extend("x-reload" = "file"))]
    pub authority_file: PathBuf,
    /// The deployment's name in URI names: `spiffe://<trust_domain>/<region>/<role>`.
    pub trust_domain: String,
}

/// Certificates that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A PEM file that cannot be read or holds no certificate.
    #[error(
        "`{key}`: {path} holds no usable certificate. fix: a PEM file; foxhold certificates create makes one"
    )]
    Certificate {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be read.
    #[error(transparent)]
    KeyFile(#[from] SecretError),
    /// The key file holds no private key.
    #[error("`tls.key_file` holds no private key in PEM. fix: foxhold certificates create makes one")]
    Key,
    /// The own certificate carries no usable identity.
    #[error("the own certificate has no usable identity")]
    OwnIdentity(#[source] IdentityError),
    /// The own certificate is of another deployment than the configuration says.
    #[error("the own certificate is of another trust domain than `tls.trust_domain`")]
    OtherTrustDomain,
    /// The files changed, and are somebody else's now.
    #[error("the certificate is another role's or region's than the one the process began with")]
    OtherIdentity,
    /// rustls refuses the material.
    #[error("the certificate and key cannot be used")]
    Rustls(#[from] rustls::Error),
    /// The authority's certificates cannot be used.
    #[error("the authority's certificates cannot be used")]
    Authority(#[from] VerifierBuilderError),
    /// Somebody with the same authority does not take it now: it is over, or was signed by another.
    #[error("the own certificate is refused by whoever has the same authority")]
    Refused(#[source] rustls::Error),
}

/// Who this process is, and whom it believes.
pub struct TlsIdentity {
    current: Arc<Current>,
    id: SpiffeId,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl TlsIdentity {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`], which names the key of the configuration.
    pub fn load(settings: &TlsSettings, secrets: &Secrets) -> Result<Self, TlsError> {
        let (material, id) = read(settings, secrets)?;
        material.tell_expiry();
        Ok(Self::of(material, id))
    }

    /// From certificates and a key in memory.
    ///
    /// # Errors
    /// The own certificate has no usable identity, or an authority's certificate is none.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        authority: Vec<CertificateDer<'static>>,
    ) -> Result<Self, TlsError> {
        let (material, id) = material(chain, key, authority)?;
        Ok(Self::of(material, id))
    }

    fn of(material: Material, id: SpiffeId) -> Self {
        let current = Arc::new(Current::new(material));
        Self { current, id }
    }

    /// The own identity.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// How much longer whoever has the same authority takes the own certificate.
    ///
    /// # Errors
    /// [`TlsError::Refused`]: they do not take it now.
    pub fn lasts(&self, now: Timestamp) -> Result<Duration, TlsError> {
        let material = self.current.get();
        let chain = &material.certified.cert;
        let none = TlsError::OwnIdentity(IdentityError::NoCertificate);
        let (own, others) = chain.split_first().ok_or(none)?;
        let at = UnixTime::since_unix_epoch(Duration::from_millis(now.as_millis()));
        let taken = material.clients.verify_client_cert(own, others, at);
        taken.map_err(TlsError::Refused)?;
        Ok(left_of(Some(chain), now))
    }

    /// What a private tier's listener speaks.
    ///
    /// # Errors
    /// rustls refuses the material.
    pub fn server_config(&self, clock: Arc<dyn Clock>) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier = PeerVerifier::new(Arc::clone(&self.current), self.id.trust_domain());
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(ProcessTime(clock)))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&self.current) as _);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// The same for a listener that speaks HTTP to tools: HTTP/1.1 or HTTP/2, as they like.
    ///
    /// # Errors
    /// rustls refuses the material.
    pub fn http_server_config(&self, clock: Arc<dyn Clock>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::clone(&*self.server_config(clock)?);
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// What a client speaks to the tier `server`.
    ///
    /// # Errors
    /// rustls refuses the material.
    pub fn client_config(&self, clock: Arc<dyn Clock>, server: Role) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = provider();
        let verifier = ServerRoleVerifier::new(
            Arc::clone(&self.current),
            provider.signature_verification_algorithms,
            self.id.trust_domain(),
            server,
        );
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(ProcessTime(clock)))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::clone(&self.current) as _);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

impl Material {
    /// A certificate lives a day: somebody has to see in time that no new one has come.
    fn tell_expiry(&self) {
        if let Some(end) = self.certified.cert.first().and_then(end_of) {
            metrics::TLS_EXPIRY.of(["tier"]).set(amount(end.as_secs()));
        }
    }
}

/// Reads the files of a certificate, and whose it is.
fn read(settings: &TlsSettings, secrets: &Secrets) -> Result<(Material, SpiffeId), TlsError> {
    let chain = certificates("tls.certificate_file", &settings.certificate_file)?;
    let pem = secrets.read("tls.key_file", &settings.key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::Key)?;
    let authority = certificates("tls.authority_file", &settings.authority_file)?;
    let (material, id) = material(chain, key, authority)?;
    if id.trust_domain() == settings.trust_domain {
        Ok((material, id))
    } else {
        Err(TlsError::OtherTrustDomain)
    }
}

fn material(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: Vec<CertificateDer<'static>>,
) -> Result<(Material, SpiffeId), TlsError> {
    let own = chain.first();
    let own = own.ok_or(TlsError::OwnIdentity(IdentityError::NoCertificate))?;
    let id = SpiffeId::from_certificate(own).map_err(TlsError::OwnIdentity)?;
    let mut roots = RootCertStore::empty();
    for certificate in authority {
        roots.add(certificate)?;
    }
    let (roots, provider) = (Arc::new(roots), provider());
    // Says also whether the key is the certificate's: the two files are not replaced in one moment.
    let certified = Arc::new(CertifiedKey::from_der(chain, key, &provider)?);
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider).build()?;
    let material = Material {
        certified,
        roots,
        clients,
    };
    Ok((material, id))
}

/// When a certificate is over.
fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let secs = u64::try_from(parsed.validity().not_after.timestamp());
    Some(Timestamp::from_secs(secs.unwrap_or_default()))
}

/// How long a peer's certificate lasts from `now` on.
pub(crate) fn left_of(chain: Option<&[CertificateDer<'_>]>, now: Timestamp) -> Duration {
    let end = chain.and_then(<[_]>::first).and_then(end_of);
    end.map_or(Duration::ZERO, |end| {
        Duration::from_millis(end.as_millis().saturating_sub(now.as_millis()))
    })
}

/// ring, by name: which provider a process happens to have installed does not matter here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(key: &'static str, path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = || TlsError::Certificate {
        key,
        path: path.clone(),
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(|_| unusable())?
        .collect::<Result<_, _>>()
        .map_err(|_| unusable())?;
    if found.is_empty() {
        Err(unusable())
    } else {
        Ok(found)
    }
}

/// The process's one clock, as rustls asks for it.
struct ProcessTime(Arc<dyn Clock>);

impl fmt::Debug for ProcessTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessTime")
    }
}

impl TimeProvider for ProcessTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since_epoch = std::time::Duration::from_millis(self.0.now().as_millis());
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}

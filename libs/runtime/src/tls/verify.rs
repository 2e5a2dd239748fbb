//! What rustls asks in a handshake: first whether the chain leads to our authority and is in time, then whether the URI
//! name is one of ours. Either refusal ends the handshake.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{Role, SpiffeId, current::Current};

const REFUSED: Error = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);

/// The identity, if it is of this deployment.
fn identity_in(trust_domain: &str, certificate: &CertificateDer<'_>) -> Result<SpiffeId, Error> {
    let id = SpiffeId::from_certificate(certificate).map_err(|error| {
        tracing::info!(%error, "a peer's certificate has no usable identity");
        REFUSED
    })?;
    if id.trust_domain() == trust_domain {
        Ok(id)
    } else {
        tracing::info!("a peer is of another trust domain");
        Err(REFUSED)
    }
}

/// Checks clients: chain, time, purpose, then the URI name. Which calls its role may make is decided per call.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    current: Arc<Current>,
    trust_domain: String,
}

impl PeerVerifier {
    pub(super) fn new(current: Arc<Current>, trust_domain: &str) -> Self {
        Self {
            current,
            trust_domain: trust_domain.to_owned(),
        }
    }
}

impl ClientCertVerifier for PeerVerifier {
    /// None: a tier has one certificate, and shows it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chains = &self.current.get().clients;
        let verified = chains.verify_client_cert(end_entity, intermediates, now)?;
        identity_in(&self.trust_domain, end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current
            .get()
            .clients
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current
            .get()
            .clients
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current.get().clients.supported_verify_schemes()
    }
}

/// Checks servers: chain, time, purpose, then that the URI name is of the role that is called. The host name is not
/// compared: instances come and go under any address, and a name that resolves proves nothing about a role.
pub(super) struct ServerRoleVerifier {
    current: Arc<Current>,
    algorithms: WebPkiSupportedAlgorithms,
    trust_domain: String,
    role: Role,
}

impl fmt::Debug for ServerRoleVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRoleVerifier")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl ServerRoleVerifier {
    pub(super) fn new(
        current: Arc<Current>,
        algorithms: WebPkiSupportedAlgorithms,
        trust_domain: &str,
        role: Role,
    ) -> Self {
        Self {
            current,
            algorithms,
            trust_domain: trust_domain.to_owned(),
            role,
        }
    }
}

impl ServerCertVerifier for ServerRoleVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.current.get().roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let id = identity_in(&self.trust_domain, end_entity)?;
        if id.role() == self.role {
            Ok(ServerCertVerified::assertion())
        } else {
            tracing::warn!(expected = %self.role, found = %id.role(), "a server has another role than the one called");
            Err(REFUSED)
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

//! The ways by which a connection comes in: open to everybody, with a certificate of the deployment, or from the same
//! machine. They differ in what is known of the peer, and in nothing else.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::connection::{Edge, Peer};
use crate::tls::{SpiffeId, accepted};

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Whom the peer of a connection has proved to be, as an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its one URI name.
    pub id: SpiffeId,
    /// Its serial number, hexadecimal: tells certificates of the same name apart.
    pub serial: String,
}

impl PeerCertificate {
    /// `None` without a usable identity. A handshake lets none of those in.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let id = SpiffeId::from_certificate(certificate).ok()?;
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        Some(Self {
            id,
            serial: parsed.raw_serial_as_string().replace(':', ""),
        })
    }
}

/// A way in.
pub(super) trait Door: Send {
    /// Somebody at the door.
    type Arrival: Send + 'static;

    /// Waits for somebody.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Arrival>> + Send;

    /// Serves somebody to the end of the connection.
    fn enter(arrival: Self::Arrival, edge: Edge) -> impl Future<Output = ()> + Send;
}

/// For everybody.
pub(super) struct Open(pub(super) TcpListener);

impl Door for Open {
    type Arrival = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<Self::Arrival> {
        accept_tcp(&self.0).await
    }

    async fn enter((stream, address): Self::Arrival, edge: Edge) {
        edge.serve(stream, Peer::at(address)).await;
    }
}

/// For those with a certificate.
pub(super) struct Certified {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Certified {
    pub(super) fn new(listener: TcpListener, tls: Arc<ServerConfig>) -> Self {
        Self {
            listener,
            tls: TlsAcceptor::from(tls),
        }
    }
}

impl Door for Certified {
    type Arrival = (TcpStream, SocketAddr, TlsAcceptor);

    async fn accept(&self) -> io::Result<Self::Arrival> {
        let (stream, address) = accept_tcp(&self.listener).await?;
        Ok((stream, address, self.tls.clone()))
    }

    async fn enter((stream, address, tls): Self::Arrival, edge: Edge) {
        let Some(stream) = accepted(&tls, stream, HANDSHAKE_MAX, &edge.shutdown).await else {
            return;
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(|chain| PeerCertificate::of(chain.first()?));
        let Some(certificate) = certificate else {
            tracing::error!("a handshake let a peer without identity in");
            return;
        };
        edge.serve(stream, Peer::certified(address, certificate)).await;
    }
}

/// For processes of the same machine.
pub(super) struct Local(pub(super) UnixListener);

impl Door for Local {
    type Arrival = UnixStream;

    async fn accept(&self) -> io::Result<Self::Arrival> {
        Ok(self.0.accept().await?.0)
    }

    async fn enter(stream: Self::Arrival, edge: Edge) {
        edge.serve(stream, Peer::default()).await;
    }
}

async fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    // Small answers must not wait for each other. A socket that refuses this works all the same.
    let _ = stream.set_nodelay(true);
    Ok((stream, address))
}

//! One look at an instance of a private tier, as those see it who call the tier: who it is, how long it will be, and whether
//! it takes calls. For an operator's check of a configuration (`ecosystem.md` 3.2); callers themselves use
//! [`channel`](crate::channel).
//!
//! What must stay true: nothing is called that changes anything, and every look ends by its deadline.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use foxhold_core::{Clock as _, Deadline};
use rustls::{CertificateError, ClientConfig, Error as RustlsError, pki_types::ServerName};
use thiserror::Error;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout_at,
};
use tokio_rustls::TlsConnector;
use tonic::{Code, Request, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    SystemClock, SystemRandom,
    channel::{Balanced, ChannelError, ChannelSettings},
    tls::{IdentityError, SpiffeId, left_of},
};

/// An instance that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where.
    pub address: SocketAddr,
    /// Who it is, by its certificate.
    pub id: SpiffeId,
    /// How much longer its certificate lasts.
    pub lasts: Duration,
    /// Whether it takes calls.
    pub health: PeerHealth,
}

/// What an instance says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerHealth {
    /// It takes calls.
    Serving,
    /// It answers, and takes none at present.
    NotServing,
    /// It knows who asks, and tells that only to the role `health` (`security.md` C.2).
    NotTold,
}

/// Why an instance could not be met.
#[derive(Debug, Error)]
pub enum PeerError {
    /// It is no `host:port`.
    #[error(transparent)]
    Address(#[from] ChannelError),
    /// Nobody knows the name.
    #[error("the name cannot be looked up")]
    Name(#[source] io::Error),
    /// Nobody is there.
    #[error("nobody answers")]
    Nobody(#[source] io::Error),
    /// Somebody else is there: another role, deployment or authority.
    #[error("who answers is not of this deployment, or of another role")]
    Stranger(#[source] RustlsError),
    /// The handshake ended otherwise: a certificate that is over, or no TLS at all.
    #[error("TLS does not come about")]
    Handshake(#[source] io::Error),
    /// It breaks off, as it does with those whose certificate it does not take.
    #[error("the connection is made, and no call gets an answer")]
    NoAnswer(#[source] Box<Status>),
    /// Time is up.
    #[error("no answer in time")]
    Late,
}

impl PeerError {
    /// Whether it may be otherwise in a moment, with the same configuration.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        match self {
            Self::Address(_) | Self::Stranger(_) => false,
            Self::Name(_) | Self::Nobody(_) | Self::Handshake(_) | Self::NoAnswer(_) | Self::Late => true,
        }
    }
}

/// Every instance behind `address` (`host:port`; a name may stand for several), each met or not. `tls` says which role they
/// must have.
///
/// # Errors
/// [`PeerError::Address`], [`PeerError::Name`]
pub async fn look(
    address: &str,
    tls: &Arc<ClientConfig>,
    by: Deadline,
) -> Result<Vec<(SocketAddr, Result<Peer, PeerError>)>, PeerError> {
    // It must be one that a channel takes.
    channel(address, tls)?;
    let found = in_time(by, async { lookup_host(address).await.map_err(PeerError::Name) }).await?;
    let mut met = Vec::new();
    for instance in found {
        if met.iter().all(|(known, _)| *known != instance) {
            met.push((instance, in_time(by, meet(instance, tls, by)).await));
        }
    }
    Ok(met)
}

async fn in_time<T>(
    by: Deadline,
    looking: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, PeerError> {
    let looked = timeout_at(by.instant().into(), looking).await;
    looked.unwrap_or(Err(PeerError::Late))
}

fn channel(address: &str, tls: &Arc<ClientConfig>) -> Result<Balanced, ChannelError> {
    let settings = ChannelSettings {
        addresses: vec![address.to_owned()],
        // The look has a deadline of its own.
        connect_ms_max: 60_000,
        ..ChannelSettings::default()
    };
    Balanced::new(settings, Arc::clone(tls), &SystemRandom)
}

async fn meet(address: SocketAddr, tls: &Arc<ClientConfig>, by: Deadline) -> Result<Peer, PeerError> {
    let (id, lasts) = handshake(address, tls).await?;
    let health = health(channel(&address.to_string(), tls)?, by).await?;
    Ok(Peer {
        address,
        id,
        lasts,
        health,
    })
}

/// Who shows a certificate there. The handshake refuses those of another role by itself.
async fn handshake(address: SocketAddr, tls: &Arc<ClientConfig>) -> Result<(SpiffeId, Duration), PeerError> {
    let stream = TcpStream::connect(address).await.map_err(PeerError::Nobody)?;
    let connecting = TlsConnector::from(Arc::clone(tls)).connect(ServerName::from(address.ip()), stream);
    let stream = connecting.await.map_err(refused)?;
    let chain = stream.get_ref().1.peer_certificates();
    let own = chain.and_then(<[_]>::first).ok_or(IdentityError::NoCertificate);
    let id = own.and_then(SpiffeId::from_certificate);
    let id = id.map_err(|error| PeerError::Handshake(io::Error::other(error)))?;
    Ok((id, left_of(chain, SystemClock.now())))
}

fn refused(error: io::Error) -> PeerError {
    let why = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<RustlsError>());
    match why {
        Some(
            stranger @ RustlsError::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure
                | CertificateError::UnknownIssuer
                | CertificateError::BadSignature,
            ),
        ) => PeerError::Stranger(stranger.clone()),
        _ => PeerError::Handshake(error),
    }
}

async fn health(channel: Balanced, by: Deadline) -> Result<PeerHealth, PeerError> {
    let mut request = Request::new(HealthCheckRequest {
        service: String::new(),
    });
    request.extensions_mut().insert(by);
    match HealthClient::new(channel).check(request).await {
        Ok(told) if told.get_ref().status() == ServingStatus::Serving => Ok(PeerHealth::Serving),
        Ok(_) => Ok(PeerHealth::NotServing),
        Err(status) if status.code() == Code::PermissionDenied => Ok(PeerHealth::NotTold),
        Err(status) => Err(PeerError::NoAnswer(Box::new(status))),
    }
}

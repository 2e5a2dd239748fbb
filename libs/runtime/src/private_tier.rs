//! What every private tier (keysigner, dbwriter, stretcher) is around its services: one gRPC listener with mutual TLS,
//! and a plain HTTP listener for operators with `/healthz`, `/readyz` and `/metrics`. Services bind first and serve then,
//! so that a process that cannot serve says so before anything else is begun.

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use foxhold_core::{Clock, Random};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::{
    Health, Shutdown,
    config::Secrets,
    grpc_server::{GrpcLimits, GrpcServer},
    health::private_router,
    http_edge::{self, EdgeLimits},
    layers, telemetry,
    tls::{Following, Role, TlsError, TlsIdentity, TlsSettings},
};

/// A private tier that cannot start or go on.
#[derive(Debug, Error)]
pub enum TierError {
    /// An address that cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Certificates that cannot be used.
    #[error("the certificates of `tls`")]
    Tls(#[from] TlsError),
    /// The certificate is of another role.
    #[error("the own certificate is of the role {found}, not {expected}")]
    Role {
        /// What the process is.
        expected: Role,
        /// What the certificate says.
        found: Role,
    },
    /// The listener failed for good.
    #[error("serving")]
    Serving(#[source] io::Error),
}

/// A private tier's listeners, bound.
pub struct PrivateTier {
    grpc: TcpListener,
    grpc_address: SocketAddr,
    operators: Option<(TcpListener, SocketAddr)>,
    operators_routes: Router,
    tls: Arc<ServerConfig>,
    certificate: Following,
    limits: GrpcLimits,
}

/// Where and as whom a private tier listens.
#[derive(Debug)]
pub struct TierSettings<'a> {
    /// What the process is; its certificate must say the same.
    pub role: Role,
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where operators ask after its health; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// Its certificate.
    pub tls: &'a TlsSettings,
    /// Bounds of the gRPC listener.
    pub limits: &'a GrpcLimits,
}

impl PrivateTier {
    /// Reads the certificate and binds the listeners.
    ///
    /// # Errors
    /// [`TierError`]
    pub async fn bind(
        settings: TierSettings<'_>,
        secrets: &Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TierError> {
        let (identity, certificate) = TlsIdentity::load_following(settings.tls, secrets)?;
        let (expected, found) = (settings.role, identity.id().role());
        if found != expected {
            return Err(TierError::Role { expected, found });
        }
        let (grpc, grpc_address) = listen(settings.listen)?;
        let operators = match settings.private_listen {
            Some(address) => Some(listen(address)?),
            None => None,
        };
        telemetry::place(Some(identity.id().region()), grpc_address);
        tracing::info!(listen = %grpc_address, identity = %identity.id(), "listening");
        Ok(Self {
            grpc,
            grpc_address,
            operators,
            operators_routes: Router::new(),
            tls: identity.server_config(clock)?,
            certificate,
            limits: settings.limits.clone(),
        })
    }

    /// Where gRPC is served, with the port the operating system gave if the setting left it open.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Where operators ask after its health, with the port the operating system gave.
    #[must_use]
    pub fn private_address(&self) -> Option<SocketAddr> {
        self.operators.as_ref().map(|(_, address)| *address)
    }

    /// With more for operators to ask than health and metrics.
    #[must_use]
    pub fn with_operators_routes(mut self, routes: Router) -> Self {
        self.operators_routes = routes;
        self
    }

    /// Serves until `shutdown`, then finishes what was begun.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(
        self,
        routes: Routes,
        services: &[&'static str],
        random: Arc<dyn Random>,
        health: &Health,
        shutdown: &Shutdown,
    ) -> Result<(), TierError> {
        let server = GrpcServer {
            listener: self.grpc,
            tls: self.tls,
            routes,
            services: services.to_vec(),
            limits: self.limits,
            random: Arc::clone(&random),
        };
        let operators = async {
            if let Some((listener, _)) = self.operators {
                let router = private_router(health).merge(self.operators_routes);
                let router = layers::private(router, random);
                http_edge::serve(listener, router, EdgeLimits::default(), shutdown.clone()).await;
            }
        };
        let serving = async { server.serve(health, shutdown).await.map_err(TierError::Serving) };
        // Should the gRPC listener fail, the process ends with it, and with it the operators' listener.
        let both = async {
            tokio::try_join!(serving, async {
                operators.await;
                Ok(())
            })
        };
        tokio::select! {
            ended = both => ended.map(drop),
            never = self.certificate.run() => never,
        }
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), TierError> {
    let failed = |source| TierError::Listen { address, source };
    let listener = crate::listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

//! The listener of a private tier: mutual TLS, then HTTP/2, then the layers every call passes, then the tier's services.
//!
//! The layers, from the outside in, and why there:
//! 1. **line**: one log line per call, also for the refused ones;
//! 2. **caller**: the role in the certificate may make this call, or nobody learns more;
//! 3. **deadline**: starts before any waiting, bounds all of the rest, and travels on;
//! 4. **rotation**: a process that would do harm takes no calls;
//! 5. **admission**: so many at work, so many waiting, the next one is refused at once;
//! 6. **size**: a message is cut off while it comes in, not after.
//!
//! What must stay true: connections, streams, waiting, messages and time are all bounded; when the process ends, nothing
//! new is accepted and what was begun is finished.

mod admission;
mod caller;
mod connection;
mod deadline;
mod rotation;
mod size;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use foxhold_core::Random;
use rustls::ServerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet, time::timeout};
use tokio_rustls::TlsAcceptor;
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};

pub use caller::{Peer, PeerAddress, current as current_caller, current_address};

use crate::{Health, Shutdown, spread};
use admission::Admission;
use connection::ConnectionRules;

/// Bounds of a private listener. Every one is configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcLimits {
    /// Calls at work at once.
    #[schemars(range(min = 1, max = 100_000))]
    pub in_work_max: usize,
    /// Calls that wait to be worked on.
    #[schemars(range(max = 100_000))]
    pub waiting_max: usize,
    /// How long a call waits at most, in milliseconds.
    #[schemars(range(max = 60_000))]
    pub wait_ms_max: u64,
    /// Longest message, in bytes.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub message_len_max: usize,
    /// Streams at once on one connection.
    #[schemars(range(min = 1, max = 100_000))]
    pub streams_max: u32,
    /// Connections at once; more wait in the operating system's queue.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_max: usize,
    /// How long a TLS handshake may take, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub handshake_ms_max: u64,
    /// After this time a connection is asked to end, in seconds, give or take a fifth: so that callers come to new instances.
    #[schemars(range(min = 1, max = 86_400))]
    pub connection_age_secs: u64,
    /// How long calls on such a connection may go on, in seconds.
    #[schemars(range(max = 86_400))]
    pub connection_grace_secs: u64,
    /// How long calls may go on when the process ends, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub drain_ms_max: u64,
}

impl Default for GrpcLimits {
    fn default() -> Self {
        Self {
            in_work_max: 256,
            waiting_max: 256,
            wait_ms_max: 2000,
            message_len_max: 1024 * 1024,
            streams_max: 256,
            connections_max: 1024,
            handshake_ms_max: 5000,
            connection_age_secs: 300,
            connection_grace_secs: 30,
            drain_ms_max: 10_000,
        }
    }
}

/// A private listener, ready to serve.
pub struct GrpcServer {
    /// Where calls come in.
    pub listener: TcpListener,
    /// From [`TlsIdentity::server_config`](crate::tls::TlsIdentity::server_config).
    pub tls: Arc<ServerConfig>,
    /// The tier's services.
    pub routes: Routes,
    /// Full names of the services, for the health service.
    pub services: Vec<&'static str>,
    /// Bounds.
    pub limits: GrpcLimits,
    /// Spreads the ages of connections.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for GrpcServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrpcServer")
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

impl GrpcServer {
    /// Serves until `shutdown` says stop, then finishes what was begun, for [`GrpcLimits::drain_ms_max`] at most.
    ///
    /// # Errors
    /// The listener itself fails for good.
    pub async fn serve(self, health: &Health, shutdown: &Shutdown) -> io::Result<()> {
        let Self {
            listener,
            tls,
            routes,
            services,
            limits,
            random,
        } = self;
        let (reporter, health_service) = health_reporter();
        let router = stack(routes.add_service(health_service), &limits, health);
        let drain = Duration::from_millis(limits.drain_ms_max);
        let acceptor = Acceptor {
            tls: TlsAcceptor::from(tls),
            router,
            rules: ConnectionRules::of(&limits),
            connections: Arc::new(crate::slots::slots(limits.connections_max)),
            random,
            shutdown: shutdown.clone(),
        };
        let mut connections = JoinSet::new();
        tokio::select! {
            failed = acceptor.accept(&listener, &mut connections) => return failed,
            () = shutdown.wait() => {}
            () = mirror(health, &reporter, &services) => {}
        }
        drop(listener);
        for service in services {
            reporter
                .set_service_status(service, ServingStatus::NotServing)
                .await;
        }
        // Connections have heard of the end themselves and close when their calls are done.
        if timeout(drain, async { while connections.join_next().await.is_some() {} })
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.len(),
                "calls were still at work when the time to finish was over"
            );
        }
        Ok(())
    }
}

/// The services behind the layers. The last layer added is the first one a call meets.
fn stack(routes: Routes, limits: &GrpcLimits, health: &Health) -> Router {
    let admission = Admission::new(limits);
    routes
        .prepare()
        .into_axum_router()
        .layer(from_fn_with_state(limits.message_len_max, size::limit))
        .layer(from_fn_with_state(admission, admission::admit))
        .layer(from_fn_with_state(health.clone(), rotation::stay_out))
        .layer(from_fn(deadline::bound))
        .layer(from_fn(caller::authorize))
        .layer(from_fn(caller::log_line))
}

/// Whether a call asks after the process's health: that must be answered when nothing else is.
fn is_about_health(request: &axum::extract::Request) -> bool {
    request.uri().path().starts_with("/grpc.health.v1.Health/")
}

/// Tells the gRPC health service what the process says of itself, for as long as it is polled.
async fn mirror(health: &Health, reporter: &HealthReporter, services: &[&'static str]) {
    loop {
        let ready = health.is_ready();
        let status = if ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        // The empty name stands for the process as a whole.
        for service in services.iter().copied().chain([""]) {
            reporter.set_service_status(service, status).await;
        }
        health.ready_is_not(ready).await;
    }
}

/// Takes connections in.
struct Acceptor {
    tls: TlsAcceptor,
    router: Router,
    rules: ConnectionRules,
    connections: Arc<Semaphore>,
    random: Arc<dyn Random>,
    shutdown: Shutdown,
}

/// How long to leave a listener alone that has just failed: out of file handles, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Acceptor {
    async fn accept(&self, listener: &TcpListener, connections: &mut JoinSet<()>) -> io::Result<()> {
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                return Err(io::Error::other("the listener's bound on connections is gone"));
            };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (tls, router, shutdown) = (self.tls.clone(), self.router.clone(), self.shutdown.clone());
            let rules = self
                .rules
                .with_age_spread(spread::zero_to_one(self.random.as_ref()));
            connections.spawn(async move {
                connection::serve(stream, tls, router, rules, shutdown).await;
                drop(permit);
            });
        }
    }
}

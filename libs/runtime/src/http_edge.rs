//! Where HTTP enters a process: a listener, bounded in connections, heads, bodies and time (`security.md` E.2), that
//! drains when the process ends. Services call [`serve`] with a router that [`crate::layers`] has wrapped; what is only for
//! operators comes in by [`serve_with_certificates`] or [`serve_locally`].
//!
//! What must stay true: nothing a peer sends or leaves out holds memory or a connection without an end.

mod body;
mod connection;
mod door;
mod framing;
mod guard;
mod streams;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

pub use body::{BodyFault, BodyLimit, read_body};
use connection::Edge;
pub use door::PeerCertificate;
use door::{Certified, Door, Local, Open};

use crate::Shutdown;

/// The peer of a connection, as an extension of every request. A proxy's address if one stands in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// How long something may take that the peer decides: a fixed time, and more for bytes that really move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The time everybody gets.
    pub at_most: Duration,
    /// Each so many bytes earn a second more, so that slow lines can carry large bodies and trickling earns nothing.
    pub bytes_per_sec: usize,
}

impl Patience {
    fn earned_by(&self, bytes: usize) -> Duration {
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.bytes_per_sec.max(1) as u64;
        Duration::from_micros(micros)
    }
}

/// The limits of a listener. All are settings; the defaults are those of `security.md` E.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Connections at once; more wait in the listener's backlog.
    pub connections_max: usize,
    /// From the first byte of a head (or the connection's start) to its end.
    pub head_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
    /// Longest head, in bytes.
    pub head_len_max: usize,
    /// Most header lines.
    pub headers_max: usize,
    /// How long a request's body may take.
    pub body: Patience,
    /// How long an answer may take to be read.
    pub write: Patience,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Whether a peer that has ended its side still gets its answer. Off: such a peer has gone, and its request is
    /// dropped, so that nobody works for it (`security.md` A.4).
    pub half_close: bool,
    /// How long requests in work may take once the process ends.
    pub drain_timeout: Duration,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            head_len_max: 16 * 1024,
            headers_max: 100,
            body: Patience {
                at_most: Duration::from_secs(10),
                bytes_per_sec: 16 * 1024,
            },
            write: Patience {
                at_most: Duration::from_secs(30),
                bytes_per_sec: 16 * 1024,
            },
            streams_max: 100,
            half_close: false,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// How a listener ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy at the end of `drain_timeout` and were cut.
    pub cut: usize,
}

/// Serves `router` on `listener` until `shutdown` says stop and the requests in work are done.
pub async fn serve(listener: TcpListener, router: Router, limits: EdgeLimits, shutdown: Shutdown) -> Drained {
    serve_at(Open(listener), router, limits, shutdown).await
}

/// The same for peers with a certificate of the deployment: requests carry it as [`PeerCertificate`]. `tls` is that of
/// [`TlsIdentity::http_server_config`](crate::tls::TlsIdentity::http_server_config). What a role may do is the router's to
/// decide.
pub async fn serve_with_certificates(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    limits: EdgeLimits,
    shutdown: Shutdown,
) -> Drained {
    serve_at(Certified::new(listener, tls), router, limits, shutdown).await
}

/// The same for processes of this machine that may open the socket.
pub async fn serve_locally(
    listener: UnixListener,
    router: Router,
    limits: EdgeLimits,
    shutdown: Shutdown,
) -> Drained {
    serve_at(Local(listener), router, limits, shutdown).await
}

async fn serve_at<D: Door>(door: D, router: Router, limits: EdgeLimits, shutdown: Shutdown) -> Drained {
    let slots = Arc::new(crate::slots::slots(limits.connections_max));
    let edge = Edge {
        router,
        limits,
        shutdown: shutdown.clone(),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => break,
            // Reaps what has ended, so that the set holds open connections only.
            Some(_) = connections.join_next() => {}
            (arrival, slot) = accept(&door, &slots) => {
                let edge = edge.clone();
                connections.spawn(async move {
                    D::enter(arrival, edge).await;
                    drop(slot);
                });
            }
        }
    }
    drop(door);
    let finished = async { while connections.join_next().await.is_some() {} };
    let in_time = tokio::time::timeout(limits.drain_timeout, finished).await.is_ok();
    let cut = if in_time { 0 } else { connections.len() };
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "requests were cut at the end of the drain time"
        );
    }
    connections.shutdown().await;
    Drained { cut }
}

/// Waits for a free slot, then for a connection. A failed accept is tried again after a pause: the usual cause is a
/// lack of file handles, and only time brings some back.
async fn accept<D: Door>(door: &D, slots: &Arc<Semaphore>) -> (D::Arrival, OwnedSemaphorePermit) {
    let slot = Arc::clone(slots)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match door.accept().await {
            Ok(arrival) => return (arrival, slot),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

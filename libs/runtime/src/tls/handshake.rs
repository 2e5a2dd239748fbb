//! The handshake of a connection that comes in.

use std::time::Duration;

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::Shutdown;

/// The connection behind it; `None` if it failed, took longer than `max`, or the process ends.
pub(crate) async fn accepted(
    tls: &TlsAcceptor,
    stream: TcpStream,
    max: Duration,
    shutdown: &Shutdown,
) -> Option<TlsStream<TcpStream>> {
    let handshake = tokio::select! {
        done = timeout(max, tls.accept(stream)) => done,
        () = shutdown.wait() => return None,
    };
    match handshake {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::info!(%error, "a handshake failed"),
        Err(_) => tracing::info!("a handshake took too long"),
    }
    None
}

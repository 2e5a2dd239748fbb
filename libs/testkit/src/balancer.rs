//! The load balancer in front of several webheads: takes turns, and passes over one that does not accept connections, as
//! any balancer does. It forwards bytes and knows nothing of HTTP.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Forwards connections until it is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a free loopback port and forwards to `backends` in turn.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(backends: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let backends: Arc<[SocketAddr]> = backends.into();
        let turn = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, Arc::clone(&backends), Arc::clone(&turn)));
            }
        });
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut client: TcpStream, backends: Arc<[SocketAddr]>, turn: Arc<AtomicUsize>) {
    // Each is tried once, whoever else takes turns meanwhile: one that is away must not be met twice.
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for place in 0..backends.len() {
        let backend = backends[first.wrapping_add(place) % backends.len()];
        if let Ok(mut server) = TcpStream::connect(backend).await {
            // A broken connection is the client's to notice.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}

//! Peers that hold a connection and give nothing for it: heads and bodies that trickle, answers that nobody reads. The
//! server ends them, and meanwhile serves others (`security.md` E.2).

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// How often a trickling peer sends a byte: often enough that a mere idle timer would never fire.
const TRICKLE: Duration = Duration::from_millis(500);
/// How long the server may take to end a connection: longer than any of its own deadlines.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a slow peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// Begins a head and stops.
    HeadStops,
    /// Sends a head byte by byte, without end.
    HeadTrickles,
    /// Sends a head and half a body.
    BodyStops,
    /// Sends a body byte by byte.
    BodyTrickles,
    /// Asks for much, often, and never reads.
    NeverReads,
}

impl Slow {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::HeadStops,
        Self::HeadTrickles,
        Self::BodyStops,
        Self::BodyTrickles,
        Self::NeverReads,
    ];

    fn first_bytes(self) -> Vec<u8> {
        let post = "POST /v1/account/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n{";
        match self {
            Self::HeadStops | Self::HeadTrickles => b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b".to_vec(),
            Self::BodyStops | Self::BodyTrickles => post.as_bytes().to_vec(),
            // More than the buffers of both sides hold.
            Self::NeverReads => "GET /page/page_crypto.wasm HTTP/1.1\r\nHost: localhost\r\n\r\n"
                .repeat(100)
                .into_bytes(),
        }
    }

    const fn trickles(self) -> bool {
        matches!(self, Self::HeadTrickles | Self::BodyTrickles)
    }
}

/// Slow peers that are connected.
#[derive(Debug)]
pub struct SlowPeers {
    peers: JoinSet<Result<()>>,
    // Kept open unread: only the server can end them.
    unread: Vec<TcpStream>,
}

impl SlowPeers {
    /// Connects `count` of each of these kinds.
    ///
    /// # Errors
    /// When the server does not take a connection.
    pub async fn connect(address: SocketAddr, kinds: &[Slow], count: usize) -> Result<Self> {
        let mut slow = Self {
            peers: JoinSet::new(),
            unread: Vec::new(),
        };
        for kind in kinds {
            for _ in 0..count {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(&kind.first_bytes()).await?;
                if *kind == Slow::NeverReads {
                    slow.unread.push(stream);
                } else {
                    slow.peers.spawn(hold(stream, *kind));
                }
            }
        }
        Ok(slow)
    }

    /// Waits until the server has ended all that would see it. Those that never read cannot see it: that their
    /// connections are gone shows in the server's handles.
    ///
    /// # Errors
    /// When it does not, or has served one of them.
    pub async fn ended(&mut self) -> Result<()> {
        while let Some(peer) = self.peers.join_next().await {
            peer??;
        }
        Ok(())
    }
}

/// Holds a connection as long as the server lets it.
async fn hold(mut stream: TcpStream, kind: Slow) -> Result<()> {
    let mut received = Vec::new();
    let waiting = async {
        let mut tick = tokio::time::interval(TRICKLE);
        let mut piece = [0; 1024];
        loop {
            tokio::select! {
                read = stream.read(&mut piece) => match read {
                    Ok(len @ 1..) => received.extend_from_slice(&piece[..len]),
                    // A reset ends it as well.
                    Ok(0) | Err(_) => return,
                },
                _ = tick.tick(), if kind.trickles() => {
                    if stream.write_all(b"x").await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .with_context(|| format!("{kind:?} was not ended"))?;
    ensure!(
        !received.starts_with(b"HTTP/1.1 2"),
        "{kind:?} was served: {}",
        String::from_utf8_lossy(&received)
    );
    Ok(())
}

//! A closed loop of HTTP/1 requests over kept connections: as many in flight as there are connections. The client is as
//! plain as can be, so that the server is what is measured.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Requests, ready to be written to a connection.
pub(crate) type Requests = Arc<[Vec<u8>]>;

/// When a loop ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// Each request was sent once.
    AllSent,
    /// The time is over; requests are repeated.
    Elapsed(Duration),
}

/// What a loop saw.
#[derive(Debug)]
pub(crate) struct Load {
    /// Requests answered with 200; any other answer is an error of the run.
    pub answered: usize,
    /// How long it took.
    pub wall: Duration,
    /// The time each answer took, shortest first.
    pub latencies: Vec<Duration>,
}

impl Load {
    /// The latency that `percent` of the answers did not exceed.
    #[must_use]
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

/// Sends `requests` over `connections` connections.
///
/// # Errors
/// When a connection breaks, or an answer is not 200.
pub(crate) async fn run(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    until: Until,
) -> Result<Load> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let loops: Vec<_> = (0..connections)
        .map(|_| {
            tokio::spawn(connection_loop(
                address,
                Arc::clone(requests),
                Arc::clone(&next),
                began,
                until,
            ))
        })
        .collect();
    let mut latencies = Vec::new();
    for connection in loops {
        latencies.extend(connection.await??);
    }
    let wall = began.elapsed();
    latencies.sort_unstable();
    Ok(Load {
        answered: latencies.len(),
        wall,
        latencies,
    })
}

async fn connection_loop(
    address: SocketAddr,
    requests: Requests,
    next: Arc<AtomicUsize>,
    began: Instant,
    until: Until,
) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        match until {
            Until::AllSent if place >= requests.len() => return Ok(latencies),
            Until::Elapsed(span) if began.elapsed() >= span => return Ok(latencies),
            Until::AllSent | Until::Elapsed(_) => {}
        }
        let sent = Instant::now();
        connection.call(&requests[place % requests.len()]).await?;
        latencies.push(sent.elapsed());
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and reads the whole answer, which must be 200.
    async fn call(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if let Some(whole) = answer_len(&self.buffer)?
                && self.buffer.len() >= whole
            {
                return Ok(());
            }
        }
    }
}

/// Length of head and body, once the head is there.
fn answer_len(answer: &[u8]) -> Result<Option<usize>> {
    let Some(head_len) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..head_len])?;
    ensure!(
        head.starts_with("HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(answer)
    );
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("an answer without length")?;
    Ok(Some(head_len + 4 + length.1.trim().parse::<usize>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_they_say() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: a\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(answer_len(&head.as_bytes()[..20]).unwrap(), None);
        assert_eq!(answer_len(head.as_bytes()).unwrap(), Some(head.len() + 5));
        assert!(answer_len(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(answer_len(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn percentiles_of_few_and_of_none() {
        let of = |latencies: Vec<Duration>| Load {
            answered: latencies.len(),
            wall: Duration::ZERO,
            latencies,
        };
        assert_eq!(of(Vec::new()).percentile(99), Duration::ZERO);
        let ten = of((1..=10).map(Duration::from_millis).collect());
        assert_eq!(
            (ten.percentile(50), ten.percentile(99)),
            (Duration::from_millis(6), Duration::from_millis(10))
        );
    }
}

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
    task::JoinSet,
};

use crate::tally::Tally;

/// Requests, ready to be written to a connection, and the status that each is answered with.
#[derive(Clone)]
pub(crate) struct Requests {
    all: Arc<[Vec<u8>]>,
    status: u16,
}

impl Requests {
    /// Requests that are served.
    pub(crate) fn served(all: Vec<Vec<u8>>) -> Self {
        Self::answered(all, 200)
    }

    /// Requests that are answered with a status.
    pub(crate) fn answered(all: Vec<Vec<u8>>, status: u16) -> Self {
        Self {
            all: all.into(),
            status,
        }
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    async fn send(&self, connection: &mut Connection, place: usize) -> Result<()> {
        connection
            .call(&self.all[place % self.all.len()], self.status)
            .await
    }
}

/// When a loop ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// Each request was sent once.
    AllSent,
    /// The time is over; requests are repeated.
    Elapsed(Duration),
}

/// Sends `requests` over `connections` connections.
///
/// # Errors
/// When a connection breaks, or an answer has another status.
pub(crate) async fn run(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    until: Until,
) -> Result<Tally> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        loops.spawn(connection_loop(
            address,
            requests.clone(),
            Arc::clone(&next),
            began,
            until,
        ));
    }
    gathered(loops, began).await
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
        requests.send(&mut connection, place).await?;
        latencies.push(sent.elapsed());
    }
}

/// Sends requests when they are due, so many a second whatever the answers take, and measures from when each was due: a
/// server that falls behind cannot slow its clients down. `connections` must be enough for all that wait.
///
/// # Errors
/// As [`run`].
pub(crate) async fn at_rate(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    per_sec: f64,
    span: Duration,
) -> Result<Tally> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for _ in 0..connections {
        let (requests, next) = (requests.clone(), Arc::clone(&next));
        loops.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut latencies = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let due = Duration::from_secs_f64(place as f64 / per_sec);
                if due >= span {
                    return Ok::<_, anyhow::Error>(latencies);
                }
                tokio::time::sleep_until((began + due).into()).await;
                requests.send(&mut connection, place).await?;
                latencies.push(began.elapsed().saturating_sub(due));
            }
        });
    }
    gathered(loops, began).await
}

/// Sends each request once, all at the same time, each over a connection of its own; connecting is measured, too.
///
/// # Errors
/// As [`run`].
pub(crate) async fn all_at_once(address: SocketAddr, requests: &Requests) -> Result<Tally> {
    let began = Instant::now();
    let mut loops = JoinSet::new();
    for place in 0..requests.len() {
        let requests = requests.clone();
        loops.spawn(async move {
            let mut connection = Connection::open(address).await?;
            requests.send(&mut connection, place).await?;
            Ok::<_, anyhow::Error>(vec![began.elapsed()])
        });
    }
    gathered(loops, began).await
}

async fn gathered(mut loops: JoinSet<Result<Vec<Duration>>>, began: Instant) -> Result<Tally> {
    let mut latencies = Vec::new();
    while let Some(finished) = loops.join_next().await {
        latencies.extend(finished??);
    }
    Ok(Tally::new(latencies, began.elapsed()))
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

    /// Sends a request and reads the whole answer, which must be of that status.
    async fn call(&mut self, request: &[u8], status: u16) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if let Some(whole) = answer_len(&self.buffer, status)?
                && self.buffer.len() >= whole
            {
                return Ok(());
            }
        }
    }
}

/// Length of head and body, once the head is there.
fn answer_len(answer: &[u8], status: u16) -> Result<Option<usize>> {
    let Some(head_len) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..head_len])?;
    ensure!(
        head.starts_with(&format!("HTTP/1.1 {status} ")),
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
        assert_eq!(answer_len(&head.as_bytes()[..20], 200).unwrap(), None);
        assert_eq!(answer_len(head.as_bytes(), 200).unwrap(), Some(head.len() + 5));
        assert!(answer_len(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", 200).is_err());
        assert!(answer_len(b"HTTP/1.1 200 OK\r\n\r\n", 200).is_err());
    }
}

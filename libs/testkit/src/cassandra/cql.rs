//! A few words of CQL's native protocol (version 4), by hand: enough to see whether a node answers, lets somebody in and
//! carries out a statement. No driver is linked, so what a driver does wrong cannot hide in the bench that tests it.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const VERSION: u8 = 4;
const HEADER: usize = 9;

/// More than any answer to what is asked here.
const LONGEST_ANSWER: usize = 1 << 20;

/// How many acknowledgements a statement wants: the two levels that set-up needs.
const ONE: u16 = 0x0001;
const QUORUM: u16 = 0x0004;

/// The kinds of frames used here (`native_protocol_v4.spec` 2.4).
mod opcode {
    pub(super) const ERROR: u8 = 0x00;
    pub(super) const STARTUP: u8 = 0x01;
    pub(super) const READY: u8 = 0x02;
    pub(super) const AUTHENTICATE: u8 = 0x03;
    pub(super) const OPTIONS: u8 = 0x05;
    pub(super) const SUPPORTED: u8 = 0x06;
    pub(super) const QUERY: u8 = 0x07;
    pub(super) const RESULT: u8 = 0x08;
    pub(super) const AUTH_RESPONSE: u8 = 0x0F;
    pub(super) const AUTH_SUCCESS: u8 = 0x10;
}

/// Whether a node answers CQL at `address`, within a second.
pub async fn answers(address: SocketAddr) -> bool {
    asked(Connection::open(address)).await
}

/// The same, asked from a local address: that of a client in some data centre.
pub async fn answers_from(local: IpAddr, address: SocketAddr) -> bool {
    asked(Connection::open_from(local, address)).await
}

async fn asked(open: impl Future<Output = Result<Connection>>) -> bool {
    let asking = async {
        let mut connection = open.await?;
        let (kind, _) = connection.exchange(opcode::OPTIONS, &[]).await?;
        ensure!(kind == opcode::SUPPORTED, "{kind}");
        Ok(())
    };
    matches!(
        tokio::time::timeout(Duration::from_secs(1), asking).await,
        Ok(Ok(()))
    )
}

/// A connection that is logged in. One request at a time; a call that must not wait for ever is given a time by its caller.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// When the node cannot be reached or refuses.
    pub async fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let mut connection = Self::open(address).await?;
        let mut options = 1_u16.to_be_bytes().to_vec();
        put_text(&mut options, "CQL_VERSION");
        put_text(&mut options, "3.0.0");
        let (kind, _) = connection.exchange(opcode::STARTUP, &options).await?;
        match kind {
            opcode::READY => bail!("{address} lets anybody in"),
            opcode::AUTHENTICATE => {}
            _ => bail!("{address} answers STARTUP with {kind}"),
        }
        let secret = format!("\0{user}\0{password}");
        let mut body = length(secret.len())?.to_vec();
        body.extend_from_slice(secret.as_bytes());
        let (kind, _) = connection.exchange(opcode::AUTH_RESPONSE, &body).await?;
        ensure!(
            kind == opcode::AUTH_SUCCESS,
            "{address} answers a login with {kind}"
        );
        Ok(connection)
    }

    /// Carries out a statement, at consistency ONE.
    ///
    /// # Errors
    /// What the node says against it, or a broken connection.
    pub async fn execute(&mut self, statement: &str) -> Result<()> {
        self.query(statement, ONE).await.map(drop)
    }

    /// Carries out a statement at QUORUM.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn execute_at_quorum(&mut self, statement: &str) -> Result<()> {
        self.query(statement, QUORUM).await.map(drop)
    }

    /// The single number (`bigint`) that a statement yields, at QUORUM: `SELECT count(*) ...`.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), and when the answer is no such number.
    pub async fn number(&mut self, statement: &str) -> Result<i64> {
        let body = self.query(statement, QUORUM).await?;
        // The one cell of the one row is the last 8 bytes, whatever the description before it says.
        let cell = body.last_chunk::<8>().context("no number")?;
        Ok(i64::from_be_bytes(*cell))
    }

    async fn query(&mut self, statement: &str, consistency: u16) -> Result<Vec<u8>> {
        let mut body = length(statement.len())?.to_vec();
        body.extend_from_slice(statement.as_bytes());
        body.extend_from_slice(&consistency.to_be_bytes());
        // No flags: no values, no paging.
        body.push(0);
        let (kind, answer) = self.exchange(opcode::QUERY, &body).await?;
        ensure!(kind == opcode::RESULT, "{statement}: answered with {kind}");
        Ok(answer)
    }

    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    async fn open_from(local: IpAddr, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(local, 0))?;
        let stream = socket.connect(address).await?;
        Ok(Self { stream })
    }

    /// Sends a frame and reads the one that answers it.
    async fn exchange(&mut self, kind: u8, body: &[u8]) -> Result<(u8, Vec<u8>)> {
        // Version, no flags, stream 0, kind.
        let mut frame = vec![VERSION, 0, 0, 0, kind];
        frame.extend_from_slice(&length(body.len())?);
        frame.extend_from_slice(body);
        self.stream.write_all(&frame).await?;
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).await?;
        let [version, _, _, _, kind, size @ ..] = header;
        ensure!(
            version == VERSION | 0x80,
            "not an answer of version {VERSION}: {version}"
        );
        let size = usize::try_from(u32::from_be_bytes(size))?;
        ensure!(size <= LONGEST_ANSWER, "an answer of {size} bytes");
        let mut answer = vec![0; size];
        self.stream.read_exact(&mut answer).await?;
        if kind == opcode::ERROR {
            bail!("refused: {}", refusal(&answer));
        }
        Ok((kind, answer))
    }
}

fn length(size: usize) -> Result<[u8; 4]> {
    Ok(u32::try_from(size)?.to_be_bytes())
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    let size = u16::try_from(text.len()).expect("words of the protocol are short");
    body.extend_from_slice(&size.to_be_bytes());
    body.extend_from_slice(text.as_bytes());
}

/// An ERROR frame's code and words.
fn refusal(body: &[u8]) -> String {
    match body {
        [a, b, c, d, _, _, words @ ..] => {
            let code = u32::from_be_bytes([*a, *b, *c, *d]);
            format!("{code:#06x} {}", String::from_utf8_lossy(words))
        }
        _ => "without words".to_owned(),
    }
}

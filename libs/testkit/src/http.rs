//! A small HTTP/1 client: one connection a request, so that a killed server shows at once and nothing is retried unseen.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, body::Bytes, header::HeaderMap};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{}: {:?}", self.status, String::from_utf8_lossy(&self.body)))
    }

    /// A header as text; empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Sends one request to `address` and reads the whole answer.
///
/// # Errors
/// When the connection fails or breaks, or after 60 s.
pub async fn send(
    address: SocketAddr,
    method: &Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer> {
    let request = request(&address.to_string(), method, path, headers, body.into())?;
    in_time(async { exchange(TcpStream::connect(address).await?, request).await }).await
}

/// The same to who listens at a Unix socket.
///
/// # Errors
/// As [`send`].
pub async fn send_to_socket(
    socket: &Path,
    method: &Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer> {
    let request = request("localhost", method, path, headers, body.into())?;
    in_time(async { exchange(UnixStream::connect(socket).await?, request).await }).await
}

/// A POST of JSON over a socket of this machine.
///
/// # Errors
/// As [`send`].
pub async fn post_locally(socket: &Path, path: &str, body: &serde_json::Value) -> Result<Answer> {
    let headers = [("content-type", "application/json")];
    send_to_socket(socket, &Method::POST, path, &headers, body.to_string()).await
}

fn request(
    host: &str,
    method: &Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.body(Full::new(body))?)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}

async fn in_time(exchange: impl Future<Output = Result<Answer>>) -> Result<Answer> {
    tokio::time::timeout(Duration::from_secs(60), exchange)
        .await
        .context("no answer within 60 s")?
}

/// GET without headers.
///
/// # Errors
/// As [`send`].
pub async fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    send(address, &Method::GET, path, &[], Bytes::new()).await
}

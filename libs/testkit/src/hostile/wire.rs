//! HTTP/1 as bytes: requests that no client library would send, and a reader of whatever comes back. One connection an
//! exchange, read until the server ends it: that it does is part of every expectation.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use hyper::{
    StatusCode,
    body::Bytes,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::http::Answer;

/// How long a server may take to end a connection that it should end: longer than any of its own deadlines.
const PATIENCE: Duration = Duration::from_secs(120);

/// What follows the head.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing, and no length either.
    None,
    /// Bytes with their length.
    Sized(Vec<u8>),
    /// Bytes in chunks of at most this length, with the closing one.
    Chunked(Vec<u8>, usize),
    /// A length, and then no byte.
    Promised(u64),
}

/// A request. Nothing in it is checked.
#[derive(Debug, Clone)]
pub struct RawRequest {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

impl RawRequest {
    /// Without headers and body.
    #[must_use]
    pub fn new(method: &str, target: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// One more header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// A body of known length that says it is JSON.
    #[must_use]
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json")
            .body(Body::Sized(body.into()))
    }

    /// As it goes over the wire to `host`; the last request of its connection.
    #[must_use]
    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(format!(" HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").as_bytes());
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        match &self.body {
            Body::None => bytes.extend_from_slice(b"\r\n"),
            Body::Sized(body) => {
                bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
            Body::Chunked(body, len) => {
                bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in body.chunks(*len) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            Body::Promised(len) => {
                bytes.extend_from_slice(format!("content-length: {len}\r\n\r\n").as_bytes());
            }
        }
        bytes
    }
}

/// Sends bytes on a connection of their own and reads until the server ends it.
///
/// # Errors
/// When the server cannot be reached or does not end the connection.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.context("connecting")?;
    let (mut reading, mut writing) = stream.split();
    let mut received = Vec::new();
    let both = async {
        // A server that refuses early does not read on: the rest cannot be written, and need not be.
        let write = async { writing.write_all(bytes).await.ok() };
        let read = async { read_to_end(&mut reading, &mut received).await };
        tokio::join!(write, read)
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .context("the server did not end the connection")?;
    Ok(received)
}

/// A connection that is reset after an answer is one that ended.
async fn read_to_end(reading: &mut (impl AsyncReadExt + Unpin), received: &mut Vec<u8>) {
    let mut piece = [0; 16 * 1024];
    while let Ok(len @ 1..) = reading.read(&mut piece).await {
        received.extend_from_slice(&piece[..len]);
    }
}

/// The answers in what was received, interim ones (1xx) left out. Those to HEAD have no body.
///
/// # Errors
/// When it is no HTTP/1, or an answer was cut off.
pub fn parse_answers(mut bytes: &[u8], is_head: bool) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = split_at(bytes, b"\r\n\r\n").context("an answer without end of head")?;
        let (status, headers) = parse_head(head)?;
        let without_body = is_head || status.is_informational() || matches!(status.as_u16(), 204 | 304);
        let (body, rest) = if without_body {
            (Bytes::new(), rest)
        } else {
            parse_body(&headers, rest)?
        };
        bytes = rest;
        if !status.is_informational() {
            answers.push(Answer {
                status,
                headers,
                body,
            });
        }
    }
    Ok(answers)
}

fn parse_head(head: &[u8]) -> Result<(StatusCode, HeaderMap)> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let status_line = lines.next().context("an empty head")?;
    let mut words = status_line.split(|byte| *byte == b' ');
    let version = words.next().unwrap_or_default();
    if !version.starts_with(b"HTTP/1.") {
        bail!("not an HTTP/1 answer");
    }
    let status = StatusCode::from_bytes(words.next().unwrap_or_default())?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = split_at(line, b":").context("a header without colon")?;
        headers.append(
            HeaderName::from_bytes(name)?,
            HeaderValue::from_bytes(value.trim_ascii())?,
        );
    }
    Ok((status, headers))
}

fn parse_body<'a>(headers: &HeaderMap, bytes: &'a [u8]) -> Result<(Bytes, &'a [u8])> {
    if headers.contains_key("transfer-encoding") {
        return parse_chunks(bytes);
    }
    let len = match headers.get("content-length") {
        Some(len) => len.to_str()?.parse()?,
        None => bytes.len(),
    };
    let (body, rest) = bytes.split_at_checked(len).context("an answer was cut off")?;
    Ok((Bytes::copy_from_slice(body), rest))
}

fn parse_chunks(mut bytes: &[u8]) -> Result<(Bytes, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (line, rest) = split_at(bytes, b"\r\n").context("a chunk was cut off")?;
        let len = usize::from_str_radix(std::str::from_utf8(line)?, 16)?;
        let (chunk, rest) = rest.split_at_checked(len).context("a chunk was cut off")?;
        body.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n").context("a chunk without end")?;
        if len == 0 {
            return Ok((body.into(), bytes));
        }
    }
}

fn split_at<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nhi\
            HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nrest";
        let answers = parse_answers(bytes, false).unwrap();
        let seen: Vec<_> = answers
            .iter()
            .map(|answer| (answer.status.as_u16(), &answer.body[..]))
            .collect();
        assert_eq!(seen, [(200, &b"hi"[..]), (404, &b"abc"[..]), (400, &b"rest"[..])]);
        assert_eq!(answers[0].header("a"), "b");
        assert!(parse_answers(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", false).is_err());
        assert!(parse_answers(b"SSH-2.0-x\r\n\r\n", false).is_err());
        let head = parse_answers(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", true).unwrap();
        assert_eq!(head.len(), 1);
    }

    #[test]
    fn requests_are_written_as_they_are() {
        let request = RawRequest::new("POST", "/a b").header("x", b"\xff".to_vec());
        let chunked = request.body(Body::Chunked(b"abc".to_vec(), 2)).to_bytes("h:1");
        assert_eq!(
            chunked,
            b"POST /a b HTTP/1.1\r\nhost: h:1\r\nconnection: close\r\nx: \xff\r\n\
                transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        );
    }
}

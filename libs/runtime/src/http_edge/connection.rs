//! One connection: finds out which HTTP the peer speaks, serves it, and ends it in order when the process ends.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::Instant,
};
use tower::ServiceExt;

use super::{
    EdgeLimits, PeerAddress, PeerCertificate,
    body::TimedBody,
    guard::Guarded,
    streams::{Streams, Verdict},
};
use crate::Shutdown;

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How often an HTTP/2 connection is looked at as a whole.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is known of a connection's peer.
#[derive(Clone, Default)]
pub(super) struct Peer {
    address: Option<PeerAddress>,
    certificate: Option<Arc<PeerCertificate>>,
}

impl Peer {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self {
            address: Some(PeerAddress(address)),
            certificate: None,
        }
    }

    pub(super) fn certified(address: SocketAddr, certificate: PeerCertificate) -> Self {
        Self {
            certificate: Some(Arc::new(certificate)),
            ..Self::at(address)
        }
    }

    /// Puts it into a request.
    fn sign<B>(&self, request: &mut Request<B>) {
        let extensions = request.extensions_mut();
        if let Some(address) = self.address {
            extensions.insert(address);
        }
        if let Some(certificate) = &self.certificate {
            extensions.insert(PeerCertificate::clone(certificate));
        }
    }
}

/// What all connections of a listener share.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) router: Router,
    pub(super) limits: EdgeLimits,
    pub(super) shutdown: Shutdown,
}

impl Edge {
    /// Serves one connection to its end. Errors of a connection are its peer's affair: they are dropped.
    pub(super) async fn serve<S>(self, mut io: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let head_due = Instant::now() + self.limits.head_timeout;
        let ahead = tokio::select! {
            ahead = tokio::time::timeout_at(head_due, read_ahead(&mut io)) => ahead,
            () = self.shutdown.wait() => return,
        };
        match ahead {
            Ok(Ok(ahead)) if ahead == HTTP2_PREFACE => self.serve_http2(io, ahead, peer).await,
            Ok(Ok(ahead)) if !ahead.is_empty() => self.serve_http1(io, ahead, peer, head_due).await,
            // Closed, broken, or silent for too long.
            _ => {}
        }
    }

    async fn serve_http1<S>(&self, io: S, ahead: Vec<u8>, peer: Peer, head_due: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let guarded = TokioIo::new(Guarded::http1(io, ahead, &self.limits, head_due));
        let peer = &peer;
        let service = hyper::service::service_fn(move |request| async move {
            Ok::<_, Infallible>(self.answer(request, peer).await)
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .half_close(self.limits.half_close)
            .header_read_timeout(None)
            .max_headers(self.limits.headers_max)
            .max_header_size(self.limits.head_len_max)
            // Room for a whole head and the limit's answer; the library refuses a head that fills it.
            .max_buf_size(self.limits.head_len_max.max(16 * 1024) * 4)
            .serve_connection(guarded, service);
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.shutdown.wait() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn serve_http2<S>(&self, io: S, ahead: Vec<u8>, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let guarded = TokioIo::new(Guarded::http2(io, ahead, &self.limits));
        let streams = Streams::new(self.limits.write);
        let edge = self.clone();
        let opened = Arc::clone(&streams);
        let service = hyper::service::service_fn(move |request| {
            let (edge, peer, stream) = (edge.clone(), peer.clone(), opened.begin());
            async move {
                let response = edge.answer(request, &peer).await;
                Ok::<_, Infallible>(response.map(|body| stream.answer(body)))
            }
        });
        let connection = self.http2_builder().serve_connection(guarded, service);
        let mut connection = pin!(connection);
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        let mut ending = false;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = self.shutdown.wait(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = look.tick() => match streams.judge(self.limits.idle_timeout) {
                    Verdict::Fine => {}
                    Verdict::Stalled => return,
                    // Asked to end before and still here: it does not answer.
                    Verdict::Idle if ending => return,
                    Verdict::Idle => {
                        ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                },
            }
        }
    }

    fn http2_builder(&self) -> hyper::server::conn::http2::Builder<TokioExecutor> {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_max)
            .max_header_list_size(u32::try_from(self.limits.head_len_max).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(100)
            .max_send_buf_size(64 * 1024)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        builder
    }

    /// Hands one request to the router, with what is known of its peer and a body that has an end.
    async fn answer(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        if let Err(status) = self.check_head(&request) {
            return last_words(status, request.version());
        }
        let version = request.version();
        let late = Arc::new(AtomicBool::new(false));
        let mut request = request.map(|body| {
            if body.is_end_stream() {
                Body::empty()
            } else {
                Body::new(TimedBody::new(body, self.limits.body, Arc::clone(&late)))
            }
        });
        peer.sign(&mut request);
        let Ok(response) = self.router.clone().oneshot(request).await;
        if late.load(Ordering::Relaxed) {
            return last_words(StatusCode::REQUEST_TIMEOUT, version);
        }
        response
    }

    /// What the library leaves open: one host, named once (RFC 9112, 3.2), a target that is a path (we are nobody's
    /// proxy), and the number of headers in HTTP/2.
    fn check_head<B>(&self, request: &Request<B>) -> Result<(), StatusCode> {
        let headers = request.headers();
        if headers.len() > self.limits.headers_max {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let hosts = headers.get_all(header::HOST).iter().count();
        let is_http1 = request.version() == Version::HTTP_11;
        if hosts > 1 || (is_http1 && hosts == 0) {
            return Err(StatusCode::BAD_REQUEST);
        }
        if is_http1 && request.uri().scheme().is_some() {
            return Err(StatusCode::NOT_FOUND);
        }
        Ok(())
    }
}

/// An answer after which an HTTP/1 connection ends.
fn last_words(status: StatusCode, version: Version) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if version <= Version::HTTP_11 {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads until the bytes tell HTTP/1 from HTTP/2: at most the preface.
async fn read_ahead<S: AsyncRead + Unpin>(io: &mut S) -> io::Result<Vec<u8>> {
    let mut ahead = Vec::with_capacity(HTTP2_PREFACE.len());
    while ahead.len() < HTTP2_PREFACE.len() && HTTP2_PREFACE.starts_with(&ahead) {
        let mut rest = [0; HTTP2_PREFACE.len()];
        let wanted = HTTP2_PREFACE.len() - ahead.len();
        match io.read(&mut rest[..wanted]).await? {
            0 => break,
            len => ahead.extend_from_slice(&rest[..len]),
        }
    }
    Ok(ahead)
}

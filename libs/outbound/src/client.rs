//! One request, one answer, over a connection of its own.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use foxhold_core::{Deadline, TRACES};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;
use tracing::{Instrument as _, Span, field::Empty};

use crate::{Reach, Target, TargetError, is_public};

/// A head of an answer is no longer; what servers send is a tenth of it.
const HEAD_MAX: usize = 16 * 1024;

/// The one encoding that is asked for and taken (RFC 9110 section 12.5.3): a few bytes that unfold to gigabytes are not.
const IDENTITY: &str = "identity";

/// Addresses of one name that are tried. A name of strangers may have any number.
const ADDRESSES_MAX: usize = 4;
/// How long one may take: where the first leads nowhere, the next has to be reached in time.
const CONNECTING_MAX: Duration = Duration::from_millis(1500);

/// No answer that could be used.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// Nothing may be asked of this URL.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The name leads to an address that may not be reached. Nothing was sent.
    #[error("the name leads to an address that is not public")]
    Forbidden,
    /// Nobody there: the name has no address, or nobody answers at it, or not in time.
    #[error("no answer")]
    NoAnswer,
    /// The other side is not who it should be, or speaks no TLS.
    #[error("the server could not be authenticated")]
    Identity,
    /// The answer is longer than the caller allows.
    #[error("the answer is too long")]
    TooLong,
    /// The answer is compressed, or encoded in another way, although plain bytes were asked for.
    #[error("the answer is encoded")]
    Encoded,
    /// What came is no answer.
    #[error("the answer makes no sense")]
    Senseless,
}

/// What is sent along.
#[derive(Debug, Clone)]
pub struct Content {
    /// `Content-Type`.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What is asked.
enum Ask {
    Get(HeaderMap),
    Post(Content),
    Delete(HeaderValue),
}

impl Ask {
    fn method(&self) -> Method {
        match self {
            Self::Get(_) => Method::GET,
            Self::Post(_) => Method::POST,
            Self::Delete(_) => Method::DELETE,
        }
    }

    /// For traces. Whom it asks is left out: a name of a stranger's domain can be one of a person.
    fn span(&self) -> Span {
        tracing::info_span!(
            target: TRACES,
            "outbound",
            otel.name = %format_args!("outbound {}", self.method()),
            otel.kind = "client",
            http.request.method = %self.method(),
            http.response.status_code = Empty,
        )
    }
}

/// What came back; also of a failure or a redirect, which is not followed.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `Cache-Control`, if it came once and as text.
    pub cache_control: Option<String>,
    /// `Date`, likewise.
    pub date: Option<String>,
    /// The body, whole.
    pub body: Bytes,
}

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses, in the order in which they should be tried.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Asks servers outside.
pub struct Outbound {
    tls: TlsConnector,
    resolver: Arc<dyn Resolver>,
}

impl Outbound {
    /// Trusts the authorities that browsers trust.
    #[must_use]
    pub fn new() -> Self {
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::trusting(roots, Arc::new(SystemResolver))
    }

    /// Trusts these authorities, and asks this resolver.
    #[must_use]
    pub fn trusting(roots: RootCertStore, resolver: Arc<dyn Resolver>) -> Self {
        // By name: which provider a process happens to have installed, if any, does not matter here.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks every version of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            resolver,
        }
    }

    /// Reads an URL.
    ///
    /// # Errors
    /// [`OutboundError`]
    pub async fn get(
        &self,
        by: Deadline,
        uri: &Uri,
        reach: Reach,
        body_max: usize,
    ) -> Result<Answer, OutboundError> {
        self.get_with(by, uri, reach, HeaderMap::new(), body_max).await
    }

    /// Reads an URL, and says more in the head than what is asked for: who asks.
    ///
    /// # Errors
    /// [`OutboundError`]
    pub async fn get_with(
        &self,
        by: Deadline,
        uri: &Uri,
        reach: Reach,
        headers: HeaderMap,
        body_max: usize,
    ) -> Result<Answer, OutboundError> {
        self.send(by, &Target::of(uri, reach)?, Ask::Get(headers), body_max)
            .await
    }

    /// Asks for what is at an URL to be deleted, with an `Authorization` that says by whom.
    ///
    /// # Errors
    /// [`OutboundError`]. Whether it is deleted is not known then.
    pub async fn delete(
        &self,
        by: Deadline,
        uri: &Uri,
        reach: Reach,
        authorization: HeaderValue,
        body_max: usize,
    ) -> Result<Answer, OutboundError> {
        self.send(by, &Target::of(uri, reach)?, Ask::Delete(authorization), body_max)
            .await
    }

    /// Sends something to an URL.
    ///
    /// # Errors
    /// [`OutboundError`]. Whether it arrived is not known then.
    pub async fn post(
        &self,
        by: Deadline,
        uri: &Uri,
        reach: Reach,
        content: Content,
        body_max: usize,
    ) -> Result<Answer, OutboundError> {
        self.send(by, &Target::of(uri, reach)?, Ask::Post(content), body_max)
            .await
    }

    async fn send(
        &self,
        by: Deadline,
        target: &Target,
        what: Ask,
        body_max: usize,
    ) -> Result<Answer, OutboundError> {
        let span = what.span();
        let asking = async {
            let stream = self.connect(target).await?;
            if !target.is_tls {
                return ask(stream, target, what, body_max).await;
            }
            let name = match target.address() {
                Some(address) => ServerName::from(address),
                None => ServerName::try_from(target.host.clone()).map_err(|_| TargetError::Host)?,
            };
            let stream = self.tls.connect(name, stream).await.map_err(of_tls)?;
            ask(stream, target, what, body_max).await
        };
        let answered = tokio::time::timeout_at(by.instant().into(), asking)
            .instrument(span.clone())
            .await;
        let answer = answered.map_err(|_| OutboundError::NoAnswer)?;
        if let Ok(answer) = &answer {
            span.record("http.response.status_code", i64::from(answer.status.as_u16()));
        }
        answer
    }

    /// To one of the addresses that the name had when it was asked for; it is not asked for again.
    async fn connect(&self, target: &Target) -> Result<TcpStream, OutboundError> {
        let addresses = match target.address() {
            Some(address) => vec![address],
            None => self
                .resolver
                .resolve(&target.host)
                .await
                .map_err(|_| OutboundError::NoAnswer)?,
        };
        // One that is not public beside others that are is no accident.
        if target.reach == Reach::Public && !addresses.iter().copied().all(is_public) {
            return Err(OutboundError::Forbidden);
        }
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            let connecting = TcpStream::connect(SocketAddr::new(address, target.port));
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECTING_MAX, connecting).await {
                return Ok(stream);
            }
        }
        Err(OutboundError::NoAnswer)
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

/// A failed handshake is about who is there only if the handshake itself says so.
fn of_tls(error: io::Error) -> OutboundError {
    match error.kind() {
        io::ErrorKind::InvalidData => OutboundError::Identity,
        _ => OutboundError::NoAnswer,
    }
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    what: Ask,
    body_max: usize,
) -> Result<Answer, OutboundError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(of_http)?;
    let request = request(target, what)?;
    let answering = async {
        let (head, body) = sender.send_request(request).await.map_err(of_http)?.into_parts();
        let single = |name: HeaderName| {
            let mut values = head.headers.get_all(name).iter();
            let value = values.next().filter(|_| values.next().is_none());
            value.and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let encodings = head.headers.get_all(header::CONTENT_ENCODING);
        if !encodings.iter().all(|encoding| encoding == IDENTITY) {
            return Err(OutboundError::Encoded);
        }
        let body = Limited::new(body, body_max).collect().await;
        Ok(Answer {
            status: head.status,
            cache_control: single(header::CACHE_CONTROL),
            date: single(header::DATE),
            body: body.map_err(|error| of_body(error.as_ref()))?.to_bytes(),
        })
    };
    tokio::pin!(connection, answering);
    // The connection does the work; when it ends first, what it brought is still to be taken.
    tokio::select! {
        answered = &mut answering => answered,
        _ = &mut connection => answering.await,
    }
}

fn request(target: &Target, what: Ask) -> Result<Request<Full<Bytes>>, OutboundError> {
    let mut builder = Request::builder()
        .method(what.method())
        .uri(&target.path)
        .header(header::HOST, target.authority())
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static(IDENTITY))
        .header(header::CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = Bytes::new();
    match what {
        Ask::Get(headers) => {
            if let Some(all) = builder.headers_mut() {
                all.extend(headers);
            }
        }
        Ask::Post(content) => {
            builder = builder.header(header::CONTENT_TYPE, HeaderValue::from_static(content.media_type));
            bytes = content.bytes.into();
        }
        Ask::Delete(authorization) => builder = builder.header(header::AUTHORIZATION, authorization),
    }
    builder
        .body(Full::new(bytes))
        .map_err(|_| OutboundError::Target(TargetError::Host))
}

fn of_http(error: hyper::Error) -> OutboundError {
    if error.is_parse() || error.is_parse_too_large() {
        OutboundError::Senseless
    } else {
        OutboundError::NoAnswer
    }
}

fn of_body(error: &(dyn std::error::Error + Send + Sync + 'static)) -> OutboundError {
    if error.is::<LengthLimitError>() {
        return OutboundError::TooLong;
    }
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_parse() => OutboundError::Senseless,
        _ => OutboundError::NoAnswer,
    }
}

//! One instance of a tier: its connection, how much is under way to it, and whether it is left alone.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use foxhold_core::{Clock as _, Deadline};
use http::{Request, Response, Uri, uri};
use hyper::{
    body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint},
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore},
    time::{timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use tonic::{Code, Status, body::Body};

use super::{
    ChannelError, ChannelSettings,
    backoff::{Backoff, Failed},
};
use crate::{
    SystemClock, callers,
    grpc_status::{is_out_of_rotation, turned_away},
    metrics::list as metrics,
    tls::left_of,
};

/// An instance that does not answer a ping is gone.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// No connection is used longer, whatever its certificate says; instances end theirs long before.
const CONNECTION_MAX: Duration = Duration::from_secs(86_400);

pub(super) struct Endpoint {
    address: String,
    authority: uri::Authority,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    connect_max: Duration,
    backoff_min: Duration,
    backoff_max: Duration,
    // One that has ended is replaced by the next call.
    connection: Arc<tokio::sync::Mutex<Option<Open>>>,
    is_connecting: AtomicBool,
    backoff: Mutex<Backoff>,
    in_flight: Arc<Semaphore>,
    load: Arc<AtomicUsize>,
    load_max: usize,
}

/// A connection, and how long it may be used: no longer than the instance's certificate lasts.
struct Open {
    sender: SendRequest<Body>,
    until: Instant,
}

impl Open {
    fn usable(&self) -> Option<SendRequest<Body>> {
        let is_usable = !self.sender.is_closed() && Instant::now() < self.until;
        is_usable.then(|| self.sender.clone())
    }
}

/// As long as somebody connects, however that ends.
struct Connecting<'a>(&'a AtomicBool);

impl<'a> Connecting<'a> {
    fn begin(is_connecting: &'a AtomicBool) -> Self {
        is_connecting.store(true, Ordering::Relaxed);
        Self(is_connecting)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Why an instance did not carry a call out.
#[derive(Debug, Clone, Copy)]
enum Missed {
    /// No connection could be made.
    Unreachable,
    /// The connection had ended before the call was sent.
    Ended,
    /// The connection broke before the answer was whole.
    Broken,
    /// There was no answer in time.
    Late,
    /// It takes no calls at present.
    TurnedAway,
}

impl Missed {
    fn count(self, call: &Uri) {
        let reason = match self {
            Self::Unreachable => "unreachable",
            Self::Ended => "ended",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::TurnedAway => "turned_away",
        };
        let service = callers::service(call.path());
        metrics::RPC_FAILED_ATTEMPTS.of([service, reason]).increment(1);
    }
}

/// An answer that breaks off is like none: the call may have been carried out, and may be asked again.
fn broken() -> Status {
    Status::unavailable("the connection broke before the answer was whole")
}

/// How a call went.
pub(super) enum Outcome {
    /// There is an answer; its body may still come.
    Answered(Answer),
    /// It may have arrived; there is no answer.
    Lost(Status),
    /// Nothing of it left this process; here it is again.
    Unsent(Request<Body>),
}

impl Endpoint {
    pub(super) fn new(
        address: &str,
        settings: &ChannelSettings,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ChannelError> {
        let malformed = || ChannelError::Address(address.to_owned());
        let authority: uri::Authority = address.parse().map_err(|_| malformed())?;
        if authority.port_u16().is_none() || address.contains('@') {
            return Err(malformed());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| malformed())?;
        Ok(Self {
            address: address.to_owned(),
            authority,
            name,
            tls,
            connect_max: Duration::from_millis(settings.connect_ms_max),
            backoff_min: Duration::from_millis(settings.backoff_ms_min),
            backoff_max: Duration::from_millis(settings.backoff_ms_max),
            connection: Arc::default(),
            is_connecting: AtomicBool::new(false),
            backoff: Mutex::new(Backoff::default()),
            in_flight: Arc::new(crate::slots::slots(settings.in_flight_max)),
            load: Arc::new(AtomicUsize::new(0)),
            load_max: settings.in_flight_max.saturating_add(settings.waiting_max),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Calls under way and waiting.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn is_usable(&self, now: Instant) -> bool {
        self.backoff().is_over(now)
    }

    /// Whether a call would wait for its connection.
    pub(super) fn is_connecting(&self) -> bool {
        self.is_connecting.load(Ordering::Relaxed)
    }

    /// When it may be tried if no other instance is left.
    pub(super) fn soonest(&self) -> Option<Instant> {
        self.backoff().soonest()
    }

    /// No other instance is left: it may be tried from [`Self::soonest`] on.
    pub(super) fn relent(&self) {
        self.backoff().relent(Instant::now());
    }

    fn backoff(&self) -> std::sync::MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, how: Failed) {
        self.backoff()
            .failed(Instant::now(), how, self.backoff_min, self.backoff_max);
    }

    /// A place in the line to this instance; `None` if the line is full.
    pub(super) fn reserve(&self) -> Option<Reserved> {
        let counted = Counted(Arc::clone(&self.load));
        (self.load.fetch_add(1, Ordering::AcqRel) < self.load_max).then(|| Reserved {
            counted,
            in_flight: Arc::clone(&self.in_flight),
        })
    }

    /// Sends a call, connecting first if needed.
    pub(super) async fn send(self: &Arc<Self>, mut request: Request<Body>, deadline: Deadline) -> Outcome {
        let call = request.uri().clone();
        let Ok(mut connection) = self.connected(deadline).await else {
            Missed::Unreachable.count(&call);
            return Outcome::Unsent(request);
        };
        *request.uri_mut() = self.absolute(request.uri());
        *request.version_mut() = http::Version::HTTP_2;
        match timeout_at(deadline.instant().into(), connection.try_send_request(request)).await {
            Ok(Ok(response)) => {
                if is_out_of_rotation(response.headers()) {
                    Missed::TurnedAway.count(&call);
                    self.failed(Failed::AtOnce);
                } else {
                    self.backoff().succeeded();
                }
                Outcome::Answered(Answer { response, call })
            }
            Ok(Err(mut error)) => match error.take_message() {
                // The connection had ended, by age mostly: that is no failure of the instance.
                Some(back) => {
                    Missed::Ended.count(&call);
                    Outcome::Unsent(back)
                }
                None => {
                    Missed::Broken.count(&call);
                    self.failed(Failed::AtOnce);
                    Outcome::Lost(broken())
                }
            },
            Err(_) => {
                Missed::Late.count(&call);
                self.failed(Failed::Late);
                Outcome::Lost(Status::deadline_exceeded("no answer before the deadline"))
            }
        }
    }

    /// The call's path at this instance.
    fn absolute(&self, path: &Uri) -> Uri {
        let mut parts = path.clone().into_parts();
        parts.scheme = Some(uri::Scheme::HTTPS);
        parts.authority = Some(self.authority.clone());
        parts
            .path_and_query
            .get_or_insert_with(|| uri::PathAndQuery::from_static("/"));
        Uri::from_parts(parts).expect("a scheme, an authority and a path make a URI")
    }

    /// The connection, made now if there is none. Callers that wait for the one who connects share what comes of it. What is
    /// held against the instance is that it took too long, not that a caller had no time: connecting goes on without it.
    pub(super) async fn connected(self: &Arc<Self>, deadline: Deadline) -> Result<SendRequest<Body>, Status> {
        let until = deadline.at_most(self.connect_max);
        let connecting = async {
            let connection = Arc::clone(&self.connection).lock_owned();
            let connection = timeout_at(until.instant().into(), connection).await.ok()?;
            if let Some(sender) = connection.as_ref().and_then(Open::usable) {
                return Some(sender);
            }
            if !self.is_usable(Instant::now()) {
                return None;
            }
            let endpoint = Arc::clone(self);
            let opened = tokio::spawn(async move { endpoint.open(connection).await });
            opened.await.ok()?
        };
        let connected = timeout_at(deadline.instant().into(), connecting).await;
        let unreachable = || turned_away(Code::Unavailable, "the instance is not reachable");
        connected.ok().flatten().ok_or_else(unreachable)
    }

    /// Connects in the time there is for it. Whoever waits for the connection meanwhile then finds it, or the instance left alone.
    async fn open(&self, mut connection: OwnedMutexGuard<Option<Open>>) -> Option<SendRequest<Body>> {
        let _connecting = Connecting::begin(&self.is_connecting);
        let opened = timeout(self.connect_max, self.connect()).await;
        let opened = match opened {
            Ok(Ok(open)) => Some(open),
            Ok(Err(error)) => {
                tracing::warn!(address = self.address, %error, "connecting to an instance");
                self.failed(Failed::AtOnce);
                None
            }
            Err(_) => {
                tracing::warn!(address = self.address, "connecting to an instance took too long");
                self.failed(Failed::Late);
                None
            }
        };
        let sender = opened.as_ref().map(|open| open.sender.clone());
        *connection = opened;
        sender
    }

    async fn connect(&self) -> std::io::Result<Open> {
        let port = self.authority.port_u16().unwrap_or_default();
        let host = self
            .authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(self.name.clone(), stream)
            .await?;
        let lasts = left_of(stream.get_ref().1.peer_certificates(), SystemClock.now());
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(std::io::Error::other)?;
        let address = self.address.clone();
        // Ends with the connection: by either side, or when the last sender is dropped.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::info!(address, %error, "a connection to an instance ended");
            }
        });
        let until = Instant::now() + lasts.min(CONNECTION_MAX);
        Ok(Open { sender, until })
    }
}

/// Counts one call until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A place in the line.
pub(super) struct Reserved {
    counted: Counted,
    in_flight: Arc<Semaphore>,
}

impl Reserved {
    /// Waits until the call's turn has come.
    pub(super) async fn granted(self) -> Slot {
        let permit = self.in_flight.acquire_owned().await;
        Slot {
            _permit: permit.expect("nobody closes the line to an instance"),
            _counted: self.counted,
        }
    }
}

/// A call under way; given back when its answer has been read, or is not waited for any more.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

/// The head of an answer, and what is still to come.
pub(super) struct Answer {
    response: Response<Incoming>,
    call: Uri,
}

impl Answer {
    /// With the place of its call held until the body is dropped.
    pub(super) fn holding(self, slot: Slot) -> Response<Body> {
        let call = self.call;
        self.response.map(|inner| {
            Body::new(Held {
                inner,
                call,
                _slot: slot,
            })
        })
    }
}

struct Held {
    inner: Incoming,
    call: Uri,
    _slot: Slot,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                tracing::info!(%error, "an answer broke off");
                Missed::Broken.count(&self.call);
                broken()
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

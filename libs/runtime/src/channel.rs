//! Calls to a private tier, spread over its instances (design 3.13): one HTTP/2 connection to each, each call to the less
//! busy of two picked at random, an instance that fails left alone for a while, waiting bounded, then refusal.
//!
//! What must stay true: a call that is refused here was never sent, and says so; a call that was sent is sent once, and
//! if its answer does not come, the error does not claim that nothing happened.

mod backoff;
mod endpoint;
mod names;
mod pick;

use std::{
    fmt,
    sync::{Arc, Once, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use foxhold_core::{Deadline, Random};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::{Request, Response};
use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{sleep_until, timeout_at};
use tonic::{Code, Status, body::Body};
use tracing::Instrument as _;

use crate::{
    grpc_status::turned_away,
    metrics::{self, list},
    tls::Role,
    traces::spans,
};
use endpoint::{Endpoint, Outcome, Slot};
use names::Names;
use pick::Dice;

/// The tier's instances, and bounds of what goes to them. Every one is configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelSettings {
    /// `host:port` of each instance. A name may stand for several; it is looked up every ten seconds.
    pub addresses: Vec<String>,
    /// Calls at once to one instance.
    #[schemars(range(min = 1, max = 100_000))]
    pub in_flight_max: usize,
    /// Calls that wait for one instance.
    #[schemars(range(max = 100_000))]
    pub waiting_max: usize,
    /// How long a call waits for an instance at most, in milliseconds.
    #[schemars(range(max = 60_000))]
    pub wait_ms_max: u64,
    /// How long connecting may take, handshake included, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_ms_max: u64,
    /// How long an instance is left alone after a first failure, in milliseconds; doubled by each further one.
    #[schemars(range(max = 60_000))]
    pub backoff_ms_min: u64,
    /// How long an instance is left alone at most, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub backoff_ms_max: u64,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            in_flight_max: 128,
            waiting_max: 256,
            wait_ms_max: 1000,
            connect_ms_max: 1000,
            backoff_ms_min: 50,
            backoff_ms_max: 2000,
        }
    }
}

/// A channel that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// There is nobody to call.
    #[error("no address is given")]
    NoAddress,
    /// An address that is not `host:port`.
    #[error("`{0}` is not host:port")]
    Address(String),
}

/// How long a call has that says nothing of it.
const DEADLINE_DEFAULT: Duration = Duration::from_secs(1);

/// The balanced channel to one tier; clones share connections and bounds. A tower service, for generated clients.
#[derive(Clone)]
pub struct Balanced(Arc<Shared>);

struct Shared {
    endpoints: RwLock<Arc<[Arc<Endpoint>]>>,
    tls: Arc<ClientConfig>,
    settings: ChannelSettings,
    dice: Dice,
    keeps_names: Once,
}

impl fmt::Debug for Balanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Balanced")
            .field(&self.0.settings.addresses)
            .finish()
    }
}

impl Balanced {
    /// Connects to nobody yet: the first call does. `tls` says which role the instances must have.
    ///
    /// # Errors
    /// [`ChannelError`]
    pub fn new(
        settings: ChannelSettings,
        tls: Arc<ClientConfig>,
        random: &dyn Random,
    ) -> Result<Self, ChannelError> {
        let endpoints = endpoints(&[], &settings.addresses, &settings, &tls)?;
        Ok(Self(Arc::new(Shared {
            endpoints: RwLock::new(endpoints),
            tls,
            dice: Dice::seeded(random),
            settings,
            keeps_names: Once::new(),
        })))
    }

    /// Shows in the metrics how many instances there are, as those of the tier `role`.
    #[must_use]
    pub fn shown_as(self, role: Role) -> Self {
        metrics::follow(&self.0, move |shared| {
            let endpoints = shared.endpoints.read().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let usable = endpoints
                .iter()
                .filter(|endpoint| endpoint.is_usable(now))
                .count();
            for (state, count) in [("usable", usable), ("left_alone", endpoints.len() - usable)] {
                list::RPC_ENDPOINTS
                    .of([role.as_str(), state])
                    .set(metrics::amount(count as u64));
            }
        });
        self
    }

    /// Whether an instance is connected, or is so in time. Nothing is called: whoever is there may still refuse calls.
    pub async fn reaches(&self, by: Deadline) -> bool {
        self.keep_names();
        let endpoints = self.endpoints();
        let mut connecting: FuturesUnordered<_> =
            endpoints.iter().map(|endpoint| endpoint.connected(by)).collect();
        while let Some(connected) = connecting.next().await {
            if connected.is_ok() {
                return true;
            }
        }
        false
    }

    /// Replaces the instances; those that stay keep their connections. A list without addresses changes nothing: no
    /// answer of a resolver means that there is nobody.
    ///
    /// # Errors
    /// [`ChannelError`]; the instances stay as they are.
    pub fn set_addresses(&self, addresses: &[String]) -> Result<(), ChannelError> {
        let present = self.endpoints();
        let replaced = endpoints(&present, addresses, &self.0.settings, &self.0.tls)?;
        *self.0.endpoints.write().unwrap_or_else(PoisonError::into_inner) = replaced;
        Ok(())
    }

    /// Looks the names up from now on.
    fn keep_names(&self) {
        self.0.keeps_names.call_once(|| {
            let names = Names::of(&self.0.settings.addresses);
            if names.has_any() {
                tokio::spawn(names::keep(Arc::downgrade(&self.0), names));
            }
        });
    }

    fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(&self.0.endpoints.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn send(self, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        self.keep_names();
        let deadline = request
            .extensions()
            .get::<Deadline>()
            .copied()
            .unwrap_or_else(|| Deadline::after(DEADLINE_DEFAULT));
        // Each instance may turn out to be gone once, and one connection may end by age while this call picks it.
        for _ in 0..=self.endpoints().len() {
            if deadline.has_passed() {
                // Sent now, it would be done for nobody, and held against an instance that had no time to answer.
                return Err(turned_away(
                    Code::DeadlineExceeded,
                    "no time is left to send the call",
                ));
            }
            let (endpoint, slot) = self.place(deadline).await?;
            match endpoint.send(request, deadline).await {
                Outcome::Answered(answer) => return Ok(answer.holding(slot)),
                Outcome::Lost(status) => return Err(status),
                Outcome::Unsent(back) => request = back,
            }
        }
        Err(turned_away(Code::Unavailable, "no instance takes the call"))
    }

    /// An instance and a place in what it works on, after waiting a bounded time.
    async fn place(&self, deadline: Deadline) -> Result<(Arc<Endpoint>, Slot), Status> {
        let until = deadline.at_most(Duration::from_millis(self.0.settings.wait_ms_max));
        let endpoint = self.pick(until).await?;
        let slot = endpoint
            .reserve()
            .ok_or_else(|| turned_away(Code::ResourceExhausted, "too many calls wait for the tier"))?;
        match timeout_at(until.instant().into(), slot.granted()).await {
            Ok(slot) => Ok((endpoint, slot)),
            Err(_) => Err(turned_away(
                Code::ResourceExhausted,
                "waited too long for an instance",
            )),
        }
    }

    /// The less busy of two instances that are not left alone; where one is being connected to, others if there are: how long
    /// that takes is found out by one call. With all of them left alone, the one that failed longest ago, as soon as a try costs
    /// little: in a restart of all in turn, one has just come back when the next one goes.
    async fn pick(&self, until: Deadline) -> Result<Arc<Endpoint>, Status> {
        let endpoints = self.endpoints();
        let now = Instant::now();
        let mut usable: Vec<_> = endpoints
            .iter()
            .filter(|endpoint| endpoint.is_usable(now))
            .collect();
        if usable.iter().any(|endpoint| !endpoint.is_connecting()) {
            usable.retain(|endpoint| !endpoint.is_connecting());
        }
        let loads: Vec<_> = usable.iter().map(|endpoint| endpoint.load()).collect();
        if let Some(index) = pick::less_busy(&loads, &self.0.dice) {
            return Ok(Arc::clone(usable[index]));
        }
        let next = endpoints
            .iter()
            .filter_map(|endpoint| Some((endpoint.soonest()?, endpoint)));
        match next.min_by_key(|(at, _)| *at) {
            Some((at, endpoint)) if at < until.instant() => {
                sleep_until(at.into()).await;
                endpoint.relent();
                Ok(Arc::clone(endpoint))
            }
            Some(_) | None => Err(turned_away(
                Code::Unavailable,
                "no instance of the tier is reachable",
            )),
        }
    }
}

fn endpoints(
    present: &[Arc<Endpoint>],
    addresses: &[String],
    settings: &ChannelSettings,
    tls: &Arc<ClientConfig>,
) -> Result<Arc<[Arc<Endpoint>]>, ChannelError> {
    if addresses.is_empty() {
        return Err(ChannelError::NoAddress);
    }
    addresses
        .iter()
        .map(
            |address| match present.iter().find(|endpoint| endpoint.address() == address) {
                Some(endpoint) => Ok(Arc::clone(endpoint)),
                None => Endpoint::new(address, settings, Arc::clone(tls)).map(Arc::new),
            },
        )
        .collect()
}

/// How a call ended, as far as the head of its answer says.
fn code_of(answer: &Result<Response<Body>, Status>) -> Code {
    match answer {
        Ok(response) => Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code()),
        Err(status) => status.code(),
    }
}

impl tower::Service<Request<Body>> for Balanced {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    /// Always ready: waiting is bounded per call, in [`Self::call`].
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    /// One span for each call, also where several instances are asked one after the other.
    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let span = spans::call_to(request.uri().path());
        if span.is_disabled() {
            return Box::pin(self.clone().send(request));
        }
        spans::send_along(&span, request.headers_mut());
        let answered = self.clone().send(request).instrument(span.clone());
        Box::pin(async move {
            let answer = answered.await;
            spans::called(&span, code_of(&answer));
            answer
        })
    }
}

//! The Token Server: `GET /1.0/{app}/{version}` and what stands around it (`tokenserver.md` 1 to 4).
//!
//! Rules are in `foxhold-sync`; here requests are taken apart and answers put together. Must stay true: every answer,
//! errors included, is `application/json` and carries `X-Timestamp`; Firefox takes anything else for a broken server.

mod answer;
mod counted;
#[cfg(test)]
mod described;
mod error;
pub mod events;
mod home;
mod line;
mod metered;
mod node_gauges;
mod own_accounts;
mod renewals;
mod service_cache;
mod status;
mod user_agent;
mod vitals;
mod without_room;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::any,
};
use foxhold_core::{Clock, Deadline, record::Schemes};
use foxhold_ports::assignments::Catalogue;
use foxhold_runtime::{
    Shutdown, SystemClock,
    http_edge::PeerAddress,
    layers::{self, AccessLogged, RequestLimits},
};
use foxhold_sync::{
    ExchangeError,
    exchange::{self, Token},
};

pub use error::TokenServerError;
pub use events::EventReceiver;
pub use home::HomeSettings;
pub use metered::{KeysOf, dated, metered};
pub use node_gauges::NodesInBackoff;
pub use own_accounts::OwnAccounts;
pub use renewals::RenewalWriter;
pub use service_cache::ServiceCache;
pub use status::Discovery;
pub use vitals::{Condition, Dependencies, LastFound, Reachable, Vitals};
pub use without_room::WithoutRoom;

use self::line::LogLine;
use crate::{
    client_address::ClientAddresses, follow_ups::FollowUps, headers::survive_panic, key_set::KeySetCache,
};

const X_TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");
const X_KEY_ID: HeaderName = HeaderName::from_static("x-keyid");
const X_CLIENT_STATE: HeaderName = HeaderName::from_static("x-client-state");
const X_CONDITIONS_ACCEPTED: HeaderName = HeaderName::from_static("x-conditions-accepted");

/// The Token Server of a webhead.
pub struct TokenServer {
    /// What the exchange asks of the world. Its `verifier` is `keys`, unless the users' accounts are elsewhere.
    pub ports: exchange::Ports,
    /// What the deployment sets.
    pub settings: HomeSettings,
    /// Services, read now and then.
    pub services: ServiceCache,
    /// Nodes whose clients are told to stay away for a while.
    pub in_backoff: NodesInBackoff,
    /// How store and signer were, for the heartbeat.
    pub last_found: LastFound,
    /// Services whose users get no node, for the heartbeat.
    pub without_room: WithoutRoom,
    /// The own published keys, for the heartbeat.
    pub keys: Arc<KeySetCache>,
    /// Those who write, for the heartbeat, where they are processes of their own.
    pub dbwriters: Option<Arc<dyn Reachable>>,
    /// Whose account events are taken over HTTP, if anybody's.
    pub account_events: Option<EventReceiver>,
    /// How a client's address is found.
    pub addresses: ClientAddresses,
    /// How long a request may take that no layer has given a deadline.
    pub budget: Duration,
    /// Whether `GET /__error__` answers with a deliberate 500 on a listener of its own.
    pub error_endpoint: bool,
    /// What `GET /` says on a listener of its own.
    pub discovery: Discovery,
    /// Once the process ends, the load balancer is told to send nobody any more.
    pub shutdown: Shutdown,
    /// What goes on without its request.
    pub follow_ups: FollowUps,
    /// First renewals that are written down.
    pub renewals: RenewalWriter,
}

/// The routes that lie beside pages and accounts on one origin.
pub fn router(server: Arc<TokenServer>) -> Router {
    let clock = server.ports.clock.clone();
    routes()
        .with_state(server)
        .layer(from_fn_with_state(clock, finish))
}

/// All routes of a listener of its own, complete with their layers: discovery and health besides, and its own way to say
/// that there is nothing. `in_work_max` is how many requests are in work there at once.
pub fn own_router(server: Arc<TokenServer>, in_work_max: usize) -> Router {
    let limits = RequestLimits {
        in_work_max,
        budget: server.budget,
        body_len_max: 0,
        overloaded,
        ..RequestLimits::default()
    };
    let (clock, random) = (server.ports.clock.clone(), server.ports.random.clone());
    let router = routes()
        .merge(status::routes(server.error_endpoint))
        .fallback(unknown_path)
        .with_state(server)
        .layer(from_fn_with_state(clock, finish));
    layers::public(router, limits, random)
}

/// Whether a path of the one origin is the Token Server's.
pub(crate) fn has(path: &str) -> bool {
    let below = path.strip_prefix("/1.0");
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// Refused before any route was looked for, so [`finish`] has not seen it.
pub(crate) fn overloaded(_path: &str, _retry_after_secs: u64) -> Response {
    let mut response = TokenServerError::Overloaded.respond();
    complete(response.headers_mut(), &SystemClock);
    response
}

fn routes() -> Router<Arc<TokenServer>> {
    Router::new()
        .route("/1.0/{app}/{version}", any(counted::token))
        .route(events::PATH, any(events::receive))
        .route("/1.0", any(unknown_path))
        .route("/1.0/", any(unknown_path))
        .route("/1.0/{app}", any(unknown_path))
        .route("/1.0/{app}/", any(unknown_path))
        .route("/1.0/{app}/{version}/", any(unknown_path))
        .route("/1.0/{app}/{version}/{*rest}", any(unknown_path))
}

async fn token(
    State(server): State<Arc<TokenServer>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let mut line = LogLine::of(&request);
    let mut response = match exchanged(&server, path, request, &mut line).await {
        Ok(mut token) => {
            server.write_down(token.first_renewal.take());
            line.given(&token);
            server.sparing_nodes(&token, answer::token(&token))
        }
        Err(error) => {
            line.refused(&error);
            let limited = counted::Limited::by(&error);
            let mut response = error.respond();
            response.extensions_mut().insert(limited);
            response
        }
    };
    line.write(&response, &server.discovery.url);
    response.extensions_mut().insert(AccessLogged);
    response
}

async fn exchanged(
    server: &TokenServer,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
    line: &mut LogLine,
) -> Result<Token, TokenServerError> {
    only_get(&request)?;
    // A path that is not UTF-8 names no service.
    let Ok(Path((app, version))) = path else {
        return Err(TokenServerError::UnknownPath);
    };
    let by = server.deadline(&request);
    let services = server.services.all(by).await?;
    let (parts, _) = request.into_parts();
    let exchange_request = exchange::Request {
        app: &app,
        version: &version,
        authorization: single(&parts.headers, &header::AUTHORIZATION),
        key_id: single(&parts.headers, &X_KEY_ID),
        client_state: client_state(&parts.headers),
        conditions_accepted: parts.headers.contains_key(&X_CONDITIONS_ACCEPTED),
        duration: parts.uri.query().and_then(duration),
        ip: parts
            .extensions
            .get::<PeerAddress>()
            .map(|peer| server.addresses.client(peer.0.ip(), &parts.headers)),
    };
    let refused = |error| TokenServerError::Exchange {
        error,
        schemes: schemes(&services, exchange_request),
    };
    let service = exchange::find_service(&services, &app, &version).map_err(refused)?;
    line.asked_for(&app, &version);
    let settings = server.settings.get(by).await;
    let settings = settings.map_err(|cause| refused(ExchangeError::NoKeys(cause)))?;
    let (ports, who) = (&server.ports, &mut line.who);
    let exchanged = exchange::exchange_telling(ports, settings, &services, by, exchange_request, who).await;
    if let Err(ExchangeError::NoNode) = exchanged {
        server.without_room.refused(&service.key.0, ports.clock.now());
    }
    exchanged.map_err(refused)
}

/// What the service that was asked for takes.
fn schemes(services: &Catalogue, asked: exchange::Request<'_>) -> Schemes {
    let service = exchange::find_service(services, asked.app, asked.version);
    service.map_or(Schemes::default(), |service| service.policy.schemes)
}

impl TokenServer {
    fn deadline<B>(&self, request: &axum::http::Request<B>) -> Deadline {
        let given = request.extensions().get::<Deadline>().copied();
        given.unwrap_or_else(|| Deadline::after(self.budget))
    }
}

async fn unknown_path() -> TokenServerError {
    TokenServerError::UnknownPath
}

/// Nothing here has a body, and nothing but reading has a meaning.
fn only_get(request: &Request<Body>) -> Result<(), TokenServerError> {
    if request.method() != Method::GET {
        return Err(TokenServerError::Method);
    }
    if request.body().is_end_stream() {
        Ok(())
    } else {
        Err(TokenServerError::Body)
    }
}

/// A header's value, if it was sent once. Two of them leave open which one others have looked at.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    values
        .next()
        .filter(|_| values.next().is_none())
        .map(HeaderValue::as_bytes)
}

/// The client state as it was sent. Two of them are one list to HTTP, with a comma, which no client state has: they are refused,
/// and not taken for none.
fn client_state(headers: &HeaderMap) -> Option<&[u8]> {
    let is_list = headers.get_all(&X_CLIENT_STATE).iter().nth(1).is_some();
    if is_list {
        Some(b",")
    } else {
        single(headers, &X_CLIENT_STATE)
    }
}

/// The first `duration` of the query.
fn duration(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("duration="))
}

/// What every answer carries, whoever made it.
async fn finish(State(clock): State<Arc<dyn Clock>>, request: Request, next: Next) -> Response {
    let broken = || TokenServerError::Panicked.respond();
    let mut response = survive_panic(next.run(request), broken).await;
    complete(response.headers_mut(), &*clock);
    response
}

fn complete(headers: &mut HeaderMap, clock: &dyn Clock) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(X_TIMESTAMP, HeaderValue::from(clock.now().as_secs()));
}

#[cfg(test)]
mod tests;

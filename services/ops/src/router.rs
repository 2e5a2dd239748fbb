//! The routes behind their layers. A box and a process of its own serve the same router; they differ in who gets in
//! ([`Access`]).

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use foxhold_core::{Clock, Random, SecretText};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, ClientAdmin, ClientRegistry, NodeTokenMinter,
};
use foxhold_runtime::{
    Shutdown, UnderWay,
    layers::{self, RequestLimits},
};
use foxhold_sync::jobs::{NodeCalls, purge::ByUid};

use crate::{
    audit::asked::audit_refusal,
    caller::{self, Access},
    refused::{self, Refused},
    routes::{
        accounts::{self, AccountPorts},
        bulk, clients, count, events, health, import,
        invitations::{self, InvitationPorts},
        nodes, purge, records, services, users,
    },
    wire::{BODY_LEN_MAX, Code, PREFIX},
};

/// What the admin API works with.
#[derive(Clone)]
pub struct OpsPorts {
    /// Reads services, nodes and users' records.
    pub reader: Arc<dyn AssignmentReader>,
    /// Changes users' records.
    pub writer: Arc<dyn AssignmentWriter>,
    /// Changes services and nodes, and takes over records.
    pub admin: Arc<dyn AssignmentAdmin>,
    /// Reads registered clients.
    pub registry: Arc<dyn ClientRegistry>,
    /// Changes registered clients.
    pub clients: Arc<dyn ClientAdmin>,
    /// Mints the tokens that data is erased with.
    pub minter: Arc<dyn NodeTokenMinter>,
    /// Erases data on nodes.
    pub node_calls: Arc<dyn NodeCalls>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws operation ids and request ids.
    pub random: Arc<dyn Random>,
    /// Key of the hashes that stand for users in logs and in tokens.
    pub metrics_key: Arc<SecretText>,
    /// What accounts are administered with; absent where they are not.
    pub accounts: Option<AccountPorts>,
    /// What invitations are made with; absent where none are.
    pub invitations: Option<InvitationPorts>,
    /// Nodes that keep data by uid.
    pub by_uid: ByUid,
    /// Bounds.
    pub limits: OpsLimits,
    /// Pages of jobs end early when the process ends.
    pub shutdown: Shutdown,
    /// What goes on after an answer: the process waits for it once nothing is served any more.
    pub under_way: UnderWay,
}

/// Bounds of the admin API.
#[derive(Debug, Clone, Copy)]
pub struct OpsLimits {
    /// Requests in work at once.
    pub in_work_max: usize,
    /// How long a request may take.
    pub budget: Duration,
    /// After this time a page of a job is ended where it is.
    pub page_max: Duration,
}

impl Default for OpsLimits {
    fn default() -> Self {
        Self {
            in_work_max: 32,
            budget: Duration::from_secs(60),
            // Three calls without an answer, so that a purge sees a silent node as one, and does not wait for it any more.
            page_max: Duration::from_secs(40),
        }
    }
}

/// What a handler is given.
pub(crate) type App = Arc<OpsPorts>;

/// How long a client is told to wait when too many requests are in work.
const RETRY_AFTER_SECS: u64 = 2;

/// The admin API for those whom `access` lets in.
pub fn router(ports: OpsPorts, access: Access) -> Router {
    let limits = RequestLimits {
        in_work_max: ports.limits.in_work_max,
        budget: ports.limits.budget,
        body_len_max: BODY_LEN_MAX,
        retry_after_secs: RETRY_AFTER_SECS,
        overloaded,
    };
    let random = Arc::clone(&ports.random);
    let app = Arc::new(ports);
    let routes = Router::new().nest(PREFIX, routes()).with_state(Arc::clone(&app));
    let audited = from_fn_with_state((app, access), audit_refusal);
    let guarded = routes
        .layer(from_fn_with_state(access, caller::identify))
        .layer(audited.clone())
        .layer(from_fn(to_its_end));
    // Outermost, since a problem names the request, and an answer can come from any layer.
    layers::public(guarded, limits, random)
        .layer(audited)
        .layer(from_fn(refused::write_problem))
}

/// What a client has asked for is done to its end, with its audit line, also when the client does not wait for it.
async fn to_its_end(request: Request, next: Next) -> Response {
    let work = tokio::spawn(layers::of_this_request(next.run(request)));
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request of the admin API broke off");
        Refused::new(Code::Internal, "a fault in Foxhold; its log has more").into_response()
    })
}

fn overloaded(_: &str, _: u64) -> Response {
    Refused::new(Code::Unavailable, "too many requests are in work").into_response()
}

fn accounts() -> Router<App> {
    Router::new()
        .route("/accounts", get(accounts::list).post(accounts::create))
        .route(
            "/accounts/{account}",
            get(accounts::show).delete(accounts::delete),
        )
        .route("/accounts/{account}/disable", post(accounts::disable))
        .route("/accounts/{account}/enable", post(accounts::enable))
        .route("/accounts/{account}/reset-link", post(accounts::reset_link))
        .route(
            "/accounts/{account}/second-factor",
            delete(accounts::delete_second_factor),
        )
}

fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health::show))
        .route("/events", post(events::take))
        .route("/invitations", get(invitations::list).post(invitations::create))
        .route(
            "/invitations/{id}",
            get(invitations::show).delete(invitations::delete),
        )
        .merge(accounts())
        .route("/users/{user}/retire", post(users::retire_everywhere))
        .route("/clients", get(clients::list).post(clients::create))
        .route(
            "/clients/{client}",
            get(clients::show).put(clients::put).delete(clients::delete),
        )
        .route("/clients/{client}/rotate", post(clients::rotate))
        .route("/services", get(services::list))
        .route("/services/{service}", get(services::show).put(services::put))
        .route("/services/{service}/nodes", get(nodes::list).post(nodes::create))
        .route(
            "/services/{service}/nodes/{url}",
            get(nodes::show).patch(nodes::change).delete(nodes::delete),
        )
        .route("/services/{service}/nodes/{url}/rename", post(nodes::rename))
        .route("/services/{service}/nodes/{url}/unassign", post(bulk::unassign))
        .route("/services/{service}/nodes/{url}/move", post(bulk::move_away))
        .route("/services/{service}/records", get(records::page))
        .route("/services/{service}/count", get(count::page))
        .route("/services/{service}/users/{user}", get(users::show))
        .route("/services/{service}/users/{user}/place", post(users::place))
        .route("/services/{service}/users/{user}/unassign", post(users::unassign))
        .route("/services/{service}/users/{user}/retire", post(users::retire))
        .route("/services/{service}/users/{user}/forget", post(users::forget))
        .route("/services/{service}/purge", post(purge::page))
        .route("/services/{service}/import", post(import::take))
        .route("/services/{service}/uids/reserve", post(import::reserve))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode};
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn what_has_begun_goes_to_its_end_though_the_client_leaves() {
        let (goes_on, begun) = oneshot::channel::<()>();
        let (told, done) = oneshot::channel();
        let ends = Arc::new(std::sync::Mutex::new(Some((begun, told))));
        let deed = move || async move {
            let (begun, told) = ends.lock().expect("nobody panics").take().expect("one request");
            begun.await.expect("the test says so");
            told.send(()).expect("the test looks");
            StatusCode::OK
        };
        let router = Router::new().route("/", post(deed)).layer(from_fn(to_its_end));
        let request = axum::http::Request::post("/")
            .body(Body::empty())
            .expect("a request");
        assert!(
            router.oneshot(request).now_or_never().is_none(),
            "it waits; and here the client leaves"
        );
        goes_on.send(()).expect("the deed goes on");
        done.await.expect("and ends");
    }
}

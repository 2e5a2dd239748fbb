//! One request from head to answer, in the order of checks of `storage.md` 4: route, method, node, sender, size, media,
//! query and headers, body; then the store. Whatever is refused has changed nothing.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use foxhold_node_auth::{AuthFailure, NodeUser, SignedRequest};
use foxhold_runtime::{
    http_edge::{BodyFault, BodyLimit, read_body},
    layers::{AccessLogged, RouteName},
    metrics::list as metrics,
};
use foxhold_sqlite::rusqlite::Connection;
use foxhold_sync::storage::{CollectionName, Limits, Precondition, QueryPairs, Refusal, Tick};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts, uri::Authority};

use crate::{
    action::{Action, Formats},
    cors,
    node::SyncNode,
    reply::{Reply, X_WEAVE_ALERT, X_WEAVE_BACKOFF},
    route::{Info, Resource, Route, Verb},
    store::{self, Denied, ReadContext, Times, WriteContext},
};

/// A request whose sender is known and whose head is well-formed.
pub(crate) struct Admitted<'a> {
    pub(crate) node: &'a Arc<SyncNode>,
    pub(crate) uid: u64,
    pub(crate) precondition: Precondition,
}

impl Admitted<'_> {
    /// Runs a read of the user on one snapshot. What has expired is judged by the clock of that moment.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, ReadContext) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        let (clock, uid, precondition) = (Arc::clone(&self.node.clock), self.uid, self.precondition);
        let job = move |connection: &Connection| {
            let context = ReadContext {
                uid: store::uid_to_sql(uid),
                now: Tick::from_timestamp(clock.now()),
                precondition,
            };
            job(connection, context)
        };
        self.node.store.read(uid, self.node.turn_deadline(), job).await
    }

    /// Runs a write of the user. It gets its time when its turn has come, not when the request came: in between, other
    /// requests have been answered by the clock (`storage.md` 7).
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, WriteContext) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        // Not the node itself: a queued write must not be what keeps its store from closing.
        let clock = Arc::clone(&self.node.clock);
        let (uid, precondition) = (self.uid, self.precondition);
        let quota_bytes = self.node.settings.quota_bytes;
        let job = move |connection: &Connection| {
            let context = WriteContext {
                uid: store::uid_to_sql(uid),
                now: Tick::from_timestamp(clock.now()),
                precondition,
                quota_bytes,
            };
            job(connection, context)
        };
        self.node.store.write(uid, self.node.turn_deadline(), job).await
    }

    /// The user's times, mostly from memory, after the precondition was held against the one of the resource: "nothing
    /// new" is the answer to most reads, and touches no disk. The read itself checks again on its snapshot.
    pub(crate) async fn checked_times(
        &self,
        resource: impl Fn(&Times) -> Tick,
    ) -> Result<Arc<Times>, Denied> {
        let times = self.node.store.times(self.uid, self.node.turn_deadline()).await?;
        store::check(self.precondition, resource(&times))?;
        Ok(times)
    }
}

/// The one handler of all paths under `{node}/1.5/`.
pub(crate) async fn handle(State(node): State<Arc<SyncNode>>, request: Request) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut line = LogLine::default();
    // `OPTIONS *` is about no path of ours, and falls through to 404.
    let mut reply = if method == Method::OPTIONS && request.uri().path() != "*" {
        cors::preflight(request.headers())
    } else {
        answer(&node, request, &mut line)
            .await
            .unwrap_or_else(Reply::from)
    };
    reply.extend(cors::headers(&node.settings.cors_origins, origin.as_ref()));
    if let Some(secs) = node.backoff_secs() {
        reply.set(X_WEAVE_BACKOFF, &secs.to_string());
    }
    if let Some(alert) = &node.settings.alert {
        reply.set(X_WEAVE_ALERT, alert);
    }
    line.write(&method, &reply, began);
    if let Some(time) = reply.last_modified {
        node.store.note_time(time);
    }
    let mut response = reply.into_response(node.now(), method == Method::HEAD);
    response.extensions_mut().insert(AccessLogged);
    if !line.route.is_empty() {
        response.extensions_mut().insert(RouteName(line.route));
    }
    response
}

/// What is logged of a request: no uid, no id, no payload.
#[derive(Default)]
struct LogLine {
    route: &'static str,
    collection: &'static str,
    body_len: usize,
    hashed_fxa_uid: String,
    hashed_device_id: String,
    auth_failure: &'static str,
}

impl LogLine {
    fn name(&mut self, user: &NodeUser<'_>) {
        self.hashed_fxa_uid = user.hashed_fxa_uid.clone().unwrap_or_default();
        self.hashed_device_id = user.hashed_device_id.clone().unwrap_or_default();
    }

    fn write(&self, method: &Method, reply: &Reply, began: Instant) {
        tracing::event!(
            target: "foxhold::storage",
            tracing::Level::INFO,
            http.method = method.as_str(),
            http.route = self.route,
            storage.collection = self.collection,
            http.status = reply.status.as_u16(),
            duration_ms = began.elapsed().as_secs_f64() * 1000.0,
            request_bytes = self.body_len,
            response_bytes = reply.body_len,
            auth.failure = self.auth_failure,
            hashed_fxa_uid = self.hashed_fxa_uid,
            hashed_device_id = self.hashed_device_id,
            "storage request"
        );
    }
}

async fn answer(node: &Arc<SyncNode>, request: Request, line: &mut LogLine) -> Result<Reply, Denied> {
    let (head, body) = request.into_parts();
    let route = Route::parse(node.path_prefix(), head.uri.path())?;
    line.route = route.resource.pattern();
    let Some(verb) = Verb::of(&head.method).filter(|verb| route.resource.allows(*verb)) else {
        return Ok(Reply::not_allowed(route.resource.allowed()));
    };
    if verb != Verb::Get && node.is_read_only() {
        return Err(Refusal::Moving.into());
    }
    let user = authenticate(node, &head, &route).map_err(|why| unauthorized(why, line))?;
    line.name(&user);
    let collection = route.resource.collection();
    line.collection = collection.map_or("", CollectionName::label);
    let limits = collection.map_or(&node.settings.limits, |name| node.limits_of(name));
    refuse_declared_length(&head.headers, limits)?;
    let formats = Formats::read(&route.resource, verb, &head.headers)?;
    let precondition = precondition(&head.headers, verb)?;
    let query = QueryPairs::parse(head.uri.query());
    let action = Action::read(route.resource, verb, formats, &head.headers, &query, limits)?;
    let body = read_whole(body, limits).await?;
    line.body_len = body.len();
    let content_type = text(&head.headers, &header::CONTENT_TYPE).unwrap_or_default();
    user.check_payload(content_type, &body)
        .map_err(|why| unauthorized(why, line))?;
    let admitted = Admitted {
        node,
        uid: route.uid,
        precondition,
    };
    action.execute(&admitted, limits, &body).await
}

fn authenticate<'h>(node: &SyncNode, head: &'h Parts, route: &Route) -> Result<NodeUser<'h>, AuthFailure> {
    let request = SignedRequest {
        method: head.method.as_str(),
        path_and_query: head.uri.path_and_query().map_or("/", |path| path.as_str()),
        authorization: head.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes),
        host: text(&head.headers, &header::HOST).or(head.uri.authority().map(Authority::as_str)),
        uid: route.uid,
        serves_expired: route.resource == Resource::Info(Info::Collections),
    };
    node.auth.check(&request, node.clock.now())
}

fn unauthorized(why: AuthFailure, line: &mut LogLine) -> Refusal {
    line.auth_failure = why.label();
    metrics::STORAGE_AUTH_FAILURES.of([why.label()]).increment(1);
    Refusal::Unauthorized
}

/// A header as text; one that is no text counts as malformed where it means something.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

/// Too long a body is refused before a byte of it is read.
fn refuse_declared_length(headers: &HeaderMap, limits: &Limits) -> Result<(), Refusal> {
    let declared = text(headers, &header::CONTENT_LENGTH).and_then(|len| len.parse::<u64>().ok());
    if declared.is_some_and(|len| len > limits.max_request_bytes) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

fn precondition(headers: &HeaderMap, verb: Verb) -> Result<Precondition, Refusal> {
    const MODIFIED: HeaderName = HeaderName::from_static("x-if-modified-since");
    const UNMODIFIED: HeaderName = HeaderName::from_static("x-if-unmodified-since");
    let (modified, unmodified) = (text(headers, &MODIFIED), text(headers, &UNMODIFIED));
    Precondition::parse(modified, unmodified, verb == Verb::Get)
}

/// Reads the body, whose limit is the collection's in place of the listener's.
async fn read_whole(body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let limit = usize::try_from(limits.max_request_bytes).unwrap_or(usize::MAX);
    let mut request = Request::new(body);
    request.extensions_mut().insert(BodyLimit(limit));
    let read = read_body(request).await.map_err(|fault| match fault {
        BodyFault::TooLarge => Refusal::TooLarge,
        BodyFault::TooSlow | BodyFault::Broken => Refusal::Malformed,
    })?;
    Ok(read.1)
}

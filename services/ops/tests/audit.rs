//! What is written down of changes. In a program of its own: where several tests run at once, those without a log decide for
//! all whether a line is worth writing.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "shared with the tests of routes")]
#[path = "router/scene.rs"]
mod scene;

use std::{
    collections::HashSet,
    io,
    pin::pin,
    sync::{Arc, LazyLock, Mutex},
};

use axum::{body::Body, http::Request};
use bytes::Bytes;
use foxhold_core::TRACES;
use foxhold_ops::{Access, OpsLimits};
use foxhold_ports::Cause;
use foxhold_runtime::{
    http_edge::PeerCertificate,
    telemetry::JsonLines,
    tls::{Role, SpiffeId},
};
use futures_util::{poll, stream};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tracing::{
    Dispatch, Subscriber,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt as _};

use scene::{ACCOUNTS, AT, Scene, limits, new_account, node_path, settings, user_path};

const A: &str = "https://a.example";

/// A second subscriber, so that there is never only one: `tracing` would let the thread that comes first to a line of code
/// say whether anybody wants it, and that may be another test's, which listens to nothing.
static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Wants the spans of traces.
struct Traces;

impl<S: Subscriber> Layer<S> for Traces {}

/// Lines as a log keeps them.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// A log, as long as the guard lives.
    fn begun() -> (Self, DefaultGuard) {
        LazyLock::force(&OTHER);
        let log = Self::default();
        let for_lines = log.clone();
        // As the process does it: spans of traces are no one's log lines.
        let of_logs = filter_fn(|metadata| metadata.target() != TRACES);
        let lines = JsonLines::new("ops", move || for_lines.clone()).with_filter(of_logs);
        // Traces are on: their spans stand between a line and the span that knows the request.
        let of_traces = filter_fn(|metadata| metadata.target() == TRACES);
        let all = tracing_subscriber::registry()
            .with(lines)
            .with(Traces.with_filter(of_traces));
        let guard = tracing::subscriber::set_default(all);
        (log, guard)
    }

    fn lines(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("a1b2c3"), "a user's key: {text}");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Action and outcome of each change.
    fn audit(&self) -> Vec<(String, String)> {
        let word = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let lines = self.audit_lines().into_iter();
        lines
            .map(|line| {
                assert_eq!(line["audit.who"], "local");
                assert!(line["request.id"].is_string(), "{line}");
                (word(&line, "audit.action"), word(&line, "audit.outcome"))
            })
            .collect()
    }

    fn audit_lines(&self) -> Vec<Value> {
        let is_audit = |line: &Value| line["target"] == "foxhold::audit";
        self.lines().into_iter().filter(is_audit).collect()
    }
}

/// The hash is that of the contract's vector (`tokenserver.md` 6, V1).
#[tokio::test]
async fn changes_leave_a_line_each_and_no_line_names_a_user() {
    let (log, _guard) = Log::begun();
    let user = "a1b2c3d4e5f60718293a4b5c6d7e8f90@x.example";
    let scene = Scene::with_nodes(&[A]).await;
    let made = log.audit();
    assert_eq!(made[0], ("service.put".to_owned(), "created".to_owned()));
    assert!(
        made[1].0 == "node.create" && made[1].1.starts_with("created: url https://a.example"),
        "{made:?}"
    );

    scene.post(&user_path(user, "place"), &json!({})).await;
    let line = log
        .lines()
        .into_iter()
        .find(|line| line["target"] == "foxhold::audit")
        .unwrap();
    assert_eq!(
        line["audit.user"],
        "7274c705df1ec833444a175b1d34eb37bd78010db46f224b5869f708f82919b2"
    );
    assert_eq!(line["audit.outcome"], "created: node https://a.example");

    let mut closed = settings();
    closed["admission"] = json!({"listed": ["a1b2c3"]});
    scene.put(AT, &closed).await;
    assert_eq!(
        log.audit(),
        [("service.put".to_owned(), "changed: admission".to_owned())]
    );

    let records = json!([{"uid": 9, "generation": 0, "client_state": "", "created_at_ms": 1}]);
    scene
        .post(
            &format!("{AT}/import"),
            &json!({"users": [{"user": user, "records": records}]}),
        )
        .await;
    assert_eq!(
        log.audit(),
        [("records.import".to_owned(), "imported 1".to_owned())]
    );

    // Reading and foretelling change nothing; what is refused was asked for.
    scene.get(&format!("{AT}/records")).await;
    scene
        .ask(
            "POST",
            &format!("{}?dry_run=true", user_path(user, "retire")),
            None,
        )
        .await;
    assert_eq!(log.audit(), []);
    scene
        .post(&user_path(user, "place"), &json!({"node": "a1b2c3"}))
        .await;
    scene
        .post(
            &format!("{AT}/import"),
            &json!({"users": [{"user": "a1b2c3", "records": records}]}),
        )
        .await;
    let invalid = |action: &str| (action.to_owned(), "invalid_request".to_owned());
    assert_eq!(log.audit(), [invalid("user.place"), invalid("records.import")]);
    scene.post(&user_path(user, "forget"), &json!({"uid": 1})).await;
    assert_eq!(log.audit(), [("user.forget".to_owned(), "conflict".to_owned())]);
    scene.store.set_outage(Some(Cause::Unavailable));
    scene
        .ask("POST", &format!("/admin/v1/users/{user}/retire"), None)
        .await;
    assert_eq!(
        log.audit(),
        [("user.retire".to_owned(), "outcome_unknown".to_owned())]
    );
}

/// Who reads the log follows an account from its making to its end, by a hash that names nobody.
#[tokio::test]
async fn all_that_becomes_of_an_account_is_one_users() {
    let (log, _guard) = Log::begun();
    let scene = Scene::bare();
    let at = |what: &str| format!("{ACCOUNTS}/a1b2c3%40x.example{what}");
    let made = scene.post(ACCOUNTS, &new_account("a1b2c3@x.example")).await;
    assert_eq!(made.status, 200, "{made:?}");
    scene.post(&at("/disable"), &json!({})).await;
    scene.post(&at("/enable"), &json!({})).await;
    scene.post(&at("/reset-link"), &json!({})).await;
    scene.delete(&at("/second-factor")).await;
    scene.delete(&at("")).await;
    let lines = log.audit_lines();
    let actions: Vec<_> = lines.iter().map(|line| line["audit.action"].clone()).collect();
    assert_eq!(
        actions,
        [
            "create",
            "disable",
            "enable",
            "reset-link",
            "delete-second-factor",
            "delete"
        ]
        .map(|what| format!("account.{what}"))
    );
    let users: HashSet<_> = lines.iter().map(|line| line["audit.user"].as_str()).collect();
    assert!(users.len() == 1 && !users.contains(&None), "{lines:?}");
    // The same address again is refused; whose it is, is not said.
    let address = new_account("a1b2c3@y.example");
    scene.post(ACCOUNTS, &address).await;
    scene.post(ACCOUNTS, &address).await;
    let lines = log.audit_lines();
    assert_eq!(lines[1]["audit.outcome"], "conflict");
    assert_eq!(lines[1].get("audit.user"), None);
}

/// Everything that changes something: method, path, what the line calls it.
fn changes() -> [(&'static str, String, &'static str); 22] {
    let node = |what: &str| format!("{}{what}", node_path(A));
    let account = |what: &str| format!("{ACCOUNTS}/a1b2c3%40x.example{what}");
    let user = |what: &str| user_path("a1b2c3@x.example", what);
    [
        ("POST", "/admin/v1/events".to_owned(), "events.take"),
        (
            "POST",
            "/admin/v1/users/a1b2c3%40x/retire".to_owned(),
            "user.retire",
        ),
        ("PUT", AT.to_owned(), "service.put"),
        ("POST", format!("{AT}/nodes"), "node.create"),
        ("PATCH", node(""), "node.update"),
        ("DELETE", node(""), "node.delete"),
        ("POST", node("/rename"), "node.rename"),
        ("POST", node("/unassign"), "node.unassign"),
        ("POST", node("/move"), "node.move"),
        ("POST", user("place"), "user.place"),
        ("POST", user("unassign"), "user.unassign"),
        ("POST", user("retire"), "user.retire"),
        ("POST", user("forget"), "user.forget"),
        ("POST", format!("{AT}/purge"), "service.purge"),
        ("POST", format!("{AT}/import"), "records.import"),
        ("POST", format!("{AT}/uids/reserve"), "uids.reserve"),
        ("POST", ACCOUNTS.to_owned(), "account.create"),
        ("DELETE", account(""), "account.delete"),
        ("POST", account("/disable"), "account.disable"),
        ("POST", account("/enable"), "account.enable"),
        ("POST", account("/reset-link"), "account.reset-link"),
        (
            "DELETE",
            account("/second-factor"),
            "account.delete-second-factor",
        ),
    ]
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_its_line_wherever_it_is_refused() {
    let (log, _guard) = Log::begun();
    let scene = Scene::with_nodes(&[A]).await;
    log.lines();
    for (method, path, action) in changes() {
        let line = |outcome: &str| [(action.to_owned(), outcome.to_owned())];
        // By what takes the request apart, before any handler.
        let answer = scene.ask(method, &format!("{path}?colour=red"), None).await;
        assert_eq!(
            (answer.status, log.audit()),
            (400, line("invalid_request").into()),
            "{path}"
        );
        let whole = format!("{path}?dry_run=true");
        scene
            .ask(method, &whole, Some(("application/json", b"[]".to_vec())))
            .await;
        assert_eq!(log.audit(), [], "{path}");
    }
    for (path, body, outcome) in [
        (
            format!("{AT}/nodes"),
            json!({"url": "a1b2c3", "capacity": 1}),
            "invalid_request",
        ),
        (
            "/admin/v1/services/other-1.0/nodes".to_owned(),
            json!({"url": A, "capacity": 1}),
            "unknown_service",
        ),
    ] {
        scene.post(&path, &body).await;
        assert_eq!(log.audit(), [("node.create".to_owned(), outcome.to_owned())]);
    }
    // By the handler, before it knows what it is about.
    scene.delete(&node_path("https://no.example")).await;
    let lines = log.audit_lines();
    assert_eq!(
        (lines.len(), &lines[0]["audit.node"]),
        (1, &json!("https://no.example"))
    );
    assert_eq!(lines[0]["audit.outcome"], "unknown_node");
    scene.post(&user_path("a1b2c3@x", "retire"), &json!({})).await;
    scene.get(&format!("{AT}/nodes?colour=red")).await;
    scene.ask("POST", "/admin/v1/a1b2c3", None).await;
    let unknown = log.audit_lines();
    assert_eq!(
        (unknown.len(), &unknown[0]["audit.outcome"]),
        (1, &json!("unknown_user"))
    );
    assert!(unknown[0]["audit.user"].is_string());
}

#[tokio::test]
async fn whoever_may_not_leaves_a_line_as_well() {
    let (log, _guard) = Log::begun();
    let mut scene = Scene::before(Access::Operators, limits());
    let mut refused = Vec::new();
    for role in [None, Some(Role::Webhead), Some(Role::Operator)] {
        scene.certificate = role.map(|role| PeerCertificate {
            id: SpiffeId::new("fox.test", "home", role).unwrap(),
            serial: "0a".into(),
        });
        scene.delete(&node_path(A)).await;
        let lines = log.audit_lines();
        assert_eq!(lines.len(), 1, "{role:?}");
        let word = |name: &str| lines[0][name].as_str().unwrap_or("-").to_owned();
        refused.push(["audit.who", "audit.certificate", "audit.node", "audit.outcome"].map(word));
    }
    let expected = [
        ["(nobody)", "-", A, "not_permitted"],
        ["spiffe://fox.test/home/webhead", "0a", A, "not_permitted"],
        ["spiffe://fox.test/home/operator", "0a", A, "unknown_service"],
    ];
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn what_never_got_in_leaves_a_line_as_well() {
    let (log, _guard) = Log::begun();
    let one_at_a_time = OpsLimits {
        in_work_max: 1,
        ..limits()
    };
    let scene = Scene::before(Access::Local, one_at_a_time);
    // Its body never comes.
    let body = Body::from_stream(stream::pending::<io::Result<Bytes>>());
    let request = Request::post(user_path("a1b2c3@x", "retire")).body(body);
    let mut first = pin!(scene.router.clone().oneshot(request.unwrap()));
    assert!(poll!(&mut first).is_pending());
    assert_eq!(scene.delete(&node_path(A)).await.status, 503);
    assert_eq!(
        log.audit(),
        [("node.delete".to_owned(), "unavailable".to_owned())]
    );
}

//! The log line of a request: one, with who it was by hashes alone, and why not in a word that can be looked up.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{LazyLock, Mutex, PoisonError},
};

use foxhold_sync::reason::Reason;
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{DefaultGuard, NoSubscriber},
};

use super::*;

/// Fields by name, as text.
type Line = BTreeMap<String, String>;

/// A second subscriber, so that there is never only one: `tracing` would let the thread that comes first to a line of code
/// say whether anybody wants it, and that may be another test's, which listens to nothing.
static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

struct Fields(Line);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(Line::new());
        event.record(&mut fields);
        let level = event.metadata().level().to_string();
        fields.0.insert("level".to_owned(), level);
        self.lock().push(fields.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Lines {
    /// Those of this thread, as long as the guard lives.
    fn begun() -> (Self, DefaultGuard) {
        LazyLock::force(&OTHER);
        let lines = Self::default();
        (lines.clone(), tracing::subscriber::set_default(lines))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one line of the last request.
    fn of_request(&self) -> Line {
        let all = std::mem::take(&mut *self.lock());
        let mut of_requests = all.into_iter().filter(|line| {
            line.get("message")
                .is_some_and(|message| message == "token request")
        });
        let line = of_requests.next().expect("a line");
        assert!(of_requests.next().is_none(), "one request, one line");
        line
    }
}

fn get_text<'a>(line: &'a Line, name: &str) -> &'a str {
    line.get(name).map_or("-", String::as_str)
}

#[tokio::test]
async fn a_token_leaves_who_it_was_for_in_hashes() {
    let (lines, _guard) = Lines::begun();
    let world = World::new().await;
    let token = token(&claims());
    let request = good(&token).header(
        "User-Agent",
        "Firefox/153.0.20260101000000 (Windows NT 10.0; Win64; x64) FxSync/1.155",
    );
    world.send(request.body(Body::empty()).unwrap()).await;
    let line = lines.of_request();
    let full = "7274c705df1ec833444a175b1d34eb37bd78010db46f224b5869f708f82919b2";
    let first_seen = NOW.as_millis().to_string();
    for (name, expected) in [
        ("level", "INFO"),
        ("uid", full),
        ("metrics_uid", &full[..32]),
        ("metrics_device_id", "1af774d3de55e6d70e950353f2df662f"),
        ("first_seen_at", &first_seen),
        ("token_type", "OAuth"),
        ("node_type", "sqlite"),
        ("uri.method", "GET"),
        ("uri.path", "/1.0/sync/1.5"),
        ("http.status", "200"),
        ("ua.browser.family", "Firefox"),
        ("ua.browser.ver", "153"),
        ("ua.os.family", "Windows"),
        ("reason", "-"),
        ("public_url", "-"),
    ] {
        assert_eq!(get_text(&line, name), expected, "{name}");
    }
    for value in line.values() {
        assert!(
            !value.contains(UID) && !value.contains(&token) && !value.contains('@'),
            "{value}"
        );
    }
}

#[tokio::test]
async fn a_refusal_leaves_its_reason_and_the_address_it_was_bound_to() {
    let (lines, _guard) = Lines::begun();
    let world = World::new().await;
    let mut expired = claims();
    expired["exp"] = json!(1);
    let mut generation = claims();
    generation["fxa-generation"] = json!("x");
    let bearer = |token: &str| good(token).body(Body::empty()).unwrap();
    let table = [
        (
            "no such service",
            get("/1.0/other/1.5"),
            Reason::UnknownApp,
            "INFO",
        ),
        ("nothing", get("/1.0/sync/1.5"), Reason::NoAuthorization, "INFO"),
        ("expired", bearer(&token(&expired)), Reason::TokenExpired, "INFO"),
        (
            "generation",
            bearer(&token(&generation)),
            Reason::GenerationForm,
            "INFO",
        ),
        ("opaque", bearer("0123456789abcdef"), Reason::TokenNotJwt, "INFO"),
    ];
    for (name, request, reason, level) in table {
        world.send(request).await;
        let line = lines.of_request();
        assert_eq!(get_text(&line, "reason"), reason.code(), "{name}");
        assert_eq!(get_text(&line, "public_url"), "https://token.example", "{name}");
        assert_eq!(
            (get_text(&line, "level"), get_text(&line, "uid")),
            (level, "-"),
            "{name}"
        );
        assert!(line.values().all(|value| !value.contains(UID)), "{name}");
    }
    // What clients make up is not written down.
    world.send(get("/1.0/a1b2c3/secret")).await;
    assert_eq!(get_text(&lines.of_request(), "uri.path"), "-");
    world.store.set_outage(Some(Cause::Unavailable));
    world.send(bearer(&token(&claims()))).await;
    let line = lines.of_request();
    assert_eq!(
        (get_text(&line, "reason"), get_text(&line, "level")),
        ("store-unavailable", "WARN")
    );
    assert_ne!(get_text(&line, "cause"), "-");
}

/// Whose credential holds is known, though there is no token for it.
#[tokio::test]
async fn a_refusal_after_the_credential_leaves_who_it_was_in_hashes() {
    let (lines, _guard) = Lines::begun();
    let world = World::new().await;
    let bearer = |token: &str| good(token).body(Body::empty()).unwrap();
    world.send(bearer(&token(&claims()))).await;
    lines.of_request();
    let mut older = claims();
    older["fxa-generation"] = json!(1);
    world.send(bearer(&token(&older))).await;
    let line = lines.of_request();
    let full = "7274c705df1ec833444a175b1d34eb37bd78010db46f224b5869f708f82919b2";
    for (name, expected) in [
        ("reason", Reason::StateGeneration.code()),
        ("public_url", "https://token.example"),
        ("uid", full),
        ("metrics_uid", &full[..32]),
        ("metrics_device_id", "1af774d3de55e6d70e950353f2df662f"),
        ("token_type", "OAuth"),
        ("uri.path", "/1.0/sync/1.5"),
        ("first_seen_at", "-"),
        ("node_type", "-"),
    ] {
        assert_eq!(get_text(&line, name), expected, "{name}");
    }
    assert!(line.values().all(|value| !value.contains(UID)));
}

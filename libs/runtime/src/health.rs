//! Whether a process is alive and whether it should get work (`ecosystem.md` 3.6). The parts of a process report into
//! one [`Health`]; private and public listeners and the gRPC health service read it.
//!
//! What must stay true: a process that has begun to end is not ready, whatever its parts say; a part that has not
//! reported yet counts as failing.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{Phase, Shutdown, metrics};

/// How long whoever asks an unready public listener is told to wait.
const RETRY_AFTER_SECS: u64 = 5;

/// What depends on a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it the process would do harm: not ready, and a private listener turns away whoever calls all the same.
    Vital,
    /// Without it the process cannot serve: not ready.
    Required,
    /// Without it some requests fail: ready, but degraded.
    Helpful,
}

#[derive(Debug, Clone)]
struct PartState {
    need: Need,
    // Why it fails; `None` while it works.
    fault: Option<String>,
}

/// The health of one process; clones speak of the same process.
#[derive(Debug, Clone)]
pub struct Health {
    parts: watch::Sender<BTreeMap<&'static str, PartState>>,
    shutdown: Shutdown,
}

impl Health {
    /// Of the process that `shutdown` ends.
    #[must_use]
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            parts: watch::Sender::new(BTreeMap::new()),
            shutdown: shutdown.clone(),
        }
    }

    /// Registers a part. It counts as failing until its first [`Part::works`].
    #[must_use]
    pub fn part(&self, name: &'static str, need: Need) -> Part {
        self.parts.send_modify(|parts| {
            parts.insert(
                name,
                PartState {
                    need,
                    fault: Some("has not started yet".to_owned()),
                },
            );
        });
        Part {
            name,
            parts: self.parts.clone(),
        }
    }

    /// Whether the process should get work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shutdown.has_begun() && !self.any_fails(&[Need::Vital, Need::Required])
    }

    /// Whether calls that come all the same are to be turned away.
    #[must_use]
    pub fn would_do_harm(&self) -> bool {
        self.any_fails(&[Need::Vital])
    }

    fn any_fails(&self, needs: &[Need]) -> bool {
        let parts = self.parts.borrow();
        parts
            .values()
            .any(|part| needs.contains(&part.need) && part.fault.is_some())
    }

    /// The parts that fail, with the reason.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<&'static str, String> {
        let parts = self.parts.borrow();
        parts
            .iter()
            .filter_map(|(name, part)| Some((*name, part.fault.clone()?)))
            .collect()
    }

    /// Returns when the answer of [`Self::is_ready`] is not `was` any more.
    pub async fn ready_is_not(&self, was: bool) {
        let mut parts = self.parts.subscribe();
        loop {
            parts.mark_unchanged();
            if self.is_ready() != was {
                return;
            }
            tokio::select! {
                _ = parts.changed() => {}
                // Only what is ready can be made unready by the end; looking at the phase here would be too late.
                () = self.shutdown.reached(Phase::Draining), if was => {}
            }
        }
    }

    /// What strangers are told: `ready`, the names of the parts that are `degraded`, and each part by its name, `Ok` or
    /// `Err`. Never why.
    #[must_use]
    pub fn report(&self) -> serde_json::Map<String, Value> {
        let faults = self.faults();
        let degraded: Vec<_> = faults.keys().collect();
        let mut report = serde_json::Map::new();
        report.insert("ready".to_owned(), json!(self.is_ready()));
        report.insert("degraded".to_owned(), json!(degraded));
        for name in self.parts.borrow().keys() {
            let word = if faults.contains_key(name) { "Err" } else { "Ok" };
            report.insert((*name).to_owned(), json!(word));
        }
        report
    }

    fn summary(&self) -> Value {
        json!({ "ready": self.is_ready(), "draining": self.shutdown.has_begun(), "degraded": self.faults() })
    }
}

/// One part's line to the process's [`Health`].
#[derive(Debug, Clone)]
pub struct Part {
    name: &'static str,
    parts: watch::Sender<BTreeMap<&'static str, PartState>>,
}

impl Part {
    /// It works.
    pub fn works(&self) {
        self.set(None);
    }

    /// It fails. `reason` is shown on private listeners only; it holds no user data.
    pub fn fails(&self, reason: &str) {
        self.set(Some(reason.to_owned()));
    }

    fn set(&self, fault: Option<String>) {
        self.parts.send_if_modified(|parts| {
            let Some(part) = parts.get_mut(self.name) else {
                return false;
            };
            let changed = part.fault != fault;
            if changed {
                match &fault {
                    Some(reason) => tracing::warn!(part = self.name, reason, "a part fails"),
                    None => tracing::info!(part = self.name, "a part works"),
                }
            }
            part.fault = fault;
            changed
        });
    }
}

/// `/healthz` (alive), `/readyz` (should get work) and `/metrics` (what was counted), for a listener that only operators
/// reach.
pub fn private_router(health: &Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::scrape))
        .with_state(health.clone())
}

/// `/__lbheartbeat__` of a public listener: 503 from the moment the process begins to end.
pub fn lb_heartbeat<S: Clone + Send + Sync + 'static>(health: &Health) -> MethodRouter<S> {
    let shutdown = health.shutdown.clone();
    get(move || async move { answer(!shutdown.has_begun(), &json!({})) })
}

/// The answer of a public health route: 503 tells when to ask again.
pub fn answer(is_well: bool, body: &Value) -> Response {
    let mut response = Json(body).into_response();
    if !is_well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let wait = HeaderValue::from(RETRY_AFTER_SECS);
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

async fn ready(State(health): State<Health>) -> Response {
    (status(&health), Json(health.summary())).into_response()
}

fn status(health: &Health) -> StatusCode {
    if health.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_only_while_every_required_part_works_and_no_end_has_begun() {
        let shutdown = Shutdown::new();
        let health = Health::new(&shutdown);
        assert!(health.is_ready(), "nothing to wait for");
        let store = health.part("store", Need::Required);
        assert!(!health.is_ready(), "the store has not reported yet");
        let signer = health.part("signer", Need::Helpful);
        store.works();
        health.ready_is_not(false).await;
        assert_eq!(health.faults().into_keys().collect::<Vec<_>>(), ["signer"]);
        signer.works();
        assert!(health.faults().is_empty());
        store.fails("gone");
        assert!(
            !health.is_ready() && !health.would_do_harm(),
            "calls find out by themselves"
        );
        store.works();
        let clock = health.part("clock", Need::Vital);
        assert!(!health.is_ready() && health.would_do_harm());
        clock.works();
        assert!(health.is_ready() && !health.would_do_harm());

        signer.fails("a secret of the operator's");
        let report =
            json!({"ready": true, "degraded": ["signer"], "clock": "Ok", "signer": "Err", "store": "Ok"});
        assert_eq!(Value::Object(health.report()), report);

        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.ready_is_not(true).await }
        });
        shutdown.trigger();
        waiting.await.unwrap();
        assert!(!health.is_ready());
    }
}

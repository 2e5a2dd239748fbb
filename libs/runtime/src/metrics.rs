//! What a process counts, and how Prometheus reads it: `/metrics` on the private listener (`ecosystem.md` 3.7).
//!
//! [`list`] names every metric there is; the rest of the code counts with the statics of that list and nothing else.
//! What must stay true: label values come from closed sets (names the program fixes, or an operator configures), never from
//! what a client sends; counting takes no allocation once a combination of labels has been seen, and never fails.

mod family;
pub mod label;
pub mod list;
pub mod purge;
pub mod scraped;

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use ::metrics::Recorder as _;
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use foxhold_core::Clock as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use family::{Counters, Family, Gauges, Handle, Histograms, Kind, Metric};

use crate::SystemClock;

/// Upper bounds of the buckets of every histogram, in seconds: all of them are of durations.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What a histogram has seen is kept as it came until it is sorted into buckets: so often, whether somebody scrapes or not.
const TIDY_PAUSE: Duration = Duration::from_secs(2);

/// The form that Prometheus reads.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where everything is counted. There is one per process: it is there when the first one counts, in tests, too.
static COUNTED: LazyLock<Counted> = LazyLock::new(|| {
    let builder = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)
        .expect("there are buckets");
    let recorder = builder.build_recorder();
    for metric in list::all() {
        let (name, help) = (metric.name.into(), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram => recorder.describe_histogram(name, None, help),
        }
    }
    Counted {
        text: recorder.handle(),
        recorder,
    }
});

struct Counted {
    recorder: PrometheusRecorder,
    text: PrometheusHandle,
}

/// Begins counting: says what runs, and keeps what is counted tidy from now on. Every process calls it once, inside the
/// runtime, before it serves.
pub fn start(role: &'static str, version: &'static str) {
    list::BUILD_INFO.of([role, version]).set(1.0);
    let now = SystemClock.now().as_secs();
    list::PROCESS_START.of([]).set(amount(now));
    tokio::spawn(keep_tidy());
}

async fn keep_tidy() {
    loop {
        tokio::time::sleep(TIDY_PAUSE).await;
        COUNTED.text.run_upkeep();
    }
}

/// Shows a figure that somebody keeps anyway; false once there is nobody to ask.
type Look = Box<dyn Fn() -> bool + Send>;

/// What is looked at before each scrape.
static LOOKS: Mutex<Vec<Look>> = Mutex::new(Vec::new());

/// Lets `show` set gauges and counters from what `shown` holds, before each scrape for as long as `shown` lives. It must
/// not wait for anything, nor scrape.
pub fn follow<T: Send + Sync + 'static>(shown: &Arc<T>, show: impl Fn(&T) + Send + 'static) {
    let shown = Arc::downgrade(shown);
    let look = move || shown.upgrade().inspect(|shown| show(shown)).is_some();
    let mut looks = LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    looks.push(Box::new(look));
}

/// Shows how those are doing who stretch passwords: how many stretchings run, and how many were refused since they began.
pub fn follow_stretching<T: Send + Sync + 'static>(
    pool: &Arc<T>,
    counts: impl Fn(&T) -> (usize, u64) + Send + 'static,
) {
    follow(pool, move |pool| {
        let (running, refused) = counts(pool);
        list::STRETCH_SLOTS.of([]).set(amount(running as u64));
        list::STRETCH_REJECTED.of([]).absolute(refused);
    });
}

/// Everything counted so far, as Prometheus reads it.
#[must_use]
pub fn text() -> String {
    let mut looks = LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
    looks.retain(|look| look());
    drop(looks);
    COUNTED.text.render()
}

/// `GET /metrics`.
pub(crate) async fn scrape() -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text()).into_response()
}

/// A number as a gauge holds it: exact up to 2^53, which no time in seconds and no number of slots comes near.
#[must_use]
pub const fn amount(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    static HELD: Gauges<0> = Gauges::new("foxhold_held_seconds", &[], "Only in this test.");

    #[test]
    fn what_is_followed_is_looked_at_before_each_scrape_until_it_is_gone() {
        let held = Arc::new(AtomicU64::new(1));
        follow(&held, |held| {
            HELD.of([]).set(amount(held.load(Ordering::Relaxed)))
        });
        let shown = || {
            let text = text();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("foxhold_held_seconds "));
            line.map(str::to_owned)
        };
        assert_eq!(shown().as_deref(), Some("1"));
        held.store(7, Ordering::Relaxed);
        assert_eq!(shown().as_deref(), Some("7"));
        let weak = Arc::downgrade(&held);
        drop(held);
        assert_eq!(shown().as_deref(), Some("7"));
        assert_eq!(weak.weak_count(), 0, "nobody holds on to it");
    }
}

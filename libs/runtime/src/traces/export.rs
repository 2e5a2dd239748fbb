//! From a span that has ended to where spans go: a bounded queue, and one task that empties it in batches.
//!
//! What must stay true: putting a span in never waits; what cannot be kept or sent is dropped and counted, and tried no
//! second time, so a collector that is away costs the process nothing but the figure.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema, trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    output::Output,
    settings::{Bounds, Checked, Place},
};
use crate::metrics::list as metrics;

/// How long what is left may take to be sent when the process ends.
const END_MAX: Duration = Duration::from_secs(5);

/// Takes spans that have ended.
#[derive(Debug)]
pub(super) struct Queue(mpsc::Sender<SpanData>);

/// The queue, and who empties it.
pub(super) fn queue(checked: Checked, resource: &Resource) -> (Queue, Exporting) {
    let Checked { place, bounds } = checked;
    let (queue, spans) = mpsc::channel(bounds.queue_max);
    let exporting = Exporting {
        spans,
        place,
        bounds,
        resource: resource.into(),
    };
    (Queue(queue), exporting)
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.0.try_send(span).is_err() {
            dropped("queue", 1);
        }
    }

    /// [`RunningExport::end`] does it.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn dropped(reason: &'static str, spans: u64) {
    metrics::TRACES_DROPPED.of([reason]).increment(spans);
}

/// What empties the queue, once it is started.
pub(crate) struct Exporting {
    spans: mpsc::Receiver<SpanData>,
    place: Place,
    bounds: Bounds,
    resource: ResourceAttributesWithSchema,
}

/// An export at work. Dropped, it ends at once, and so what is in the queue.
#[must_use]
pub(crate) struct RunningExport {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporting {
    /// Begins to send. To be called inside the runtime.
    pub(crate) fn start(self) -> RunningExport {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(self.run(stopped));
        RunningExport { stop, task }
    }

    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let Self {
            mut spans,
            place,
            bounds,
            resource,
        } = self;
        let mut sender = Sender {
            output: Output::of(place),
            resource,
            send_max: bounds.send_max,
            is_failing: false,
        };
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = gather(&mut spans, &mut batch, &bounds) => sender.send(std::mem::take(&mut batch)).await,
                _ = &mut stopped => break,
            }
        }
        // Nothing more comes in: what was begun has been answered.
        spans.close();
        while let Some(span) = spans.recv().await {
            batch.push(span);
            if batch.len() >= bounds.batch_max {
                sender.send(std::mem::take(&mut batch)).await;
            }
        }
        if !batch.is_empty() {
            sender.send(batch).await;
        }
    }
}

/// Waits for a first span, and for a while for others to go with it. What it has gathered stays in `batch` if it is not
/// waited for any more.
async fn gather(spans: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>, bounds: &Bounds) {
    let Some(first) = spans.recv().await else {
        return std::future::pending().await;
    };
    batch.push(first);
    let until = Instant::now() + bounds.batch_wait;
    while batch.len() < bounds.batch_max {
        match timeout_at(until, spans.recv()).await {
            Ok(Some(span)) => batch.push(span),
            Ok(None) | Err(_) => return,
        }
    }
}

impl RunningExport {
    /// Sends what is left, for a bounded time. To be called when nothing is served any more.
    pub(crate) async fn end(mut self) {
        // It may have ended before.
        let _ = self.stop.send(());
        if timeout(END_MAX, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::info!("spans that were not sent yet are lost");
        }
    }
}

struct Sender {
    output: Output,
    resource: ResourceAttributesWithSchema,
    send_max: Duration,
    is_failing: bool,
}

impl Sender {
    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let request = ExportTraceServiceRequest { resource_spans };
        let sent = timeout(self.send_max, self.output.send(request)).await;
        match sent.unwrap_or(Err("no answer in time")) {
            Ok(rejected) => {
                dropped("rejected", rejected.min(count));
                self.works();
            }
            Err(cause) => {
                dropped("not_sent", count);
                self.fails(cause);
            }
        }
    }

    /// Once for each time that it stops working: a collector that is away for a day is one line.
    fn fails(&mut self, cause: &'static str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(cause, "spans cannot be sent and are dropped");
        }
    }

    fn works(&mut self) {
        if std::mem::replace(&mut self.is_failing, false) {
            tracing::info!("spans are sent again");
        }
    }
}

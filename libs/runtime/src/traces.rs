//! Traces (`ecosystem.md` 3.5, 4): what a request did in each tier, as spans for a collector of OpenTelemetry. Off unless
//! the `[traces]` table names a place to send them to; what it costs then is one look at a flag for each span.
//!
//! Code anywhere makes spans with the target [`TRACES`] and knows nothing else of it. What must stay true: the queue is
//! bounded, and no request ever waits for a collector; a client outside decides nothing (`spans.rs`); only spans of
//! that target are recorded, so that no field of a log line gets into one by accident.

mod export;
mod output;
mod settings;
pub(crate) mod spans;

use foxhold_core::{RequestId, TRACES};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

pub use settings::{Destination, LocalTracesConfig, TracesConfig, TracesError};

use crate::SystemRandom;
pub(crate) use export::Exporting;
pub(crate) use settings::Checked;

/// More than any span of ours has.
const ATTRIBUTES_MAX: u32 = 32;

/// Makes spans of the process; the other end of its queue is [`Exporting`].
pub(crate) struct Recorder(SdkTracer);

/// Ready to record. Nothing is sent before [`Exporting::start`].
pub(crate) fn open(checked: Checked, role: &'static str, version: &'static str) -> (Recorder, Exporting) {
    let resource = resource(role, version);
    let sample_ratio = checked.bounds.sample_ratio;
    let (queue, exporting) = export::queue(checked, &resource);
    // All that the SDK would else take from the environment is said here: settings have one way in.
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            sample_ratio,
        ))))
        .with_max_attributes_per_span(ATTRIBUTES_MAX)
        .with_max_events_per_span(0)
        .with_max_links_per_span(0)
        .with_span_processor(queue)
        .build();
    (Recorder(provider.tracer("foxhold")), exporting)
}

/// Who records: the role, and which of its instances. No address and no host name: those are the collector's to add.
fn resource(role: &'static str, version: &'static str) -> Resource {
    let instance = RequestId::random(&SystemRandom).to_string();
    Resource::builder_empty()
        .with_service_name(format!("foxhold-{role}"))
        .with_attribute(KeyValue::new("service.version", version))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .build()
}

/// Records spans of the target and nothing else: no events, so no log line either.
pub(crate) fn layer<S>(recorder: Recorder) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == TRACES);
    OpenTelemetryLayer::new(recorder.0)
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(spans.with_max_level_hint(LevelFilter::INFO))
}

#[cfg(test)]
mod tests;

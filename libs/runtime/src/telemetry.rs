//! How a process is seen: one JSON object a line when nobody looks, readable text on a terminal (`ecosystem.md` 3.5).
//! Every `main` calls [`init`] once, after its configuration is read.
//!
//! What must stay true: a panic is logged with its place and never with its message, which could hold arguments
//! (`security.md` C.5, F).

mod json;
mod levels;
mod place;
mod text;

use std::io::IsTerminal;

use foxhold_core::TRACES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, filter_fn},
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::traces::{self, Recorder};

pub use json::JsonLines;
pub use levels::{Levels, PART};
pub use place::place;

/// The `log` table of every configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `auto` (text on a terminal, else JSON), `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list of `target=level` pairs.
    #[schemars(extend("x-reload" = "value"))]
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: "info".to_owned(),
        }
    }
}

impl LogConfig {
    /// Whether logging can be set up so.
    ///
    /// # Errors
    /// [`TelemetryError::Level`]
    pub fn check(&self) -> Result<(), TelemetryError> {
        self.levels().map(drop)
    }

    /// What is asked for. The library takes any word for the name of a target, and then tells nothing of all others.
    fn levels(&self) -> Result<EnvFilter, TelemetryError> {
        // The fields of a span are no parts of their own.
        let has_fields = self.level.contains('{');
        let is_known =
            |part: &str| part.is_empty() || part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
        if !has_fields && !self.level.split(',').all(is_known) {
            return Err(TelemetryError::Level);
        }
        let parsed = EnvFilter::builder().parse(&self.level);
        parsed.map_err(|_| TelemetryError::Level)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Logging that could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The level is not one.
    #[error(
        "`log.level`: no level and no list of target=level pairs\n\
         fix: give error, warn, info, debug or trace, or as in info,foxhold_sync=debug"
    )]
    Level,
    /// Something else has set up logging in this process.
    #[error("logging was set up before")]
    Twice,
}

/// Whether a line can be trusted to name nobody, whatever level an operator asks for: below INFO the database driver names
/// the keys of each statement, and those are addresses and token ids (`security.md` F). Spans of traces are no lines: left
/// out here, they are not even made where nothing is recorded.
fn may_be_told(metadata: &Metadata<'_>) -> bool {
    if metadata.target() == TRACES {
        return false;
    }
    *metadata.level() <= Level::INFO || !metadata.target().starts_with("scylla")
}

/// The target of lines about who changed what.
pub const AUDIT: &str = "foxhold::audit";

/// Whether a line is written whatever level an operator asks for: what is done in an administrator's name leaves a trace.
fn must_be_told(metadata: &Metadata<'_>) -> bool {
    metadata.target() == AUDIT
}

/// What is written, for the levels that an operator asks for.
fn told<S: Subscriber>(levels: EnvFilter) -> impl Filter<S> {
    let audit = filter_fn(must_be_told).with_max_level_hint(LevelFilter::INFO);
    levels.or(audit).and(filter_fn(may_be_told))
}

/// Starts logging to standard error and takes over the report of panics.
///
/// # Errors
/// The level is unreadable, or logging runs already.
pub fn init(role: &'static str, config: &LogConfig) -> Result<Levels, TelemetryError> {
    init_with_traces(role, config, None)
}

/// The same, and spans are recorded if there is somebody to do it.
pub(crate) fn init_with_traces(
    role: &'static str,
    config: &LogConfig,
    traces: Option<Recorder>,
) -> Result<Levels, TelemetryError> {
    let (filter, levels) = levels::changeable(config)?;
    let on_terminal = std::io::stderr().is_terminal();
    let as_text = match config.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => on_terminal,
    };
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if as_text {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(on_terminal)
            .event_format(text::TextLines)
            .boxed()
    } else {
        JsonLines::new(role, std::io::stderr).boxed()
    };
    let logs = tracing_subscriber::registry().with(lines.with_filter(filter));
    let begun = match traces {
        Some(recorder) => logs.with(traces::layer(recorder)).try_init(),
        None => logs.try_init(),
    };
    begun.map_err(|_| TelemetryError::Twice)?;
    log_panics_without_contents();
    Ok(levels)
}

/// From here on a panic is one log line with its place.
pub fn log_panics_without_contents() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(
            panic.place = place,
            thread = thread.name().unwrap_or(""),
            "a panic ended a task"
        );
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    struct Counter(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Counter {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn no_level_hides_who_changed_what() {
        for (levels, expected) in [("error", 2), ("off", 1), ("error,foxhold::audit=off", 2)] {
            let told_lines = Arc::new(AtomicUsize::new(0));
            let filter = told(EnvFilter::builder().parse(levels).unwrap());
            let lines = Counter(Arc::clone(&told_lines)).with_filter(filter);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
                tracing::info!(target: AUDIT, "told");
                tracing::info!("hidden");

                tracing::error!("told, unless all is off");
            });
            assert_eq!(told_lines.load(Ordering::Relaxed), expected, "{levels}");
        }
    }

    #[test]
    fn no_level_makes_the_database_driver_name_keys() {
        let told = Arc::new(AtomicUsize::new(0));
        let lines = Counter(Arc::clone(&told)).with_filter(filter_fn(may_be_told));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::trace!(target: "scylla::client", "hidden");
            tracing::debug!(target: "scylla_cql", "hidden");
            tracing::info!(target: "scylla::client", "told");
            tracing::trace!(target: "foxhold", "told");
        });
        assert_eq!(told.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn no_level_makes_spans_of_traces_where_nothing_is_recorded() {
        for levels in ["info", "trace", "info,foxhold::traces=trace"] {
            let filter = told(EnvFilter::builder().parse(levels).unwrap());
            let lines = Counter(Arc::default()).with_filter(filter);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
                let span = tracing::info_span!(target: TRACES, "request");
                assert!(span.is_disabled(), "{levels}");
                assert!(!tracing::info_span!("request").is_disabled(), "{levels}");
            });
        }
    }

    #[test]
    fn a_bad_level_is_an_error_that_names_the_key_and_what_to_give() {
        let with = |level: &str| LogConfig {
            level: level.to_owned(),
            ..LogConfig::default()
        };
        for good in [
            "error",
            "INFO",
            "off",
            "info,foxhold_sync=debug",
            "warn,a::b=trace",
            "[span]=info",
        ] {
            assert!(with(good).check().is_ok(), "{good}");
        }
        for bad in ["hostile=[", "loud,,=", "loud", "info,loud", "a=loud"] {
            let said = with(bad).check().unwrap_err().to_string();
            assert!(
                said.starts_with("`log.level`: ") && said.contains("\nfix: "),
                "{said}"
            );
            assert!(init("test", &with(bad)).is_err(), "{bad}");
        }
    }
}

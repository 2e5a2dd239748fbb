//! How a process is seen: one JSON object a line when nobody looks, readable text on a terminal (`ecosystem.md` 3.5).
//! Every `main` calls [`init`] once, after its configuration is read.
//!
//! What must stay true: a panic is logged with its place and never with its message, which could hold arguments
//! (`security.md` C.5, F).

mod json;
mod text;

use std::io::IsTerminal;

use serde::Deserialize;
use thiserror::Error;
use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

pub use json::JsonLines;

/// The `log` table of every configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `auto` (text on a terminal, else JSON), `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list of `target=level` pairs.
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

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
    #[error("`log.level`: not a level or a list of target=level pairs: {0}")]
    Level(String),
    /// Something else has set up logging in this process.
    #[error("logging was set up before")]
    Twice,
}

/// Starts logging to standard error and takes over the report of panics.
///
/// # Errors
/// The level is unreadable, or logging runs already.
pub fn init(role: &'static str, config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(&config.level)
        .map_err(|error| TelemetryError::Level(error.to_string()))?;
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
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|_| TelemetryError::Twice)?;
    log_panics_without_contents();
    Ok(())
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
    use super::*;

    #[test]
    fn a_bad_level_is_an_error_that_names_the_key() {
        let config = LogConfig {
            level: "hostile=[".to_owned(),
            ..LogConfig::default()
        };
        let error = init("test", &config).unwrap_err();
        assert!(error.to_string().contains("`log.level`"), "{error}");
    }
}

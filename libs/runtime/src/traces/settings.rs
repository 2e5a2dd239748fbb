//! The `[traces]` table: whether spans are recorded, of how many requests, and where they go.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tonic::transport::Endpoint;

/// The `traces` table of a process that may call a collector.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector, which takes OTLP over gRPC, as in `http://127.0.0.1:4317`. Nothing is recorded when absent.
    pub otlp_endpoint: Option<String>,
    /// Which share of the traces that begin in this process is recorded, from 0 to 1.
    pub sample_ratio: f64,
    /// Spans that wait to be sent; more are dropped, and counted.
    #[schemars(range(min = 1, max = 100_000))]
    pub queue_max: usize,
    /// Spans that are sent together.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_max: usize,
    /// How long a span waits for others to be sent with, in milliseconds.
    #[schemars(range(max = 60_000))]
    pub batch_wait_ms: u64,
    /// How long sending may take, in milliseconds; what was not sent by then is dropped, and counted.
    #[schemars(range(min = 1, max = 60_000))]
    pub send_ms_max: u64,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            sample_ratio: 0.01,
            queue_max: 4096,
            batch_max: 512,
            batch_wait_ms: 2000,
            send_ms_max: 5000,
        }
    }
}

/// The `traces` table of a process that opens no connection: something else on its machine carries its spans on.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalTracesConfig {
    /// `stderr`, or the path of a Unix socket that somebody listens at. Nothing is recorded when absent.
    pub output: Option<String>,
    /// Which share of the traces that begin in this process is recorded, from 0 to 1.
    pub sample_ratio: f64,
    /// Spans that wait to be written; more are dropped, and counted.
    #[schemars(range(min = 1, max = 100_000))]
    pub queue_max: usize,
    /// Spans of one line.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_max: usize,
    /// How long a span waits for others to be written with, in milliseconds.
    #[schemars(range(max = 60_000))]
    pub batch_wait_ms: u64,
    /// How long writing a line may take, in milliseconds; what was not written by then is dropped, and counted.
    #[schemars(range(min = 1, max = 60_000))]
    pub send_ms_max: u64,
}

impl Default for LocalTracesConfig {
    fn default() -> Self {
        Self {
            output: None,
            sample_ratio: 0.01,
            queue_max: 4096,
            // Whoever collects standard error cuts long lines: at 16 KiB, mostly.
            batch_max: 16,
            batch_wait_ms: 2000,
            send_ms_max: 1000,
        }
    }
}

/// Where a process's spans go, as its configuration says.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// It has no such table.
    Nowhere,
    /// To a collector, over a connection of its own.
    Collector(&'a TracesConfig),
    /// To this machine only.
    Local(&'a LocalTracesConfig),
}

/// A `traces` table that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TracesError {
    /// No address of a collector.
    #[error(
        "`traces.otlp_endpoint`: not the address of a collector. fix: give http://host:port, as in \
         http://127.0.0.1:4317"
    )]
    Endpoint,
    /// TLS to the collector is not spoken.
    #[error(
        "`traces.otlp_endpoint`: the collector is called without TLS. fix: run one beside the process, which carries \
         spans on, and give its http:// address"
    )]
    Https,
    /// Neither standard error nor a socket.
    #[error("`traces.output`: give \"stderr\", or the whole path of a Unix socket")]
    Output,
    /// No share.
    #[error("`traces.sample_ratio`: give a number from 0 to 1, as in 0.01 for one trace in a hundred")]
    Ratio,
}

/// Where spans go.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Collector(Box<Endpoint>),
    Stderr,
    Socket(PathBuf),
}

/// How many spans, and how long they wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) sample_ratio: f64,
    pub(super) queue_max: usize,
    pub(super) batch_max: usize,
    pub(super) batch_wait: Duration,
    pub(super) send_max: Duration,
}

/// A table that can be used, and asks for traces.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(super) place: Place,
    pub(super) bounds: Bounds,
}

impl Destination<'_> {
    /// Whether and how to record.
    pub(crate) fn checked(self) -> Result<Option<Checked>, TracesError> {
        let (place, bounds) = match self {
            Self::Nowhere => return Ok(None),
            Self::Collector(config) => (
                config.otlp_endpoint.as_deref().map(collector).transpose()?,
                Bounds {
                    sample_ratio: config.sample_ratio,
                    queue_max: config.queue_max,
                    batch_max: config.batch_max,
                    batch_wait: Duration::from_millis(config.batch_wait_ms),
                    send_max: Duration::from_millis(config.send_ms_max),
                },
            ),
            Self::Local(config) => (
                config.output.as_deref().map(local).transpose()?,
                Bounds {
                    sample_ratio: config.sample_ratio,
                    queue_max: config.queue_max,
                    batch_max: config.batch_max,
                    batch_wait: Duration::from_millis(config.batch_wait_ms),
                    send_max: Duration::from_millis(config.send_ms_max),
                },
            ),
        };
        bounds.check()?;
        Ok(place.map(|place| Checked { place, bounds }))
    }
}

impl Bounds {
    /// Also where nothing is recorded: a table that is wrong shows before somebody switches it on in a hurry.
    fn check(&self) -> Result<(), TracesError> {
        if (0.0..=1.0).contains(&self.sample_ratio) {
            Ok(())
        } else {
            Err(TracesError::Ratio)
        }
    }
}

fn collector(address: &str) -> Result<Place, TracesError> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| TracesError::Endpoint)?;
    let uri = endpoint.uri();
    let is_root = matches!(uri.path(), "" | "/") && uri.query().is_none();
    match uri.scheme_str() {
        Some("https") => Err(TracesError::Https),
        Some("http") if uri.port_u16().is_some() && is_root && !address.contains('@') => {
            Ok(Place::Collector(Box::new(endpoint)))
        }
        _ => Err(TracesError::Endpoint),
    }
}

fn local(output: &str) -> Result<Place, TracesError> {
    match output {
        "stderr" => Ok(Place::Stderr),
        path if path.starts_with('/') => Ok(Place::Socket(path.into())),
        _ => Err(TracesError::Output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_collector(change: impl FnOnce(&mut TracesConfig)) -> Result<bool, TracesError> {
        let mut config = TracesConfig::default();
        change(&mut config);
        let checked = Destination::Collector(&config).checked();
        checked.map(|checked| checked.is_some())
    }

    #[test]
    fn nothing_is_recorded_unless_a_collector_is_named() {
        let endpoint = |address: &'static str| {
            move |config: &mut TracesConfig| config.otlp_endpoint = Some(address.to_owned())
        };
        assert_eq!(of_collector(|_| {}), Ok(false));
        let table = [
            ("http://127.0.0.1:4317", Ok(true)),
            ("http://[::1]:4317/", Ok(true)),
            ("http://collector:4317", Ok(true)),
            ("https://collector:4317", Err(TracesError::Https)),
            ("collector:4317", Err(TracesError::Endpoint)),
            ("http://collector", Err(TracesError::Endpoint)),
            ("http://name:word@collector:4317", Err(TracesError::Endpoint)),
            ("http://collector:4317/v1/traces", Err(TracesError::Endpoint)),
            ("", Err(TracesError::Endpoint)),
        ];
        for (address, expected) in table {
            assert_eq!(of_collector(endpoint(address)), expected, "{address}");
        }
    }

    #[test]
    fn shares_are_checked_also_while_traces_are_off() {
        for (ratio, expected) in [(0.0, Ok(false)), (1.0, Ok(false))] {
            assert_eq!(of_collector(|config| config.sample_ratio = ratio), expected);
        }
        for ratio in [-0.1, 1.01, f64::NAN] {
            assert_eq!(
                of_collector(|config| config.sample_ratio = ratio),
                Err(TracesError::Ratio),
                "{ratio}"
            );
        }
    }

    #[test]
    fn who_opens_no_connection_writes_to_its_own_machine() {
        let table = [
            (None, Ok(false)),
            (Some("stderr"), Ok(true)),
            (Some("/run/foxhold/traces.sock"), Ok(true)),
            (Some("traces.sock"), Err(TracesError::Output)),
            (Some("http://127.0.0.1:4317"), Err(TracesError::Output)),
        ];
        for (output, expected) in table {
            let config = LocalTracesConfig {
                output: output.map(str::to_owned),
                ..LocalTracesConfig::default()
            };
            let checked = Destination::Local(&config).checked();
            assert_eq!(checked.map(|checked| checked.is_some()), expected, "{output:?}");
        }
    }
}

//! The configuration of a stretcher's process (`deploy/config/stretcher.toml`). Read once by `main`.

use std::{net::SocketAddr, time::Duration};

use foxhold_pool::PoolLimits;
use foxhold_runtime::{
    grpc_server::GrpcLimits, telemetry::LogConfig, tls::TlsSettings, traces::TracesConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where orders are taken.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// The process's certificate, role `stretcher`.
    pub tls: TlsSettings,
    /// Bounds of the listener.
    #[serde(default)]
    pub grpc: GrpcLimits,
    /// Bounds of the work.
    #[serde(default)]
    pub pool: PoolSettings,
    /// How long to answer "not ready" before connections are refused, when the process ends.
    #[serde(default = "drain_delay_secs")]
    #[schemars(range(max = 3_600))]
    pub drain_delay_secs: u64,
    /// Spans for a collector.
    #[serde(default)]
    pub traces: TracesConfig,
    /// Log lines.
    #[serde(default)]
    pub log: LogConfig,
}

/// Bounds of the work: passwords are stretched in memory that is set apart for it.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolSettings {
    /// Memory that all stretchings together may take, in MiB; each takes 66.
    pub memory_mib: u64,
    /// Most stretchings at once; the machine's cores when absent.
    #[schemars(range(min = 1, max = 4_096))]
    pub cores: Option<usize>,
    /// Stretchings that may wait for each one that runs.
    #[schemars(range(min = 1, max = 10_000))]
    pub waiting_per_slot: usize,
    /// How long one may wait, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub wait_ms_max: u64,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            memory_mib: 512,
            cores: None,
            waiting_per_slot: 4,
            wait_ms_max: 2000,
        }
    }
}

impl PoolSettings {
    /// As the pool takes them.
    #[must_use]
    pub fn limits(&self) -> PoolLimits {
        let machine = PoolLimits::of_machine(self.memory_mib.saturating_mul(1024 * 1024));
        PoolLimits {
            cores: self.cores.unwrap_or(machine.cores),
            waiting_per_slot: self.waiting_per_slot,
            wait_max: Duration::from_millis(self.wait_ms_max),
            ..machine
        }
    }
}

const fn listen() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8030)
}

const fn drain_delay_secs() -> u64 {
    5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_file_loads_and_unknown_keys_do_not() {
        let sample = include_str!("../../../deploy/config/stretcher.toml");
        let config: Config = toml::from_str(sample).unwrap();
        assert_eq!(config.listen.port(), 8030);
        assert!(config.pool.limits().slots().unwrap() >= 1);
        let unknown = format!("colour = \"red\"\n{sample}");
        assert!(toml::from_str::<Config>(&unknown).is_err());
    }

    #[test]
    fn a_budget_that_holds_none_is_refused() {
        let pool = PoolSettings {
            memory_mib: 65,
            ..PoolSettings::default()
        };
        assert!(pool.limits().slots().is_err());
    }
}

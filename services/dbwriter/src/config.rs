//! The configuration of a dbwriter's process (`deploy/config/dbwriter.toml`). Read once by `main`.

use std::{net::SocketAddr, path::PathBuf};

use foxhold_runtime::{grpc_server::GrpcLimits, telemetry::LogConfig, tls::TlsSettings};
use serde::Deserialize;

use crate::Bootstrap;

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where intents are taken.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Where `/healthz` and `/readyz` are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// The process's certificate, role `dbwriter`.
    pub tls: TlsSettings,
    /// Bounds of the listener.
    #[serde(default)]
    pub grpc: GrpcLimits,
    /// Where everything is written.
    pub store: StoreSettings,
    /// Services and nodes that must exist.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// How often what has expired is removed.
    #[serde(default = "prune_interval_secs")]
    pub prune_interval_secs: u64,
    /// How long to answer "not ready" before connections are refused, when the process ends.
    #[serde(default = "drain_delay_secs")]
    pub drain_delay_secs: u64,
    /// Log lines.
    #[serde(default)]
    pub log: LogConfig,
}

/// The embedded store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The SQLite file; made when absent. Several dbwriters on one machine may share it.
    pub path: PathBuf,
}

const fn listen() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8020)
}

const fn prune_interval_secs() -> u64 {
    3600
}

const fn drain_delay_secs() -> u64 {
    5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_file_loads_and_unknown_keys_do_not() {
        let sample = include_str!("../../../deploy/config/dbwriter.toml");
        let config: Config = toml::from_str(sample).unwrap();
        assert_eq!(config.listen.port(), 8020);
        assert_eq!(config.bootstrap.services.len(), 1);
        assert_eq!(config.bootstrap.nodes.len(), 1);
        assert_eq!(config.bootstrap.check(), Ok(()));
        let unknown = format!("colour = \"red\"\n{sample}");
        assert!(toml::from_str::<Config>(&unknown).is_err());
    }
}

//! The configuration of a dbwriter's process (`deploy/config/dbwriter.toml`). Read once by `main`.

use std::net::SocketAddr;

use foxhold_runtime::{
    config::{Findings, Secrets},
    grpc_server::GrpcLimits,
    store::{Store, StoreTable, StoreUse},
    telemetry::LogConfig,
    tls::TlsSettings,
    traces::TracesConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bootstrap;

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where intents are taken.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// The process's certificate, role `dbwriter`.
    pub tls: TlsSettings,
    /// Bounds of the listener.
    #[serde(default)]
    pub grpc: GrpcLimits,
    /// Where everything is written.
    pub store: StoreTable,
    /// Services and nodes that must exist.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// How often what has expired is removed from SQLite; a cluster does that by itself.
    #[serde(default = "prune_interval_secs")]
    #[schemars(range(max = 31_536_000))]
    pub prune_interval_secs: u64,
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
    /// What tests change.
    #[cfg(feature = "fail-points")]
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    pub(crate) test: crate::hooks::TestTable,
}

impl Config {
    /// Checks what types cannot say, and reads the store's password.
    ///
    /// # Errors
    /// Names the key.
    pub fn prepare(&self, secrets: &Secrets) -> anyhow::Result<Store> {
        self.bootstrap.check()?;
        self.check_hooks()?;
        Ok(self.store.resolve("dbwriter", StoreUse::Writes, secrets)?)
    }

    /// Looks for all that types cannot say, and reads the store's password.
    pub(crate) fn look(&self, secrets: &Secrets, found: &mut Findings<'_>) {
        for fault in self.bootstrap.faults() {
            found.take::<(), _>(Err(fault));
        }
        found.take(self.check_hooks());
        found.take_store(self.store.resolve("dbwriter", StoreUse::Writes, secrets));
    }
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

    const SAMPLE: &str = include_str!("../../../deploy/config/dbwriter.toml");
    const OVER_CASSANDRA: &str = include_str!("../../../deploy/config/dbwriter-cassandra.toml");

    #[test]
    fn the_sample_files_load_and_unknown_keys_do_not() {
        for sample in [SAMPLE, OVER_CASSANDRA] {
            let config: Config = toml::from_str(sample).unwrap();
            assert_eq!(config.listen.port(), 8020);
            assert_eq!(config.bootstrap.services.len(), 1);
            assert_eq!(config.bootstrap.nodes.len(), 1);
            assert_eq!(config.bootstrap.check(), Ok(()));
            assert!(toml::from_str::<Config>(&format!("colour = \"red\"\n{sample}")).is_err());
        }
    }

    #[test]
    fn the_samples_name_their_stores() {
        let config: Config = toml::from_str(SAMPLE).unwrap();
        let store = config.prepare(&Secrets::default()).unwrap();
        assert!(matches!(store, Store::Sqlite { .. }));
        let mut config: Config = toml::from_str(OVER_CASSANDRA).unwrap();
        assert!(
            config.prepare(&Secrets::default()).is_err(),
            "there is no such password file"
        );
        (config.store.user, config.store.password_file) = (None, None);
        let store = config.prepare(&Secrets::default()).unwrap();
        assert!(matches!(store, Store::Cassandra(_)));
    }

    #[test]
    fn tables_for_tests_are_for_test_builds() {
        let with = |test: &str| format!("{SAMPLE}\n[test]\n{test}\n");
        let hooked = toml::from_str::<Config>(&with("clock_offset_ms = -5\nfail_point = \"create.claimed\""));
        assert_eq!(hooked.is_ok(), cfg!(feature = "fail-points"));
        if let Ok(unknown) = toml::from_str::<Config>(&with("fail_point = \"nowhere\"")) {
            assert!(unknown.prepare(&Secrets::default()).is_err());
        }
    }
}

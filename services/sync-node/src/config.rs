//! The configuration of a storage node's own process (`deploy/config/sync-node.toml`). Read once by `main`.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use foxhold_crypto::node_secret::{NodeSecret, NodeSecrets, read_list};
use foxhold_node_auth::{NodeAuth, NodeName, NodeNameError};
use foxhold_runtime::{
    config::{Findings, SecretError, SecretFile, Secrets},
    telemetry::LogConfig,
    traces::TracesConfig,
};
use foxhold_sync::storage::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::node::{CollectionLimits, NodeSettings};

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the protocol is served.
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// The node's URLs as the Token Server hands them out. They share one path, the prefix of all routes.
    pub names: Vec<String>,
    /// Files of secrets, one a line, oldest first; read again when they change. A new one is appended here before the
    /// Token Server uses it.
    #[schemars(extend("x-reload" = "file"))]
    pub secret_files: Vec<SecretFile>,
    /// Take host and port under the MAC from `Host`: only behind a proxy that checks it.
    pub trust_host: bool,
    /// How long after its end a token still serves `info/collections`.
    #[schemars(range(max = 31_536_000))]
    pub expired_grace_secs: u64,
    /// How far a client's clock may be off.
    #[schemars(range(max = 315_360_000))]
    pub skew_max_secs: u64,
    /// Where the records lie; made when absent.
    pub data_dir: PathBuf,
    /// Files of a new data directory. An existing one keeps its own number.
    #[schemars(range(min = 1, max = 1_024))]
    pub shards: u32,
    /// Refuse writes: the node is being emptied.
    pub read_only: bool,
    /// Refuse writes while more percent than this of the disk are in use; 100 for never.
    #[schemars(range(max = 100))]
    pub disk_used_max_percent: u8,
    /// Bytes each user may have; no quota when absent.
    pub quota_bytes: Option<u64>,
    /// Origins whose pages may read answers; `*` for all, none for off.
    pub cors_origins: Vec<String>,
    /// Sent as `X-Weave-Alert` with every answer.
    pub alert: Option<String>,
    /// How long to answer "not ready" before connections are refused, when the process ends.
    #[schemars(range(max = 3_600))]
    pub drain_delay_secs: u64,
    /// Requests in work at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_max: usize,
    /// The published limits.
    pub limits: Limits,
    /// Other limits for single collections; they are not published.
    pub collection_limits: BTreeMap<String, CollectionLimits>,
    /// Spans for a collector.
    pub traces: TracesConfig,
    /// Log lines.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8005)),
            private_listen: None,
            names: Vec::new(),
            secret_files: Vec::new(),
            trust_host: false,
            expired_grace_secs: 7200,
            skew_max_secs: 52 * 7 * 86_400,
            data_dir: PathBuf::from("/var/lib/foxhold/sync-node"),
            shards: 16,
            read_only: false,
            disk_used_max_percent: 95,
            quota_bytes: None,
            cors_origins: vec!["*".to_owned()],
            alert: None,
            drain_delay_secs: 5,
            requests_max: 1024,
            limits: Limits::default(),
            collection_limits: BTreeMap::new(),
            traces: TracesConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// A configuration that a node cannot be opened with.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// `names` is empty.
    #[error("`names`: at least one URL. fix: names = [\"https://sync-1.example.com\"]")]
    NoName,
    /// A name is no URL.
    #[error("`names`: {url:?}: {source}")]
    Name {
        /// As configured.
        url: String,
        /// Why not.
        source: NodeNameError,
    },
    /// `secret_files` is empty, or its files are.
    #[error("`secret_files`: at least one secret. fix: secret_files = [\"/etc/foxhold/sync-1.secret\"]")]
    NoSecret,
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl Config {
    /// Who may use the node: reads every secret file.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn auth(&self, secrets: &Secrets) -> Result<NodeAuth, ConfigError> {
        let mut auth = NodeAuth::new(self.node_names()?, self.node_secrets(secrets)?);
        auth.trust_host = self.trust_host;
        auth.expired_grace = Duration::from_secs(self.expired_grace_secs);
        auth.skew_max = Duration::from_secs(self.skew_max_secs);
        Ok(auth)
    }

    fn node_names(&self) -> Result<Vec<NodeName>, ConfigError> {
        let parse = |url: &String| {
            NodeName::parse(url).map_err(|source| ConfigError::Name {
                url: url.clone(),
                source,
            })
        };
        let names: Vec<NodeName> = self.names.iter().map(parse).collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Err(ConfigError::NoName);
        }
        Ok(names)
    }

    /// Looks for all that types cannot say, and reads every secret.
    pub(crate) fn look(&self, secrets: &Secrets, found: &mut Findings<'_>) {
        found.take(self.node_names());
        found.take(self.node_secrets(secrets));
        found.take_of("limits", self.limits.validate());
    }

    /// The secrets that tokens for the node may be signed with: reads every secret file.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn node_secrets(&self, secrets: &Secrets) -> Result<NodeSecrets, ConfigError> {
        let mut list = Vec::new();
        for file in &self.secret_files {
            let text = secrets.read_text("secret_files", file)?;
            list.extend(read_list(text.expose()).into_iter().map(NodeSecret::new));
        }
        NodeSecrets::new(list).ok_or(ConfigError::NoSecret)
    }

    /// What the operator decides about the node.
    #[must_use]
    pub fn settings(&self) -> NodeSettings {
        NodeSettings {
            shards: self.shards,
            limits: self.limits,
            collection_limits: self.collection_limits.clone(),
            quota_bytes: self.quota_bytes,
            read_only: self.read_only,
            disk_used_max_percent: self.disk_used_max_percent,
            cors_origins: self.cors_origins.clone(),
            alert: self.alert.clone(),
            ..NodeSettings::new(&self.data_dir)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/config/sync-node.toml");

    /// The sample with every key in force.
    fn uncommented() -> String {
        // What is absent by default is written as `nothing`.
        let is_key = |line: &str| {
            let key = line
                .split_once(" = ")
                .filter(|(_, value)| !value.starts_with("nothing"));
            line.starts_with('[') || key.is_some_and(|(key, _)| !key.contains(' '))
        };
        let lines = SAMPLE.lines().map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| is_key(rest))
                .unwrap_or(line)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_sample_shows_keys_that_exist_and_their_defaults() {
        let sample: Config = toml::from_str(SAMPLE).unwrap();
        let full: Config = toml::from_str(&uncommented()).unwrap();
        let default = Config::default();
        assert_eq!(
            (sample.shards, sample.limits, sample.quota_bytes),
            (default.shards, default.limits, None)
        );
        assert_eq!((full.listen, &full.data_dir), (default.listen, &default.data_dir));
        assert_eq!(
            (full.shards, full.limits, full.cors_origins),
            (default.shards, default.limits, default.cors_origins)
        );
        assert_eq!(
            (full.expired_grace_secs, full.skew_max_secs),
            (default.expired_grace_secs, default.skew_max_secs)
        );
        assert_eq!(
            (full.trust_host, full.read_only, full.disk_used_max_percent),
            (
                default.trust_host,
                default.read_only,
                default.disk_used_max_percent
            )
        );
        assert_eq!(
            (full.drain_delay_secs, full.requests_max),
            (default.drain_delay_secs, default.requests_max)
        );
        assert_eq!(full.log, default.log);
        assert_eq!(
            full.collection_limits["tabs"].max_record_payload_bytes,
            Some(1_048_576)
        );
        assert!(full.quota_bytes.is_some() && full.alert.is_some());
    }

    #[test]
    fn a_key_nobody_knows_is_refused() {
        assert!(toml::from_str::<Config>("data_dri = \"/x\"").is_err());
    }
}

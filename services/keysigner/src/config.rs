//! The configuration of a keysigner's process (`deploy/config/keysigner.toml`). Read once by `main`.

use std::net::SocketAddr;

use foxhold_core::Timestamp;
use foxhold_crypto::audit::AuditKey;
use foxhold_runtime::{
    config::{Findings, Secrets, is_host},
    grpc_server::GrpcLimits,
    telemetry::LogConfig,
    tls::TlsSettings,
    traces::LocalTracesConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    SigningLimits,
    audit::{AuditKeyError, AuditSettings},
    custody::{
        Custody, ephemeral,
        file::{self, KeyFile, KeyFileError},
    },
    node_secrets::NodeSecretFiles,
};

/// How much care is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Users depend on it.
    #[default]
    Prod,
    /// Somebody tries something out.
    Dev,
}

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `prod` (default) or `dev`.
    #[serde(default)]
    pub env: Environment,
    /// Where orders are taken.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// The `iss` of every token: the public root URL of the webheads, without trailing slash.
    pub issuer: String,
    /// The `iss` of every certificate: the `domain` of the webheads. Their public URL's host when absent, as there.
    pub domain: Option<String>,
    /// The keys. Which one signs follows from when each has its turn; of several without a turn, the first.
    #[serde(default)]
    pub keys: Vec<KeyFile>,
    /// Makes a key that dies with the process, in place of `keys`. Only with `env = "dev"`.
    #[serde(default)]
    pub ephemeral_key: bool,
    /// Where each decision with the keys is written down before a signature leaves. May be left out with `env = "dev"`.
    pub audit: Option<AuditSettings>,
    /// Secrets of the storage nodes.
    #[serde(default)]
    pub node_secrets: NodeSecretFiles,
    /// Bounds of the signing threads.
    #[serde(default)]
    pub signing: SigningLimits,
    /// The process's certificate, role `keysigner`.
    pub tls: TlsSettings,
    /// Bounds of the listener.
    #[serde(default)]
    pub grpc: GrpcLimits,
    /// How long to answer "not ready" before connections are refused, when the process ends.
    #[serde(default = "drain_delay_secs")]
    #[schemars(range(max = 3_600))]
    pub drain_delay_secs: u64,
    /// Spans: to standard error or a Unix socket only, since this process opens no connection.
    #[serde(default)]
    pub traces: LocalTracesConfig,
    /// Log lines.
    #[serde(default)]
    pub log: LogConfig,
}

const fn listen() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8010)
}

const fn drain_delay_secs() -> u64 {
    5
}

/// Keys that go together badly, or do not open.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The issuer is not a root URL.
    #[error(
        "`issuer`: give the public root URL, such as https://accounts.example.org, without trailing slash"
    )]
    Issuer,
    /// A domain that no webhead takes either.
    #[error("`domain`: give the webheads' `domain`, in lower case, as in accounts.example.org")]
    Domain,
    /// A throw-away key where users depend on it.
    #[error(
        "`ephemeral_key`: tokens would die with the process; it is for `env = \"dev\"` only. fix: list `keys`"
    )]
    EphemeralInProd,
    /// Both kinds of keys.
    #[error("`ephemeral_key` and `keys` cannot be used together. fix: keep one of them")]
    TwoKindsOfKeys,
    /// No key at all.
    #[error("`keys` is empty. fix: make one with `foxhold key create`, and list its two files")]
    NoKeys,
    /// Signatures that nobody would find again.
    #[error(
        "`audit` is missing: every signature is written down before it leaves. fix: [audit] with folder and key_file"
    )]
    NoAudit,
    /// The key of the audit log.
    #[error(transparent)]
    AuditKey(#[from] AuditKeyError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}

impl Config {
    /// Opens the keys, first the one that signs.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn open_keys(&self, secrets: &Secrets, now: Timestamp) -> Result<Vec<Box<dyn Custody>>, ConfigError> {
        self.check()?;
        if self.ephemeral_key {
            tracing::warn!("signing with a key that dies with this process");
            return Ok(vec![ephemeral::generate(now)?]);
        }
        self.key_files(secrets).collect()
    }

    fn key_files(&self, secrets: &Secrets) -> impl Iterator<Item = Result<Box<dyn Custody>, ConfigError>> {
        let open = |(at, key)| file::open(secrets, &format!("keys[{at}]"), key).map_err(ConfigError::from);
        self.keys.iter().enumerate().map(open)
    }

    /// Looks for all that types cannot say, and opens every key.
    pub(crate) fn look(&self, secrets: &Secrets, found: &mut Findings<'_>) {
        found.take(self.check());
        for (at, opened) in self.key_files(secrets).enumerate() {
            found.take_of(&format!("keys[{at}]"), opened);
        }
        found.take(self.audit_key(secrets));
    }

    /// The `iss` of every certificate.
    #[must_use]
    pub fn domain(&self) -> String {
        self.domain
            .clone()
            .unwrap_or_else(|| host(&self.issuer).to_owned())
    }

    /// Reads the key of the audit log, if there is one.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn audit_key(&self, secrets: &Secrets) -> Result<Option<(&AuditSettings, AuditKey)>, ConfigError> {
        match &self.audit {
            Some(settings) => Ok(Some((settings, settings.key(secrets)?))),
            None if self.env == Environment::Prod => Err(ConfigError::NoAudit),
            None => Ok(None),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let host = self
            .issuer
            .strip_prefix("https://")
            .or_else(|| self.issuer.strip_prefix("http://"));
        let is_root = host.is_some_and(|host| !host.is_empty() && !host.ends_with('/'));
        let is_plain = self.issuer.bytes().all(|byte| byte.is_ascii_graphic());
        match (self.ephemeral_key, self.keys.is_empty(), self.env) {
            _ if !(is_root && is_plain) => Err(ConfigError::Issuer),
            _ if self.domain.as_deref().is_some_and(|domain| !is_host(domain)) => Err(ConfigError::Domain),
            (true, _, Environment::Prod) => Err(ConfigError::EphemeralInProd),
            (true, false, _) => Err(ConfigError::TwoKindsOfKeys),
            (false, true, _) => Err(ConfigError::NoKeys),
            (true, true, Environment::Dev) | (false, false, _) => Ok(()),
        }
    }
}

/// Of a root URL: without scheme and port.
fn host(root: &str) -> &str {
    let rest = root.split_once("://").map_or(root, |(_, rest)| rest);
    let port = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
    port.map_or(rest, |at| &rest[..at])
}

#[cfg(test)]
mod tests {
    use foxhold_runtime::config::{Reading, Sources};

    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/config/keysigner.toml");

    fn sample() -> Config {
        toml::from_str(SAMPLE).unwrap()
    }

    #[test]
    fn the_sample_file_loads_and_unknown_keys_do_not() {
        let config = sample();
        assert_eq!(
            (config.listen.port(), config.keys.len(), config.env),
            (8010, 1, Environment::Prod)
        );
        assert!(config.check().is_ok());
        assert!(toml::from_str::<Config>(&format!("colour = \"red\"\n{SAMPLE}")).is_err());
    }

    #[test]
    fn who_depends_on_it_has_an_audit_log() {
        let mut config = sample();
        let refused = config.audit_key(&Secrets::default()).err();
        assert!(
            matches!(refused, Some(ConfigError::AuditKey(_))),
            "the sample's file is not here"
        );
        config.audit = None;
        let refused = config.audit_key(&Secrets::default()).err();
        assert!(matches!(refused, Some(ConfigError::NoAudit)));
        config.env = Environment::Dev;
        assert!(matches!(config.audit_key(&Secrets::default()), Ok(None)));
    }

    #[test]
    fn certificates_are_of_the_webheads_domain() {
        let table = [
            ("https://accounts.example.org", None, "accounts.example.org"),
            ("http://localhost:8000", None, "localhost"),
            ("http://[::1]:8000", None, "[::1]"),
            ("http://[::1]", None, "[::1]"),
            ("https://accounts.example.org", Some("example.org"), "example.org"),
            ("http://localhost:8000", Some("[::1]"), "[::1]"),
        ];
        for (issuer, domain, expected) in table {
            let config = Config {
                issuer: issuer.to_owned(),
                domain: domain.map(str::to_owned),
                ..sample()
            };
            assert_eq!(config.domain(), expected);
            assert!(config.check().is_ok(), "{issuer}");
        }
    }

    #[test]
    fn where_there_is_no_limit_its_burst_does_not_matter() {
        let mut config = sample();
        (config.signing.caller_per_second, config.signing.caller_burst) = (0, 0);
        let reading = Reading::of(&Sources::default());
        let mut found = Findings::of("keysigner", &reading);
        found.take_bounds(&config);
        assert!(found.is_empty());
        config.signing.waiting_per_thread = 0;
        found.take_bounds(&config);
        assert!(!found.is_empty(), "others do");
    }

    #[test]
    fn a_throw_away_key_is_for_development_only() {
        type Change = fn(&mut Config);
        let table: [(&str, Change, &str); 9] = [
            ("in prod", |config| config.ephemeral_key = true, "`ephemeral_key`"),
            (
                "beside a file",
                |config| (config.ephemeral_key, config.env) = (true, Environment::Dev),
                "together",
            ),
            ("no key", |config| config.keys.clear(), "`keys` is empty"),
            ("no issuer", |config| config.issuer.clear(), "`issuer`"),
            ("trailing slash", |config| config.issuer.push('/'), "`issuer`"),
            (
                "no scheme",
                |config| config.issuer = "accounts.example.org".into(),
                "`issuer`",
            ),
            (
                "no domain",
                |config| config.domain = Some("https://x".into()),
                "`domain`",
            ),
            (
                "a domain that webheads do not take",
                |config| config.domain = Some("Example.org".into()),
                "`domain`",
            ),
            ("no file", |_| {}, "keys[0].file"),
        ];
        for (name, change, expected) in table {
            let mut config = sample();
            change(&mut config);
            let refused = config.open_keys(&Secrets::default(), Timestamp::default());
            let message = refused.err().expect(name).to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
        let mut config = sample();
        (config.ephemeral_key, config.env) = (true, Environment::Dev);
        config.keys.clear();
        assert_eq!(
            config
                .open_keys(&Secrets::default(), Timestamp::default())
                .unwrap()
                .len(),
            1
        );
    }
}

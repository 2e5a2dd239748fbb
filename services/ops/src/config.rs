//! The configuration of a process of its own (`deploy/config/ops.toml`). Read once by `main`.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use foxhold_accounts::CodeKey;
use foxhold_core::{Secret, SecretText, hex};
use foxhold_ports::assignments::is_node_url;
use foxhold_runtime::{
    channel::ChannelSettings,
    config::{Findings, SecretError, SecretFile, Secrets, is_host, site_root},
    store::{Store, StoreError, StoreTable, StoreUse},
    telemetry::LogConfig,
    tls::TlsSettings,
    traces::TracesConfig,
};
use foxhold_sync::jobs::purge::ByUid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::OpsLimits;

/// All keys. A key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the admin API is served, to those with a certificate of the role `operator`.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are served, for operators only; nowhere when absent.
    pub private_listen: Option<SocketAddr>,
    /// File with the key of hashes in telemetry: any text, the same as the webheads'.
    pub metrics_key_file: SecretFile,
    /// What accounts are administered with; they are not when absent.
    pub accounts: Option<AccountsTable>,
    /// What invitations to make an account are made with; none are made when absent.
    pub invitations: Option<InvitationsTable>,
    /// The process's certificate, role `ops`.
    pub tls: TlsSettings,
    /// Where everything is read.
    pub store: StoreTable,
    /// The dbwriters.
    pub dbwriter: ChannelSettings,
    /// The keysigners.
    pub keysigner: ChannelSettings,
    /// Erasing the data of replaced records.
    #[serde(default)]
    pub purge: PurgeTable,
    /// Requests in work at once.
    #[serde(default = "requests_max")]
    #[schemars(range(max = 1_000_000))]
    pub requests_max: usize,
    /// How long a request may take, in milliseconds.
    #[serde(default = "request_ms_max")]
    #[schemars(range(max = 600_000))]
    pub request_ms_max: u64,
    /// After this time a page of a job is ended where it is, in milliseconds.
    #[serde(default = "page_ms_max")]
    #[schemars(range(max = 600_000))]
    pub page_ms_max: u64,
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

/// Erasing the data of replaced records.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PurgeTable {
    /// URLs of nodes that keep data by uid, as `foxhold-sync-node` does; `*` alone for all. The same as the webheads'.
    pub nodes_by_uid: Vec<String>,
}

/// What invitations are made with.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationsTable {
    /// Root of the pages, as `public_url` of the webheads, without a trailing slash.
    pub public_url: String,
    /// File with the key that codes are hashed with, 64 hex digits: the same as the webheads'.
    pub code_key_file: SecretFile,
    /// Whether invitations may be mailed: they wait in the outbox for webheads with `mail.mode = "smtp"`, which send them.
    #[serde(default)]
    pub mail: bool,
}

/// The same, read.
pub(crate) struct InvitationSettings {
    pub(crate) root: String,
    pub(crate) code_key: Arc<Secret<32>>,
    pub(crate) mail: bool,
}

/// What accounts are administered with.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsTable {
    /// Second half of users' keys, as `domain` of the webheads.
    pub domain: String,
    /// Root of the pages, as `public_url` of the webheads, without a trailing slash.
    pub public_url: String,
    /// File with the key that mailed codes are derived from, 64 hex digits: the same as the webheads'.
    pub code_key_file: SecretFile,
}

/// The same, read.
pub(crate) struct AccountSettings {
    pub(crate) domain: String,
    pub(crate) root: String,
    pub(crate) code_key: CodeKey,
}

/// All nodes, where it stands alone.
const ALL: &str = "*";

/// A configuration that the process cannot be started with. Names the key and the fix.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A store that cannot be reached as configured.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that is no node.
    #[error("`purge.nodes_by_uid`: give nodes' URLs without a trailing slash, or \"*\" alone for all")]
    NodesByUid,
    /// No root of pages: links would lead nowhere.
    #[error(
        "`{0}`: is not scheme, host and port in their usual spelling\n\
         fix: the same as `public_url` of the webheads, as in https://accounts.example.com"
    )]
    Root(&'static str),
    /// No domain of webheads: users would be looked for under keys that nobody has.
    #[error(
        "`accounts.domain`: is no host in its usual spelling\n\
         fix: the same as `domain` of the webheads, or the host of their `public_url`, as in accounts.example.com"
    )]
    Domain,
    /// A key of another length.
    #[error("`{0}`: the file has to hold 64 hex digits")]
    CodeKey(&'static str),
    /// A bound that lets nothing through.
    #[error("`{0}`: give at least 1")]
    Zero(&'static str),
}

/// What is checked and read once, before anything starts.
pub(crate) struct Prepared {
    pub(crate) store: Store,
    pub(crate) metrics_key: Arc<SecretText>,
    pub(crate) accounts: Option<AccountSettings>,
    pub(crate) invitations: Option<InvitationSettings>,
    pub(crate) by_uid: ByUid,
    pub(crate) limits: OpsLimits,
}

impl Config {
    /// Looks for all that types cannot say, and reads every secret.
    pub(crate) fn look(&self, secrets: &Secrets, found: &mut Findings<'_>) {
        for key in self.zeroes() {
            found.take::<(), _>(Err(ConfigError::Zero(key)));
        }
        if let Some(table) = &self.invitations {
            found.take(table.prepare(secrets));
        }
        if let Some(table) = &self.accounts {
            found.take(table.prepare(secrets));
        }
        found.take(self.purge.by_uid());
        found.take(secrets.read_text("metrics_key_file", &self.metrics_key_file));
        found.take_store(self.store.resolve("ops", StoreUse::Reads, secrets));
    }

    /// Bounds that let nothing through.
    fn zeroes(&self) -> impl Iterator<Item = &'static str> {
        let bounds = [
            ("requests_max", self.requests_max as u64),
            ("request_ms_max", self.request_ms_max),
            ("page_ms_max", self.page_ms_max),
        ];
        bounds
            .into_iter()
            .filter(|(_, bound)| *bound == 0)
            .map(|(key, _)| key)
    }

    /// Checks what types cannot say, and reads every secret.
    ///
    /// # Errors
    /// Names the key.
    pub(crate) fn prepare(&self, secrets: &Secrets) -> Result<Prepared, ConfigError> {
        if let Some(key) = self.zeroes().next() {
            return Err(ConfigError::Zero(key));
        }
        let (accounts, invitations) = (self.accounts.as_ref(), self.invitations.as_ref());
        Ok(Prepared {
            accounts: accounts.map(|table| table.prepare(secrets)).transpose()?,
            invitations: invitations.map(|table| table.prepare(secrets)).transpose()?,
            by_uid: self.purge.by_uid()?,
            limits: OpsLimits {
                in_work_max: self.requests_max,
                budget: Duration::from_millis(self.request_ms_max),
                page_max: Duration::from_millis(self.page_ms_max),
            },
            metrics_key: Arc::new(secrets.read_text("metrics_key_file", &self.metrics_key_file)?),
            store: self.store.resolve("ops", StoreUse::Reads, secrets)?,
        })
    }
}

impl InvitationsTable {
    fn prepare(&self, secrets: &Secrets) -> Result<InvitationSettings, ConfigError> {
        let root = root("invitations.public_url", &self.public_url)?;
        let key = code_key("invitations.code_key_file", &self.code_key_file, secrets)?;
        Ok(InvitationSettings {
            root,
            code_key: Arc::new(key),
            mail: self.mail,
        })
    }
}

impl AccountsTable {
    fn prepare(&self, secrets: &Secrets) -> Result<AccountSettings, ConfigError> {
        if !is_host(&self.domain) {
            return Err(ConfigError::Domain);
        }
        let root = root("accounts.public_url", &self.public_url)?;
        let key = code_key("accounts.code_key_file", &self.code_key_file, secrets)?;
        Ok(AccountSettings {
            domain: self.domain.clone(),
            root,
            code_key: CodeKey::new(key),
        })
    }
}

/// What pages' paths are appended to: without a trailing slash.
fn root(key: &'static str, url: &str) -> Result<String, ConfigError> {
    site_root(url).ok_or(ConfigError::Root(key))?;
    Ok(url.trim_end_matches('/').to_owned())
}

fn code_key(name: &'static str, file: &SecretFile, secrets: &Secrets) -> Result<Secret<32>, ConfigError> {
    let text = secrets.read_text(name, file)?;
    let key = hex::decode(text.expose()).map_err(|_| ConfigError::CodeKey(name))?;
    Ok(Secret::new(key))
}

impl PurgeTable {
    fn by_uid(&self) -> Result<ByUid, ConfigError> {
        let nodes = &self.nodes_by_uid;
        if matches!(&nodes[..], [one] if one == ALL) {
            return Ok(ByUid::All);
        }
        if !nodes.iter().all(|node| is_node_url(node)) {
            return Err(ConfigError::NodesByUid);
        }
        Ok(ByUid::Nodes(nodes.iter().cloned().collect::<BTreeSet<_>>()))
    }
}

const fn listen() -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8040)
}

const fn requests_max() -> usize {
    32
}

const fn request_ms_max() -> u64 {
    60_000
}

/// Three calls without an answer, so that a purge sees a silent node as one.
const fn page_ms_max() -> u64 {
    40_000
}

const fn drain_delay_secs() -> u64 {
    5
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};

    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/config/ops.toml");

    fn sample() -> Config {
        toml::from_str(SAMPLE).unwrap()
    }

    /// With a key that is there.
    fn prepared(config: Config) -> Result<Prepared, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.key");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all(b"any text").unwrap();
        let config = Config {
            metrics_key_file: SecretFile(path),
            ..config
        };
        config.prepare(&Secrets::default())
    }

    #[test]
    fn the_sample_file_loads_and_unknown_keys_do_not() {
        let config = sample();
        assert_eq!(config.listen.port(), 8040);
        assert!(toml::from_str::<Config>(&format!("colour = \"red\"\n{SAMPLE}")).is_err());
        let prepared = prepared(config).unwrap();
        assert!(matches!(prepared.store, Store::Sqlite { .. }));
        assert_eq!(prepared.by_uid, ByUid::Nodes(BTreeSet::new()));
        assert!(
            sample().prepare(&Secrets::default()).is_err(),
            "there is no such key file"
        );
    }

    /// Whoever takes the `#` away gets what was there before.
    #[test]
    fn what_the_sample_shows_in_comments_is_the_default() {
        let live: Vec<&str> = SAMPLE.lines().filter(|line| !line.starts_with('#')).collect();
        let (bare, whole) = (live.join("\n"), SAMPLE.replace("\n# ", "\n"));
        // What is absent by default is written as `nothing`.
        let is_key = |line: &&str| {
            let is_absent = line.contains(" = nothing ");
            line.is_empty() || line.starts_with('[') || (line.contains(" = ") && !is_absent)
        };
        let whole: Vec<&str> = whole.lines().filter(is_key).collect();
        let bare = prepared(toml::from_str(&bare).unwrap()).unwrap();
        let mut whole: Config = toml::from_str(&whole.join("\n")).unwrap();
        // By default nobody is invited, and no account administered: there is no such key file.
        assert!(whole.invitations.take().is_some_and(|table| !table.mail));
        assert!(whole.accounts.take().is_some());
        assert_eq!(whole.drain_delay_secs, drain_delay_secs());
        let whole = prepared(whole).unwrap();
        assert_eq!(format!("{:?}", bare.limits), format!("{:?}", whole.limits));
        assert_eq!(bare.by_uid, whole.by_uid);
    }

    #[test]
    fn links_and_keys_of_users_are_spelled_as_the_webheads_spell_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code.key");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        file.write_all("ab".repeat(32).as_bytes()).unwrap();
        let accounts = |domain: &str, root: &str| {
            let table = AccountsTable {
                domain: domain.to_owned(),
                public_url: root.to_owned(),
                code_key_file: SecretFile(path.clone()),
            };
            table.prepare(&Secrets::default()).map(|settings| settings.root)
        };
        let invitations = |root: &str| {
            let table = InvitationsTable {
                public_url: root.to_owned(),
                code_key_file: SecretFile(path.clone()),
                mail: false,
            };
            table.prepare(&Secrets::default()).map(|settings| settings.root)
        };
        for (domain, root, expected) in [
            ("a.example", "https://a.example", Ok("https://a.example")),
            ("a.example", "https://a.example/", Ok("https://a.example")),
            ("A.example", "https://a.example", Err("`accounts.domain`")),
            ("", "https://a.example", Err("`accounts.domain`")),
            ("a.example", "a.example", Err("`accounts.public_url`")),
            (
                "a.example",
                "https://a.example/pages",
                Err("`accounts.public_url`"),
            ),
        ] {
            let found = accounts(domain, root).map_err(|fault| fault.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(key)) => assert!(found.starts_with(key), "{found}"),
                _ => panic!("{domain:?} {root:?}: {found:?}"),
            }
        }
        assert_eq!(
            invitations("https://a.example/").ok().as_deref(),
            Some("https://a.example")
        );
        let fault = invitations("a.example").err().unwrap().to_string();
        assert!(fault.starts_with("`invitations.public_url`"), "{fault}");
    }

    #[test]
    fn what_cannot_be_meant_names_its_key() {
        type Row = (&'static str, fn(&mut Config));
        let table: [Row; 5] = [
            ("requests_max", |c| c.requests_max = 0),
            ("request_ms_max", |c| c.request_ms_max = 0),
            ("page_ms_max", |c| c.page_ms_max = 0),
            ("nodes_by_uid", |c| {
                c.purge.nodes_by_uid = vec!["https://n/".into()]
            }),
            ("nodes_by_uid", |c| {
                c.purge.nodes_by_uid = vec!["*".into(), "*".into()]
            }),
        ];
        for (key, change) in table {
            let mut config = sample();
            change(&mut config);
            let error = prepared(config).err().map(|error| error.to_string());
            assert!(
                error.as_ref().is_some_and(|error| error.contains(key)),
                "{key}: {error:?}"
            );
        }
        let mut config = sample();
        config.purge.nodes_by_uid = vec!["*".into()];
        assert_eq!(prepared(config).unwrap().by_uid, ByUid::All);
    }
}

//! The `[store]` table of webheads and dbwriters: which store the fleet shares and how it is reached, and the wait for it
//! when a process starts. Opening it is the services' part: nothing here links a store.
//!
//! What must stay true: a file that names a `path` and no `kind` means SQLite, as ever; a key that means nothing for the
//! kind, or for what the process does, is refused.

mod cluster_tls;
mod opened;

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use foxhold_core::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use cluster_tls::{AT_TOP, ClusterTls, ClusterTlsError, ClusterTlsFiles, ClusterTlsKeys, IN_STORE};
pub use opened::{OpenError, opened};

use crate::{
    config::{ConfigErrors, Fault, SecretError, SecretFile, Secrets},
    metrics::{label, list as metrics},
};
use cluster_tls::Rule;

/// How old a webhead's table of nodes may be at most, and is by default, in milliseconds (`tokenserver.md` 12).
const NODE_TABLE_AGE_MS_MAX: u64 = 1000;
/// Connections that read a SQLite file.
const CONNECTIONS: usize = 8;

/// Tells operators which schema the store has that was opened: the number of the last file that the program knows.
pub fn tell_schema(last_file: u32) {
    let version = label::named(&last_file.to_string());
    metrics::SCHEMA_VERSION.of([version]).set(1.0);
}

/// The technology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// One file, for processes of one machine.
    #[default]
    Sqlite,
    /// A cluster.
    Cassandra,
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Cassandra => "cassandra",
        })
    }
}

/// What a process does with the store; some keys are for one of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreUse {
    /// A webhead: it reads.
    Reads,
    /// A dbwriter.
    Writes,
}

/// All keys, as they are written. [`Self::resolve`] says what they mean together.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreTable {
    /// `sqlite` (default) or `cassandra`.
    pub kind: StoreKind,
    /// SQLite: the file. Dbwriters make it; webheads only read it.
    pub path: Option<PathBuf>,
    /// SQLite, webhead: connections that read.
    #[schemars(range(min = 1, max = 256))]
    pub connections: Option<usize>,
    /// Cassandra: some nodes, `host:port`; the others are found.
    pub contact_points: Option<Vec<String>>,
    /// Cassandra: the keyspace.
    pub keyspace: Option<String>,
    /// Cassandra: the region this process runs in, as `foxhold region list` shows it.
    pub region: Option<String>,
    /// Cassandra: the role to log in as; together with `password_file`, or neither.
    pub user: Option<String>,
    /// Cassandra: file with its password.
    pub password_file: Option<SecretFile>,
    /// Cassandra: PEM file of the authority that signed the nodes' certificates; no TLS when absent.
    pub tls_authority: Option<PathBuf>,
    /// Cassandra: PEM file of the certificate that the nodes are shown; together with `tls_key_file`, or neither.
    pub tls_certificate: Option<PathBuf>,
    /// Cassandra: PEM file of its private key.
    pub tls_key_file: Option<SecretFile>,
    /// Cassandra: the address that connections are made from; any when absent.
    pub local_address: Option<IpAddr>,
    /// Cassandra, webhead: how old the table of nodes may be, in milliseconds.
    pub node_table_age_ms: Option<u64>,
}

/// The store of a process, with all that is needed to open it.
#[derive(Debug)]
pub enum Store {
    /// One file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Connections that read.
        connections: usize,
    },
    /// A cluster.
    Cassandra(Cluster),
}

/// How a cluster is reached.
#[derive(Debug)]
pub struct Cluster {
    /// Some nodes, `host:port`.
    pub contact_points: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// The region this process runs in.
    pub region: String,
    /// Role and password.
    pub login: Option<(String, SecretText)>,
    /// TLS to the nodes; none when absent.
    pub tls: Option<ClusterTls>,
    /// Where connections are made from.
    pub local_address: Option<IpAddr>,
    /// How old the table of nodes may be.
    pub node_table_age: Duration,
}

/// A `[store]` table that names no store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Keys that do not go together; all faults.
    #[error(transparent)]
    Keys(#[from] ConfigErrors),
    /// The password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// The files of TLS to the nodes cannot be used.
    #[error(transparent)]
    Tls(#[from] ClusterTlsError),
}

/// Whether a key belongs to a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Required,
    Optional,
    Nowhere,
}

impl StoreTable {
    /// What the keys mean together, for the process of the role `role`; reads the password and the certificates.
    ///
    /// # Errors
    /// All faults of the keys, or the first of the files.
    pub fn resolve(&self, role: &str, use_: StoreUse, secrets: &Secrets) -> Result<Store, StoreError> {
        let mut errors = ConfigErrors::of(role);
        for (key, problem, fix) in self.faults(use_) {
            errors.push(Fault {
                origin: None,
                key: format!("store.{key}"),
                problem,
                fix,
            });
        }
        if !errors.is_empty() {
            return Err(errors.into());
        }
        Ok(match self.kind {
            StoreKind::Sqlite => Store::Sqlite {
                path: self.path.clone().unwrap_or_default(),
                connections: self.connections.unwrap_or(CONNECTIONS),
            },
            StoreKind::Cassandra => Store::Cassandra(self.cluster(secrets)?),
        })
    }

    fn cluster(&self, secrets: &Secrets) -> Result<Cluster, StoreError> {
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), secrets.read_text("store.password_file", file)?)),
            _ => None,
        };
        let age = self.node_table_age_ms.unwrap_or(NODE_TABLE_AGE_MS_MAX);
        Ok(Cluster {
            contact_points: self.contact_points.clone().unwrap_or_default(),
            keyspace: self.keyspace.clone().unwrap_or_default(),
            region: self.region.clone().unwrap_or_default(),
            login,
            tls: self.tls_files().read(IN_STORE, secrets)?,
            local_address: self.local_address,
            node_table_age: Duration::from_millis(age),
        })
    }

    fn tls_files(&self) -> ClusterTlsFiles<'_> {
        ClusterTlsFiles {
            authority: self.tls_authority.as_deref(),
            certificate: self.tls_certificate.as_deref(),
            key_file: self.tls_key_file.as_ref(),
        }
    }

    /// Key, problem and fix of every fault.
    fn faults(&self, use_: StoreUse) -> Vec<(&'static str, String, String)> {
        let of_places = self.places(use_).into_iter().filter_map(|(key, given, place)| {
            let kind = self.kind;
            match (given, place) {
                (true, Place::Nowhere) => Some((
                    key,
                    format!("means nothing here: `store.kind` is {kind}"),
                    "remove it, or change `store.kind`".to_owned(),
                )),
                (false, Place::Required) => Some((
                    key,
                    format!("is missing: `store.kind` is {kind}"),
                    "set it; it has no default".to_owned(),
                )),
                _ => None,
            }
        });
        let of_values = self
            .rules()
            .into_iter()
            .chain(self.tls_files().rules())
            .filter(|(_, holds, ..)| !holds)
            .map(|(key, _, problem, fix)| (key, problem.to_owned(), fix.to_owned()));
        of_places.chain(of_values).collect()
    }

    /// Each key, whether it is given, and where it belongs.
    fn places(&self, use_: StoreUse) -> [(&'static str, bool, Place); 12] {
        use Place::{Nowhere, Optional, Required};
        let of = |kind, place| if self.kind == kind { place } else { Nowhere };
        let sqlite = |place| of(StoreKind::Sqlite, place);
        let cassandra = |place| of(StoreKind::Cassandra, place);
        let for_readers = if use_ == StoreUse::Reads {
            Optional
        } else {
            Nowhere
        };
        [
            ("path", self.path.is_some(), sqlite(Required)),
            ("connections", self.connections.is_some(), sqlite(for_readers)),
            (
                "contact_points",
                self.contact_points.is_some(),
                cassandra(Required),
            ),
            ("keyspace", self.keyspace.is_some(), cassandra(Required)),
            ("region", self.region.is_some(), cassandra(Required)),
            ("user", self.user.is_some(), cassandra(Optional)),
            ("password_file", self.password_file.is_some(), cassandra(Optional)),
            ("tls_authority", self.tls_authority.is_some(), cassandra(Optional)),
            (
                "tls_certificate",
                self.tls_certificate.is_some(),
                cassandra(Optional),
            ),
            ("tls_key_file", self.tls_key_file.is_some(), cassandra(Optional)),
            ("local_address", self.local_address.is_some(), cassandra(Optional)),
            (
                "node_table_age_ms",
                self.node_table_age_ms.is_some(),
                cassandra(for_readers),
            ),
        ]
    }

    /// Each rule about values: its key, whether it holds, what is wrong if not, and the fix.
    fn rules(&self) -> [Rule; 5] {
        let points = self.contact_points.as_deref();
        let age = self.node_table_age_ms.unwrap_or_default();
        [
            (
                "contact_points",
                points
                    .is_none_or(|points| !points.is_empty() && points.iter().all(|point| is_address(point))),
                "is not a list of host:port",
                "give some nodes, as in [\"10.0.0.1:9042\", \"10.0.0.2:9042\"]",
            ),
            (
                "keyspace",
                self.keyspace.as_deref().is_none_or(is_keyspace),
                "is no name of a keyspace",
                "give lower-case letters, digits and _, a letter first, at most 48",
            ),
            (
                "region",
                self.region.as_deref().is_none_or(|name| !name.is_empty()),
                "is empty",
                "give a name that `foxhold region list` shows",
            ),
            (
                "password_file",
                self.user.is_some() == self.password_file.is_some(),
                "does not go without `store.user`, nor that without this",
                "give both, or neither where the cluster lets anybody in",
            ),
            (
                "node_table_age_ms",
                age <= NODE_TABLE_AGE_MS_MAX,
                "is too long",
                "give 0 to 1000: users must not be sent to a node for longer after it was taken out",
            ),
        ]
    }
}

/// `host:port`
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok()
    })
}

/// A name that needs no quotes, within Cassandra's length.
fn is_keyspace(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) && name.len() <= 48
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const CASSANDRA: &str =
        "kind = \"cassandra\"\ncontact_points = [\"n:9042\"]\nkeyspace = \"foxhold\"\nregion = \"eu\"\n";

    fn resolve(text: &str, use_: StoreUse) -> Result<Store, StoreError> {
        let table: StoreTable = toml::from_str(text).unwrap();
        table.resolve("webhead", use_, &Secrets::default())
    }

    #[test]
    fn a_path_alone_means_sqlite() {
        for text in [
            "path = \"/a\"",
            "kind = \"sqlite\"\npath = \"/a\"\nconnections = 3",
        ] {
            let Ok(Store::Sqlite { path, connections }) = resolve(text, StoreUse::Reads) else {
                panic!("{text}");
            };
            assert_eq!(path, PathBuf::from("/a"));
            assert_eq!(connections, if text.contains('3') { 3 } else { CONNECTIONS });
        }
    }

    #[test]
    fn a_cluster_is_reached_as_it_is_written_and_its_password_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "open sesame\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let login = format!("user = \"reader\"\npassword_file = {file:?}\nnode_table_age_ms = 5\n");
        let Ok(Store::Cassandra(cluster)) = resolve(&format!("{CASSANDRA}{login}"), StoreUse::Reads) else {
            panic!("not resolved");
        };
        let (user, password) = cluster.login.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("reader", "open sesame"));
        assert_eq!(cluster.node_table_age, Duration::from_millis(5));
        let Ok(Store::Cassandra(plain)) = resolve(CASSANDRA, StoreUse::Writes) else {
            panic!("not resolved");
        };
        assert!(plain.login.is_none() && plain.tls.is_none());
        assert_eq!(plain.node_table_age, Duration::from_secs(1));
        let exposed = login.replace("password\"", "nothing\"");
        assert!(matches!(
            resolve(&format!("{CASSANDRA}{exposed}"), StoreUse::Reads),
            Err(StoreError::Password(_))
        ));
        let unreadable = resolve(&format!("{CASSANDRA}tls_authority = {file:?}"), StoreUse::Reads);
        assert!(
            matches!(&unreadable, Err(StoreError::Tls(error)) if error.to_string().contains("`store.tls_authority`")),
            "{unreadable:?}"
        );
    }

    #[test]
    fn every_fault_is_told_by_its_key() {
        use StoreUse::{Reads, Writes};
        let with = |more: &str| format!("{CASSANDRA}{more}");
        let table: [(String, StoreUse, &[&str]); 14] = [
            (String::new(), Reads, &["path"]),
            (
                "kind = \"cassandra\"".into(),
                Reads,
                &["contact_points", "keyspace", "region"],
            ),
            ("path = \"/a\"\nregion = \"eu\"".into(), Reads, &["region"]),
            ("path = \"/a\"\nconnections = 3".into(), Writes, &["connections"]),
            (with("path = \"/a\""), Reads, &["path"]),
            (with("node_table_age_ms = 5"), Writes, &["node_table_age_ms"]),
            (with("node_table_age_ms = 1001"), Reads, &["node_table_age_ms"]),
            (with("user = \"reader\""), Reads, &["password_file"]),
            (
                with("tls_certificate = \"/a\""),
                Reads,
                &["tls_key_file", "tls_authority"],
            ),
            (
                with("tls_authority = \"/a\"\ntls_key_file = \"/a\""),
                Writes,
                &["tls_key_file"],
            ),
            (
                "path = \"/a\"\ntls_authority = \"/a\"".into(),
                Reads,
                &["tls_authority"],
            ),
            (CASSANDRA.replace("n:9042", "n"), Reads, &["contact_points"]),
            (CASSANDRA.replace("\"n:9042\"", ""), Reads, &["contact_points"]),
            (CASSANDRA.replace("foxhold", "Fox-hold"), Reads, &["keyspace"]),
        ];
        for (text, use_, keys) in table {
            let Err(StoreError::Keys(errors)) = resolve(&text, use_) else {
                panic!("{text}");
            };
            let found: Vec<&str> = errors.faults().iter().map(|fault| fault.key.as_str()).collect();
            let expected: Vec<String> = keys.iter().map(|key| format!("store.{key}")).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}

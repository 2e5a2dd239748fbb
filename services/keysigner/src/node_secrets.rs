//! The secrets shared with storage nodes, from the three sources of `tokenserver.md` section 7: files by node, one list
//! for all nodes, or masters that each node's secret is derived from. The signer signs with the last of a node.
//!
//! The files are read again when they change, all of them or none, so that secrets are rotated and revoked without a
//! restart: from the next order on the new last one signs. What happens in which order of signer and node:
//!
//! - Rotation, node first: the node knows old and new, the signer signs with the old, then with the new. No token is
//!   refused at any moment. This is the order that `foxhold token rotate --prepare` leads to.
//! - Rotation, signer first: from the signer's reload to the node's, new tokens are refused with 401. Clients drop such
//!   a token and fetch another, which is refused as well, and sync later: nothing is lost, nobody is signed out.
//! - Revocation, node first: old tokens end with the node's reload. What the signer still signs with the old secret is
//!   refused, too, until its own.
//! - Revocation, signer first: no old token is made any more, those out there serve until the node's reload, and new
//!   ones are refused until then. Either way the window is as long as the operator takes to change both.
//! - Several signers: each changes at its own time, which is any of the cases above for its share of the tokens.
//! - A crash on either side is a start with the files as they are then.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use foxhold_core::SecretText;
use foxhold_crypto::node_secret::{
    MasterError, NodeSecret, NodeSecrets, SecretsFileError, read_list, read_secrets_file,
};
use foxhold_runtime::config::{FileWatch, SecretError, SecretFile, Secrets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The `node_secrets` table of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSecretFiles {
    /// Files of lines `node_url,ts:secret[,ts:secret...]`. A node listed here uses nothing else.
    #[schemars(extend("x-reload" = "file"))]
    pub files: Vec<SecretFile>,
    /// A file of secrets for all other nodes, one a line, oldest first.
    #[schemars(extend("x-reload" = "file"))]
    pub fixed_file: Option<SecretFile>,
    /// Files of masters, one a line, oldest first, from which each other node's secrets are derived.
    #[schemars(extend("x-reload" = "file"))]
    pub master_files: Vec<SecretFile>,
}

/// Secrets that cannot be used. Names files and lines, never contents.
#[derive(Debug, Error)]
pub enum NodeSecretsError {
    /// A file cannot be read, or others may use it.
    #[error(transparent)]
    File(#[from] SecretError),
    /// A line of a file by node is wrong.
    #[error("`node_secrets.files`: {file:?}")]
    Line {
        /// The file.
        file: SecretFile,
        /// Which line, and why.
        #[source]
        source: SecretsFileError,
    },
    /// A master has a useless length.
    #[error("`node_secrets.master_files`: {file:?}")]
    Master {
        /// The file.
        file: SecretFile,
        /// Which lengths are good.
        #[source]
        source: MasterError,
    },
    /// Nothing but blank lines.
    #[error("`node_secrets`: {0:?} holds no secret")]
    NoSecret(SecretFile),
    /// Two sources for all nodes.
    #[error("`node_secrets`: fixed_file and master_files cannot be used together. fix: keep one of them")]
    TwoSources,
}

/// What a node's secret is derived from or taken from, where no file lists the node.
enum ForAll {
    Nothing,
    Fixed(NodeSecrets),
    // Only the last one signs; the nodes hold them all.
    Master(SecretText),
}

/// All node secrets the signer holds.
pub struct NodeSecretSources {
    // Swapped whole: an order is signed by the secrets of one moment.
    table: RwLock<Arc<Table>>,
    files: Option<WatchedFiles>,
}

struct Table {
    by_node: HashMap<String, NodeSecrets>,
    for_all: ForAll,
}

struct WatchedFiles {
    secrets: Secrets,
    config: NodeSecretFiles,
    watch: FileWatch,
}

impl NodeSecretSources {
    /// Reads all files.
    ///
    /// # Errors
    /// [`NodeSecretsError`].
    pub fn read(secrets: &Secrets, config: &NodeSecretFiles) -> Result<Self, NodeSecretsError> {
        let by_node = config.files.iter();
        let all = by_node.chain(&config.fixed_file).chain(&config.master_files);
        let read = || Table::read(secrets, config);
        let (watch, table) = FileWatch::reading("node_secrets", secrets, all.cloned().collect(), read)?;
        let files = WatchedFiles {
            secrets: secrets.clone(),
            config: config.clone(),
            watch,
        };
        Ok(Self {
            table: RwLock::new(Arc::new(table)),
            files: Some(files),
        })
    }

    /// From one master and nothing else.
    ///
    /// # Errors
    /// The master has a useless length.
    pub fn of_master(master: SecretText) -> Result<Self, MasterError> {
        NodeSecret::from_master(&master, "")?;
        Ok(Self::of(ForAll::Master(master)))
    }

    /// One list for whatever node, from somewhere else than files: the single box reads its own, for signer and node
    /// together.
    #[must_use]
    pub fn of_list(list: NodeSecrets) -> Self {
        Self::of(ForAll::Fixed(list))
    }

    fn of(for_all: ForAll) -> Self {
        let by_node = HashMap::new();
        Self {
            table: RwLock::new(Arc::new(Table { by_node, for_all })),
            files: None,
        }
    }

    /// Takes the place of all secrets held so far, from the next order on.
    pub fn replace_by_list(&self, list: NodeSecrets) {
        self.replace(Table {
            by_node: HashMap::new(),
            for_all: ForAll::Fixed(list),
        });
    }

    /// Reads the files again if one has changed. If they cannot be used, what was read before stays.
    pub fn look_again(&self) {
        let Some(files) = &self.files else { return };
        let read = || Table::read(&files.secrets, &files.config);
        if let Some(table) = files.watch.look(read) {
            self.replace(table);
        }
    }

    fn replace(&self, table: Table) {
        let mut held = self.table.write().unwrap_or_else(PoisonError::into_inner);
        *held = Arc::new(table);
    }

    /// Does `act` with the secret to sign with for `node_url` (no trailing slash); `None` if there is none.
    pub fn with_newest<T>(&self, node_url: &str, act: impl FnOnce(&NodeSecret) -> T) -> Option<T> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(secrets) = table.by_node.get(node_url) {
            return Some(act(secrets.newest()));
        }
        match &table.for_all {
            ForAll::Nothing => None,
            ForAll::Fixed(secrets) => Some(act(secrets.newest())),
            // Derived anew each time: a few microseconds, and no table of secrets that grows with what callers name.
            ForAll::Master(master) => NodeSecret::from_master(master, node_url)
                .ok()
                .map(|secret| act(&secret)),
        }
    }
}

impl Table {
    fn read(secrets: &Secrets, config: &NodeSecretFiles) -> Result<Self, NodeSecretsError> {
        let mut by_node = HashMap::new();
        for file in &config.files {
            let text = secrets.read_text("node_secrets.files", file)?;
            read_secrets_file(text.expose(), &mut by_node).map_err(|source| NodeSecretsError::Line {
                file: file.clone(),
                source,
            })?;
        }
        Ok(Self {
            by_node,
            for_all: ForAll::read(secrets, config)?,
        })
    }
}

impl ForAll {
    fn read(secrets: &Secrets, config: &NodeSecretFiles) -> Result<Self, NodeSecretsError> {
        let mut newest = Self::Nothing;
        for file in &config.master_files {
            let text = secrets.read_text("node_secrets.master_files", file)?;
            let masters = read_list(text.expose());
            for master in &masters {
                NodeSecret::from_master(master, "").map_err(|source| NodeSecretsError::Master {
                    file: file.clone(),
                    source,
                })?;
            }
            let master = masters.into_iter().next_back();
            newest = Self::Master(master.ok_or_else(|| NodeSecretsError::NoSecret(file.clone()))?);
        }
        let Some(file) = &config.fixed_file else {
            return Ok(newest);
        };
        if !config.master_files.is_empty() {
            return Err(NodeSecretsError::TwoSources);
        }
        let text = secrets.read_text("node_secrets.fixed_file", file)?;
        NodeSecrets::of_list(text.expose())
            .map(Self::Fixed)
            .ok_or_else(|| NodeSecretsError::NoSecret(file.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const NODE: &str = "https://sync-1.example.com";

    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, text: &str) -> SecretFile {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            SecretFile(path)
        }
    }

    fn newest(config: &NodeSecretFiles, node: &str) -> Option<String> {
        signing(
            &NodeSecretSources::read(&Secrets::default(), config).unwrap(),
            node,
        )
    }

    #[test]
    fn each_source_gives_the_last_secret_and_a_listed_node_uses_its_own() {
        let bench = Bench::new();
        let listed = NodeSecretFiles {
            files: vec![
                bench.file("a", &format!("{NODE},1:old,2:new\n")),
                bench.file("b", "https://sync-3.example.com,7:three"),
            ],
            ..NodeSecretFiles::default()
        };
        assert_eq!(newest(&listed, NODE).unwrap(), "new");
        assert_eq!(newest(&listed, "https://sync-3.example.com").unwrap(), "three");
        assert_eq!(newest(&listed, "https://sync-2.example.com"), None);

        let fixed = NodeSecretFiles {
            fixed_file: Some(bench.file("c", "first\n\nlast\n")),
            ..listed.clone()
        };
        assert_eq!(newest(&fixed, NODE).unwrap(), "new");
        assert_eq!(newest(&fixed, "https://any.example.com").unwrap(), "last");

        // `tokenserver.md` V3.
        let master = "00112233445566778899aabbccddeeff".repeat(2);
        let masters = NodeSecretFiles {
            master_files: vec![
                bench.file("d", &"0".repeat(64)),
                bench.file("e", &format!("{}\n{master}\n", "1".repeat(64))),
            ],
            ..NodeSecretFiles::default()
        };
        assert_eq!(
            newest(&masters, NODE).unwrap(),
            "b503ed0d4f33f86ee281577e85f714c64d51f9f1b4df433455c0216b4c0e11e1"
        );
    }

    fn signing(sources: &NodeSecretSources, node: &str) -> Option<String> {
        sources.with_newest(node, |secret| secret.text().expose().to_owned())
    }

    #[test]
    fn changed_files_take_effect_together_and_bad_ones_not_at_all() {
        let bench = Bench::new();
        let other = "https://any.example.com";
        let config = NodeSecretFiles {
            files: vec![bench.file("a", &format!("{NODE},1:one"))],
            fixed_file: Some(bench.file("b", "all")),
            ..NodeSecretFiles::default()
        };
        let sources = NodeSecretSources::read(&Secrets::default(), &config).unwrap();
        let both = || (signing(&sources, NODE), signing(&sources, other));
        let expected = |one: &str, all: &str| (Some(one.to_owned()), Some(all.to_owned()));
        sources.look_again();
        assert_eq!(both(), expected("one", "all"));
        bench.file("a", &format!("{NODE},1:one,22:two"));
        sources.look_again();
        assert_eq!(both(), expected("two", "all"));
        // One good and one bad file: neither counts.
        bench.file("b", "all\nanother");
        bench.file("a", &format!("{NODE},1:one,22:two,333"));
        sources.look_again();
        assert_eq!(both(), expected("two", "all"));
        bench.file("a", &format!("{NODE},4444:three"));
        sources.look_again();
        assert_eq!(both(), expected("three", "another"));
        sources.replace_by_list(NodeSecrets::of_list("box").unwrap());
        assert_eq!(both(), expected("box", "box"));
    }

    #[test]
    fn wrong_sources_are_refused_without_their_contents() {
        let bench = Bench::new();
        let good = "x".repeat(64);
        let table = [
            (
                "no secret",
                NodeSecretFiles {
                    fixed_file: Some(bench.file("j", " \n\n")),
                    ..Default::default()
                },
            ),
            (
                "bad line",
                NodeSecretFiles {
                    files: vec![bench.file("f", "hunter2")],
                    ..Default::default()
                },
            ),
            (
                "short master",
                NodeSecretFiles {
                    master_files: vec![bench.file("g", "hunter2")],
                    ..Default::default()
                },
            ),
            (
                "two sources",
                NodeSecretFiles {
                    fixed_file: Some(bench.file("h", "hunter2")),
                    master_files: vec![bench.file("i", &good)],
                    ..Default::default()
                },
            ),
        ];
        for (name, config) in table {
            let error = NodeSecretSources::read(&Secrets::default(), &config)
                .err()
                .expect(name);
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{name}: {error:?}"
            );
        }
    }
}

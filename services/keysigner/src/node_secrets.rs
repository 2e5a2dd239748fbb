//! The secrets shared with storage nodes, from the three sources of `tokenserver.md` section 7: files by node, one list
//! for all nodes, or masters that each node's secret is derived from. The signer signs with the last of a node.

use std::collections::HashMap;

use foxhold_core::SecretText;
use foxhold_crypto::node_secret::{
    MasterError, NodeSecret, NodeSecrets, SecretsFileError, read_secrets_file,
};
use foxhold_runtime::config::{SecretError, SecretFile, Secrets};
use serde::Deserialize;
use thiserror::Error;

/// The `node_secrets` table of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSecretFiles {
    /// Files of lines `node_url,ts:secret[,ts:secret...]`. A node listed here uses nothing else.
    pub files: Vec<SecretFile>,
    /// A file of secrets for all other nodes, one a line, oldest first.
    pub fixed_file: Option<SecretFile>,
    /// Files of one master each, oldest first, from which each other node's secrets are derived.
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
    #[error("`node_secrets.fixed_file`: {0:?} holds no secret")]
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
    by_node: HashMap<String, NodeSecrets>,
    for_all: ForAll,
}

impl NodeSecretSources {
    /// Reads all files.
    ///
    /// # Errors
    /// [`NodeSecretsError`].
    pub fn read(secrets: &Secrets, config: &NodeSecretFiles) -> Result<Self, NodeSecretsError> {
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

    /// From one master and nothing else.
    ///
    /// # Errors
    /// The master has a useless length.
    pub fn of_master(master: SecretText) -> Result<Self, MasterError> {
        NodeSecret::from_master(&master, "")?;
        Ok(Self {
            by_node: HashMap::new(),
            for_all: ForAll::Master(master),
        })
    }

    /// Does `act` with the secret to sign with for `node_url` (no trailing slash); `None` if there is none.
    pub fn with_newest<T>(&self, node_url: &str, act: impl FnOnce(&NodeSecret) -> T) -> Option<T> {
        if let Some(secrets) = self.by_node.get(node_url) {
            return Some(act(secrets.newest()));
        }
        match &self.for_all {
            ForAll::Nothing => None,
            ForAll::Fixed(secrets) => Some(act(secrets.newest())),
            // Derived anew each time: a few microseconds, and no table of secrets that grows with what callers name.
            ForAll::Master(master) => NodeSecret::from_master(master, node_url)
                .ok()
                .map(|secret| act(&secret)),
        }
    }
}

impl ForAll {
    fn read(secrets: &Secrets, config: &NodeSecretFiles) -> Result<Self, NodeSecretsError> {
        let mut newest = Self::Nothing;
        for file in &config.master_files {
            let master = secrets.read_text("node_secrets.master_files", file)?;
            NodeSecret::from_master(&master, "").map_err(|source| NodeSecretsError::Master {
                file: file.clone(),
                source,
            })?;
            newest = Self::Master(master);
        }
        let Some(file) = &config.fixed_file else {
            return Ok(newest);
        };
        if !config.master_files.is_empty() {
            return Err(NodeSecretsError::TwoSources);
        }
        let text = secrets.read_text("node_secrets.fixed_file", file)?;
        let lines = text
            .expose()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let list = lines
            .map(|line| NodeSecret::new(SecretText::new(line.to_owned())))
            .collect();
        NodeSecrets::new(list)
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
        let sources = NodeSecretSources::read(&Secrets::default(), config).unwrap();
        sources.with_newest(node, |secret| secret.text().expose().to_owned())
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
                bench.file("e", &format!("{master}\n")),
            ],
            ..NodeSecretFiles::default()
        };
        assert_eq!(
            newest(&masters, NODE).unwrap(),
            "b503ed0d4f33f86ee281577e85f714c64d51f9f1b4df433455c0216b4c0e11e1"
        );
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

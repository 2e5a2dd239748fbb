//! The secrets of a deployment, each in a 0600 file of its own: made once, by `foxhold up` on an empty folder and by
//! `foxhold key create` for a fleet.
//!
//! What must stay true: nothing that exists is overwritten; what a killed start left behind is completed by the next.

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use foxhold_core::{Random, hex, random};
use foxhold_keysigner::{
    custody::file::KeyFile,
    keygen::{self, CreateKeyError},
};
use foxhold_runtime::{SystemClock, SystemRandom, config::SecretFile};
use thiserror::Error;

use crate::data_folder::write_new;

/// Where the secrets lie.
#[derive(Debug, Clone)]
pub(crate) struct KeyFiles {
    folder: PathBuf,
}

/// A private key of the provider.
#[derive(Debug)]
pub(crate) struct NamedKeyFile {
    /// `provider-2`
    pub(crate) name: String,
    /// Its two files.
    pub(crate) key: KeyFile,
}

/// Secrets that were not made.
#[derive(Debug, Error)]
pub(crate) enum KeyFilesError {
    #[error("{} holds the keys of a fleet\nfix: keep them, or give another folder with --out", folder.display())]
    Exists { folder: PathBuf },
    #[error("writing {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Provider(#[from] CreateKeyError),
}

impl KeyFiles {
    pub(crate) fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Where they lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All of the provider's private keys, the first one first: `provider`, then `provider-2` and so on.
    pub(crate) fn providers(&self) -> io::Result<Vec<NamedKeyFile>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let stem = name.strip_suffix(".pem").unwrap_or_default();
            let number = match stem.strip_prefix("provider-") {
                Some(digits) => digits.parse::<u32>().ok().filter(|number| *number > 1),
                None => (stem == "provider").then_some(1),
            };
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| self.numbered(number)).collect())
    }

    /// The same; where there is none, the first one, which then is missing. After a key was stolen the first one is gone for
    /// good, and another takes its place.
    pub(crate) fn providers_or_first(&self) -> Vec<NamedKeyFile> {
        let found = self.providers().unwrap_or_default();
        if found.is_empty() {
            vec![self.numbered(1)]
        } else {
            found
        }
    }

    fn numbered(&self, number: u32) -> NamedKeyFile {
        let name = match number {
            1 => "provider".to_owned(),
            number => format!("provider-{number}"),
        };
        let at = |ending: &str| SecretFile(self.folder.join(format!("{name}.{ending}")));
        let key = KeyFile {
            file: at("pem"),
            passphrase_file: at("passphrase"),
        };
        NamedKeyFile { name, key }
    }

    /// Those that a box cannot do without.
    pub(crate) fn needed(&self) -> Vec<SecretFile> {
        let providers = self.providers_or_first().into_iter();
        let providers = providers.flat_map(|named| [named.key.file, named.key.passphrase_file]);
        providers
            .chain([self.code(), self.metrics(), self.node()])
            .collect()
    }

    /// What mailed codes are derived with.
    pub(crate) fn code(&self) -> SecretFile {
        SecretFile(self.folder.join("code.key"))
    }

    /// What users are counted by, without their names.
    pub(crate) fn metrics(&self) -> SecretFile {
        SecretFile(self.folder.join("metrics.key"))
    }

    /// What accounts are called by in the audit log of signatures, and what its heads are signed with.
    pub(crate) fn audit(&self) -> SecretFile {
        SecretFile(self.folder.join("audit.key"))
    }

    /// What tokens for the one node of a box are made with.
    pub(crate) fn node(&self) -> SecretFile {
        SecretFile(self.folder.join("node.secret"))
    }

    /// Those that are missing. Not the audit log's: a new one signs nobody out, and shows in the log.
    pub(crate) fn missing(&self) -> Vec<PathBuf> {
        let needed = self.needed().into_iter();
        needed.map(|file| file.0).filter(|path| !path.exists()).collect()
    }

    /// Makes those that are missing, the sync node's secret among them.
    pub(crate) fn make_missing(&self) -> Result<(), KeyFilesError> {
        self.make_folder()?;
        for file in [self.code(), self.metrics(), self.audit(), self.node()] {
            make_text(&file.0, &new_secret(&SystemRandom))?;
        }
        self.make_provider()
    }

    /// Makes those that are missing in a fleet: its nodes share no secret, so each gets one of its own, in a file for
    /// itself and as a line of `nodes.secrets` for the keysigner.
    pub(crate) fn make_for_fleet(
        &self,
        nodes: &[String],
        now_secs: u64,
    ) -> Result<Vec<PathBuf>, KeyFilesError> {
        let list = self.folder.join("nodes.secrets");
        if list.exists() {
            let folder = self.folder.clone();
            return Err(KeyFilesError::Exists { folder });
        }
        self.make_folder()?;
        for file in [self.code(), self.metrics(), self.audit()] {
            make_text(&file.0, &new_secret(&SystemRandom))?;
        }
        self.make_provider()?;
        let mut made = vec![list.clone()];
        let mut lines = String::new();
        // The list comes last: it exists only if every node's own file does. What a killed call left is used.
        for (number, url) in (1..).zip(nodes) {
            let own = self.folder.join(format!("node-{number}.secret"));
            make_text(&own, &new_secret(&SystemRandom))?;
            let secret = fs::read_to_string(&own).map_err(|source| KeyFilesError::Write {
                path: own.clone(),
                source,
            })?;
            // Writing to a String does not fail.
            let _ = writeln!(lines, "{url},{now_secs}:{}", secret.trim());
            made.push(own);
        }
        write(&list, &lines)?;
        Ok(made)
    }

    fn make_folder(&self) -> Result<(), KeyFilesError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| KeyFilesError::Write {
            path: self.folder.clone(),
            source,
        })
    }

    fn make_provider(&self) -> Result<(), KeyFilesError> {
        let found = self.providers().map_err(|source| KeyFilesError::Write {
            path: self.folder.clone(),
            source,
        })?;
        if found.is_empty() {
            keygen::create(&self.folder, "provider", &SystemClock, &SystemRandom)?;
        }
        Ok(())
    }
}

fn new_secret(source: &dyn Random) -> String {
    hex::encode(&random::bytes::<32>(source))
}

fn make_text(path: &Path, text: &str) -> Result<(), KeyFilesError> {
    if path.exists() {
        Ok(())
    } else {
        write(path, &format!("{text}\n"))
    }
}

/// Whole or not at all: a half-written secret would be taken for a whole one by the next start.
fn write(path: &Path, text: &str) -> Result<(), KeyFilesError> {
    let failed = |source| KeyFilesError::Write {
        path: path.to_owned(),
        source,
    };
    let temporary = keygen::temporary_of(path);
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    write_new(&temporary, text.as_bytes(), 0o600).map_err(failed)?;
    // Linking refuses to replace what exists; renaming would not.
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(failed)?;
    linked.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_making_changes_nothing_and_all_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFiles::in_folder(folder.path().join("keys"));
        assert_eq!(keys.missing().len(), 5);
        keys.make_missing().unwrap();
        assert_eq!(keys.missing(), Vec::<PathBuf>::new());
        let before = fs::read(keys.node().0).unwrap();
        keys.make_missing().unwrap();
        assert_eq!(fs::read(keys.node().0).unwrap(), before);
        for entry in fs::read_dir(folder.path().join("keys")).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }

    #[test]
    fn a_key_that_was_taken_away_for_another_is_not_missed_and_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFiles::in_folder(folder.path());
        keys.make_missing().unwrap();
        let first = keys.providers().unwrap().remove(0).key;
        fs::rename(&first.file.0, folder.path().join("provider-2.pem")).unwrap();
        let passphrase = folder.path().join("provider-2.passphrase");
        assert_eq!(keys.missing(), std::slice::from_ref(&passphrase));
        fs::rename(&first.passphrase_file.0, &passphrase).unwrap();
        assert_eq!(keys.missing(), Vec::<PathBuf>::new());
        keys.make_missing().unwrap();
        assert!(!first.file.0.exists(), "the stolen one is not made again");
        fs::remove_file(folder.path().join("provider-2.pem")).unwrap();
        assert_eq!(keys.missing(), [first.file.0, first.passphrase_file.0]);
    }

    #[test]
    fn a_fleet_gets_a_secret_a_node_and_never_twice() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFiles::in_folder(folder.path());
        let nodes = [
            "https://sync-1.example.org".to_owned(),
            "https://sync-2.example.org".to_owned(),
        ];
        keys.make_for_fleet(&nodes, 1_700_000_000).unwrap();
        let list = fs::read_to_string(folder.path().join("nodes.secrets")).unwrap();
        let own = fs::read_to_string(folder.path().join("node-2.secret")).unwrap();
        assert_eq!(
            list.lines().nth(1).unwrap(),
            format!("{},1700000000:{}", nodes[1], own.trim())
        );
        let again = keys.make_for_fleet(&nodes, 1_700_000_000);
        assert!(matches!(again, Err(KeyFilesError::Exists { .. })));
        assert_eq!(
            fs::read_to_string(folder.path().join("nodes.secrets")).unwrap(),
            list
        );
        // As if the first call had been killed before its last step.
        fs::remove_file(folder.path().join("nodes.secrets")).unwrap();
        keys.make_for_fleet(&nodes, 1_700_000_000).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("nodes.secrets")).unwrap(),
            list
        );
    }
}

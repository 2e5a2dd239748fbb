//! A node's data directory: `node.json`, a lock file, and the shards. Opened by the store only.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

const FORMAT: u32 = 1;
const SHARDS_MAX: u32 = 256;

/// Why a data directory was not opened.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Another process has it open.
    #[error("{0:?} is in use by another process")]
    InUse(PathBuf),
    /// `node.json` was written by a newer program.
    #[error("{path:?} has format {found}; this program knows format {FORMAT}")]
    Newer {
        /// The directory.
        path: PathBuf,
        /// The format it has.
        found: u32,
    },
    /// `node.json` is not what we write.
    #[error("{0:?} is not readable as a node's description")]
    Damaged(PathBuf),
    /// There are shards, but no `node.json` to say how many there must be.
    #[error("{0:?} has shards but no node.json, which must be restored with them")]
    Undescribed(PathBuf),
    /// A number of shards no directory can have.
    #[error("a data directory has 1 to {SHARDS_MAX} shards, not {0}")]
    Shards(u32),
    /// The file system refused.
    #[error("opening {path:?}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Description {
    format: u32,
    /// Fixed: it decides where a user lies.
    shards: u32,
}

/// An open directory. The lock lives as long as this does, and no longer than the process.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    shards: u32,
    _lock: File,
}

impl DataDir {
    pub(super) fn open(path: &Path, shards_if_new: u32) -> Result<Self, DataDirError> {
        std::fs::create_dir_all(path).map_err(at(path))?;
        let lock = lock(path)?;
        let description = path.join("node.json");
        let shards = match std::fs::read(&description) {
            Ok(bytes) => read_description(path, &description, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                refuse_shards(path)?;
                create(path, &description, shards_if_new)?;
                shards_if_new
            }
            Err(error) => return Err(at(&description)(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            shards,
            _lock: lock,
        })
    }

    pub(super) fn shard_paths(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.shards).map(|number| self.path.join(format!("shard-{number:02}.db")))
    }
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let lock_path = path.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(at(&lock_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(at(&lock_path)(error)),
    }
}

fn read_description(path: &Path, description: &Path, bytes: &[u8]) -> Result<u32, DataDirError> {
    let damaged = || DataDirError::Damaged(description.to_owned());
    let read: Description = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    if read.format > FORMAT {
        return Err(DataDirError::Newer {
            path: path.to_owned(),
            found: read.format,
        });
    }
    if read.format != FORMAT || !(1..=SHARDS_MAX).contains(&read.shards) {
        return Err(damaged());
    }
    Ok(read.shards)
}

/// The description is written before the first shard. If it is lost, another number of shards would hide every user.
fn refuse_shards(path: &Path) -> Result<(), DataDirError> {
    for entry in std::fs::read_dir(path).map_err(at(path))? {
        let name = entry.map_err(at(path))?.file_name();
        if name.to_string_lossy().starts_with("shard-") {
            return Err(DataDirError::Undescribed(path.to_owned()));
        }
    }
    Ok(())
}

/// Writes the description so that a crash leaves either none or a whole one.
fn create(path: &Path, description: &Path, shards: u32) -> Result<(), DataDirError> {
    if !(1..=SHARDS_MAX).contains(&shards) {
        return Err(DataDirError::Shards(shards));
    }
    let half_written = path.join("node.json.new");
    let text = serde_json::to_vec(&Description {
        format: FORMAT,
        shards,
    })
    .map_err(|error| at(description)(error.into()))?;
    let mut file = File::create(&half_written).map_err(at(&half_written))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(at(&half_written))?;
    std::fs::rename(&half_written, description).map_err(at(description))?;
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    |source| DataDirError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_shards_is_fixed_at_birth() {
        let dir = tempfile::tempdir().unwrap();
        let count = |shards| DataDir::open(dir.path(), shards).map(|dir| dir.shard_paths().count());
        assert_eq!(count(3).unwrap(), 3);
        assert_eq!(count(16).unwrap(), 3);
        for bad in [0, SHARDS_MAX + 1] {
            let other = tempfile::tempdir().unwrap();
            assert!(matches!(
                DataDir::open(other.path(), bad),
                Err(DataDirError::Shards(_))
            ));
        }
    }

    #[test]
    fn a_second_opening_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path(), 1).unwrap();
        assert!(matches!(
            DataDir::open(dir.path(), 1),
            Err(DataDirError::InUse(_))
        ));
        drop(first);
        assert!(DataDir::open(dir.path(), 1).is_ok());
    }

    #[test]
    fn shards_without_a_description_are_not_taken_for_a_new_node() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path(), 3).unwrap());
        std::fs::write(dir.path().join("shard-02.db"), "").unwrap();
        std::fs::remove_file(dir.path().join("node.json")).unwrap();
        for shards in [3, 16] {
            let error = DataDir::open(dir.path(), shards).err();
            assert!(matches!(error, Some(DataDirError::Undescribed(_))), "{error:?}");
        }
    }

    #[test]
    fn foreign_descriptions_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let open = |text: &str| {
            std::fs::write(dir.path().join("node.json"), text).unwrap();
            DataDir::open(dir.path(), 1).err()
        };
        assert!(matches!(
            open(r#"{"format":2,"shards":1}"#),
            Some(DataDirError::Newer { found: 2, .. })
        ));
        for damaged in [
            "",
            "{}",
            r#"{"format":1,"shards":0}"#,
            r#"{"format":0,"shards":1}"#,
        ] {
            assert!(
                matches!(open(damaged), Some(DataDirError::Damaged(_))),
                "{damaged}"
            );
        }
    }
}

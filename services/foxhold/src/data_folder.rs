//! The data folder of a single box: everything it knows lies in it, and one process at a time works on it.
//!
//! What must stay true: nothing in it is overwritten; secrets are files of their own, readable by their owner alone; a
//! folder of a newer format is refused by name.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use thiserror::Error;

/// The format this version writes: what lies where, and how.
const FORMAT: u32 = 1;

/// How long somebody waits for the folder: longer than a start takes on a slow machine.
const TURN_MAX: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const TURN_LOOK: Duration = Duration::from_millis(50);

/// An open data folder; the lock lasts as long as this value.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    is_new: bool,
    _lock: File,
}

/// Why a folder cannot be worked on.
#[derive(Debug, Error)]
pub(crate) enum DataFolderError {
    /// Another process works on it.
    #[error("another foxhold (process {process}) works on {}\nfix: stop that one, or give another folder with --data", folder.display())]
    InUse { folder: PathBuf, process: String },
    /// It was written by a newer version.
    #[error("{} has format {found}; this version knows formats up to {FORMAT}\nfix: start it with the version that wrote it, or a later one", folder.display())]
    Newer { folder: PathBuf, found: String },
    /// Another process works on it, and may soon be through, or soon take commands itself.
    #[error("process {process} works on {} and takes no commands yet\nfix: try again; where it runs for long, its folder's path is longer than the 90 bytes that an admin socket can have", folder.display())]
    Busy { folder: PathBuf, process: String },
    /// What the box was set up as is gone.
    #[error("{} holds accounts, but foxhold.toml is missing beside it\nfix: put it back from a backup; without one, write it anew with the same `domain`, or users start anew", database.display())]
    ConfigLost { database: PathBuf },
    /// There is none.
    #[error("{} is no data folder of foxhold\nfix: give the box's folder with --data; `foxhold up` makes one", folder.display())]
    Missing { folder: PathBuf },
    /// It holds something else.
    #[error("{} is not empty and no data folder of foxhold\nfix: give an empty or a new folder with --data", folder.display())]
    Foreign { folder: PathBuf },
    /// It cannot be read or written.
    #[error("using {}\nfix: give a folder that can be read and written with --data", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl DataFolder {
    /// Opens a folder, or makes it if it is missing or empty.
    pub(crate) fn open(root: &Path) -> Result<Self, DataFolderError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| DataFolderError::Io { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(at(root))?;
        let root = root.canonicalize().map_err(at(root))?;
        let format = root.join("format");
        let is_new = !format.exists();
        if is_new && holds_something_else(&root).map_err(at(&root))? {
            return Err(DataFolderError::Foreign { folder: root });
        }
        let lock = lock(&root)?;
        if is_new {
            write_new(&format, format!("{FORMAT}\n").as_bytes(), 0o600).map_err(at(&format))?;
        } else {
            let found = fs::read_to_string(&format)
                .map_err(at(&format))?
                .trim()
                .to_owned();
            if found.parse() != Ok(FORMAT) {
                return Err(DataFolderError::Newer { folder: root, found });
            }
        }
        Ok(Self {
            root,
            is_new,
            _lock: lock,
        })
    }

    /// Whether a folder is one already, and not somebody else's. Nothing is made.
    pub(crate) fn is_at(root: &Path) -> Result<bool, DataFolderError> {
        if root.join("format").exists() {
            return Ok(true);
        }
        match holds_something_else(root) {
            Ok(true) => Err(DataFolderError::Foreign {
                folder: root.to_owned(),
            }),
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(DataFolderError::Io {
                path: root.to_owned(),
                source,
            }),
            _ => Ok(false),
        }
    }

    /// Opens a folder when its turn comes: a command on a stopped box is soon through, and a box that starts soon takes
    /// commands. `open` is tried until then.
    pub(crate) fn in_turn(
        mut open: impl FnMut() -> Result<Self, DataFolderError>,
    ) -> Result<Self, DataFolderError> {
        let late = Instant::now() + TURN_MAX;
        loop {
            match open() {
                Err(DataFolderError::InUse { folder, process })
                    if !Self::admin_socket_of(&folder).exists() =>
                {
                    if Instant::now() >= late {
                        return Err(DataFolderError::Busy { folder, process });
                    }
                    std::thread::sleep(TURN_LOOK);
                }
                opened => return opened,
            }
        }
    }

    /// Opens a folder that is one already, and makes nothing.
    pub(crate) fn open_existing(root: &Path) -> Result<Self, DataFolderError> {
        if root.join("format").exists() {
            Self::open(root)
        } else {
            Err(DataFolderError::Missing {
                folder: root.to_owned(),
            })
        }
    }

    /// Whether this process made it.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the box was set up as; flags and environment override it.
    pub(crate) fn config(&self) -> PathBuf {
        Self::config_of(&self.root)
    }

    /// The same, given where its folder is.
    pub(crate) fn config_of(root: &Path) -> PathBuf {
        root.join("foxhold.toml")
    }

    /// The accounts' and assignments' database.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("foxhold.db")
    }

    /// The sync node's folder.
    pub(crate) fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// Where a running box serves its admin API, given where its folder is.
    pub(crate) fn admin_socket_of(root: &Path) -> PathBuf {
        root.join("admin.sock")
    }

    /// The audit log of signatures.
    pub(crate) fn audit(&self) -> PathBuf {
        self.root.join("audit")
    }

    /// The keys' folder.
    pub(crate) fn keys(&self) -> PathBuf {
        Self::keys_of(&self.root)
    }

    /// The keys' folder of a box, given where its folder is.
    pub(crate) fn keys_of(root: &Path) -> PathBuf {
        root.join("keys")
    }
}

/// Whether what the first start wrote down is there, in a folder that holds accounts: a box without it would take another
/// domain, and its users would start anew.
pub(crate) fn check_config_of(root: &Path) -> Result<(), DataFolderError> {
    let database = root.join("foxhold.db");
    if database.exists() && !root.join("foxhold.toml").exists() {
        return Err(DataFolderError::ConfigLost { database });
    }
    Ok(())
}

fn lock(root: &Path) -> Result<File, DataFolderError> {
    let path = root.join("lock");
    let io = |source| DataFolderError::Io {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            file.read_to_string(&mut process).map_err(io)?;
            return Err(DataFolderError::InUse {
                folder: root.to_owned(),
                process: process.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(file)
}

/// Whether somebody else keeps something in a folder without a format. A configuration may be there before the first start.
fn holds_something_else(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        if !["lock", "foxhold.toml"].contains(&entry?.file_name().to_string_lossy().as_ref()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a file that must not exist yet, durably.
pub(crate) fn write_new(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("foxhold-data-folder-{}", std::process::id()));
        let folder = folder.join(format!("{:?}", std::thread::current().id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_second_opening_is_refused_and_names_the_first() {
        let root = empty();
        let first = DataFolder::open(&root).unwrap();
        assert!(first.is_new());
        let error = DataFolder::open(&root).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        assert!(!DataFolder::open(&root).unwrap().is_new());
    }

    #[test]
    fn whoever_comes_early_waits_for_a_turn_but_not_behind_a_running_box() {
        let root = empty();
        let mut first = Some(DataFolder::open(&root).unwrap());
        let mut looks = 0;
        let second = DataFolder::in_turn(|| {
            looks += 1;
            let opened = DataFolder::open(&root);
            first.take();
            opened
        });
        assert!(second.is_ok());
        assert_eq!(looks, 2);
        // Whoever takes commands has to be asked.
        fs::write(DataFolder::admin_socket_of(second.unwrap().root()), "").unwrap();
        let _running = DataFolder::open(&root).unwrap();
        let refused = DataFolder::in_turn(|| DataFolder::open(&root));
        assert!(matches!(refused, Err(DataFolderError::InUse { .. })));
    }

    #[test]
    fn accounts_without_what_the_box_was_set_up_as_are_a_loss() {
        let root = empty();
        assert!(check_config_of(&root).is_ok(), "nothing is there yet");
        fs::write(root.join("foxhold.db"), "").unwrap();
        assert!(matches!(
            check_config_of(&root),
            Err(DataFolderError::ConfigLost { .. })
        ));
        fs::write(root.join("foxhold.toml"), "").unwrap();
        assert!(check_config_of(&root).is_ok());
    }

    #[test]
    fn what_is_none_yet_is_not_made_by_who_looks_for_one() {
        let root = empty();
        let missing = DataFolder::open_existing(&root);
        assert!(matches!(missing, Err(DataFolderError::Missing { .. })));
        assert!(!DataFolder::is_at(&root).unwrap());
        assert!(!DataFolder::is_at(&root.join("below")).unwrap());
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        drop(DataFolder::open(&root).unwrap());
        assert!(!DataFolder::open_existing(&root).unwrap().is_new());
    }

    #[test]
    fn somebody_elses_folder_and_newer_formats_are_refused() {
        let root = empty();
        fs::write(root.join("holiday.jpg"), "").unwrap();
        assert!(matches!(
            DataFolder::is_at(&root),
            Err(DataFolderError::Foreign { .. })
        ));
        assert!(matches!(
            DataFolder::open(&root),
            Err(DataFolderError::Foreign { .. })
        ));
        fs::write(root.join("format"), "2\n").unwrap();
        assert!(matches!(
            DataFolder::open(&root),
            Err(DataFolderError::Newer { .. })
        ));
    }
}

//! Files that are read again while the process runs (`ecosystem.md` 3.2): secrets shared with others, which have to change
//! on both sides without a restart, and rules of the operator's. Whoever holds what was read asks [`FileWatch::look`] after
//! each [`next_look`].
//!
//! Must stay true: what cannot be read changes nothing, and is told once for each change of the files.

use std::{
    error::Error,
    fmt::Write as _,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foxhold_core::Clock as _;
use tokio::sync::Notify;

use super::{SecretFile, Secrets};
use crate::{
    SystemClock,
    metrics::{amount, list as metrics},
};

/// Between two looks: how long a change of a file waits at most.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// Told when somebody wants to be sure that a change counts.
static LOOK_NOW: Notify = Notify::const_new();

/// Returns when it is time for the next look: every few seconds, or when an operator asks for it.
pub async fn next_look() {
    tokio::select! {
        () = tokio::time::sleep(LOOK_PAUSE) => {}
        () = LOOK_NOW.notified() => {}
    }
}

/// Ends every wait for the next look.
pub(crate) fn look_now() {
    LOOK_NOW.notify_waiters();
}

/// Watches some files.
pub struct FileWatch {
    part: &'static str,
    paths: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

/// How the files were when they were last read, and what was wrong with them then.
#[derive(Default)]
struct Seen {
    stamps: Vec<Option<Stamp>>,
    fault: Option<String>,
}

/// What tells one state of a file from another without reading it. A new mode changes it, too: a file that was open to
/// others is tried again when it no longer is.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file itself, where the path is a link; `None` for one that cannot be seen.
    fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Self {
            device: meta.dev(),
            inode: meta.ino(),
            len: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

impl FileWatch {
    /// Reads for the first time, and watches `files` from the moment before. `part` is the label of the metrics.
    ///
    /// # Errors
    /// What `read` says.
    pub fn reading<T, E>(
        part: &'static str,
        secrets: &Secrets,
        files: Vec<SecretFile>,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let paths = files.iter().map(|file| secrets.place(file)).collect();
        Self::of_paths(part, paths, read)
    }

    /// The same for files that are no secrets.
    ///
    /// # Errors
    /// What `read` says.
    pub fn of_paths<T, E>(
        part: &'static str,
        paths: Vec<PathBuf>,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let watch = Self {
            part,
            paths,
            seen: Mutex::default(),
        };
        // Before the contents: what changes in between is found at the first look.
        let stamps = watch.stamps();
        let value = read()?;
        watch.note(&mut watch.lock(), stamps);
        Ok((watch, value))
    }

    /// Reads again if a file is another than it was, or could not be read the last time. `None` for no news.
    pub fn look<T, E: Error>(&self, read: impl FnOnce() -> Result<T, E>) -> Option<T> {
        let mut seen = self.lock();
        let stamps = self.stamps();
        if seen.stamps == stamps && seen.fault.is_none() {
            return None;
        }
        match read() {
            Ok(value) => {
                tracing::info!(part = self.part, "the files have changed and were read again");
                self.note(&mut seen, stamps);
                Some(value)
            }
            Err(error) => {
                let fault = Some(told(&error));
                if seen.stamps != stamps || seen.fault != fault {
                    let error = fault.as_deref();
                    tracing::error!(
                        part = self.part,
                        error,
                        "the files have changed and cannot be used; what was read before stays in force"
                    );
                    metrics::RELOAD_FAILURES.of([self.part]).increment(1);
                }
                *seen = Seen { stamps, fault };
                None
            }
        }
    }

    fn note(&self, seen: &mut Seen, stamps: Vec<Option<Stamp>>) {
        *seen = Seen { stamps, fault: None };
        let now = SystemClock.now().as_secs();
        metrics::RELOADED.of([self.part]).set(amount(now));
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.paths.iter().map(|path| Stamp::of(path)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes, in a line.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        // Writing to a String does not fail.
        let _ = write!(text, ": {below}");
        cause = below.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt as _,
        path::{Path, PathBuf},
    };

    use super::{super::SecretError, *};
    use crate::metrics::text;

    const PART: &str = "node_secrets";

    struct Bench {
        _folder: tempfile::TempDir,
        path: PathBuf,
        watch: FileWatch,
    }

    fn put(path: &Path, contents: &str, mode: u32) {
        let new = path.with_extension("new");
        fs::write(&new, contents).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn read(path: &Path) -> Result<String, SecretError> {
        let read = Secrets::default().read_text("key", &SecretFile(path.to_owned()));
        read.map(|text| text.expose().to_owned())
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("secret");
            put(&path, "first", 0o600);
            let files = vec![SecretFile(path.clone())];
            let first = FileWatch::reading(PART, &Secrets::default(), files, || read(&path));
            let (watch, value) = first.unwrap();
            assert_eq!(value, "first");
            Self {
                _folder: folder,
                path,
                watch,
            }
        }

        fn look(&self) -> Option<String> {
            self.watch.look(|| read(&self.path))
        }
    }

    fn failures() -> u64 {
        let name = "foxhold_config_reload_failures_total{part=\"node_secrets\"} ";
        let text = text();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |number| number.parse().unwrap())
    }

    #[tokio::test]
    async fn whoever_asks_for_it_ends_the_wait_for_the_next_look() {
        let mut waiting = std::pin::pin!(next_look());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        look_now();
        assert!(futures_util::poll!(&mut waiting).is_ready());
    }

    #[test]
    fn a_change_is_read_once_and_what_is_bad_is_told_once_and_tried_again() {
        let bench = Bench::new();
        assert_eq!(bench.look(), None);
        put(&bench.path, "second", 0o600);
        assert_eq!(bench.look().as_deref(), Some("second"));
        assert_eq!(bench.look(), None);
        let before = failures();
        for (contents, mode) in [("", 0o600), ("third", 0o644)] {
            put(&bench.path, contents, mode);
            assert_eq!((bench.look(), bench.look()), (None, None), "{contents:?}");
        }
        fs::remove_file(&bench.path).unwrap();
        assert_eq!((bench.look(), bench.look()), (None, None), "no file");
        assert_eq!(failures() - before, 3);
        // Put back as it was: there is nothing wrong any more.
        put(&bench.path, "second", 0o600);
        assert_eq!(bench.look().as_deref(), Some("second"));
        assert_eq!(bench.look(), None);
        // A better mode is a change, too.
        put(&bench.path, "third", 0o644);
        assert_eq!(bench.look(), None);
        fs::set_permissions(&bench.path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(bench.look().as_deref(), Some("third"));
    }
}

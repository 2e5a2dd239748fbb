//! The files of a log: opened, continued where they end, appended to and made durable.
//!
//! What must stay true: only what is durable counts, a file's name in its folder included. After a failed write the file is
//! cut back to that before anything else is written, and a line that a crash cut off is taken away when the log is opened
//! again.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use foxhold_core::{Random, Timestamp, hex, random};
use foxhold_crypto::audit::AuditKey;
use thiserror::Error;

use super::chain::{self, Position};

/// From this length on a file gets a successor.
const FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// More than the longest line.
const TAIL_LEN: u64 = 64 * 1024;

/// Where signed heads are kept, too.
pub(super) const CHECKPOINTS: &str = "checkpoints.jsonl";

/// A log that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0}: another process writes this audit log. fix: give each keysigner a folder of its own")]
    InUse(PathBuf),
    /// Its end is not what was written there.
    #[error(
        "{0}: the end of the audit log was changed. fix: foxhold audit verify; then move the folder away"
    )]
    Changed(PathBuf),
    /// It cannot be read or written.
    #[error("{path}: the audit log cannot be used: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

/// An open log at its end.
pub(super) struct LogFile {
    folder: PathBuf,
    file: File,
    /// Bytes of it that are durable.
    len: u64,
    /// Whether there may be more than those.
    is_dirty: bool,
    /// The file is new: its first line or its name may not be durable yet.
    is_turning: bool,
    position: Position,
    /// The provider's keys that this process has.
    kids: Vec<String>,
    _lock: File,
}

impl LogFile {
    /// Opens the folder's log, or begins one.
    pub(super) fn open(
        folder: &Path,
        key: &AuditKey,
        kids: Vec<String>,
        now: Timestamp,
        source: &dyn Random,
    ) -> Result<Self, OpenError> {
        make(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let end = end_of(folder)?;
        let (path, position) = end.unwrap_or_else(|| {
            let position = Position {
                log: random::bytes(source),
                next: 0,
                last: [0; 32],
            };
            (path_of(folder, 0), position)
        });
        let file = open_file(&path).map_err(at(&path))?;
        let len = file.metadata().map_err(at(&path))?.len();
        let mut opened = Self {
            folder: folder.to_owned(),
            file,
            len,
            is_dirty: false,
            is_turning: false,
            position,
            kids,
            _lock: lock,
        };
        // Each start shows, and which key the heads are signed with from then on.
        opened.begin(key, now).map_err(at(&path))?;
        sync_folder(folder).map_err(at(folder))?;
        Ok(opened)
    }

    /// Where it has come to.
    pub(super) const fn position(&self) -> Position {
        self.position
    }

    /// Makes `lines` durable, which lead to `position`. Before that, begins a new file if this one is long.
    pub(super) fn append(&mut self, lines: &str, position: Position) -> io::Result<()> {
        self.repair()?;
        self.is_dirty = true;
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()?;
        self.is_dirty = false;
        self.len += lines.len() as u64;
        self.position = position;
        Ok(())
    }

    /// Goes on in a new file if this one is long.
    pub(super) fn turn_page(&mut self, key: &AuditKey, now: Timestamp) -> io::Result<()> {
        if self.len >= FILE_LEN_MAX && !self.is_turning {
            self.repair()?;
            let file = open_file(&path_of(&self.folder, self.position.next))?;
            // There is nothing in it unless an earlier attempt failed.
            file.set_len(0)?;
            (self.file, self.len, self.is_turning) = (file, 0, true);
        }
        // Until both are done nothing else goes into it: a crash would take it with the file.
        if self.is_turning {
            if self.len == 0 {
                self.begin(key, now)?;
            }
            sync_folder(&self.folder)?;
            self.is_turning = false;
        }
        Ok(())
    }

    /// Cuts off what is not durable and writes a line: a disk that is full can be cut, too, so only a line is a proof that
    /// it takes writes again.
    pub(super) fn mend(&mut self, key: &AuditKey, now: Timestamp) -> io::Result<()> {
        self.repair()?;
        self.turn_page(key, now)?;
        self.begin(key, now)
    }

    fn begin(&mut self, key: &AuditKey, now: Timestamp) -> io::Result<()> {
        let (mut position, mut line) = (self.position, String::new());
        position.begin(key, &self.kids, now, &mut line);
        self.append(&line, position)
    }

    /// Cuts off what is not durable.
    fn repair(&mut self) -> io::Result<()> {
        if self.is_dirty {
            self.file.set_len(self.len)?;
            self.file.sync_data()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Writes somewhere else from now on.
    #[cfg(test)]
    pub(super) const fn replace(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    /// As if a new file had been begun and nothing written to it yet.
    #[cfg(test)]
    pub(super) fn turn_onto(&mut self, file: File) {
        (self.file, self.len, self.is_turning) = (file, 0, true);
    }

    /// As if the file were so long that it gets a successor.
    #[cfg(test)]
    pub(super) const fn be_long(&mut self) {
        self.len = FILE_LEN_MAX;
    }

    /// Keeps a signed head.
    pub(super) fn put_checkpoint(&self, line: &str) -> io::Result<()> {
        let path = self.folder.join(CHECKPOINTS);
        let mut file = open_file(&path)?;
        // A half line of before ends here.
        let is_cut = ends_inside_a_line(&mut file)?;
        let text = format!("{}{line}\n", if is_cut { "\n" } else { "" });
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }
}

fn ends_inside_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// For appending and reading; readable by its owner alone.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn path_of(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("audit-{first:020}.jsonl"))
}

/// The number of the first record of a file, as its name says.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_stem()?.to_str()?;
    name.strip_prefix("audit-")?.parse().ok()
}

/// The files of a log in their order.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("audit-") && name.ends_with(".jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file = open_file(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

/// Makes the folder if it is missing, and its place in its own folder durable: what it holds would go with that.
fn make(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_folder(parent.unwrap_or(Path::new(".")))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The file to go on with and where it stands, cut to whole lines; `None` if there is no line anywhere.
fn end_of(folder: &Path) -> Result<Option<(PathBuf, Position)>, OpenError> {
    let files = files(folder).map_err(at(folder))?;
    for path in files.into_iter().rev() {
        if let Some(position) = end_of_file(&path)? {
            return Ok(Some((path, position)));
        }
        // Begun and nothing written: the one before it goes on.
        fs::remove_file(&path).map_err(at(&path))?;
    }
    Ok(None)
}

fn end_of_file(path: &Path) -> Result<Option<Position>, OpenError> {
    let mut file = open_file(path).map_err(at(path))?;
    let (tail, start) = tail(&mut file).map_err(at(path))?;
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
        // One half line, or nothing at all.
        return if start == 0 {
            Ok(None)
        } else {
            Err(OpenError::Changed(path.to_owned()))
        };
    };
    let begin = tail[..end].iter().rposition(|byte| *byte == b'\n');
    let line = &tail[begin.map_or(0, |at| at + 1)..end];
    let position = position_after(line).ok_or_else(|| OpenError::Changed(path.to_owned()))?;
    let whole = start + end as u64 + 1;
    if whole < start + tail.len() as u64 {
        tracing::warn!(path = %path.display(), "a line of the audit log was cut off by a crash, and is removed");
        file.set_len(whole)
            .and_then(|()| file.sync_all())
            .map_err(at(path))?;
    }
    Ok(Some(position))
}

/// The last bytes of a file, and where they begin.
fn tail(file: &mut File) -> io::Result<(Vec<u8>, u64)> {
    let start = file.metadata()?.len().saturating_sub(TAIL_LEN);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL_LEN).read_to_end(&mut tail)?;
    Ok((tail, start))
}

fn position_after(line: &[u8]) -> Option<Position> {
    let (line, is_whole) = chain::read(line)?;
    let position = Position {
        log: hex::decode(&line.log).ok()?,
        next: line.seq.checked_add(1)?,
        last: hex::decode(&line.hash).ok()?,
    };
    is_whole.then_some(position)
}

//! A folder of one test: below the target folder, so that logs of a failed run are found there; removed when the test
//! succeeds.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::process::target_folder;

/// A folder that is empty at first.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    keep: bool,
}

impl WorkFolder {
    /// Makes the folder of the test `name`, without what an earlier run left.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of(name: &str) -> Result<Self> {
        let path = target_folder()?.join("test-work").join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(Self { path, keep: false })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is, for somebody to look into.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.keep && !std::thread::panicking() {
            // Left-over files are in the way of nobody.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Writes a new file that its owner alone may read, as services ask of every secret, and the folders above it.
///
/// # Errors
/// When it cannot be written, or is there already.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

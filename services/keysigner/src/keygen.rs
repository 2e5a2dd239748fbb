//! Makes a key: an encrypted key file and its passphrase beside it, both 0600. Called by `foxhold up` on an empty
//! folder and by `foxhold key create`.
//!
//! What must stay true: nothing is ever overwritten, and a key file that exists is whole and has its passphrase, however
//! often the process was killed in between.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use foxhold_core::{Clock, Random, SecretText, Timestamp, hex, random};
use foxhold_runtime::config::{SecretFile, Secrets};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::custody::file::{self, KeyFile, KeyFileError};

/// A key that was not made.
#[derive(Debug, Error)]
pub enum CreateKeyError {
    /// There is one of that name.
    #[error("{0} exists already; a key is never overwritten. fix: choose another name")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{0} cannot be written")]
    Write(PathBuf, #[source] io::Error),
    /// The key itself could not be made, or an older passphrase file of that name cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
}

/// Makes `<name>.pem` and `<name>.passphrase` in `folder`. A passphrase left behind by an interrupted call is used again.
///
/// # Errors
/// [`CreateKeyError`]; an existing key is left as it is.
pub fn create(
    folder: &Path,
    name: &str,
    clock: &dyn Clock,
    source: &dyn Random,
) -> Result<KeyFile, CreateKeyError> {
    create_for(folder, name, None, clock, source)
}

/// The same for a key whose turn comes at that time.
///
/// # Errors
/// As [`create`].
pub fn create_next(
    folder: &Path,
    name: &str,
    signs_from: Timestamp,
    clock: &dyn Clock,
    source: &dyn Random,
) -> Result<KeyFile, CreateKeyError> {
    create_for(folder, name, Some(signs_from), clock, source)
}

fn create_for(
    folder: &Path,
    name: &str,
    signs_from: Option<Timestamp>,
    clock: &dyn Clock,
    source: &dyn Random,
) -> Result<KeyFile, CreateKeyError> {
    let key = KeyFile {
        file: SecretFile(folder.join(format!("{name}.pem"))),
        passphrase_file: SecretFile(folder.join(format!("{name}.passphrase"))),
    };
    if key.file.0.exists() {
        return Err(CreateKeyError::Exists(key.file.0));
    }
    let passphrase = passphrase(&key.passphrase_file, source)?;
    let pem = file::make(&passphrase, clock.now(), signs_from, source)?;
    write_new(&key.file.0, pem.as_bytes())?;
    Ok(key)
}

fn passphrase(file: &SecretFile, source: &dyn Random) -> Result<SecretText, CreateKeyError> {
    if !file.0.exists() {
        let bytes = Zeroizing::new(random::bytes::<32>(source));
        let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(bytes.as_slice()))));
        write_new(&file.0, text.as_bytes())?;
    }
    // Read back, so that what the key is encrypted with is what a start will read.
    Secrets::default()
        .read_text("passphrase", file)
        .map_err(|error| CreateKeyError::Key(error.into()))
}

/// Where a file is written before it gets its name: of each file and each process another, so that two calls at once do not
/// write into one.
#[must_use]
pub fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// Writes a whole new file or none: a temporary one gets the final name once its contents are durable.
fn write_new(path: &Path, contents: &[u8]) -> Result<(), CreateKeyError> {
    let failed = |error| CreateKeyError::Write(path.to_owned(), error);
    let temporary = temporary_of(path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let written = write_durably(&temporary, contents).and_then(|()| fs::hard_link(&temporary, path));
    // Gone in any case: a leftover holds a secret.
    let removed = fs::remove_file(&temporary);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(CreateKeyError::Exists(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
        Ok(()) => removed.and_then(|()| sync_folder(path)).map_err(failed),
    }
}

fn write_durably(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

//! Secrets come from files, never from values: one loader for all of them (`ecosystem.md` 3.3). In a configuration a
//! secret is a path; a bare name is looked up in the folder of credentials that the service manager provides.

use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use foxhold_core::SecretText;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

/// No secret of ours is longer; a longer file is the wrong file.
const SECRET_LEN_MAX: u64 = 64 * 1024;

/// The path of a secret, as it stands in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct SecretFile(pub PathBuf);

/// What its schema says of a secret's path: the tools that show configurations go by it.
pub const SECRET_FORMAT: &str = "secret-file";

impl JsonSchema for SecretFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretFile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": SECRET_FORMAT })
    }
}

/// A secret that cannot be used. Names the key and the file, never the contents.
#[derive(Debug, Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error(
        "`{key}`: the file {path} cannot be read: {source}. fix: give the path of a file that this user may read"
    )]
    Unreadable {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no contents.
    #[error("`{key}`: the file {path} is empty. fix: put the secret into it, in one line")]
    Empty {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or write it.
    #[error("`{key}`: the file {path} has mode {mode:04o}: others may use it. fix: chmod 600 {path}")]
    Exposed {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to neither this process nor root.
    #[error("`{key}`: the file {path} belongs to user {owner}. fix: chown it to the user of this service")]
    ForeignOwner {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// It is too long for a secret.
    #[error("`{key}`: the file {path} is longer than a secret can be")]
    TooLong {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// It is not text.
    #[error("`{key}`: the file {path} is not UTF-8 text")]
    NotText {
        /// The configuration key.
        key: String,
        /// The file.
        path: PathBuf,
    },
    /// The key holds something that is no path: probably the secret itself.
    #[error("`{key}`: this looks like a secret, not a path. fix: put it into a 0600 file and give the path")]
    NotAPath {
        /// The configuration key.
        key: String,
    },
}

/// Reads secrets.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    credentials: Option<PathBuf>,
}

impl Secrets {
    /// With the folder of credentials that the environment names (`CREDENTIALS_DIRECTORY`), if there is one.
    #[must_use]
    pub fn of_env(env: &[(String, String)]) -> Self {
        let folder = env.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        Self {
            credentials: folder.map(|(_, path)| PathBuf::from(path)),
        }
    }

    /// The secret's bytes with one trailing newline trimmed. They are wiped when dropped.
    ///
    /// # Errors
    /// [`SecretError`], which names `key`.
    pub fn read(&self, key: &str, file: &SecretFile) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        match self.credential(file) {
            // The service manager guards its folder itself; the files in it are not ours to judge by mode.
            Some(credential) => read_trimmed(key, &credential, Guard::None),
            None if looks_like_a_secret(file) => Err(SecretError::NotAPath { key: key.to_owned() }),
            None => read_trimmed(key, &file.0, Guard::OwnerOnly),
        }
    }

    /// As a secret may be shown: its file and how long it is, never what it holds.
    #[must_use]
    pub fn shown(&self, file: &SecretFile) -> String {
        let path = self.place(file);
        if self.credential(file).is_none() && looks_like_a_secret(file) {
            return "<not a path>".to_owned();
        }
        match std::fs::metadata(&path) {
            Ok(meta) => format!("<file {}, {} bytes>", path.display(), meta.len()),
            Err(_) => format!("<file {}, not there>", path.display()),
        }
    }

    /// Where a secret lies.
    pub(super) fn place(&self, file: &SecretFile) -> PathBuf {
        self.credential(file).unwrap_or_else(|| file.0.clone())
    }

    fn credential(&self, file: &SecretFile) -> Option<PathBuf> {
        let folder = self.credentials.as_ref().filter(|_| is_bare(file))?;
        Some(folder.join(&file.0)).filter(|path| path.is_file())
    }

    /// Like [`Self::read`], as text.
    ///
    /// # Errors
    /// [`SecretError`], also for bytes that are not UTF-8.
    pub fn read_text(&self, key: &str, file: &SecretFile) -> Result<SecretText, SecretError> {
        let bytes = self.read(key, file)?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(SecretText::new(text.to_owned())),
            Err(_) => Err(SecretError::NotText {
                key: key.to_owned(),
                path: file.0.clone(),
            }),
        }
    }
}

fn is_bare(file: &SecretFile) -> bool {
    file.0.components().count() == 1 && !file.0.is_absolute()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    None,
    OwnerOnly,
}

fn read_trimmed(key: &str, path: &Path, guard: Guard) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (key, path) = (key.to_owned(), path.to_owned());
    let unreadable = |source| SecretError::Unreadable {
        key: key.clone(),
        path: path.clone(),
        source,
    };
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    // Of the open file, so that nobody swaps it between the look and the read.
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if guard == Guard::OwnerOnly {
        let mode = meta.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecretError::Exposed { key, path, mode });
        }
        let owner = meta.uid();
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(SecretError::ForeignOwner { key, path, owner });
        }
    }
    if meta.len() > SECRET_LEN_MAX {
        return Err(SecretError::TooLong { key, path });
    }
    // Room for all of it at once: a growing buffer would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    file.take(SECRET_LEN_MAX)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(SecretError::Empty { key, path });
    }
    Ok(bytes)
}

/// Names no file, long and without a dot: somebody pasted the secret. With a slash in it, as Base64 may have, only what looks
/// drawn, since it may be a path whose file is missing.
fn looks_like_a_secret(SecretFile(path): &SecretFile) -> bool {
    let text = path.to_string_lossy();
    let has = |kind: fn(char) -> bool| text.contains(kind);
    let is_drawn = || has(|letter| letter.is_ascii_uppercase()) && has(|letter| letter.is_ascii_digit());
    let has_form = text.len() >= 16 && !text.contains('.') && !path.is_absolute();
    has_form && (!text.contains('/') || is_drawn()) && !path.exists()
}

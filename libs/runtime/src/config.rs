//! One configuration per process, read once at its start: built-in defaults, TOML files in the order given, `FOXHOLD_`
//! environment with `__` between levels, then flags (`ecosystem.md` 3.2). Every `main` calls [`load`].
//!
//! What must stay true: a key nobody knows is an error, all faults of one run are reported together, each with where
//! it comes from and a fix, and no message repeats a value: it could be a secret in the wrong place.

mod bounds;
mod fault;
mod findings;
mod key;
mod layer;
mod reading;
mod secret;
mod site;
mod watch;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

pub(crate) use fault::split_fix;
pub use fault::{ConfigErrors, Fault, meant};
pub use findings::Findings;
pub use key::Key;
pub use reading::{Reading, Said};
pub use secret::{SECRET_FORMAT, SecretError, SecretFile, Secrets};
pub use site::{is_host, site_root};
pub(crate) use watch::look_now;
pub use watch::{FileWatch, next_look};

/// The longest time that a webhead may be given for a request, in milliseconds. Whoever looks once more at what requests of now
/// may still do, elsewhere too, waits longer.
pub const REQUEST_MS_MAX: u64 = 600_000;

const PREFIX: &str = "FOXHOLD_";

/// Variables that belong to command lines and name no key.
const RESERVED: [&str; 2] = ["FOXHOLD_CONFIG", "FOXHOLD_DATA"];

/// Where a configuration comes from, weakest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files in order; each must exist.
    pub files: Vec<PathBuf>,
    /// Variables of the process, names in full.
    pub env: Vec<(String, String)>,
    /// Keys (dotted) set by flags.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// What a role reads: `files`, or else those that `FOXHOLD_CONFIG` names (colon separated), or else
    /// `/etc/foxhold/<role>.toml` and `/etc/foxhold/conf.d/*.toml` as far as they exist.
    #[must_use]
    pub fn of_process(role: &str, files: Vec<PathBuf>) -> Self {
        let env = process_env();
        let files = if !files.is_empty() {
            files
        } else if let Some((_, list)) = env.iter().find(|(name, _)| name == "FOXHOLD_CONFIG") {
            list.split(':')
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect()
        } else {
            installed_files(Path::new("/etc/foxhold"), role)
        };
        Self {
            files,
            env,
            overrides: Vec::new(),
        }
    }
}

/// The environment, read once. Entries that are not text are left out: no key of ours is spelled so.
#[must_use]
pub fn process_env() -> Vec<(String, String)> {
    let text = |os: OsString| os.into_string().ok();
    std::env::vars_os()
        .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
        .collect()
}

fn installed_files(folder: &Path, role: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("conf.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let main = folder.join(format!("{role}.toml"));
    if main.is_file() {
        files.insert(0, main);
    }
    files
}

/// Reads the configuration of a role. The type says what is known: `#[serde(default, deny_unknown_fields)]`.
///
/// # Errors
/// All faults found, each with its origin and a fix.
pub fn load<T: DeserializeOwned>(role: &str, sources: &Sources) -> Result<T, ConfigErrors> {
    Reading::of(sources).resolve(role)
}

#[cfg(test)]
mod tests;

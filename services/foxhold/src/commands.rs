//! The commands, one file each.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod firefox;
pub(crate) mod invite;
pub(crate) mod key;
pub(crate) mod mail;
pub(crate) mod man;
pub(crate) mod node;
pub(crate) mod paged;
pub(crate) mod region;
pub(crate) mod schema;
pub(crate) mod service;
pub(crate) mod template;
pub(crate) mod token;
pub(crate) mod up;

use std::path::{Path, PathBuf};

use thiserror::Error;

/// What was named is nowhere.
#[derive(Debug, Error)]
#[error("{what}\nfix: {fix}")]
pub(crate) struct NotThere {
    /// `no service has a record of the user`
    pub(crate) what: &'static str,
    /// Where to look.
    pub(crate) fix: &'static str,
}

/// A file or folder that was named is not there.
#[derive(Debug, Error)]
#[error("there is no {what} {}\nfix: give the path of one that is there", path.display())]
pub(crate) struct NoSuchFile {
    /// `file`, `folder`
    pub(crate) what: &'static str,
    pub(crate) path: PathBuf,
}

impl NoSuchFile {
    /// Refuses a path that leads nowhere. What cannot be seen for another reason is told by whoever opens it.
    pub(crate) fn check(what: &'static str, path: &Path) -> Result<(), Self> {
        match path.try_exists() {
            Ok(false) => Err(Self {
                what,
                path: path.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses a path of something new whose folder is not there.
    pub(crate) fn check_folder_of(path: &Path) -> Result<(), Self> {
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => Self::check("folder", folder),
            _ => Ok(()),
        }
    }
}

/// What was to be made is there already, and stays as it is.
#[derive(Debug, Error)]
#[error("{what} exists already\nfix: {fix}")]
pub(crate) struct Exists {
    /// `the node`
    pub(crate) what: &'static str,
    /// What to do instead.
    pub(crate) fix: &'static str,
}

//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod certificates;
pub(crate) mod doctor;
pub(crate) mod invite;
pub(crate) mod key;
pub(crate) mod node;
pub(crate) mod paged;
pub(crate) mod region;
pub(crate) mod schema;
pub(crate) mod service;
pub(crate) mod token;
pub(crate) mod up;

use thiserror::Error;

/// What was to be made is there already, and stays as it is.
#[derive(Debug, Error)]
#[error("{what} exists already\nfix: {fix}")]
pub(crate) struct Exists {
    /// `the node`
    pub(crate) what: &'static str,
    /// What to do instead.
    pub(crate) fix: &'static str,
}

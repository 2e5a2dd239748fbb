//! The assignment ports over the cluster: which user has which record on which node (`tokenserver.md` 5, 9, 12).
//!
//! Must stay true: a returning user costs one read; a record is written by one conditional write together with what its
//! operation answered; no slot and no uid is spent on a refusal.

mod admin;
mod batch;
mod forgetting;
mod importing;
mod node_table;
mod pages;
pub(crate) mod past;
mod read;
pub(crate) mod record;
mod reserving;
mod spending;
pub(crate) mod table;
pub(crate) mod write;

pub(crate) use node_table::NodeLookup;

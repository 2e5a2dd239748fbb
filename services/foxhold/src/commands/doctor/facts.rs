//! What was found out about a box, before anybody judges it.

use std::path::PathBuf;

use foxhold_core::Timestamp;

use crate::probes::web::{Fault, Reply};

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// What the box is told, or what is wrong with that.
    pub(super) settings: Result<SettingsFacts, String>,
    /// The folder's files that matter.
    pub(super) files: Vec<FileFacts>,
    /// The id of the provider's key that signs at present, if all of its keys open.
    pub(super) key_id: Result<String, String>,
    /// Ids of those that wait for their turn: they are published before it.
    pub(super) next_kids: Vec<String>,
    /// How many node secrets there are, if a token made with the last of them is taken by a node that has them all.
    pub(super) secrets: Result<usize, String>,
    /// By this machine's clock, when the public URL was asked.
    pub(super) now: Timestamp,
    /// Of the disk with the data folder.
    pub(super) disk_used_percent: Result<u64, String>,
    /// Whether a process works on the folder.
    pub(super) is_running: bool,
    /// The document that Firefox reads first.
    pub(super) configuration: Result<Reply, Fault>,
    /// Ids in the key set.
    pub(super) published_kids: Result<Vec<String>, Fault>,
    /// The nodes of the one service.
    pub(super) nodes: Result<Vec<NodeFacts>, String>,
}

#[derive(Debug, Clone)]
pub(super) struct SettingsFacts {
    pub(super) public_url: String,
    pub(super) is_loopback: bool,
    pub(super) disk_used_max_percent: u8,
}

#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    pub(super) path: PathBuf,
    pub(super) permissions: Permissions,
    pub(super) is_needed: bool,
    pub(super) is_secret: bool,
    pub(super) is_folder: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permissions {
    Missing,
    /// The permission bits.
    Mode(u32),
}

#[derive(Debug, Clone)]
pub(super) struct NodeFacts {
    pub(super) url: String,
    /// Whether new users may come to it.
    pub(super) has_room: bool,
    /// The status of a read with a token of ours, or, of a fleet's, of a look at whether it is alive. Absent where an
    /// administrator took the node out of service: nobody expects an answer.
    pub(super) answer: Option<Result<u16, Fault>>,
}

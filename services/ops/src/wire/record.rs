//! Users' records: `GET /services/{service}/records`, `GET …/users/{user}`.

use serde::{Deserialize, Serialize};

use super::{Cursor, User};

/// The answer of `GET /services/{service}/records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Records {
    /// Some users, in the store's own order.
    pub users: Vec<UserRecords>,
    /// What to give as `after` for the next page; null = this was the last. A page may have fewer users than asked for
    /// though others follow: only this tells.
    pub next: Option<Cursor>,
}

/// All records of a user in a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct UserRecords {
    /// The user.
    pub user: User,
    /// When the user was first seen.
    pub first_seen_at_ms: u64,
    /// Counts changes of this user's records.
    pub version: u64,
    /// The current record.
    pub current: Record,
    /// Earlier records whose data is not purged yet, in the order in which they stopped being current.
    pub past: Vec<PastRecord>,
    /// Client states of all earlier records, purged ones too: hexadecimal.
    pub old_client_states: Vec<String>,
}

/// A user's current record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Record {
    /// The user's number.
    pub uid: u64,
    /// Last credential change seen, in ms; 0 = never reported, 9223372036854775807 = retired.
    pub generation: u64,
    /// Last key change seen; null = never reported.
    pub keys_changed_at_ms: Option<u64>,
    /// Fingerprint of the sync key: hexadecimal.
    pub client_state: String,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it stopped being current; null = active.
    pub replaced_at_ms: Option<u64>,
    /// Its node's URL; null = it needs one.
    pub node: Option<String>,
    /// The node's label.
    pub node_type: Option<String>,
}

impl Record {
    /// The generation of a retired user.
    pub const RETIRED: u64 = i64::MAX as u64;

    /// Whether the user was retired.
    #[must_use]
    pub const fn is_retired(&self) -> bool {
        self.generation == Self::RETIRED
    }
}

/// A record that is not current any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct PastRecord {
    /// The user's number then.
    pub uid: u64,
    /// Last credential change seen until then, in ms; 0 = never reported.
    pub generation: u64,
    /// Last key change seen until then; null = never reported.
    pub keys_changed_at_ms: Option<u64>,
    /// Fingerprint of the sync key then: hexadecimal.
    pub client_state: String,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was replaced.
    pub replaced_at_ms: u64,
    /// Its node's URL; null = the node is gone.
    pub node: Option<String>,
    /// Whether it still occupies a slot of its node.
    pub holds_slot: bool,
}

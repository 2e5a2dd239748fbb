//! Taking over records from elsewhere: `POST /services/{service}/import`, `POST …/uids/reserve`.

use serde::{Deserialize, Serialize};

use super::{Code, User, UserRecords};

/// The body of `POST /services/{service}/import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// At most [`IMPORT_USERS_MAX`](super::IMPORT_USERS_MAX); each once, no uid with two of them.
    #[cfg_attr(test, schema(min_items = 1, max_items = 200))]
    pub users: Vec<ImportUser>,
}

/// All records of a user that come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportUser {
    /// The user.
    pub user: User,
    /// In any order; several may be active, all may be replaced. 1 to 101.
    pub records: Vec<ImportRecord>,
    /// Client states of records that are purged: hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_client_states: Vec<String>,
    /// When the user was first seen, if before the oldest record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen_at_ms: Option<u64>,
}

/// One of a user's records as it comes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRecord {
    /// The user's number; unique in the service.
    pub uid: u64,
    /// Last credential change seen, in ms; 0 = never reported, 9223372036854775807 = retired.
    pub generation: u64,
    /// Last key change seen; null, absent or 0 = never reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_changed_at_ms: Option<u64>,
    /// Fingerprint of the sync key: hexadecimal, at most 32 digits.
    pub client_state: String,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was replaced; null or absent = active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at_ms: Option<u64>,
    /// Its node's URL; null, absent or without a node there = dangling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether it occupies a slot there; null or absent = it does unless the record after it is on the same node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_slot: Option<bool>,
}

/// Exported records as they are imported.
impl From<UserRecords> for ImportUser {
    fn from(of: UserRecords) -> Self {
        let current = ImportRecord {
            uid: of.current.uid,
            generation: of.current.generation,
            keys_changed_at_ms: of.current.keys_changed_at_ms,
            client_state: of.current.client_state,
            created_at_ms: of.current.created_at_ms,
            replaced_at_ms: of.current.replaced_at_ms,
            holds_slot: of.current.node.is_some().then_some(true),
            node: of.current.node,
        };
        let past = of.past.into_iter().map(|past| ImportRecord {
            uid: past.uid,
            generation: past.generation,
            keys_changed_at_ms: past.keys_changed_at_ms,
            client_state: past.client_state,
            created_at_ms: past.created_at_ms,
            replaced_at_ms: Some(past.replaced_at_ms),
            node: past.node,
            holds_slot: Some(past.holds_slot),
        });
        Self {
            user: of.user,
            records: past.chain([current]).collect(),
            old_client_states: of.old_client_states,
            first_seen_at_ms: Some(of.first_seen_at_ms),
        }
    }
}

/// The answer of `POST /services/{service}/import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ImportDone {
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// What became of each user, in the order of the request.
    pub results: Vec<ImportResult>,
}

/// What became of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ImportResult {
    /// What became of the user, or would.
    pub outcome: ImportOutcome,
    /// Why not.
    pub code: Option<Code>,
    /// The same for people.
    pub detail: Option<String>,
}

/// What became of a user who comes from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ImportOutcome {
    /// Taken over.
    Imported,
    /// Everything was here already.
    Unchanged,
    /// Decided against; again will not help unless the cause is gone.
    Refused,
    /// The store did not answer: to be done again.
    Failed,
}

/// The body of `POST /services/{service}/uids/reserve`, and its answer's: no uid up to this is handed out any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReserveUids {
    /// The highest uid to keep, itself included.
    pub through: u64,
}

//! Services, their nodes, and which user has which record on which node (`tokenserver.md` 3, 5, 9).

use std::{fmt, num::NonZeroU64};

use super::{PoolName, ServicePolicy};
use crate::{NodeId, ServiceUid, Timestamp};

/// A service's key, `{app}-{version}`, as in `sync-1.5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey(pub String);

/// A user of a service: `fxa_uid@issuer-domain`. Not shown in Debug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub String);

impl UserKey {
    /// The account's uid: the part before `@`.
    #[must_use]
    pub fn fxa_uid(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(uid, _)| uid)
    }

    /// The issuer's domain: the part after `@`.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, domain)| domain)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserKey(..)")
    }
}

/// The last credential change seen, in ms; grows only. 0 = never reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The tombstone of a retired user.
    pub const RETIRED: Self = Self(i64::MAX as u64);
}

/// The fingerprint of a user's sync key: at most 16 bytes; empty = never reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClientState(Vec<u8>);

impl ClientState {
    /// `None` above 16 bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= 16).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether none was ever reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A service that users are allocated to nodes of. Services are data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `sync-1.5`.
    pub key: ServiceKey,
    /// Endpoint with `{node}`, `{uid}` and `{service}` to fill in.
    pub pattern: String,
    /// The scope a token must grant.
    pub scope: String,
    /// How long its tokens live, in seconds.
    pub token_lifetime_secs: u64,
    /// The largest uid it hands out.
    pub uid_ceiling: u64,
    /// Whom it serves, and by which credentials.
    pub policy: ServicePolicy,
}

/// A node as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its number in the store.
    pub id: NodeId,
    /// Its service.
    pub service: ServiceKey,
    /// Its URL, without trailing slash.
    pub url: String,
    /// Label for telemetry.
    pub node_type: Option<String>,
    /// Whose users come here; absent = the default pool's.
    pub pool: Option<PoolName>,
    /// Its figures.
    pub figures: NodeFigures,
}

/// A node's slots (`tokenserver.md` 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeFigures {
    /// Most users ever.
    pub capacity: u64,
    /// Slots released for new users at present.
    pub available: u64,
    /// Users assigned.
    pub current_load: u64,
    /// Out of service.
    pub downed: bool,
    /// Alive, but no new users.
    pub backoff: bool,
    /// Out of service as well, since it does not answer: what the health job says, beside what the administrator does.
    pub unhealthy: bool,
}

/// A user's current record in one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The user's number.
    pub uid: ServiceUid,
    /// Highest generation seen.
    pub generation: Generation,
    /// Highest key change seen, in ms; absent = never reported.
    pub keys_changed_at: Option<NonZeroU64>,
    /// Fingerprint of the current sync key.
    pub client_state: ClientState,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it stopped being current; absent = active.
    pub replaced_at: Option<Timestamp>,
    /// The node's URL; absent = the node is gone and another is needed.
    pub node: Option<String>,
    /// The node's label.
    pub node_type: Option<String>,
}

/// A record that is not current any more, kept until the data it stands for is purged from its node
/// (`tokenserver.md` 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRecord {
    /// The user's number then.
    pub uid: ServiceUid,
    /// Highest generation seen until then.
    pub generation: Generation,
    /// Highest key change seen until then, in ms; absent = never reported.
    pub keys_changed_at: Option<NonZeroU64>,
    /// Fingerprint of the sync key then.
    pub client_state: ClientState,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When it was replaced: its data may go once a grace is over since then.
    pub replaced_at: Timestamp,
    /// Its node's URL; absent = the node is gone, and its data with it.
    pub node: Option<String>,
    /// Whether it still occupies a slot of its node: a change of keys hands the slot on, any other replacement does not.
    /// Never without a node.
    pub holds_slot: bool,
}

/// All that a token exchange needs to know of a user: one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The current record.
    pub current: Assignment,
    /// Earlier records whose data is not purged yet, in the order in which they stopped being current.
    pub past: Vec<PastRecord>,
    /// Client states of all earlier records, purged ones too, without the current one's.
    pub old_client_states: Vec<ClientState>,
    /// When the user was first seen.
    pub first_seen_at: Timestamp,
    /// Counts changes of this user's records; a write names the version it was decided on.
    pub version: u64,
}

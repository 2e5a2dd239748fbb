//! Reading and writing which user has which record on which node (`tokenserver.md` 5, 9, 11, 12).
//!
//! What must stay true: the load of a node is the number of records that hold a slot there. A user's current record holds
//! one if it has a node, whether it is active or was replaced; a past one if it says so.

pub mod change;
pub mod choice;
pub mod encoding;
pub mod import;

use std::{collections::BTreeSet, fmt, num::NonZeroU64};

use async_trait::async_trait;
use foxhold_core::{
    Deadline, ServiceUid, Timestamp,
    record::{ClientState, Generation, NodeRecord, PoolName, Service, ServiceKey, UserKey, UserRecord},
};

use crate::{Call, ReadError, WriteError};

/// Reads about services, nodes and users' records.
#[async_trait]
pub trait AssignmentReader: Send + Sync {
    /// All services whose settings can be read.
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError>;

    /// The same, and which others there are: for whoever must not take those for none.
    async fn catalogue(&self, by: Deadline) -> Result<Catalogue, ReadError> {
        Ok(self.services(by).await?.into())
    }

    /// All nodes of a service, by id.
    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError>;

    /// A user's records in a service: one round trip, the whole cost of a returning user's exchange.
    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError>;

    /// A page of all users' records of a service, in the store's own order: every user once, if nothing changes
    /// meanwhile. For jobs, which take their time; no exchange asks for it. Of an unknown service there are none.
    ///
    /// `limit`: at most so many users, from 1 to [`RECORDS_PAGE_MAX`]; outside, the nearest of these. A page may have
    /// fewer though others follow: only `next` tells.
    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError>;
}

/// The services of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Those whose settings can be read, by key.
    pub readable: Vec<Service>,
    /// The others: their settings are damaged, or of a later release. They have users like the rest.
    pub unreadable: BTreeSet<ServiceKey>,
}

impl From<Vec<Service>> for Catalogue {
    /// All of them can be read.
    fn from(readable: Vec<Service>) -> Self {
        Self {
            readable,
            unreadable: BTreeSet::new(),
        }
    }
}

impl Catalogue {
    /// The keys of all of them.
    pub fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        let readable = self.readable.iter().map(|service| &service.key);
        readable.chain(&self.unreadable)
    }
}

/// Most users of one page of records.
pub const RECORDS_PAGE_MAX: u32 = 1000;

/// How many users a page has at most, for a limit as it was asked for.
#[must_use]
pub fn page_size(limit: u32) -> usize {
    limit.clamp(1, RECORDS_PAGE_MAX) as usize
}

/// Some users' records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// The users with their records.
    pub records: Vec<(UserKey, UserRecord)>,
    /// Where the next page begins; absent = this was the last.
    pub next: Option<RecordCursor>,
}

/// A place in a store's order of users. Only the store that gave it can read it; to be kept no longer than a job runs.
/// Not shown in Debug: it may name a user.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordCursor(pub Vec<u8>);

impl fmt::Debug for RecordCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordCursor(..)")
    }
}

/// What the credential said of a user, as accepted by the state rules: goes into the record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserValues {
    /// New generation.
    pub generation: Generation,
    /// New key change time, in ms.
    pub keys_changed_at: Option<NonZeroU64>,
    /// Client state of the credential.
    pub client_state: ClientState,
}

/// Where a user who needs a node goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The least loaded node of a pool; absent = of the default pool.
    Pool(Option<PoolName>),
    /// The node at this URL, whether or not it has released slots, and also in backoff: an administrator says so, or the
    /// service is pinned to it. Not beyond its capacity, and not while it is out of service: that is `NoNode`, as is a URL
    /// without a node. If it has no released slots, some are released there as for any node.
    Node(String),
}

impl Target {
    /// The default pool.
    pub const DEFAULT: Self = Self::Pool(None);

    /// Whether a node is where the user may go.
    #[must_use]
    pub fn includes(&self, url: &str, pool: Option<&PoolName>) -> bool {
        match self {
            Self::Pool(of) => of.as_ref() == pool,
            Self::Node(named) => named == url,
        }
    }
}

impl Default for Target {
    /// The default pool.
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which record a decision was made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRef {
    /// The service.
    pub service: ServiceKey,
    /// The user.
    pub user: UserKey,
    /// `UserRecord::version` of what was read; absent = there was no record.
    pub version: Option<u64>,
}

/// Writes about users' records. Each method is one intent. All are refused with
/// [`Conflict`](crate::Refusal::Conflict) if the user's records are not at `at.version` any more: the caller reads again
/// and judges again. All answer the user's records as they are after the intent, and every one that is done makes a new
/// version, also if nothing else changed.
#[async_trait]
pub trait AssignmentWriter: Send + Sync {
    /// Gives the user a new record on a newly chosen node: the first one (`at.version` absent), or one to replace the
    /// record before, whether that was replaced, lost its node or is to be left. Takes a slot; no slot is taken if the intent is refused. The record
    /// before goes to the past, with the slot that it holds; if it was active, it is replaced at `now`.
    /// Refused also: `UnknownService`, `NoNode`, `NoUid`, `TooManyPast`; and a first record only: `Closed`, if the service
    /// takes only so many users and has them. Of `Service::policy` that is all a store obeys.
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError>;

    /// Raises generation and key change time of the current record in place, whether it is active or was replaced: what
    /// the next credential is judged by must not wait for a node. Neither ever falls. Same uid, same node.
    async fn raise(&self, call: &Call, at: &RecordRef, values: &UserValues)
    -> Result<UserRecord, WriteError>;

    /// Replaces the current record by one with a new client state: new uid, same node, the old record replaced at
    /// `now` and gone to the past. Its slot is the new record's: figures do not change. Refused also: `NoUid`,
    /// `TooManyPast`.
    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError>;

    /// Ends the user for good: the current record gets the tombstone generation, and is replaced at `now` if it was
    /// active. Done, too, if the user was retired. Figures do not change.
    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError>;

    /// Takes the user from the node: the active record is replaced at `now`, so that the next exchange assigns anew.
    /// Done, too, if it was replaced. Figures do not change: its data is still there.
    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError>;

    /// Forgets a past record whose data is purged; the slot it holds, if any, goes back to its node (one more available,
    /// as far as the capacity allows; load one less). Done, too, if there is none of that uid. Its client state stays
    /// among the old ones.
    ///
    /// The uid may also be that of the current record if that was replaced: then it stays as it is, but without its
    /// node. Of an active record it is a `Conflict`.
    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError>;
}

/// A node as an administrator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Its service.
    pub service: ServiceKey,
    /// Its URL, without trailing slash.
    pub url: String,
    /// Label for telemetry.
    pub node_type: Option<String>,
    /// Whose users come here; absent = the default pool's.
    pub pool: Option<PoolName>,
    /// Most users ever.
    pub capacity: u64,
    /// Slots released at once.
    pub available: u64,
}

/// What changes of a node; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeChange {
    /// Most users ever. Below the load nobody is sent away; nobody comes, either.
    pub capacity: Option<u64>,
    /// Slots released for new users at present. More than the capacity leaves is as much as it leaves.
    pub available: Option<u64>,
    /// Out of service.
    pub downed: Option<bool>,
    /// Alive, but no new users.
    pub backoff: Option<bool>,
    /// Does not answer.
    pub unhealthy: Option<bool>,
    /// Whose users come here: `Some(None)` = the default pool's. Who is there stays there.
    pub pool: Option<Option<PoolName>>,
}

/// One of a user's records as it comes from elsewhere (`tokenserver.md` 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedRecord {
    /// The user's number; unique in the service.
    pub uid: ServiceUid,
    /// Credential change seen.
    pub generation: Generation,
    /// Key change seen, in ms; absent = never reported.
    pub keys_changed_at: Option<NonZeroU64>,
    /// Fingerprint of the sync key.
    pub client_state: ClientState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was replaced; absent = active.
    pub replaced_at: Option<Timestamp>,
    /// Its node's URL; absent, or without a node there = dangling.
    pub node: Option<String>,
    /// Whether it occupies a slot there; absent = it does unless the record after it is on the same node, as after a
    /// change of keys.
    pub holds_slot: Option<bool>,
}

/// All records of a user that come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedUser {
    /// In any order; several may be active, all may be replaced. At least one, at most [`PAST_MAX`] + 1.
    pub records: Vec<ImportedRecord>,
    /// Client states of records that are purged.
    pub old_client_states: Vec<ClientState>,
    /// When the user was first seen, if before the oldest record was made.
    pub first_seen_at: Option<Timestamp>,
}

/// Past records that a user may have. Who changes keys more often than data is purged has to wait: beyond it `assign` and
/// `rekey` are refused with `TooManyPast`.
pub const PAST_MAX: usize = 100;

/// Administration of services and nodes. Each method is one intent, and idempotent by its object's name.
#[async_trait]
pub trait AssignmentAdmin: Send + Sync {
    /// Makes a service, or changes the one of that key.
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError>;

    /// Makes a node; one that exists under that URL is left as it is. Refused: `UnknownService`.
    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError>;

    /// Gives the node at the URL `from` the URL `to` (without trailing slash). It stays the same node: its users, its
    /// figures and their records' versions do not change, and every record on it reads with the new URL at once. Done,
    /// too, if there is no node at `from` and one at `to`: then it has been done before.
    /// Refused: `UnknownService`; `UnknownNode` if neither URL has a node; `Conflict` if each has one of its own.
    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError>;

    /// Changes what is given of a node's figures. Users and their records' versions do not change; a node out of service
    /// or in backoff keeps its users. Refused: `UnknownService`, `UnknownNode`.
    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError>;

    /// Removes a node. Records on it, current and past, read without a node from then on, and hold no slot; their
    /// versions do not change, and their users are assigned anew at their next exchange. A node made later under that URL
    /// is another one. Done, too, if there is none.
    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError>;

    /// Takes over a user's records from elsewhere as they are: uids, times, nodes (`tokenserver.md` 11, 12). The current one
    /// is that of the highest (generation, key change time, creation, uid); it gets the highest numbers of all; every
    /// other one goes to the past, replaced when the current one was made if it was active. What the user has here
    /// already is merged in, a record of a known uid with the highest numbers of both: done again it changes nothing but
    /// the version. Slots are taken without regard to what is released, and to backoff and outage.
    ///
    /// That no uid of these is another user's is the caller's to know: he has reserved them
    /// ([`AssignmentAdmin::reserve_uids`]) before, and looked. Refused: `UnknownService`; `Conflict` if the user's records
    /// are not at `at.version`, if there is none to take, or if the store notices that a uid is another user's;
    /// `NoNode` if a node is full; `TooManyPast`.
    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError>;

    /// From now on no uid up to and including `through` is handed out in the service. Refused: `UnknownService`; `NoUid` if
    /// that is beyond the service's ceiling.
    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError>;
}

/// Whether a text can be a node's URL: http or https, a host, visible ASCII, at most 256 bytes, and no trailing slash.
/// Tokens, secrets and endpoints are made of it as it stands, so it has one spelling.
#[must_use]
pub fn is_node_url(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        && url.len() <= 256
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && !url.ends_with('/')
}

/// What a service's pattern has to be, for whoever gave another.
pub const PATTERN_FIX: &str = "give {node} and what stands behind it, as in {node}/1.5/{uid}; {service} may stand there, too, and nothing else in {}";
/// What a service's scope has to be.
pub const SCOPE_FIX: &str = "give one scope, without blanks, as in https://example.org/apps/notes";

/// Whether a text can be a service's pattern: visible ASCII that begins with the node, `{node}`, and has no other words to
/// fill in than `{uid}` and `{service}`. Clients are sent wherever it leads.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("{node}") else {
        return false;
    };
    let rest = rest
        .replace("{uid}", "")
        .replace("{service}", "")
        .replace("{node}", "");
    text.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains(['{', '}'])
}

/// Whether a text can be a service's scope, or none: visible ASCII without blanks, which would make several of it.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Uids start here in a new service.
pub const FIRST_UID: ServiceUid = ServiceUid::new(1).expect("one is a uid");

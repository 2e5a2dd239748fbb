//! Reading and writing which user has which record on which node (`tokenserver.md` 5, 9, 12).

pub mod change;
pub mod choice;

use std::num::NonZeroU64;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, ServiceUid, Timestamp,
    record::{ClientState, Generation, NodeRecord, Service, ServiceKey, UserKey, UserRecord},
};

use crate::{Call, ReadError, WriteError};

/// Reads about services, nodes and users' records.
#[async_trait]
pub trait AssignmentReader: Send + Sync {
    /// All services.
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError>;

    /// All nodes of a service, by id.
    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError>;

    /// A user's records in a service: one round trip, the whole cost of a returning user's exchange.
    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError>;
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
/// and judges again. All answer the user's records as they are after the intent.
#[async_trait]
pub trait AssignmentWriter: Send + Sync {
    /// Gives the user a new record on a newly chosen node: the first one (`at.version` absent), or one to replace a
    /// record that was replaced or lost its node. Takes a slot; no slot is taken if the intent is refused.
    /// Refused also: `UnknownService`, `NoNode`, `NoUid`.
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError>;

    /// Raises generation and key change time of the current record in place; neither ever falls. Same uid, same node.
    async fn raise(&self, call: &Call, at: &RecordRef, values: &UserValues)
    -> Result<UserRecord, WriteError>;

    /// Replaces the current record by one with a new client state: new uid, same node, the old record replaced at
    /// `now`. Slot figures do not change. Refused also: `NoUid`.
    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError>;
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
    /// Most users ever.
    pub capacity: u64,
    /// Slots released at once.
    pub available: u64,
}

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

/// Uids start here in a new service.
pub const FIRST_UID: ServiceUid = ServiceUid::new(1).expect("one is a uid");

//! Users' records: the current one with all that an exchange asks, and the former ones beside it.
//!
//! Must stay true: [`find`] is one statement; it is the whole cost of a returning user's exchange.

use std::num::NonZeroU64;

use foxhold_core::{
    NodeId, ServiceUid, Timestamp,
    record::{Assignment, ClientState, Generation, ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::assignments::RecordRef;
use foxhold_sqlite::rusqlite::{Connection, params};

use crate::{
    codec,
    error::StoreError,
    row::{Columns, change, millis, one, signed, unsigned},
};

/// A record whose node is gone comes without one (`LEFT JOIN`).
const SELECT: &str = "SELECT u.uid, u.generation, u.keys_changed_at_ms, u.client_state, u.created_at_ms,
    u.replaced_at_ms, n.url, n.node_type, u.old_client_states, u.first_seen_at_ms, u.version, n.id
    FROM user_records u LEFT JOIN nodes n ON n.id = u.node WHERE u.service = ?1 AND u.user_key = ?2";
/// Not OR REPLACE: that would remove the record of another user who has the same uid, where this is an error.
const PUT: &str = "INSERT INTO user_records (service, user_key, uid, generation, keys_changed_at_ms,
    client_state, created_at_ms, replaced_at_ms, node, old_client_states, first_seen_at_ms, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT (service, user_key) DO UPDATE SET uid = excluded.uid, generation = excluded.generation,
    keys_changed_at_ms = excluded.keys_changed_at_ms, client_state = excluded.client_state,
    created_at_ms = excluded.created_at_ms, replaced_at_ms = excluded.replaced_at_ms, node = excluded.node,
    old_client_states = excluded.old_client_states, first_seen_at_ms = excluded.first_seen_at_ms,
    version = excluded.version";
const INSERT_FORMER: &str =
    "INSERT INTO former_records (service, uid, user_key, generation, keys_changed_at_ms,
    client_state, created_at_ms, replaced_at_ms, node) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// What the store holds of a user.
pub(crate) struct Stored {
    pub(crate) record: UserRecord,
    /// The node, if it is still there.
    pub(crate) node: Option<NodeId>,
}

pub(crate) fn find(
    db: &Connection,
    service: &ServiceKey,
    user: &UserKey,
) -> Result<Option<Stored>, StoreError> {
    one(db, SELECT, (&service.0, &user.0), read)
}

pub(super) fn put(
    db: &Connection,
    at: &RecordRef,
    record: &UserRecord,
    node: Option<NodeId>,
) -> Result<(), StoreError> {
    let current = &record.current;
    let params = params![
        at.service.0,
        at.user.0,
        signed(current.uid.get())?,
        signed(current.generation.0)?,
        keys_changed_at(current)?,
        current.client_state.as_bytes(),
        millis(current.created_at)?,
        current.replaced_at.map(millis).transpose()?,
        node.map(|node| signed(node.0)).transpose()?,
        codec::encode_client_states(&record.old_client_states),
        millis(record.first_seen_at)?,
        signed(record.version)?,
    ];
    change(db, PUT, params).map(drop)
}

/// Keeps a record that is about to be replaced, for the purge of its data.
pub(super) fn keep_former(
    db: &Connection,
    at: &RecordRef,
    before: &Stored,
    now: Timestamp,
) -> Result<(), StoreError> {
    let former = &before.record.current;
    let params = params![
        at.service.0,
        signed(former.uid.get())?,
        at.user.0,
        signed(former.generation.0)?,
        keys_changed_at(former)?,
        former.client_state.as_bytes(),
        millis(former.created_at)?,
        millis(former.replaced_at.unwrap_or(now))?,
        before.node.map(|node| signed(node.0)).transpose()?,
    ];
    change(db, INSERT_FORMER, params).map(drop)
}

fn keys_changed_at(record: &Assignment) -> Result<Option<i64>, StoreError> {
    record.keys_changed_at.map(|at| signed(at.get())).transpose()
}

fn read(row: &mut Columns<'_>) -> Result<Stored, StoreError> {
    let current = Assignment {
        uid: ServiceUid::new(row.number()?).ok_or(StoreError::Corrupt("a record has no uid"))?,
        generation: Generation(row.number()?),
        keys_changed_at: optional(row)?.and_then(NonZeroU64::new),
        client_state: ClientState::new(row.get()?)
            .ok_or(StoreError::Corrupt("a client state is too long"))?,
        created_at: row.time()?,
        replaced_at: optional(row)?.map(Timestamp::from_millis),
        node: row.get()?,
        node_type: row.get()?,
    };
    let record = UserRecord {
        current,
        old_client_states: codec::decode_client_states(row.blob()?)?,
        first_seen_at: row.time()?,
        version: row.number()?,
    };
    Ok(Stored {
        record,
        node: optional(row)?.map(NodeId),
    })
}

fn optional(row: &mut Columns<'_>) -> Result<Option<u64>, StoreError> {
    row.get::<Option<i64>>()?.map(unsigned).transpose()
}

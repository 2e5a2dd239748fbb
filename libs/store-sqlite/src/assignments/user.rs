//! Users' records: the current one with all that an exchange asks, and the past ones beside it.
//!
//! Must stay true: [`find`] is one statement; it is the whole cost of a returning user's exchange.

use std::num::NonZeroU64;

use foxhold_core::{
    NodeId, ServiceUid, Timestamp,
    record::{Assignment, ClientState, Generation, PastRecord, ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::{
    Cause,
    assignments::{RecordCursor, RecordPage, RecordRef, page_size},
};
use foxhold_sqlite::rusqlite::{Connection, params};

use crate::{
    codec,
    error::StoreError,
    row::{Columns, all, change, gathered, millis, one, signed, unsigned},
};

/// One row for each past record, oldest first, or one row if there is none. Records whose node is gone come without one
/// (`LEFT JOIN`).
const SELECT: &str = "SELECT u.uid, u.generation, u.keys_changed_at_ms, u.client_state, u.created_at_ms,
    u.replaced_at_ms, n.url, n.node_type, u.old_client_states, u.first_seen_at_ms, u.version, n.id,
    p.uid, p.generation, p.keys_changed_at_ms, p.client_state, p.created_at_ms, p.replaced_at_ms, pn.url, p.holds_slot
    FROM user_records u LEFT JOIN nodes n ON n.id = u.node
    LEFT JOIN past_records p ON p.service = u.service AND p.user_key = u.user_key
    LEFT JOIN nodes pn ON pn.id = p.node
    WHERE u.service = ?1 AND u.user_key = ?2 ORDER BY p.place";
/// Where a past record's columns begin.
const PAST: usize = 12;
const SELECT_KEYS: &str = "SELECT user_key FROM user_records WHERE service = ?1 AND user_key > ?2
    ORDER BY user_key LIMIT ?3";
/// Not OR REPLACE: that would remove the record of another user who has the same uid, where this is an error.
const PUT: &str = "INSERT INTO user_records (service, user_key, uid, generation, keys_changed_at_ms,
    client_state, created_at_ms, replaced_at_ms, node, old_client_states, first_seen_at_ms, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
    ON CONFLICT (service, user_key) DO UPDATE SET uid = excluded.uid, generation = excluded.generation,
    keys_changed_at_ms = excluded.keys_changed_at_ms, client_state = excluded.client_state,
    created_at_ms = excluded.created_at_ms, replaced_at_ms = excluded.replaced_at_ms, node = excluded.node,
    old_client_states = excluded.old_client_states, first_seen_at_ms = excluded.first_seen_at_ms,
    version = excluded.version";
const APPEND_PAST: &str = "INSERT INTO past_records (service, user_key, uid, generation,
    keys_changed_at_ms, client_state, created_at_ms, replaced_at_ms, node, holds_slot, place)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
    (SELECT coalesce(max(place), 0) + 1 FROM past_records WHERE service = ?1 AND user_key = ?2))";
const CLEAR_PAST: &str = "DELETE FROM past_records WHERE service = ?1 AND user_key = ?2";
const SELECT_ANOTHERS: &str = "SELECT 1 FROM user_records WHERE service = ?1 AND uid = ?3 AND user_key <> ?2
    UNION ALL SELECT 1 FROM past_records WHERE service = ?1 AND uid = ?3 AND user_key <> ?2";
const DELETE_PAST: &str = "DELETE FROM past_records WHERE service = ?1 AND user_key = ?2 AND uid = ?3";

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
    let add = |stored: &mut Stored, row: &mut Columns<'_>| {
        stored.record.past.extend(past(row)?);
        Ok(())
    };
    gathered(db, SELECT, (&service.0, &user.0), current, PAST, add)
}

/// Whether another user has a record of that uid, current or past.
pub(super) fn is_anothers(db: &Connection, at: &RecordRef, uid: ServiceUid) -> Result<bool, StoreError> {
    let params = (&at.service.0, &at.user.0, signed(uid.get())?);
    one(db, SELECT_ANOTHERS, params, |_| Ok(())).map(|found| found.is_some())
}

/// Users in the order of their keys. The cursor is the key of the last one before.
pub(crate) fn page(
    db: &Connection,
    service: &ServiceKey,
    after: &UserKey,
    limit: u32,
) -> Result<RecordPage, StoreError> {
    let size = page_size(limit);
    // One more, to know whether there is one more.
    let params = (&service.0, &after.0, signed(size as u64 + 1)?);
    let mut keys: Vec<UserKey> = all(db, SELECT_KEYS, params, |row| row.get().map(UserKey))?;
    let goes_on = keys.len() > size;
    keys.truncate(size);
    let last = keys.last().filter(|_| goes_on);
    let next = last.map(|user| RecordCursor(user.0.clone().into_bytes()));
    let mut records = Vec::with_capacity(keys.len());
    for user in keys {
        let stored = find(db, service, &user)?;
        records.extend(stored.map(|stored| (user, stored.record)));
    }
    Ok(RecordPage { records, next })
}

/// What a cursor says. Before all users there is the empty key, which nobody has.
pub(crate) fn after(cursor: Option<&RecordCursor>) -> Result<UserKey, Cause> {
    let key = cursor.map_or_else(Vec::new, |cursor| cursor.0.clone());
    String::from_utf8(key).map(UserKey).map_err(|_| Cause::Fault)
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
        keys_changed_at(current.keys_changed_at)?,
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

/// Keeps the record that has just gone to the past of `after`, for the purge of its data. It is on `node`.
pub(super) fn keep_past(
    db: &Connection,
    at: &RecordRef,
    after: &UserRecord,
    node: Option<NodeId>,
) -> Result<(), StoreError> {
    let past = after.past.last().ok_or(StoreError::Corrupt(
        "a record was replaced and is not in the past",
    ))?;
    append_past(db, at, past, node)
}

/// Keeps these past records and no others; `node_at` tells which node is at a record's URL.
pub(super) fn put_past(
    db: &Connection,
    at: &RecordRef,
    all: &[PastRecord],
    node_at: impl Fn(&Option<String>) -> Option<NodeId>,
) -> Result<(), StoreError> {
    change(db, CLEAR_PAST, (&at.service.0, &at.user.0))?;
    all.iter()
        .try_for_each(|past| append_past(db, at, past, node_at(&past.node)))
}

fn append_past(
    db: &Connection,
    at: &RecordRef,
    past: &PastRecord,
    node: Option<NodeId>,
) -> Result<(), StoreError> {
    let params = params![
        at.service.0,
        at.user.0,
        signed(past.uid.get())?,
        signed(past.generation.0)?,
        keys_changed_at(past.keys_changed_at)?,
        past.client_state.as_bytes(),
        millis(past.created_at)?,
        millis(past.replaced_at)?,
        node.map(|node| signed(node.0)).transpose()?,
        past.holds_slot,
    ];
    change(db, APPEND_PAST, params).map(drop)
}

/// Removes the past record of that uid, if there is one.
pub(super) fn drop_past(db: &Connection, at: &RecordRef, uid: ServiceUid) -> Result<(), StoreError> {
    change(db, DELETE_PAST, (&at.service.0, &at.user.0, signed(uid.get())?)).map(drop)
}

fn keys_changed_at(at: Option<NonZeroU64>) -> Result<Option<i64>, StoreError> {
    at.map(|at| signed(at.get())).transpose()
}

/// The current record, and nothing of the past yet.
fn current(row: &mut Columns<'_>) -> Result<Stored, StoreError> {
    let current = Assignment {
        uid: uid(row.number()?)?,
        generation: Generation(row.number()?),
        keys_changed_at: optional(row)?.and_then(NonZeroU64::new),
        client_state: client_state(row)?,
        created_at: row.time()?,
        replaced_at: optional(row)?.map(Timestamp::from_millis),
        node: row.get()?,
        node_type: row.get()?,
    };
    let record = UserRecord {
        current,
        past: Vec::new(),
        old_client_states: codec::decode_client_states(row.blob()?)?,
        first_seen_at: row.time()?,
        version: row.number()?,
    };
    let node = optional(row)?.map(NodeId);
    Ok(Stored { record, node })
}

/// The past record of a row, if it has one.
fn past(row: &mut Columns<'_>) -> Result<Option<PastRecord>, StoreError> {
    let Some(number) = optional(row)? else {
        return Ok(None);
    };
    let mut past = PastRecord {
        uid: uid(number)?,
        generation: Generation(row.number()?),
        keys_changed_at: optional(row)?.and_then(NonZeroU64::new),
        client_state: client_state(row)?,
        created_at: row.time()?,
        replaced_at: row.time()?,
        node: row.get()?,
        holds_slot: row.get()?,
    };
    past.holds_slot &= past.node.is_some();
    Ok(Some(past))
}

fn uid(number: u64) -> Result<ServiceUid, StoreError> {
    ServiceUid::new(number).ok_or(StoreError::Corrupt("a record has no uid"))
}

fn client_state(row: &mut Columns<'_>) -> Result<ClientState, StoreError> {
    ClientState::new(row.get()?).ok_or(StoreError::Corrupt("a client state is too long"))
}

fn optional(row: &mut Columns<'_>) -> Result<Option<u64>, StoreError> {
    row.get::<Option<i64>>()?.map(unsigned).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_key_of_a_user() {
        let cursor = RecordCursor("ann@example.test".into());
        assert_eq!(after(Some(&cursor)), Ok(UserKey("ann@example.test".into())));
        assert_eq!(after(None), Ok(UserKey(String::new())));
        let of_another_store = RecordCursor(vec![0xff; 8]);
        assert_eq!(after(Some(&of_another_store)), Err(Cause::Fault));
    }
}

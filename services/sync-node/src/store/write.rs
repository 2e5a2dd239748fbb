//! Writes of one user, each one job inside its own savepoint: user, precondition, time, changes, collection, quota, user.
//!
//! Must stay true: every row one request touches gets the one T; T rises with every write of a user; an error leaves
//! nothing behind, since the savepoint is rolled back.

use foxhold_sqlite::rusqlite::{Connection, params};
use foxhold_sync::storage::{
    BsoId, Change, CollectionName, Field, Precondition, Record, Refusal, Tick, next_write_time,
};

use super::{
    Denied, batch, denied, list, read,
    row::{self, User, to_sql},
};

/// What every write needs to know.
#[derive(Debug, Clone, Copy)]
pub struct WriteContext {
    /// Whose data.
    pub uid: i64,
    /// The clock when the write's turn has come: what has expired by now is absent.
    pub now: Tick,
    /// What the request demands of the resource's time.
    pub precondition: Precondition,
    /// Bytes the user may have, batches included.
    pub quota_bytes: Option<u64>,
}

/// A write that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The resource's time now: T, unless nothing had to be done.
    pub time: Tick,
    /// Bytes left of the quota, if there is one.
    pub quota_left: Option<u64>,
}

/// A user's turn to write: everything of one request gets `time`.
pub(super) struct Turn<'c> {
    pub(super) connection: &'c Connection,
    pub(super) context: WriteContext,
    pub(super) time: Tick,
    /// What the user's stored payload bytes change by.
    pub(super) bytes_added: i64,
}

/// The payload of a change, as it comes to a BSO.
pub(super) enum NewPayload {
    /// Fresh from a request.
    Text(String),
    /// Stored already, by a batch.
    Staged {
        /// Its number; none when empty.
        pid: Option<i64>,
        /// Its bytes.
        size: u64,
    },
}

impl<'c> Turn<'c> {
    /// Begins a write whose resource has the time `resource_time`, and fixes T.
    pub(super) fn begin(
        connection: &'c Connection,
        context: WriteContext,
        user: User,
        resource_time: Tick,
    ) -> Result<Self, Denied> {
        denied::check(context.precondition, resource_time)?;
        let time = next_write_time(context.now, user.last_modified).map_err(|wrong_clock| {
            tracing::error!(error = %wrong_clock, "a write was refused");
            Refusal::Busy
        })?;
        Ok(Self {
            connection,
            context,
            time,
            bytes_added: 0,
        })
    }

    /// Moves the collection to T; it exists from now on.
    pub(super) fn touch_collection(&self, cid: i64) -> Result<(), Denied> {
        let sql = "INSERT INTO user_collections (uid, cid, last_modified) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET last_modified = excluded.last_modified";
        self.connection
            .prepare_cached(sql)?
            .execute(params![self.context.uid, cid, to_sql(self.time)])?;
        Ok(())
    }

    /// Moves the user to T and holds the result against the quota. The last step of every write that may add.
    pub(super) fn finish(self) -> Result<Written, Denied> {
        self.touch_user()?;
        Ok(Written {
            time: self.time,
            quota_left: quota_left(self.connection, self.context)?,
        })
    }

    /// The same for a removal, which is never refused for the quota: it is the way back under it.
    fn finish_removal(self) -> Result<Written, Denied> {
        self.touch_user()?;
        unrefused(self.connection, self.context, self.time)
    }

    fn touch_user(&self) -> Result<(), Denied> {
        let sql = "INSERT INTO users (uid, last_modified, bytes) VALUES (?1, ?2, max(?3, 0))
                   ON CONFLICT DO UPDATE SET last_modified = excluded.last_modified,
                   bytes = max(bytes + ?3, 0), wiped_at = NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![self.context.uid, to_sql(self.time), self.bytes_added])?;
        Ok(())
    }

    /// Applies one change to one BSO.
    pub(super) fn apply(&mut self, cid: i64, id: &str, change: Change<NewPayload>) -> Result<(), Denied> {
        let stored = row::bso(self.connection, self.context.uid, cid, id)?;
        let visible = stored.filter(|stored| stored.record.is_visible(self.context.now));
        let record = Record::written(visible.map(|stored| stored.record), &change, self.time);
        let old_size = stored.map_or(0, |stored| stored.size);
        let old_pid = stored.and_then(|stored| stored.pid);
        let (pid, size) = match change.payload {
            Field::Absent => visible.map_or((None, 0), |stored| (stored.pid, stored.size)),
            Field::Reset => (None, 0),
            Field::Set(NewPayload::Staged { pid, size }) => (pid, size),
            Field::Set(NewPayload::Text(text)) => {
                (store_payload(self.connection, old_pid, &text)?, text.len() as u64)
            }
        };
        if let Some(old) = old_pid.filter(|old| pid != Some(*old)) {
            discard_payload(self.connection, old)?;
        }
        self.bytes_added += to_i64(size) - to_i64(old_size);
        let sql = "INSERT INTO bso (uid, cid, id, modified, sortindex, expiry, size, pid)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET modified = excluded.modified,
                   sortindex = excluded.sortindex, expiry = excluded.expiry, size = excluded.size, pid = excluded.pid";
        self.connection.prepare_cached(sql)?.execute(params![
            self.context.uid,
            cid,
            id,
            to_sql(record.modified),
            record.sortindex,
            record.expiry.map(to_sql),
            to_i64(size),
            pid,
        ])?;
        Ok(())
    }
}

/// Sizes for SQLite; none comes near the end of the range.
pub(super) fn to_i64(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Stores a payload, in the place of the old one if there is one. The empty text has no row.
pub(super) fn store_payload(
    connection: &Connection,
    old_pid: Option<i64>,
    text: &str,
) -> Result<Option<i64>, Denied> {
    match old_pid {
        _ if text.is_empty() => Ok(None),
        Some(pid) => {
            let mut statement = connection.prepare_cached("UPDATE payload SET data = ?2 WHERE pid = ?1")?;
            statement.execute(params![pid, text])?;
            Ok(Some(pid))
        }
        None => {
            connection
                .prepare_cached("INSERT INTO payload (data) VALUES (?1)")?
                .execute([text])?;
            Ok(Some(connection.last_insert_rowid()))
        }
    }
}

/// Leaves a payload to the background: a commit that replaces thousands must not pay for their bytes.
pub(super) fn discard_payload(connection: &Connection, pid: i64) -> Result<(), Denied> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO garbage (pid) VALUES (?1)")?
        .execute([pid])?;
    Ok(())
}

/// The number of a collection's name; the name gets one if it has none.
pub(super) fn number_collection(connection: &Connection, name: &CollectionName) -> Result<i64, Denied> {
    if let Some(cid) = row::collection_number(connection, name)? {
        return Ok(cid);
    }
    connection
        .prepare_cached("INSERT INTO names (name) VALUES (?1)")?
        .execute([name.as_str()])?;
    Ok(connection.last_insert_rowid())
}

/// Bytes left of the quota, if there is one; refused when the write went over it.
pub(super) fn quota_left(connection: &Connection, context: WriteContext) -> Result<Option<u64>, Denied> {
    match quota_and_used(connection, context)? {
        None => Ok(None),
        Some((quota, used)) => Ok(Some(quota.checked_sub(used).ok_or(Refusal::OverQuota)?)),
    }
}

/// What a write that cannot be refused for the quota came to: who is over it has nothing left.
fn unrefused(connection: &Connection, context: WriteContext, time: Tick) -> Result<Written, Denied> {
    let quota_and_used = quota_and_used(connection, context)?;
    Ok(Written {
        time,
        quota_left: quota_and_used.map(|(quota, used)| quota.saturating_sub(used)),
    })
}

fn quota_and_used(connection: &Connection, context: WriteContext) -> Result<Option<(u64, u64)>, Denied> {
    let Some(quota) = context.quota_bytes else {
        return Ok(None);
    };
    let used = read::used_bytes(connection, context.uid, context.now)?;
    let staged = batch::staged_bytes(connection, context)?;
    Ok(Some((quota, used.saturating_add(staged))))
}

/// PUT of one BSO.
pub fn put(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    id: &BsoId,
    change: Change<String>,
) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let resource = visible_bso(connection, context, collection, id)?;
    let time = resource.map_or(Tick::ZERO, |(_, stored)| stored.record.modified);
    let mut turn = Turn::begin(connection, context, user, time)?;
    let cid = number_collection(connection, collection)?;
    turn.apply(cid, id.as_str(), fresh(change))?;
    turn.touch_collection(cid)?;
    turn.finish()
}

/// POST without a batch that stays open.
pub fn post(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    changes: Vec<(BsoId, Change<String>)>,
) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let (_, time) = row::collection(connection, context.uid, collection)?;
    let mut turn = Turn::begin(connection, context, user, time.unwrap_or(Tick::ZERO))?;
    let cid = number_collection(connection, collection)?;
    for (id, change) in changes {
        turn.apply(cid, id.as_str(), fresh(change))?;
    }
    turn.touch_collection(cid)?;
    turn.finish()
}

/// DELETE of one BSO.
pub fn delete_one(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    id: &BsoId,
) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let found = visible_bso(connection, context, collection, id)?;
    let time = found.map_or(Tick::ZERO, |(_, stored)| stored.record.modified);
    // The precondition comes before the 404: an absent BSO fails none that demands "not changed since".
    let mut turn = Turn::begin(connection, context, user, time)?;
    let (cid, _) = found.ok_or(Refusal::NotFound)?;
    remove_ids(&mut turn, cid, std::slice::from_ref(id))?;
    turn.touch_collection(cid)?;
    turn.finish_removal()
}

/// DELETE of a collection's BSOs by id. The collection stays and moves to T; without ids, nothing happens.
pub fn delete_ids(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    ids: &[BsoId],
) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let (cid, time) = row::collection(connection, context.uid, collection)?;
    let mut turn = Turn::begin(connection, context, user, time.unwrap_or(Tick::ZERO))?;
    let (Some(cid), Some(time)) = (cid, time) else {
        return unrefused(connection, context, user.last_modified);
    };
    if ids.is_empty() {
        return unrefused(connection, context, time);
    }
    remove_ids(&mut turn, cid, ids)?;
    turn.touch_collection(cid)?;
    turn.finish_removal()
}

/// DELETE of a collection with everything in it, its open batches included.
pub fn delete_collection(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let (cid, time) = row::collection(connection, context.uid, collection)?;
    let mut turn = Turn::begin(connection, context, user, time.unwrap_or(Tick::ZERO))?;
    let Some(cid) = cid else {
        return unrefused(connection, context, user.last_modified);
    };
    // Batches may be open on a collection that nothing was committed to yet.
    batch::drop_of_collection(connection, context.uid, cid)?;
    if time.is_none() {
        return unrefused(connection, context, user.last_modified);
    }
    let uid = context.uid;
    let whose = params![uid, cid];
    let sql = "SELECT coalesce(sum(size), 0) FROM bso WHERE uid = ?1 AND cid = ?2";
    let bytes: i64 = connection
        .prepare_cached(sql)?
        .query_row(whose, |row| row.get(0))?;
    turn.bytes_added -= bytes;
    let sql = "INSERT OR IGNORE INTO garbage (pid) SELECT pid FROM bso WHERE uid = ?1 AND cid = ?2 AND pid IS NOT NULL";
    connection.prepare_cached(sql)?.execute(whose)?;
    connection
        .prepare_cached("DELETE FROM bso WHERE uid = ?1 AND cid = ?2")?
        .execute(whose)?;
    connection
        .prepare_cached("DELETE FROM user_collections WHERE uid = ?1 AND cid = ?2")?
        .execute(whose)?;
    turn.finish_removal()
}

/// DELETE of everything a user has. What stays is the user's time, so that T never falls.
pub fn delete_user(connection: &Connection, context: WriteContext) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let turn = Turn::begin(connection, context, user, user.last_modified)?;
    let uid = context.uid;
    // Not left to the background: after this transaction the data is in no table.
    for sql in [
        "DELETE FROM payload WHERE pid IN (SELECT pid FROM bso WHERE uid = ?1)",
        "DELETE FROM payload WHERE pid IN (SELECT pid FROM batch_item WHERE uid = ?1)",
        "DELETE FROM bso WHERE uid = ?1",
        "DELETE FROM batch_item WHERE uid = ?1",
        "DELETE FROM batch WHERE uid = ?1",
        "DELETE FROM user_collections WHERE uid = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([uid])?;
    }
    let time = turn.time;
    let written = turn.finish_removal()?;
    let sql = "UPDATE users SET bytes = 0, wiped_at = ?2 WHERE uid = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![uid, to_sql(time)])?;
    Ok(written)
}

fn fresh(change: Change<String>) -> Change<NewPayload> {
    let payload = match change.payload {
        Field::Absent => Field::Absent,
        Field::Reset => Field::Reset,
        Field::Set(text) => Field::Set(NewPayload::Text(text)),
    };
    Change {
        payload,
        sortindex: change.sortindex,
        ttl_secs: change.ttl_secs,
    }
}

fn visible_bso(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    id: &BsoId,
) -> Result<Option<(i64, row::StoredBso)>, Denied> {
    let Some(cid) = row::collection_number(connection, collection)? else {
        return Ok(None);
    };
    let stored = row::bso(connection, context.uid, cid, id.as_str())?;
    let visible = stored.filter(|stored| stored.record.is_visible(context.now));
    Ok(visible.map(|stored| (cid, stored)))
}

/// Removes BSOs, expired ones too; their payloads go in the background.
fn remove_ids(turn: &mut Turn<'_>, cid: i64, ids: &[BsoId]) -> Result<(), Denied> {
    let (connection, uid) = (turn.connection, turn.context.uid);
    let ids = list::json_list(ids);
    let named = "uid = ?1 AND cid = ?2 AND id IN (SELECT value FROM json_each(?3))";
    let sql = format!("SELECT coalesce(sum(size), 0) FROM bso WHERE {named}");
    let bytes: i64 = connection
        .prepare_cached(&sql)?
        .query_row(params![uid, cid, ids], |row| row.get(0))?;
    turn.bytes_added -= bytes;
    let sql =
        format!("INSERT OR IGNORE INTO garbage (pid) SELECT pid FROM bso WHERE pid IS NOT NULL AND {named}");
    connection.prepare_cached(&sql)?.execute(params![uid, cid, ids])?;
    connection
        .prepare_cached(&format!("DELETE FROM bso WHERE {named}"))?
        .execute(params![uid, cid, ids])?;
    Ok(())
}

/// Writes a row and undoes it: whether the shard takes writes.
pub(super) fn probe(connection: &Connection) -> Result<(), Denied> {
    connection.execute_batch("SAVEPOINT probe; INSERT INTO users (uid, last_modified) VALUES (-1, 0)")?;
    connection.execute_batch("ROLLBACK TO probe; RELEASE probe")?;
    Ok(())
}

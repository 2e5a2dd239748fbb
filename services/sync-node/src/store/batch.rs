//! Batches: staged under the user, seen by nobody until the commit (`storage.md` 10).

use foxhold_sqlite::rusqlite::{Connection, OptionalExtension as _, Row, params};
use foxhold_sync::storage::{
    BATCH_LIFETIME, BatchId, BsoId, Change, CollectionName, Field, Limits, Refusal, STAGED_BATCHES_MAX, Tick,
};

use super::{
    Denied, WriteContext, Written, denied,
    row::{self, User, size_at, to_sql},
    write::{self, NewPayload, Turn, to_i64},
};

/// What was staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// The collection's time, which staging leaves as it is; zero while the collection does not exist.
    pub collection_time: Tick,
    /// Bytes left of the quota, if there is one.
    pub quota_left: Option<u64>,
}

/// A batch that is open for this user and collection.
struct Open<'c> {
    connection: &'c Connection,
    uid: i64,
    id: &'c BatchId,
    cid: i64,
    records: u64,
    bytes: u64,
}

type Changes = Vec<(BsoId, Change<String>)>;

/// Opens a batch and stages the first changes.
pub fn open(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    id: &BatchId,
    changes: Changes,
    limits: &Limits,
) -> Result<Staged, Denied> {
    User::for_write(connection, context.uid)?;
    let (_, time) = row::collection(connection, context.uid, collection)?;
    denied::check(context.precondition, time.unwrap_or(Tick::ZERO))?;
    let cid = write::number_collection(connection, collection)?;
    make_room(connection, context)?;
    let sql = "INSERT INTO batch (uid, bid, cid, created) VALUES (?1, ?2, ?3, ?4)";
    connection
        .prepare_cached(sql)?
        .execute(params![context.uid, id.as_str(), cid, to_sql(context.now)])?;
    Open {
        connection,
        uid: context.uid,
        id,
        cid,
        records: 0,
        bytes: 0,
    }
    .stage(changes, limits)?;
    staged(connection, context, time)
}

/// Stages more in an open batch.
pub fn append(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    id: &BatchId,
    changes: Changes,
    limits: &Limits,
) -> Result<Staged, Denied> {
    User::for_write(connection, context.uid)?;
    let (_, time) = row::collection(connection, context.uid, collection)?;
    denied::check(context.precondition, time.unwrap_or(Tick::ZERO))?;
    Open::find(connection, context, collection, id)?.stage(changes, limits)?;
    staged(connection, context, time)
}

/// Stages the last changes and makes all of the batch visible at once.
pub fn commit(
    connection: &Connection,
    context: WriteContext,
    collection: &CollectionName,
    id: &BatchId,
    changes: Changes,
    limits: &Limits,
) -> Result<Written, Denied> {
    let user = User::for_write(connection, context.uid)?;
    let (_, time) = row::collection(connection, context.uid, collection)?;
    let mut turn = Turn::begin(connection, context, user, time.unwrap_or(Tick::ZERO))?;
    let batch = Open::find(connection, context, collection, id)?;
    let cid = batch.cid;
    batch.stage(changes, limits)?;
    let sql = "SELECT given, sortindex, ttl, size, pid, id FROM batch_item WHERE uid = ?1 AND bid = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![context.uid, id.as_str()])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(5)?;
        turn.apply(cid, &id, read_item(row)?.change)?;
    }
    drop(rows);
    forget(connection, context.uid, id.as_str())?;
    turn.touch_collection(cid)?;
    turn.finish()
}

fn staged(connection: &Connection, context: WriteContext, time: Option<Tick>) -> Result<Staged, Denied> {
    let quota_left = write::quota_left(connection, context)?;
    Ok(Staged {
        collection_time: time.unwrap_or(Tick::ZERO),
        quota_left,
    })
}

/// Batches opened at or before this are over.
fn oldest(now: Tick) -> i64 {
    to_sql(now.minus(BATCH_LIFETIME))
}

/// Bytes in a user's open batches.
pub(super) fn staged_bytes(connection: &Connection, context: WriteContext) -> Result<u64, Denied> {
    let sql = "SELECT coalesce(sum(bytes), 0) FROM batch WHERE uid = ?1 AND created > ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([context.uid, oldest(context.now)], |row| size_at(row, 0))?)
}

/// Drops a user's batches that are over, and the oldest ones where one more would be too many.
fn make_room(connection: &Connection, context: WriteContext) -> Result<(), Denied> {
    let sql = "SELECT bid, created FROM batch WHERE uid = ?1 ORDER BY created DESC, bid";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([context.uid], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let open: Vec<(String, i64)> = rows.collect::<Result<_, _>>()?;
    let room = STAGED_BATCHES_MAX as usize - 1;
    for (at, (id, created)) in open.iter().enumerate() {
        if at >= room || *created <= oldest(context.now) {
            discard(connection, context.uid, id)?;
        }
    }
    Ok(())
}

/// Drops a user's open batches on one collection.
pub(super) fn drop_of_collection(connection: &Connection, uid: i64, cid: i64) -> Result<(), Denied> {
    let mut statement = connection.prepare_cached("SELECT bid FROM batch WHERE uid = ?1 AND cid = ?2")?;
    let rows = statement.query_map([uid, cid], |row| row.get(0))?;
    let ids: Vec<String> = rows.collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| discard(connection, uid, id))
}

/// Drops a batch with its payloads.
pub(super) fn discard(connection: &Connection, uid: i64, id: &str) -> Result<(), Denied> {
    let sql = "INSERT OR IGNORE INTO garbage (pid)
               SELECT pid FROM batch_item WHERE uid = ?1 AND bid = ?2 AND pid IS NOT NULL";
    connection.prepare_cached(sql)?.execute(params![uid, id])?;
    forget(connection, uid, id)
}

/// Drops a batch whose payloads have found their place.
fn forget(connection: &Connection, uid: i64, id: &str) -> Result<(), Denied> {
    for sql in [
        "DELETE FROM batch_item WHERE uid = ?1 AND bid = ?2",
        "DELETE FROM batch WHERE uid = ?1 AND bid = ?2",
    ] {
        connection.prepare_cached(sql)?.execute(params![uid, id])?;
    }
    Ok(())
}

/// A staged item.
struct StagedItem {
    change: Change<NewPayload>,
    size: u64,
    pid: Option<i64>,
}

const PAYLOAD_GIVEN: u8 = 1;
const SORTINDEX_GIVEN: u8 = 2;
const TTL_GIVEN: u8 = 4;

/// Reads `given, sortindex, ttl, size, pid`.
fn read_item(row: &Row<'_>) -> Result<StagedItem, foxhold_sqlite::rusqlite::Error> {
    let given: u8 = row.get(0)?;
    let (size, pid) = (size_at(row, 3)?, row.get(4)?);
    let payload = if given & PAYLOAD_GIVEN == 0 {
        Field::Absent
    } else {
        Field::Set(NewPayload::Staged { pid, size })
    };
    let change = Change {
        payload,
        sortindex: read_field(given & SORTINDEX_GIVEN, row.get(1)?),
        ttl_secs: read_field(given & TTL_GIVEN, row.get(2)?),
    };
    Ok(StagedItem { change, size, pid })
}

fn read_field<T>(given: u8, value: Option<T>) -> Field<T> {
    match (given, value) {
        (0, _) => Field::Absent,
        (_, None) => Field::Reset,
        (_, Some(value)) => Field::Set(value),
    }
}

fn set<T>(field: Field<T>) -> Option<T> {
    field.over(None)
}

impl<'c> Open<'c> {
    /// The batch, if it is open, this user's and this collection's. What else may be true of it is nobody's business.
    fn find(
        connection: &'c Connection,
        context: WriteContext,
        collection: &CollectionName,
        id: &'c BatchId,
    ) -> Result<Self, Denied> {
        let cid = row::collection_number(connection, collection)?.ok_or(Refusal::Malformed)?;
        let sql =
            "SELECT records, bytes FROM batch WHERE uid = ?1 AND bid = ?2 AND cid = ?3 AND created > ?4";
        let mut statement = connection.prepare_cached(sql)?;
        let key = params![context.uid, id.as_str(), cid, oldest(context.now)];
        let found = statement
            .query_row(key, |row| Ok((size_at(row, 0)?, size_at(row, 1)?)))
            .optional()?;
        let (records, bytes) = found.ok_or(Refusal::Malformed)?;
        Ok(Self {
            connection,
            uid: context.uid,
            id,
            cid,
            records,
            bytes,
        })
    }

    fn stage(mut self, changes: Changes, limits: &Limits) -> Result<(), Denied> {
        for (id, change) in changes {
            self.stage_one(&id, change)?;
        }
        if self.records > limits.max_total_records || self.bytes > limits.max_total_bytes {
            return Err(Refusal::OverLimit.into());
        }
        let sql = "UPDATE batch SET records = ?3, bytes = ?4 WHERE uid = ?1 AND bid = ?2";
        let totals = params![
            self.uid,
            self.id.as_str(),
            to_i64(self.records),
            to_i64(self.bytes)
        ];
        self.connection.prepare_cached(sql)?.execute(totals)?;
        Ok(())
    }

    fn stage_one(&mut self, id: &BsoId, change: Change<String>) -> Result<(), Denied> {
        let connection = self.connection;
        let sql =
            "SELECT given, sortindex, ttl, size, pid FROM batch_item WHERE uid = ?1 AND bid = ?2 AND id = ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let key = params![self.uid, self.id.as_str(), id.as_str()];
        let earlier = statement.query_row(key, read_item).optional()?;
        let (old_pid, old_size) = earlier.as_ref().map_or((None, 0), |item| (item.pid, item.size));
        let payload = match change.payload {
            Field::Absent => Field::Absent,
            Field::Reset => Field::Set(NewPayload::Staged { pid: None, size: 0 }),
            Field::Set(text) => Field::Set(NewPayload::Staged {
                pid: write::store_payload(connection, old_pid, &text)?,
                size: text.len() as u64,
            }),
        };
        self.records += u64::from(earlier.is_none());
        let later = Change {
            payload,
            sortindex: change.sortindex,
            ttl_secs: change.ttl_secs,
        };
        let merged = match earlier {
            Some(earlier) => later.after(earlier.change),
            None => later,
        };
        let flag = |is_given: bool, flag: u8| if is_given { flag } else { 0 };
        let given = flag(merged.payload.is_given(), PAYLOAD_GIVEN)
            | flag(merged.sortindex.is_given(), SORTINDEX_GIVEN)
            | flag(merged.ttl_secs.is_given(), TTL_GIVEN);
        let (pid, size) = match merged.payload {
            Field::Set(NewPayload::Staged { pid, size }) => (pid, size),
            _ => (None, 0),
        };
        if let Some(old) = old_pid.filter(|old| pid != Some(*old)) {
            write::discard_payload(connection, old)?;
        }
        self.bytes = (self.bytes + size).saturating_sub(old_size);
        let sql = "INSERT OR REPLACE INTO batch_item (uid, bid, id, given, sortindex, ttl, size, pid)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        connection.prepare_cached(sql)?.execute(params![
            self.uid,
            self.id.as_str(),
            id.as_str(),
            given,
            set(merged.sortindex),
            set(merged.ttl_secs),
            to_i64(size),
            pid,
        ])?;
        Ok(())
    }
}

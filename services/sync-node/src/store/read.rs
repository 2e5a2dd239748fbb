//! Reads of one user on one snapshot: info, lists, single BSOs. Each looks at the user's state and the precondition
//! first, so that content and time always belong together.

use foxhold_sqlite::rusqlite::{Connection, OptionalExtension as _, params};
use foxhold_sync::storage::{BsoId, CollectionName, Precondition, Refusal, Tick};

use super::{
    Denied, Times, denied,
    row::{self, User, size_at, tick_at, to_sql},
};

/// What every read needs to know.
#[derive(Debug, Clone, Copy)]
pub struct ReadContext {
    /// Whose data.
    pub uid: i64,
    /// The clock when the snapshot is taken: what has expired by now is absent.
    pub now: Tick,
    /// What the request demands of the resource's time.
    pub precondition: Precondition,
}

/// A value with the time of the resource it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<T> {
    /// For `X-Last-Modified`.
    pub last_modified: Tick,
    /// What was asked for.
    pub value: T,
}

/// SQL: the BSO `b` exists for anybody at `?2`.
const VISIBLE: &str = "(b.expiry IS NULL OR b.expiry > ?2)";

/// The user's time, checked.
fn user_time(connection: &Connection, context: ReadContext) -> Result<Tick, Denied> {
    let user = User::for_read(connection, context.uid)?;
    denied::check(context.precondition, user.last_modified)?;
    Ok(user.last_modified)
}

/// The times of a user and of each collection.
pub(super) fn times(connection: &Connection, uid: u64) -> Result<Times, Denied> {
    let uid = row::uid_to_sql(uid);
    let user = User::for_read(connection, uid)?.last_modified;
    let sql = "SELECT n.name, c.last_modified FROM user_collections c JOIN names n ON n.cid = c.cid
               WHERE c.uid = ?1 ORDER BY n.name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([uid], |row| Ok((row.get(0)?, tick_at(row, 1)?)))?;
    Ok(Times {
        user,
        collections: rows.collect::<Result<_, _>>()?,
    })
}

/// What to add up over a collection's visible BSOs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// How many there are.
    Records,
    /// Bytes of their payloads.
    Bytes,
}

/// Name and sum of each collection.
pub fn collection_sums(
    connection: &Connection,
    context: ReadContext,
    sum: Sum,
) -> Result<Timed<Vec<(String, u64)>>, Denied> {
    let last_modified = user_time(connection, context)?;
    let column = match sum {
        Sum::Records => "count(b.id)",
        Sum::Bytes => "coalesce(sum(b.size), 0)",
    };
    let sql = format!(
        "SELECT n.name, {column} FROM user_collections c JOIN names n ON n.cid = c.cid
         LEFT JOIN bso b ON b.uid = c.uid AND b.cid = c.cid AND {VISIBLE}
         WHERE c.uid = ?1 GROUP BY c.cid ORDER BY n.name"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([context.uid, to_sql(context.now)], |row| {
        Ok((row.get(0)?, size_at(row, 1)?))
    })?;
    Ok(Timed {
        last_modified,
        value: rows.collect::<Result<_, _>>()?,
    })
}

/// Bytes of all visible payloads of a user.
pub(super) fn used_bytes(connection: &Connection, uid: i64, now: Tick) -> Result<u64, Denied> {
    let sql = format!("SELECT coalesce(sum(b.size), 0) FROM bso b WHERE b.uid = ?1 AND {VISIBLE}");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([uid, to_sql(now)], |row| size_at(row, 0))?)
}

/// Bytes in use, for `info/quota`.
pub fn usage(connection: &Connection, context: ReadContext) -> Result<Timed<u64>, Denied> {
    let last_modified = user_time(connection, context)?;
    Ok(Timed {
        last_modified,
        value: used_bytes(connection, context.uid, context.now)?,
    })
}

/// One BSO as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bso {
    /// Last modified.
    pub modified: Tick,
    /// Sort index.
    pub sortindex: Option<i32>,
    /// Payload.
    pub payload: String,
}

/// One BSO. The resource is the BSO itself: an absent one has time zero.
pub fn one(
    connection: &Connection,
    context: ReadContext,
    collection: &CollectionName,
    id: &BsoId,
) -> Result<Bso, Denied> {
    User::for_read(connection, context.uid)?;
    let stored = match row::collection_number(connection, collection)? {
        Some(cid) => row::bso(connection, context.uid, cid, id.as_str())?,
        None => None,
    };
    let stored = stored.filter(|stored| stored.record.is_visible(context.now));
    denied::check(
        context.precondition,
        stored.map_or(Tick::ZERO, |stored| stored.record.modified),
    )?;
    let stored = stored.ok_or(Refusal::NotFound)?;
    Ok(Bso {
        modified: stored.record.modified,
        sortindex: stored.record.sortindex,
        payload: payload(connection, stored.pid)?,
    })
}

/// The text behind a payload number.
pub(super) fn payload(connection: &Connection, pid: Option<i64>) -> Result<String, Denied> {
    let Some(pid) = pid else {
        return Ok(String::new());
    };
    let mut statement = connection.prepare_cached("SELECT data FROM payload WHERE pid = ?1")?;
    Ok(statement.query_row(params![pid], |row| row.get(0))?)
}

/// The payloads of BSOs whose collection must still have the time `unchanged_since`. `None` when it has another, or a
/// BSO is gone.
pub fn payloads_unless_changed(
    connection: &Connection,
    uid: i64,
    collection: &CollectionName,
    unchanged_since: Tick,
    ids: &[BsoId],
) -> Result<Option<Vec<String>>, Denied> {
    let (Some(cid), Some(time)) = row::collection(connection, uid, collection)? else {
        return Ok(None);
    };
    if time != unchanged_since {
        return Ok(None);
    }
    let mut payloads = Vec::with_capacity(ids.len());
    for id in ids {
        // By id, never by a remembered payload number: the number of a purged BSO may have become another user's.
        let sql = "SELECT pid FROM bso WHERE uid = ?1 AND cid = ?2 AND id = ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let pid = statement
            .query_row(params![uid, cid, id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(pid) = pid else {
            return Ok(None);
        };
        payloads.push(payload(connection, pid)?);
    }
    Ok(Some(payloads))
}

/// The highest T of any user of the shard.
pub(super) fn highest_time(connection: &Connection) -> Result<Tick, Denied> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(last_modified), 0) FROM users")?;
    Ok(statement.query_row([], |row| tick_at(row, 0))?)
}

//! Rows as values: users, collections, BSOs, and how times cross between SQLite and the rules.

use foxhold_sqlite::rusqlite::{self, Connection, OptionalExtension as _, Row, params};
use foxhold_sync::storage::{CollectionName, Record, Refusal, Tick};

use super::Denied;

/// A time for SQLite, whose integers are signed. [`Tick`] never exceeds them.
pub(super) fn to_sql(tick: Tick) -> i64 {
    i64::try_from(tick.get()).unwrap_or(i64::MAX)
}

/// A user's number for SQLite. Those in tokens have at most 53 bits.
pub fn uid_to_sql(uid: u64) -> i64 {
    i64::try_from(uid).unwrap_or(i64::MAX)
}

/// A time from SQLite. We never write a negative one.
pub(super) fn from_sql(ticks: i64) -> Tick {
    Tick::new(u64::try_from(ticks).unwrap_or(0))
}

/// A column of ticks.
pub(super) fn tick_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Tick> {
    row.get(column).map(from_sql)
}

/// A column of bytes or a count.
pub(super) fn size_at(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let size: i64 = row.get(column)?;
    Ok(u64::try_from(size).unwrap_or(0))
}

/// Whether a user's data may be read and written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserState {
    Active,
    Moving,
    Gone,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) last_modified: Tick,
    pub(super) state: UserState,
}

impl User {
    /// The user as stored; who has never written has time zero.
    fn load(connection: &Connection, uid: i64) -> rusqlite::Result<Self> {
        let mut statement =
            connection.prepare_cached("SELECT last_modified, state FROM users WHERE uid = ?1")?;
        let user = statement.query_row([uid], |row| {
            let state = match row.get(1)? {
                0 => UserState::Active,
                1 => UserState::Moving,
                // What a newer program may have meant, it is not "go on".
                _ => UserState::Gone,
            };
            Ok(Self {
                last_modified: tick_at(row, 0)?,
                state,
            })
        });
        Ok(user.optional()?.unwrap_or(Self {
            last_modified: Tick::ZERO,
            state: UserState::Active,
        }))
    }

    /// The user for a read: a user who has moved away needs a new token.
    pub(super) fn for_read(connection: &Connection, uid: i64) -> Result<Self, Denied> {
        let user = Self::load(connection, uid)?;
        match user.state {
            UserState::Active | UserState::Moving => Ok(user),
            UserState::Gone => Err(Refusal::Unauthorized.into()),
        }
    }

    /// The user for a write: one who is moving has to wait.
    pub(super) fn for_write(connection: &Connection, uid: i64) -> Result<Self, Denied> {
        let user = Self::load(connection, uid)?;
        match user.state {
            UserState::Active => Ok(user),
            UserState::Moving => Err(Refusal::Moving.into()),
            UserState::Gone => Err(Refusal::Unauthorized.into()),
        }
    }
}

/// The number of a collection's name in this shard, if the name was ever used.
pub(super) fn collection_number(
    connection: &Connection,
    name: &CollectionName,
) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT cid FROM names WHERE name = ?1")?;
    statement.query_row([name.as_str()], |row| row.get(0)).optional()
}

/// A user's collection: its number, if the name is known, and its time, zero while it does not exist.
pub(super) fn collection(
    connection: &Connection,
    uid: i64,
    name: &CollectionName,
) -> rusqlite::Result<(Option<i64>, Option<Tick>)> {
    let Some(cid) = collection_number(connection, name)? else {
        return Ok((None, None));
    };
    let sql = "SELECT last_modified FROM user_collections WHERE uid = ?1 AND cid = ?2";
    let time = connection
        .prepare_cached(sql)?
        .query_row([uid, cid], |row| tick_at(row, 0))
        .optional()?;
    Ok((Some(cid), time))
}

/// A BSO's row without its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredBso {
    pub(super) record: Record,
    pub(super) size: u64,
    pub(super) pid: Option<i64>,
}

/// The row of one BSO, expired or not.
pub(super) fn bso(
    connection: &Connection,
    uid: i64,
    cid: i64,
    id: &str,
) -> rusqlite::Result<Option<StoredBso>> {
    let sql =
        "SELECT modified, sortindex, expiry, size, pid FROM bso WHERE uid = ?1 AND cid = ?2 AND id = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let row = statement.query_row(params![uid, cid, id], |row| {
        let expiry: Option<i64> = row.get(2)?;
        Ok(StoredBso {
            record: Record {
                modified: tick_at(row, 0)?,
                sortindex: row.get(1)?,
                expiry: expiry.map(from_sql),
            },
            size: size_at(row, 3)?,
            pid: row.get(4)?,
        })
    });
    row.optional()
}

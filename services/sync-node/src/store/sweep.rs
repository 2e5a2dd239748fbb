//! Removes what nobody can see any more: expired BSOs, old batches, payloads without owner (`storage.md` 15, 16).
//!
//! Must stay true: a step is small, so that it delays no write, and changes no last-modified.

use foxhold_sqlite::rusqlite::{Connection, params};
use foxhold_sync::storage::{BATCH_LIFETIME, Tick};

use super::{Denied, batch, row::to_sql};

/// Rows one step looks at.
const SWEEP_ROWS: i64 = 500;
/// Pages given back to the file system with one step.
const VACUUM_PAGES: u32 = 200;

/// One step; how many rows it removed. Zero: there is nothing left to do.
pub(super) fn step(connection: &Connection, now: Tick) -> Result<u64, Denied> {
    let removed = expired(connection, now)? + batches(connection, now)? + garbage(connection)?;
    if removed > 0 {
        let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
    }
    Ok(removed)
}

fn expired(connection: &Connection, now: Tick) -> Result<u64, Denied> {
    let sql = "SELECT uid, cid, id, size, pid FROM bso WHERE expiry <= ?1 LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![to_sql(now), SWEEP_ROWS], |row| {
        let key: (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((key, row.get::<_, i64>(3)?, row.get::<_, Option<i64>>(4)?))
    })?;
    let found: Vec<_> = rows.collect::<Result<_, _>>()?;
    for ((uid, cid, id), size, pid) in &found {
        connection
            .prepare_cached("DELETE FROM payload WHERE pid = ?1")?
            .execute([pid])?;
        connection
            .prepare_cached("DELETE FROM bso WHERE uid = ?1 AND cid = ?2 AND id = ?3")?
            .execute(params![uid, cid, id])?;
        connection
            .prepare_cached("UPDATE users SET bytes = max(bytes - ?2, 0) WHERE uid = ?1")?
            .execute([uid, size])?;
    }
    Ok(found.len() as u64)
}

/// One batch at a time: it can have thousands of items.
fn batches(connection: &Connection, now: Tick) -> Result<u64, Denied> {
    let sql = "SELECT uid, bid FROM batch WHERE created <= ?1 LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let oldest = to_sql(now.minus(BATCH_LIFETIME));
    let rows = statement.query_map([oldest], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let found: Vec<_> = rows.collect::<Result<_, _>>()?;
    for (uid, id) in &found {
        batch::discard(connection, *uid, id)?;
    }
    Ok(found.len() as u64)
}

fn garbage(connection: &Connection) -> Result<u64, Denied> {
    let oldest = "SELECT pid FROM garbage ORDER BY pid LIMIT ?1";
    let sql = format!("DELETE FROM payload WHERE pid IN ({oldest})");
    connection.prepare_cached(&sql)?.execute([SWEEP_ROWS])?;
    let sql = format!("DELETE FROM garbage WHERE pid IN ({oldest})");
    let removed = connection.prepare_cached(&sql)?.execute([SWEEP_ROWS])?;
    Ok(removed as u64)
}

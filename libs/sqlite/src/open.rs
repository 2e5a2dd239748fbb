//! Opening a database file: pragmas and numbered migrations. Called by the writer and the readers only.
//!
//! Must stay true: a file with a schema this program does not know is never touched.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};
use thiserror::Error;

/// A schema with its history. `PRAGMA user_version` counts the migrations that have run, and `PRAGMA application_id` says
/// which scripts they were.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// What the file holds, for messages: `accounts`, `sync shard`.
    pub name: &'static str,
    /// SQL scripts, oldest first. Only ever append: a released one is history.
    pub migrations: &'static [&'static str],
}

impl Schema {
    /// The version a file has after all migrations.
    #[must_use]
    pub fn version(&self) -> usize {
        self.migrations.len()
    }

    /// A number for the first `count` scripts (FNV-1a): another one for any other scripts, as far as 32 bits can tell.
    fn mark(&self, count: usize) -> i32 {
        let scripts = self.migrations.iter().take(count);
        // No script has a zero byte, so none runs into the next.
        let bytes = scripts.flat_map(|script| script.bytes().chain([0]));
        let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        hash.cast_signed()
    }
}

/// Why a database was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Written by a newer program.
    #[error(
        "{path:?} holds version {found} of the {schema} schema; this program knows versions up to {known}"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Name of the schema.
        schema: &'static str,
        /// Version in the file.
        found: usize,
        /// Newest version this program knows.
        known: usize,
    },
    /// Written by a build whose scripts were others, before they were history.
    #[error(
        "{path:?} holds version {found} of the {schema} schema as another build made it\n\
         fix: use that build, or start with a new file"
    )]
    OtherBuild {
        /// The file.
        path: PathBuf,
        /// Name of the schema.
        schema: &'static str,
        /// Version in the file.
        found: usize,
    },
    /// A reader came before the writer had created or migrated the file.
    #[error(
        "{path:?} holds version {found} of the {schema} schema; its writer has not migrated it to {known} yet"
    )]
    NotMigrated {
        /// The file.
        path: PathBuf,
        /// Name of the schema.
        schema: &'static str,
        /// Version in the file.
        found: usize,
        /// Version this program needs.
        known: usize,
    },
    /// A thread could not be started.
    #[error("starting a database thread")]
    Thread(#[source] std::io::Error),
    /// SQLite refused.
    #[error("opening {path:?}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

/// How long to let another connection change the mode of a file.
const MODE_PAUSE: Duration = Duration::from_millis(5);
/// Prepared statements kept per connection.
const STATEMENTS_KEPT: usize = 128;

/// Opens (and creates) the file for writing and brings it to the newest schema.
pub(crate) fn open_writer(
    path: &Path,
    schema: &Schema,
    busy_wait: Duration,
    secure_delete: bool,
) -> Result<Connection, OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = at(path, Connection::open_with_flags(path, flags))?;
    at(path, configure_writer(&connection, busy_wait, secure_delete))?;
    migrate(&mut connection, path, schema)?;
    Ok(connection)
}

/// Opens an existing, migrated file for reading only.
pub(crate) fn open_reader(
    path: &Path,
    schema: &Schema,
    busy_wait: Duration,
) -> Result<Connection, OpenError> {
    // Read-write without CREATE: a WAL reader has to map the shared index; `query_only` keeps it from writing rows.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = at(path, Connection::open_with_flags(path, flags))?;
    at(path, configure(&connection, busy_wait))?;
    at(path, connection.pragma_update(None, "query_only", true))?;
    let found = at(path, user_version(&connection))?;
    let known = schema.version();
    let path = path.to_owned();
    match found {
        found if found > known => Err(OpenError::Newer {
            path,
            schema: schema.name,
            found,
            known,
        }),
        found if found < known => Err(OpenError::NotMigrated {
            path,
            schema: schema.name,
            found,
            known,
        }),
        found => {
            check_mark(&connection, &path, schema, found)?;
            Ok(connection)
        }
    }
}

/// Opens the file for checkpoints only; it must exist.
pub(crate) fn open_checkpointer(path: &Path, busy_wait: Duration) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = at(path, Connection::open_with_flags(path, flags))?;
    at(path, configure(&connection, busy_wait))?;
    Ok(connection)
}

fn configure(connection: &Connection, busy_wait: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(busy_wait)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Plans must not depend on bound values: else a statement with an outer join is planned again at each use, which
    // was a fifth of a token exchange.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A checkpoint syncs at the level of the connection that runs it, so every connection says FULL.
    connection.pragma_update(None, "synchronous", "FULL")
}

fn configure_writer(
    connection: &Connection,
    busy_wait: Duration,
    secure_delete: bool,
) -> rusqlite::Result<()> {
    connection.busy_timeout(busy_wait)?;
    // Has an effect on a new file only, and only before its first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    into_wal_mode(connection, busy_wait)?;
    configure(connection, busy_wait)?;
    connection.pragma_update_and_check(None, "secure_delete", secure_delete, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))
}

/// SQLite does not wait where two connections to a new file change its mode at once: it calls one of them busy.
fn into_wal_mode(connection: &Connection, busy_wait: Duration) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && started.elapsed() < busy_wait =>
            {
                std::thread::sleep(MODE_PAUSE);
            }
            done => return done,
        }
    }
}

/// Runs the missing migrations, each in one transaction with its version number, so that processes which start
/// together take turns and a crash leaves whole versions only.
fn migrate(connection: &mut Connection, path: &Path, schema: &Schema) -> Result<(), OpenError> {
    loop {
        let transaction = at(
            path,
            connection.transaction_with_behavior(TransactionBehavior::Immediate),
        )?;
        let found = at(path, user_version(&transaction))?;
        if found > schema.version() {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                schema: schema.name,
                found,
                known: schema.version(),
            });
        }
        if found > 0 {
            check_mark(&transaction, path, schema, found)?;
        }
        let Some(script) = schema.migrations.get(found) else {
            return Ok(());
        };
        at(path, transaction.execute_batch(script))?;
        at(
            path,
            transaction.pragma_update(None, "user_version", found as i64 + 1),
        )?;
        at(
            path,
            transaction.pragma_update(None, "application_id", schema.mark(found + 1)),
        )?;
        at(path, transaction.commit())?;
    }
}

/// Whether the scripts that made the file are those that this program has.
fn check_mark(connection: &Connection, path: &Path, schema: &Schema, found: usize) -> Result<(), OpenError> {
    let mark: i32 = at(
        path,
        connection.pragma_query_value(None, "application_id", |row| row.get(0)),
    )?;
    if mark == schema.mark(found) {
        return Ok(());
    }
    Err(OpenError::OtherBuild {
        path: path.to_owned(),
        schema: schema.name,
        found,
    })
}

fn user_version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A negative number was never written by us; as "enormous" it is refused as newer.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn at<T>(path: &Path, result: rusqlite::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    })
}

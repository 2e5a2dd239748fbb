//! The writing side: every intent is one job of the group-committing writer, answered after its COMMIT.

mod account_admin;
mod accounts;
mod assignments;
mod device_commands;
mod guards;
mod invitations;
mod jobs;
mod openid;
mod outbox;

use std::{path::PathBuf, time::Duration};

use foxhold_core::{Deadline, Timestamp};
use foxhold_ports::{Call, IntentKind, WriteError};
use foxhold_sqlite::{OpenError, Writer, WriterConfig, WriterStats, rusqlite::Connection};
use tracing::Instrument as _;

use crate::{
    SCHEMA,
    error::{Stop, StoreError, write_error},
    operations::{self, Answer, Pruned},
    spans,
};

/// Writes accounts and assignments. Share it behind an `Arc`; dropping it finishes the queued writes.
pub struct SqliteStore(Writer);

impl SqliteStore {
    /// Opens (and creates and migrates) the file with the usual values.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_writer(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::open_with(Self::config(path))
    }

    /// The usual values, to be changed and handed to [`Self::open_with`].
    #[must_use]
    pub fn config(path: impl Into<PathBuf>) -> WriterConfig {
        WriterConfig {
            // Spent tokens and replaced credentials must not linger in free pages.
            secure_delete: true,
            // A commit waits for the disk far longer than an intent takes: one of few intents is a dear one.
            group_span_max: Duration::from_millis(10),
            ..WriterConfig::new(path, &SCHEMA)
        }
    }

    /// Opens (and creates and migrates) the file. A new file is readable by its owner only: it holds token keys.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open_with(config: WriterConfig) -> Result<Self, OpenError> {
        create_private(&config.path);
        Writer::start(config).map(Self)
    }

    /// Removes, in one bounded step, operations older than seven days, authorization codes older than 15 minutes,
    /// password tokens older than a day, sessions without a device and key-fetch tokens after four weeks, mails that nobody
    /// has sent for two days and commands to devices that have expired.
    /// To be called now and then, again at once while [`Pruned::is_full_step`].
    ///
    /// # Errors
    /// [`WriteError`]: nothing depends on it; the next call goes on.
    pub async fn prune(&self, by: Deadline, now: Timestamp) -> Result<Pruned, WriteError> {
        let pruned = self.0.submit(by, move |db| operations::prune(db, now)).await;
        pruned.map_err(write_error)
    }

    /// Writes what is there already, through to the disk: a full or read-only one shows before an intent meets it.
    ///
    /// # Errors
    /// [`WriteError`]: why an intent would not be done now.
    pub async fn probe(&self, by: Deadline) -> Result<(), WriteError> {
        let probed = self
            .0
            .submit(by, |db| rewrite_version(db).map_err(StoreError::from));
        probed.await.map_err(write_error)
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.0.stats()
    }

    /// Takes no more intents, finishes those that wait, and ends the threads. Blocks meanwhile.
    pub fn close(&self) {
        self.0.close();
    }

    async fn intent<T: Answer + Send + 'static>(
        &self,
        call: &Call,
        kind: IntentKind,
        decide: impl FnOnce(&Connection) -> Result<T, Stop> + Send + 'static,
    ) -> Result<T, WriteError> {
        let op = call.op;
        let job = move |db: &Connection| operations::once(db, op, kind, decide);
        let submitted = self.0.submit(call.deadline, job);
        let outcome = submitted.instrument(spans::intent(kind)).await;
        outcome.map_err(write_error)?.map_err(WriteError::Refused)
    }
}

/// SQLite writes the page that holds the number also if it stays the same.
fn rewrite_version(db: &Connection) -> foxhold_sqlite::rusqlite::Result<()> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    db.pragma_update(None, "user_version", version)
}

#[cfg(unix)]
fn create_private(path: &std::path::Path) {
    use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _};
    // If it is there, or cannot be made, SQLite says what there is to say.
    let _ = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
}

#[cfg(not(unix))]
fn create_private(_: &std::path::Path) {}

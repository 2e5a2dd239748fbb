//! The one partition the migrator keeps its own accounts in: which files were applied, and who is at work. The lock is a
//! static column of it, so that what a runner records it records on condition that it still holds the lock.
//!
//! Conditional, at the serial level that spans all regions; the lock expires by itself.

use std::time::Duration;

use foxhold_core::{Random, Timestamp, hex};
use scylla::{statement::Consistency, value::CqlTimestamp};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{MigrateError, Migration, admin::Admin};

/// Everything is in the partition `deployment = 1`.
pub(super) const TABLE: &str = "migrations";

const SELECT: &str =
    "SELECT number, name, kind, checksum, applied_at, owner, TTL(owner) FROM migrations WHERE deployment = 1";
const LOCK: &str = "UPDATE migrations USING TTL ? SET owner = ? WHERE deployment = 1 IF owner = null";
const RENEW: &str = "UPDATE migrations USING TTL ? SET owner = ? WHERE deployment = 1 IF owner = ?";
const UNLOCK: &str = "UPDATE migrations SET owner = null WHERE deployment = 1 IF owner = ?";
const RECORD: &str = "UPDATE migrations SET name = ?, kind = ?, checksum = ?, applied_at = toTimestamp(now()) \
                      WHERE deployment = 1 AND number = ? IF owner = ?";

/// How long runners wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// A runner that has not been heard of for so long is dead. Whole seconds.
    pub lock: Duration,
    /// How long one waits for another to end.
    pub turn_max: Duration,
}

impl Default for Waiting {
    /// Longer for a turn than a dead runner's lock lasts: what comes after it needs no help.
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(60),
            turn_max: Duration::from_secs(120),
        }
    }
}

/// How often a runner looks whether its turn has come.
const LOOK: Duration = Duration::from_millis(500);

/// A file that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// `expand` or `contract`.
    pub kind: String,
    /// SHA-256 of the text that was applied, in hex.
    pub checksum: String,
    /// When, by the clock of a node.
    pub at: Timestamp,
}

/// What stands in the partition.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) applied: Vec<Applied>,
    /// Who is at work, and for how many seconds its lock still lasts.
    pub(super) owner: Option<(String, i32)>,
}

type JournalRow = (
    Option<i32>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<CqlTimestamp>,
    Option<String>,
    Option<i32>,
);

/// The statement that makes the table. Its id follows from the keyspace's name: nothing else keeps two runners, started
/// at the same moment on two nodes, from making two tables of one name.
pub(super) fn creation(keyspace: &str) -> String {
    let digest = hex::encode(&Sha256::digest(format!("foxhold {keyspace} {TABLE}")));
    // The digits of version and variant make it an id of the kind Cassandra gives to tables.
    let id = format!(
        "{}-{}-1{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[12..15],
        &digest[15..18],
        &digest[18..30]
    );
    format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (deployment int, number int, owner text static, name text, kind text, \
         checksum text, applied_at timestamp, PRIMARY KEY ((deployment), number)) \
         WITH ID = '{id}' AND comment = 'which files of the schema were applied'"
    )
}

/// Reads it; empty before there is one.
pub(super) async fn read(admin: &Admin) -> Result<Journal, MigrateError> {
    if !admin.tables().await?.iter().any(|name| name == TABLE) {
        return Ok(Journal::default());
    }
    let rows: Vec<JournalRow> = admin
        .serial_rows("reading which files were applied", SELECT, ())
        .await?;
    let mut journal = Journal::default();
    for (number, name, kind, checksum, at, owner, ttl) in rows {
        if let Some(owner) = owner {
            journal.owner = Some((owner, ttl.unwrap_or(i32::MAX)));
        }
        // Without a file there is still a row: that of the lock.
        if let (Some(number), Some(name), Some(kind), Some(checksum)) = (number, name, kind, checksum) {
            journal.applied.push(Applied {
                number: u32::try_from(number).unwrap_or_default(),
                name,
                kind,
                checksum,
                at: Timestamp::from_millis(at.and_then(|at| u64::try_from(at.0).ok()).unwrap_or_default()),
            });
        }
    }
    journal.applied.sort_by_key(|file| file.number);
    Ok(journal)
}

/// The right to change the schema.
pub(super) struct Lock<'a> {
    admin: &'a Admin,
    owner: String,
    ttl_secs: i32,
}

impl<'a> Lock<'a> {
    /// Waits for the turn.
    pub(super) async fn take(
        admin: &'a Admin,
        random: &dyn Random,
        waiting: Waiting,
    ) -> Result<Self, MigrateError> {
        let lock = Self {
            admin,
            owner: name(random),
            ttl_secs: i32::try_from(waiting.lock.as_secs().max(1)).unwrap_or(i32::MAX),
        };
        let until = Instant::now() + waiting.turn_max;
        loop {
            let values = (lock.ttl_secs, lock.owner.as_str());
            admin
                .decide("taking the lock", LOCK, values, Consistency::LocalQuorum)
                .await?;
            match read(admin).await?.owner {
                Some((owner, _)) if owner == lock.owner => return Ok(lock),
                Some((owner, remaining_secs)) if Instant::now() >= until => {
                    return Err(MigrateError::Busy {
                        owner,
                        remaining_secs,
                    });
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Does the work, renewing the lock meanwhile; gives the work up when the lock is lost.
    pub(super) async fn while_held<T>(
        &self,
        work: impl Future<Output = Result<T, MigrateError>>,
    ) -> Result<T, MigrateError> {
        tokio::select! {
            done = work => done,
            lost = self.keep() => Err(lost),
        }
    }

    async fn keep(&self) -> MigrateError {
        let lasts = Duration::from_secs(u64::from(self.ttl_secs.unsigned_abs()));
        let mut renewed = Instant::now();
        let mut pause = lasts / 4;
        loop {
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            match tokio::time::timeout_at(renewed + lasts, self.renew()).await {
                Ok(Ok(true)) => {
                    renewed = asked;
                    pause = lasts / 4;
                }
                // A cluster with much to do: what cannot be put now may do the next time, as long as the lock lasts.
                Ok(Err(_)) if Instant::now() < renewed + lasts / 4 * 3 => pause = lasts / 32,
                Ok(_) | Err(_) => return MigrateError::LockLost,
            }
        }
    }

    /// Whether it is still ours afterwards.
    async fn renew(&self) -> Result<bool, MigrateError> {
        let values = (self.ttl_secs, self.owner.as_str(), self.owner.as_str());
        self.admin
            .decide("renewing the lock", RENEW, values, Consistency::LocalQuorum)
            .await?;
        let journal = read(self.admin).await?;
        Ok(journal.owner.is_some_and(|(owner, _)| owner == self.owner))
    }

    /// Records that a file was applied, if the lock is still held.
    pub(super) async fn record(&self, file: &Migration) -> Result<(), MigrateError> {
        let number = i32::try_from(file.number).unwrap_or(i32::MAX);
        let values = (
            file.name.as_str(),
            file.kind.name(),
            file.checksum.as_str(),
            number,
            self.owner.as_str(),
        );
        self.admin
            .decide(
                "recording what was applied",
                RECORD,
                values,
                Consistency::LocalQuorum,
            )
            .await?;
        let journal = read(self.admin).await?;
        let recorded = |applied: &Applied| applied.number == file.number && applied.checksum == file.checksum;
        if journal.applied.iter().any(recorded) {
            Ok(())
        } else {
            Err(MigrateError::LockLost)
        }
    }

    /// Gives the lock back. If that fails it expires.
    pub(super) async fn release(self) {
        let values = (self.owner.as_str(),);
        let released = self
            .admin
            .decide("releasing the lock", UNLOCK, values, Consistency::LocalQuorum);
        if let Err(error) = released.await {
            tracing::warn!(%error, "the migrator's lock stays until it expires");
        }
    }
}

/// What others are told: enough to find the process by, and not the same twice.
fn name(random: &dyn Random) -> String {
    let mut tail = [0; 8];
    random.fill(&mut tail);
    format!("process {} ({})", std::process::id(), hex::encode(&tail))
}

//! The node's records: a data directory with one SQLite file per shard, one writer and a few readers for each
//! (`storage.md` 15). Handlers name a user and a job; the store picks the shard and bounds the waiting.
//!
//! Must stay true: everything of one user lies in one file; one process at a time has the directory open.

mod batch;
mod data_dir;
mod denied;
mod list;
mod read;
mod row;
mod sweep;
mod times;
mod turns;
mod write;

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use foxhold_core::Deadline;
use foxhold_sqlite::{OpenError, Readers, ReadersConfig, Schema, Writer, WriterConfig, rusqlite::Connection};
use foxhold_sync::storage::{Refusal, Tick, shard_of};
use thiserror::Error;

pub use self::{
    batch::{Staged, append, commit, open as open_batch},
    data_dir::DataDirError,
    denied::{Denied, check},
    list::{Item, Page, list},
    read::{Bso, ReadContext, Sum, Timed, collection_sums, one, payloads_unless_changed, usage},
    row::uid_to_sql,
    times::Times,
    write::{WriteContext, Written, delete_collection, delete_ids, delete_one, delete_user, post, put},
};
use self::{data_dir::DataDir, times::KnownTimes, turns::Turns};

static SCHEMA: Schema = Schema {
    name: "sync shard",
    migrations: &[include_str!("store/schema.sql")],
};

/// Connections that read one shard at once.
const READERS_PER_SHARD: usize = 2;

/// Why a store was not opened.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory is not a node's, or in use.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A shard was not opened.
    #[error(transparent)]
    Shard(#[from] OpenError),
    /// A shard could not be read.
    #[error("reading a shard: {0}")]
    Read(Denied),
}

/// All records of a node. Dropping it finishes the waiting writes and frees the directory.
pub struct Store {
    shards: Vec<Shard>,
    turns: Turns,
    known: Arc<KnownTimes>,
    highest: AtomicU64,
    // After the shards: the directory is free only once their files are closed.
    _directory: DataDir,
}

struct Shard {
    readers: Readers,
    writer: Writer,
}

impl Shard {
    fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = Writer::start(WriterConfig {
            secure_delete: true,
            ..WriterConfig::new(path, &SCHEMA)
        })?;
        let config = ReadersConfig {
            connections: READERS_PER_SHARD,
            ..ReadersConfig::new(path, &SCHEMA)
        };
        Ok(Self {
            readers: Readers::open(&config)?,
            writer,
        })
    }

    /// Submits a write that is begun by `by` or never: a shard that is stuck does not hold up the refusal.
    async fn write<T: Send + 'static>(
        &self,
        by: Deadline,
        job: impl FnOnce(&Connection) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        let decided = Arc::new(AtomicBool::new(false));
        let taken = Arc::clone(&decided);
        let job = move |connection: &Connection| {
            if taken.swap(true, Ordering::Relaxed) {
                return Err(Refusal::Busy.into());
            }
            job(connection)
        };
        let mut submitted = pin!(self.writer.submit(by, job));
        let done = match tokio::time::timeout_at(by.instant().into(), submitted.as_mut()).await {
            Ok(done) => done,
            Err(_) if !decided.swap(true, Ordering::Relaxed) => return Err(Refusal::Busy.into()),
            // It has begun, so its outcome must be known.
            Err(_) => submitted.await,
        };
        done.map_err(denied::of_write)
    }
}

impl Store {
    /// Opens the directory, and makes it, with `shards` files, if there is nothing. An existing one keeps its number.
    ///
    /// # Errors
    /// [`StoreError`], also when another process has it open.
    pub fn open(path: &Path, shards: u32) -> Result<Self, StoreError> {
        let directory = DataDir::open(path, shards)?;
        let shards: Vec<Shard> = directory
            .shard_paths()
            .map(|path| Shard::open(&path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shards,
            turns: Turns::default(),
            known: Arc::default(),
            highest: AtomicU64::new(0),
            _directory: directory,
        })
    }

    /// How many shards there are.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    fn shard(&self, uid: u64) -> &Shard {
        let count =
            u32::try_from(self.shards.len()).expect("a data directory has at most a few hundred shards");
        &self.shards[shard_of(uid, count) as usize]
    }

    /// Runs a read of one user on one snapshot.
    ///
    /// # Errors
    /// What the job says, or a refusal when its turn does not come in time.
    pub async fn read<T: Send + 'static>(
        &self,
        uid: u64,
        by: Deadline,
        job: impl FnOnce(&Connection) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        self.shard(uid)
            .readers
            .read(by, job)
            .await
            .map_err(denied::of_read)
    }

    /// A user's times, from memory if they are known there.
    ///
    /// # Errors
    /// A refusal when the database's turn does not come in time, or the user is gone.
    pub async fn times(&self, uid: u64, by: Deadline) -> Result<Arc<Times>, Denied> {
        let ticket = match self.known.get(uid) {
            Ok(times) => return Ok(times),
            Err(ticket) => ticket,
        };
        let times = Arc::new(
            self.read(uid, by, move |connection| read::times(connection, uid))
                .await?,
        );
        self.known.fill(uid, ticket, &times);
        Ok(times)
    }

    /// Runs a write of one user; its answer is durable.
    ///
    /// # Errors
    /// What the job says, or a refusal when its turn does not come in time.
    pub async fn write<T: Send + 'static>(
        &self,
        uid: u64,
        by: Deadline,
        job: impl FnOnce(&Connection) -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        let _place = self.turns.take(uid, by).await.ok_or(Refusal::Busy)?;
        let ticket = self.known.ticket();
        let known = Arc::clone(&self.known);
        let closing = move |connection: &Connection| {
            known.writing(uid, ticket);
            job(connection)
        };
        let written = self.shard(uid).write(by, closing).await;
        self.known.written(uid, ticket);
        written
    }

    /// Tells the store a T that was handed out, so that [`Store::highest_time`] knows it.
    pub fn note_time(&self, time: Tick) {
        self.highest.fetch_max(time.get(), Ordering::Relaxed);
    }

    /// The highest T of any user: read from the shards by [`Store::probe`] and risen with every write since.
    #[must_use]
    pub fn highest_time(&self) -> Tick {
        Tick::new(self.highest.load(Ordering::Relaxed))
    }

    /// Reads from and writes to every shard, without leaving anything behind: whether the node can serve.
    ///
    /// # Errors
    /// The first shard's trouble.
    pub async fn probe(&self, by: Deadline) -> Result<(), Denied> {
        for shard in &self.shards {
            let highest = shard
                .readers
                .read(by, read::highest_time)
                .await
                .map_err(denied::of_read)?;
            self.note_time(highest);
            shard.write(by, write::probe).await?;
        }
        Ok(())
    }

    /// Removes what nobody can see any more, in small steps, on every shard: at most `steps` each.
    ///
    /// # Errors
    /// The first shard's trouble; the others wait for the next time.
    pub async fn sweep(&self, now: Tick, steps: u32, by: impl Fn() -> Deadline) -> Result<u64, Denied> {
        let mut removed = 0;
        for shard in &self.shards {
            for _ in 0..steps {
                let rows = shard
                    .write(by(), move |connection| sweep::step(connection, now))
                    .await?;
                removed += rows;
                if rows == 0 {
                    break;
                }
            }
        }
        Ok(removed)
    }
}

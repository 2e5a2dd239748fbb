//! The one writing connection of a database file, on a thread of its own, with grouped commits.
//!
//! Must stay true: a job is answered only after the COMMIT that holds it; an error of one job undoes that job alone;
//! a failed COMMIT is told to every job of its group. Other processes may write the same file: `BEGIN IMMEDIATE`
//! takes turns with them, for a bounded time.

mod group;
mod job;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use foxhold_core::Deadline;
use rusqlite::Connection;
use thiserror::Error;

use self::job::{Queued, TypedJob};
use crate::{
    checkpoint::{self, PAGES_WORTH_IT},
    open::{self, OpenError, Schema},
};

/// What the writer thread calls after each group.
pub type Observe = Arc<dyn Fn(&GroupReport) + Send + Sync>;

/// How a writer works. [`WriterConfig::new`] gives the usual values.
#[derive(Clone)]
pub struct WriterConfig {
    /// The database file; created when absent.
    pub path: PathBuf,
    /// The schema to bring it to.
    pub schema: &'static Schema,
    /// Jobs that may wait; more are [`SubmitError::Overloaded`].
    pub queue_jobs_max: usize,
    /// Jobs in one commit.
    pub group_jobs_max: usize,
    /// How long jobs may run before their commit begins, so that a long queue does not delay the first answer.
    pub group_span_max: Duration,
    /// How long to wait for another process's turn to end.
    pub busy_wait: Duration,
    /// Overwrite deleted rows with zeros.
    pub secure_delete: bool,
    /// Called by the writer thread after each group, for metrics; must be quick. Its panics stay without effect.
    pub observe: Option<Observe>,
}

impl WriterConfig {
    /// The usual values: 1024 waiting jobs, groups of 64 jobs or 2 ms, 5 s for another process's turn.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, schema: &'static Schema) -> Self {
        Self {
            path: path.into(),
            schema,
            queue_jobs_max: 1024,
            group_jobs_max: 64,
            group_span_max: Duration::from_millis(2),
            busy_wait: Duration::from_secs(5),
            secure_delete: false,
            observe: None,
        }
    }
}

/// One group, as the metrics see it.
#[derive(Debug, Clone, Copy)]
pub struct GroupReport {
    /// Jobs that ran in it, also those that ended in an error of their own.
    pub jobs: usize,
    /// The longest time one of them had waited in the queue.
    pub queue_wait_max: Duration,
    /// Time until the write lock was ours.
    pub begin: Duration,
    /// Time of the COMMIT, fsync included.
    pub commit: Duration,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterStats {
    /// Successful commits.
    pub commits: u64,
    /// Jobs in them.
    pub jobs: u64,
    /// Groups that were rolled back or whose outcome is unknown.
    pub failed_groups: u64,
}

/// What became of a job that did not simply succeed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubmitError<E> {
    /// The job itself refused; nothing of it was kept.
    #[error("the job refused")]
    Job(E),
    /// The queue is full; the job was not taken.
    #[error("the write queue is full")]
    Overloaded,
    /// The deadline had passed before the job's turn came; it did not run.
    #[error("the deadline passed before the write's turn came")]
    DeadlinePassed,
    /// Certainly not done, for the named reason: the write lock was not to be had, or the transaction rolled back.
    #[error("the write was not done: {0}")]
    NotDone(String),
    /// The commit failed in a way that leaves open whether it will be found after a restart, or the writer ended in the
    /// middle of it.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),
    /// The writer is closed; the job did not run.
    #[error("the writer is closed")]
    Closed,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    jobs: AtomicU64,
    failed_groups: AtomicU64,
}

/// Handle of a writer thread. Share it behind an `Arc`; dropping it lets the queue run empty and joins the thread.
pub struct Writer {
    queue: RwLock<Option<SyncSender<Queued>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Opens the file, migrates it and starts the thread.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be opened, is from a newer program, or a thread cannot be started.
    pub fn start(config: WriterConfig) -> Result<Self, OpenError> {
        let mut connection = open::open_writer(
            &config.path,
            config.schema,
            config.busy_wait,
            config.secure_delete,
        )?;
        let checkpointer = checkpoint::start(&config.path, config.busy_wait)?;
        let wake = checkpointer.wake;
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            if pages >= PAGES_WORTH_IT {
                // Full means one is waiting already.
                let _ = wake.try_send(pages);
            }
            Ok(())
        };
        connection
            .wal_hook(Some(hook))
            .map_err(|source| OpenError::Sqlite {
                path: config.path.clone(),
                source,
            })?;
        let counters = Arc::new(Counters::default());
        let (sender, receiver) = sync_channel(config.queue_jobs_max.max(1));
        let group = group::Loop {
            connection,
            receiver,
            config,
            counters: Arc::clone(&counters),
        };
        let thread = Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || group.run())
            .map_err(OpenError::Thread)?;
        Ok(Self {
            queue: RwLock::new(Some(sender)),
            // The writer first: the checkpoint thread ends when the writer's connection, which wakes it, is gone.
            threads: Mutex::new(vec![thread, checkpointer.thread]),
            counters,
        })
    }

    /// Runs `job` in a savepoint of the next group and answers once the group is committed.
    ///
    /// The job must not end the transaction. If it panics, it alone is undone and was not done. It is not begun after `by`;
    /// once begun, the answer is waited for. Needs no particular runtime. If the future is dropped, the job still runs.
    ///
    /// # Errors
    /// [`SubmitError`]: only `Unknown` leaves the outcome open, every other one means nothing was written.
    pub async fn submit<T, E>(
        &self,
        by: Deadline,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, SubmitError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (job, answer) = TypedJob::new(job);
        self.enqueue(Queued {
            by,
            since: Instant::now(),
            job: Box::new(job),
        })?;
        // A job answers even when it is dropped; were that not so, nobody could say what became of it.
        answer
            .await
            .unwrap_or_else(|_| Err(SubmitError::Unknown("the answer got lost".into())))
    }

    fn enqueue<E>(&self, queued: Queued) -> Result<(), SubmitError<E>> {
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref().map(|sender| sender.try_send(queued)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(SubmitError::Overloaded),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(SubmitError::Closed),
        }
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        WriterStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            jobs: self.counters.jobs.load(Ordering::Relaxed),
            failed_groups: self.counters.failed_groups.load(Ordering::Relaxed),
        }
    }

    /// Takes no more jobs, finishes those that wait, and ends the threads. Blocks meanwhile; a second call does nothing.
    pub fn close(&self) {
        self.queue.write().unwrap_or_else(PoisonError::into_inner).take();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // Jobs cannot panic through; a panic of the thread itself has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

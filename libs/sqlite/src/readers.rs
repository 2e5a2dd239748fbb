//! A bounded pool of reading connections, each on a thread of its own (SQLite blocks).
//!
//! Must stay true: one read sees one snapshot; a read can change nothing (`query_only`); no read runs past its
//! deadline, so nobody waits for a slot much longer than their own.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use foxhold_core::Deadline;
use rusqlite::Connection;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::open::{self, OpenError, Schema};

/// How a pool of readers works. [`ReadersConfig::new`] gives the usual values.
#[derive(Debug, Clone)]
pub struct ReadersConfig {
    /// The database file; its writer must have created it.
    pub path: PathBuf,
    /// The schema it must have.
    pub schema: &'static Schema,
    /// Connections, hence reads at once.
    pub connections: usize,
    /// Reads that may wait for a connection; more are [`ReadError::Overloaded`].
    pub queue_reads_max: usize,
}

impl ReadersConfig {
    /// The usual values: 4 connections, 1024 waiting reads.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, schema: &'static Schema) -> Self {
        Self {
            path: path.into(),
            schema,
            connections: 4,
            queue_reads_max: 1024,
        }
    }
}

/// Why a read gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError<E> {
    /// The read itself failed.
    #[error("the read failed")]
    Read(E),
    /// Too many reads wait.
    #[error("the read queue is full")]
    Overloaded,
    /// The deadline passed before or while it ran.
    #[error("the deadline passed before the read was done")]
    DeadlinePassed,
    /// The snapshot could not be opened, or the read panicked.
    #[error("the read was not possible: {0}")]
    Failed(String),
    /// The pool is closed.
    #[error("the readers are closed")]
    Closed,
}

/// Handle of the pool. Share it behind an `Arc`; dropping it finishes waiting reads and joins the threads.
pub struct Readers {
    queue: Arc<Queue>,
    queue_reads_max: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Work>>,
    closed: bool,
}

/// A read of any result type.
trait Work: Send {
    fn run(self: Box<Self>, reader: &Reader);
}

struct TypedWork<F, T, E> {
    by: Deadline,
    read: F,
    reply: oneshot::Sender<Result<T, ReadError<E>>>,
}

/// One connection and the moment its running read has to end by.
struct Reader {
    connection: Connection,
    ends: Arc<AtomicU64>,
    epoch: Instant,
}

/// How many steps of SQLite's machine lie between two looks at the clock: well under a millisecond.
const STEPS_PER_LOOK: i32 = 10_000;
const BUSY_WAIT: Duration = Duration::from_secs(2);

impl Readers {
    /// Opens every connection and starts the threads.
    ///
    /// # Errors
    /// [`OpenError`], also when the writer has not created or migrated the file yet.
    pub fn open(config: &ReadersConfig) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let readers = Self {
            queue: Arc::clone(&queue),
            queue_reads_max: config.queue_reads_max,
            threads: Mutex::default(),
        };
        for _ in 0..config.connections.max(1) {
            let reader = Reader::open(config)?;
            let queue = Arc::clone(&queue);
            let thread = Builder::new()
                .name("sqlite-reader".into())
                .spawn(move || queue.serve(&reader))
                .map_err(OpenError::Thread)?;
            readers
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread);
        }
        Ok(readers)
    }

    /// Runs `read` on one snapshot of the database. Needs no particular runtime.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read<T, E>(
        &self,
        by: Deadline,
        read: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ReadError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            if state.closed {
                return Err(ReadError::Closed);
            }
            if state.waiting.len() >= self.queue_reads_max {
                return Err(ReadError::Overloaded);
            }
            state.waiting.push_back(Box::new(TypedWork { by, read, reply }));
        }
        self.queue.changed.notify_one();
        answer.await.unwrap_or(Err(ReadError::Closed))
    }

    /// Takes no more reads, finishes those that wait, and ends the threads. Blocks meanwhile.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // Reads cannot panic through; a panic of the thread itself has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, reader: &Reader) {
        while let Some(work) = self.next() {
            work.run(reader);
        }
    }

    fn next(&self) -> Option<Box<dyn Work>> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.waiting.pop_front() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<F, T, E> Work for TypedWork<F, T, E>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: Send,
{
    fn run(self: Box<Self>, reader: &Reader) {
        let Self { by, read, reply } = *self;
        if reply.is_closed() {
            return; // Nobody waits any more.
        }
        // A caller that went away meanwhile needs no answer.
        let _ = reply.send(reader.run(by, read));
    }
}

impl Reader {
    fn open(config: &ReadersConfig) -> Result<Self, OpenError> {
        let mut connection = open::open_reader(&config.path, config.schema, BUSY_WAIT)?;
        let ends = Arc::new(AtomicU64::new(u64::MAX));
        let epoch = Instant::now();
        let watched = Arc::clone(&ends);
        let overdue = move || millis_since(epoch, Instant::now()) > watched.load(Ordering::Relaxed);
        connection
            .progress_handler(STEPS_PER_LOOK, Some(overdue))
            .map_err(|source| OpenError::Sqlite {
                path: config.path.clone(),
                source,
            })?;
        Ok(Self {
            connection,
            ends,
            epoch,
        })
    }

    fn run<T, E>(
        &self,
        by: Deadline,
        read: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, ReadError<E>> {
        if by.has_passed() {
            return Err(ReadError::DeadlinePassed);
        }
        self.ends
            .store(millis_since(self.epoch, by.instant()), Ordering::Relaxed);
        let result = self.on_snapshot(read);
        self.ends.store(u64::MAX, Ordering::Relaxed);
        match result {
            Err(ReadError::Read(_)) if by.has_passed() => Err(ReadError::DeadlinePassed),
            other => other,
        }
    }

    fn on_snapshot<T, E>(&self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, ReadError<E>> {
        let failed = |error: rusqlite::Error| ReadError::Failed(error.to_string());
        let snapshot = self.connection.unchecked_transaction().map_err(failed)?;
        // A panicking read must not take its connection's thread along.
        match catch_unwind(AssertUnwindSafe(|| read(&snapshot))) {
            Ok(result) => result.map_err(ReadError::Read),
            Err(_) => Err(ReadError::Failed("the read panicked".into())),
        }
    }
}

fn millis_since(epoch: Instant, then: Instant) -> u64 {
    u64::try_from(then.saturating_duration_since(epoch).as_millis()).unwrap_or(u64::MAX)
}

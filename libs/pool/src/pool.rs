//! The slots: one dedicated thread each, never the threads that serve connections. Callers wait in [`Pool::run`].
//!
//! What must stay true: whoever drops the future of `run` takes a waiting job with it; a running one finishes, and its
//! result is dropped and counted as waste.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use foxhold_core::{Deadline, Random, random};
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

use crate::admission::{Busy, Queue, QueueLimits, Ticket};

/// What one stretching takes: the table of 64 MiB and all around it (`security.md` A.3).
pub const JOB_MEMORY: u64 = 66 * 1024 * 1024;

const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The bounds of a pool. All are settings; the defaults are those of `security.md` A.3 and A.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// What the threads are called.
    pub name: &'static str,
    /// Bytes that all jobs together may take.
    pub memory_budget: u64,
    /// Bytes that one job takes.
    pub job_memory: u64,
    /// Most threads; the number of cores.
    pub cores: usize,
    /// Jobs that may wait for each slot.
    pub waiting_per_slot: usize,
    /// How long a job may wait.
    pub wait_max: Duration,
    /// From this age of the queue on, the newest job is served first.
    pub newest_first_after: Duration,
    /// What a job is taken to last before one was measured.
    pub first_guess: Duration,
    /// How long running jobs may take once the pool ends.
    pub finish_max: Duration,
}

impl PoolLimits {
    /// The defaults for stretching, with this much memory, on this machine's cores.
    #[must_use]
    pub fn of_machine(memory_budget: u64) -> Self {
        Self {
            name: "stretch",
            memory_budget,
            job_memory: JOB_MEMORY,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            waiting_per_slot: 4,
            wait_max: Duration::from_secs(2),
            newest_first_after: Duration::from_millis(500),
            first_guess: Duration::from_millis(150),
            finish_max: Duration::from_secs(5),
        }
    }

    /// How many jobs may run at once.
    ///
    /// # Errors
    /// The budget holds not even one.
    pub fn slots(&self) -> Result<usize, TooLittleMemory> {
        let fit = usize::try_from(self.memory_budget / self.job_memory.max(1)).unwrap_or(usize::MAX);
        match fit.min(self.cores.max(1)) {
            0 => Err(TooLittleMemory {
                budget: self.memory_budget,
                needed: self.job_memory,
            }),
            slots => Ok(slots),
        }
    }

    fn queue(&self, slots: usize) -> QueueLimits {
        QueueLimits {
            slots,
            len_max: slots * self.waiting_per_slot,
            wait_max: self.wait_max,
            newest_first_after: self.newest_first_after,
            first_guess: self.first_guess,
        }
    }
}

/// The memory budget holds no job at all: refuse to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a memory budget of {budget} bytes holds no stretching: give at least {needed}")]
pub struct TooLittleMemory {
    /// What was given, in bytes.
    pub budget: u64,
    /// What one job takes, in bytes.
    pub needed: u64,
}

/// A job that gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// Too much waits already.
    #[error("too much waits already")]
    Busy {
        /// When to come back: predicted, 1 to 30 s, spread by a fifth so that not all come back together.
        retry_after: Duration,
    },
    /// The caller's deadline passed.
    #[error("no result before the deadline")]
    TooLate,
    /// The pool ends.
    #[error("the pool ends")]
    Ending,
    /// The job panicked.
    #[error("the job failed")]
    Failed,
}

/// What a pool has done and does, for metrics and health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Jobs that run.
    pub running: usize,
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs refused or lapsed since the start.
    pub refused: u64,
    /// Results nobody waited for any more.
    pub wasted: u64,
    /// For how long every slot has been in use without a break.
    pub full_for: Option<Duration>,
}

type Answer<O> = Result<O, Refused>;

struct Job<I, O> {
    input: I,
    answer: oneshot::Sender<Answer<O>>,
}

struct State<I, O> {
    queue: Queue<Job<I, O>>,
    ending: bool,
    refused: u64,
    wasted: u64,
    full_since: Option<Instant>,
}

struct Shared<I, O> {
    slots: usize,
    state: Mutex<State<I, O>>,
    // For the threads: something to do.
    work: Condvar,
    // For the end: a job has finished.
    finished: Notify,
    random: Arc<dyn Random>,
}

/// A pool whose jobs turn an `I` into an `O`.
pub struct Pool<I: Send + 'static, O: Send + 'static> {
    shared: Arc<Shared<I, O>>,
    finish_max: Duration,
}

impl<I: Send + 'static, O: Send + 'static> fmt::Debug for Pool<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("slots", &self.shared.slots)
            .finish_non_exhaustive()
    }
}

impl<I: Send + 'static, O: Send + 'static> Pool<I, O> {
    /// Starts the threads. `random` spreads the times refused callers are given.
    ///
    /// # Errors
    /// The budget holds not even one job.
    pub fn start(
        limits: PoolLimits,
        random: Arc<dyn Random>,
        job: impl Fn(I) -> O + Send + Sync + 'static,
    ) -> Result<Self, TooLittleMemory> {
        let slots = limits.slots()?;
        let state = State {
            queue: Queue::new(limits.queue(slots)),
            ending: false,
            refused: 0,
            wasted: 0,
            full_since: None,
        };
        let shared = Arc::new(Shared {
            slots,
            state: Mutex::new(state),
            work: Condvar::new(),
            finished: Notify::new(),
            random,
        });
        let job = Arc::new(job);
        for slot in 0..slots {
            let (shared, job) = (Arc::clone(&shared), Arc::clone(&job));
            std::thread::Builder::new()
                .name(format!("{}-{slot}", limits.name))
                .spawn(move || shared.work_until_the_end(&*job))
                .expect("a process that cannot start a thread cannot start at all");
        }
        Ok(Self {
            shared,
            finish_max: limits.finish_max,
        })
    }

    /// How many jobs run at once.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.shared.slots
    }

    /// What it does and has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.shared.lock();
        Counts {
            running: state.queue.running(),
            waiting: state.queue.len(),
            refused: state.refused,
            wasted: state.wasted,
            full_for: state.full_since.map(|since| since.elapsed()),
        }
    }

    /// Waits for a slot, runs the job there and gives its result. Dropping the future takes a waiting job back.
    ///
    /// # Errors
    /// [`Refused`]; after any of them the job has not run, or its result is lost.
    pub async fn run(&self, by: Deadline, input: I) -> Result<O, Refused> {
        let (sender, mut answer) = oneshot::channel();
        let waiting = self.shared.admit(
            by,
            Job {
                input,
                answer: sender,
            },
        )?;
        let until = by.at_most(self.shared.wait_max());
        if let Ok(answer) = tokio::time::timeout_at(until.instant().into(), &mut answer).await {
            return settle(answer);
        }
        if waiting.take_back() {
            return Err(self.shared.waited_in_vain(by));
        }
        // It runs: it may take until the deadline.
        match tokio::time::timeout_at(by.instant().into(), answer).await {
            Ok(answer) => settle(answer),
            Err(_) => Err(Refused::TooLate),
        }
    }

    /// Ends the pool: waiting jobs are refused, running ones may finish for a while. Whether all did.
    pub async fn end(&self) -> bool {
        self.shared.refuse_all();
        let idle = async {
            loop {
                let finished = self.shared.finished.notified();
                if self.shared.lock().queue.running() == 0 {
                    return;
                }
                finished.await;
            }
        };
        tokio::time::timeout(self.finish_max, idle).await.is_ok()
    }
}

impl<I: Send + 'static, O: Send + 'static> Drop for Pool<I, O> {
    fn drop(&mut self) {
        // The threads end by themselves; whoever wants to wait for them calls `end`.
        self.shared.refuse_all();
    }
}

fn settle<O>(answer: Result<Answer<O>, oneshot::error::RecvError>) -> Answer<O> {
    answer.unwrap_or(Err(Refused::Failed))
}

/// A caller's hold on its waiting job.
struct Waiting<'a, I: Send + 'static, O: Send + 'static> {
    ticket: Ticket,
    shared: &'a Shared<I, O>,
}

impl<I: Send, O: Send> Waiting<'_, I, O> {
    /// Whether it was still waiting.
    fn take_back(&self) -> bool {
        let job = self.shared.lock().queue.remove(self.ticket);
        // Dropped outside of the lock: wiping takes its time.
        job.is_some()
    }
}

impl<I: Send + 'static, O: Send + 'static> Drop for Waiting<'_, I, O> {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl<I: Send, O: Send> Shared<I, O> {
    fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        // Jobs run outside of the lock, and nothing inside it fails half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_max(&self) -> Duration {
        self.lock().queue.wait_max()
    }

    fn admit(&self, by: Deadline, job: Job<I, O>) -> Result<Waiting<'_, I, O>, Refused> {
        let mut state = self.lock();
        if state.ending {
            return Err(Refused::Ending);
        }
        let admitted = state.queue.admit(Instant::now(), by.instant(), job);
        if admitted.is_err() {
            state.refused += 1;
        }
        drop(state);
        match admitted {
            Ok(ticket) => {
                self.work.notify_one();
                Ok(Waiting { ticket, shared: self })
            }
            Err(_) if by.has_passed() => Err(Refused::TooLate),
            Err(busy) => Err(self.refusal(busy)),
        }
    }

    /// The refusal of a job that waited until its deadline, or too long.
    fn waited_in_vain(&self, by: Deadline) -> Refused {
        let mut state = self.lock();
        state.refused += 1;
        let busy = state.queue.busy();
        drop(state);
        if by.has_passed() {
            Refused::TooLate
        } else {
            self.refusal(busy)
        }
    }

    /// The time to come back, rounded up to seconds and spread by a fifth to both sides.
    fn refusal(&self, busy: Busy) -> Refused {
        let whole =
            Duration::from_secs(busy.drain_time.as_secs() + u64::from(busy.drain_time.subsec_nanos() > 0));
        let [draw] = random::bytes::<1>(&*self.random);
        let spread =
            whole.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX) * (800 + 400 * u32::from(draw) / 255) / 1000;
        Refused::Busy {
            retry_after: spread.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX),
        }
    }

    fn work_until_the_end(&self, job: &dyn Fn(I) -> O) {
        while let Some(Job { input, answer }) = self.next() {
            let begun = Instant::now();
            // A slot must outlive a job that panics.
            let result = catch_unwind(AssertUnwindSafe(|| job(input))).map_err(|_| Refused::Failed);
            let wasted = answer.send(result).is_err();
            let mut state = self.lock();
            state.queue.finished(begun.elapsed());
            state.wasted += u64::from(wasted);
            drop(state);
            self.finished.notify_waiters();
        }
    }

    /// Waits for the next job; `None` at the end.
    fn next(&self) -> Option<Job<I, O>> {
        let mut state = self.lock();
        loop {
            let taken = state.queue.take(Instant::now());
            state.refused += taken.lapsed.len() as u64;
            if taken.next.is_some() && state.queue.running() == self.slots {
                state.full_since.get_or_insert_with(Instant::now);
            }
            for lapsed in taken.lapsed {
                // Nobody listening any more is fine.
                let _ = lapsed.answer.send(Err(Refused::TooLate));
            }
            if taken.next.is_some() {
                return taken.next;
            }
            // Nothing to do: this slot is free.
            state.full_since = None;
            if state.ending {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn refuse_all(&self) {
        let mut state = self.lock();
        state.ending = true;
        let waiting = state.queue.clear();
        drop(state);
        self.work.notify_all();
        for job in waiting {
            let _ = job.answer.send(Err(Refused::Ending));
        }
    }
}

#[cfg(test)]
mod tests;

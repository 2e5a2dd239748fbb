//! One queued write with its way back to whoever waits for it. Used by the writer thread only.
//!
//! Must stay true: a job says what became of it once, whatever happens to the thread: one that is dropped without an
//! answer was not done if it was never begun, and is unknown otherwise, since a COMMIT may have held it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use foxhold_core::Deadline;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::SubmitError;

/// What became of the transaction a job ran in.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    Committed,
    DeadlinePassed,
    NotDone(String),
    Unknown(String),
}

/// Whether a job's savepoint is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Keep,
    RollBack,
}

/// A job of any result type: run once, then answered once.
pub(super) trait Job: Send {
    fn run(&mut self, connection: &Connection) -> Step;
    fn answer(self: Box<Self>, fate: &Fate);
}

/// A job as it waits in the queue.
pub(super) struct Queued {
    pub(super) by: Deadline,
    pub(super) since: Instant,
    pub(super) job: Box<dyn Job>,
}

/// What whoever waits for a job is told.
pub(super) type Answer<T, E> = Result<T, SubmitError<E>>;

pub(super) struct TypedJob<F, T, E> {
    /// Gone once it is begun.
    work: Option<F>,
    outcome: Option<Answer<T, E>>,
    /// Gone once it is answered.
    reply: Option<oneshot::Sender<Answer<T, E>>>,
}

impl<F, T, E> TypedJob<F, T, E> {
    /// A job that was not begun, and where its answer will come.
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<Answer<T, E>>) {
        let (reply, answer) = oneshot::channel();
        let job = Self {
            work: Some(work),
            outcome: None,
            reply: Some(reply),
        };
        (job, answer)
    }

    fn tell(&mut self, answer: Answer<T, E>) {
        if let Some(reply) = self.reply.take() {
            // Nobody waits any more: the caller went away, the write stands.
            let _ = reply.send(answer);
        }
    }
}

impl<F, T, E> Drop for TypedJob<F, T, E> {
    fn drop(&mut self) {
        self.tell(Err(if self.work.is_some() {
            SubmitError::Closed
        } else {
            SubmitError::Unknown("the writer ended before it could tell".into())
        }));
    }
}

impl<F, T, E> Job for TypedJob<F, T, E>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: Send,
{
    fn run(&mut self, connection: &Connection) -> Step {
        let Some(work) = self.work.take() else {
            return Step::RollBack;
        };
        // A panicking job breaks its own savepoint, not the writer of everybody else.
        let outcome = match catch_unwind(AssertUnwindSafe(|| work(connection))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(SubmitError::Job(error)),
            Err(_) => Err(SubmitError::NotDone("the job panicked".into())),
        };
        let step = if outcome.is_ok() {
            Step::Keep
        } else {
            Step::RollBack
        };
        self.outcome = Some(outcome);
        step
    }

    fn answer(mut self: Box<Self>, fate: &Fate) {
        let answer = match fate {
            Fate::Committed => self
                .outcome
                .take()
                .unwrap_or(Err(SubmitError::NotDone("the job did not run".into()))),
            Fate::DeadlinePassed => Err(SubmitError::DeadlinePassed),
            Fate::NotDone(why) => Err(SubmitError::NotDone(why.clone())),
            Fate::Unknown(why) => Err(SubmitError::Unknown(why.clone())),
        };
        self.tell(answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = Result<Answer<i64, &'static str>, oneshot::error::TryRecvError>;

    /// What is told of a job with which `handle` has done its work.
    fn told(handle: impl FnOnce(Box<dyn Job>)) -> Told {
        let (job, mut answer) = TypedJob::new(|_: &Connection| Ok(7));
        handle(Box::new(job));
        answer.try_recv()
    }

    fn begun(mut job: Box<dyn Job>) -> Box<dyn Job> {
        assert_eq!(job.run(&Connection::open_in_memory().unwrap()), Step::Keep);
        job
    }

    #[test]
    fn a_job_that_nobody_answers_is_unknown_once_it_is_begun() {
        assert_eq!(told(drop), Ok(Err(SubmitError::Closed)));
        let lost = told(|job| drop(begun(job)));
        assert!(matches!(lost, Ok(Err(SubmitError::Unknown(_)))), "{lost:?}");
        assert_eq!(told(|job| begun(job).answer(&Fate::Committed)), Ok(Ok(7)));
    }

    /// The thread dies with a group in its hands, as by a panic at the worst moment.
    #[test]
    fn a_thread_that_dies_leaves_no_begun_job_as_not_done() {
        let dies = |job: Box<dyn Job>| {
            let held = begun(job);
            let thread = std::thread::spawn(move || {
                let _held = held;
                panic!("the writer dies, on purpose");
            });
            assert!(thread.join().is_err());
        };
        let lost = told(dies);
        assert!(matches!(lost, Ok(Err(SubmitError::Unknown(_)))), "{lost:?}");
    }
}

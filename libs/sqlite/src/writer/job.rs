//! One queued write with its way back to whoever waits for it. Used by the writer thread only.

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

pub(super) struct TypedJob<F, T, E> {
    pub(super) work: Option<F>,
    pub(super) outcome: Option<Result<T, SubmitError<E>>>,
    pub(super) reply: oneshot::Sender<Result<T, SubmitError<E>>>,
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

    fn answer(self: Box<Self>, fate: &Fate) {
        let reply = match fate {
            Fate::Committed => self
                .outcome
                .unwrap_or(Err(SubmitError::NotDone("the job did not run".into()))),
            Fate::DeadlinePassed => Err(SubmitError::DeadlinePassed),
            Fate::NotDone(why) => Err(SubmitError::NotDone(why.clone())),
            Fate::Unknown(why) => Err(SubmitError::Unknown(why.clone())),
        };
        // Nobody waits any more: the caller went away, the write stands.
        let _ = self.reply.send(reply);
    }
}

//! Why a job on a shard did not do what was asked. Every job of the store returns it.

use foxhold_sqlite::{ReadError, SubmitError, rusqlite};
use foxhold_sync::storage::{Precondition, Refusal, Tick, Verdict};
use thiserror::Error;

/// A job's other outcomes. Nothing was changed.
#[derive(Debug, Error)]
pub enum Denied {
    /// The rules refuse.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// 304: the resource is as old as the client's copy.
    #[error("not modified")]
    NotModified(Tick),
    /// 412, with the resource's time.
    #[error("precondition failed")]
    PreconditionFailed(Tick),
    /// The database failed inside the job.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
}

/// Holds `last_modified` of the resource against what the request demands.
///
/// # Errors
/// [`Denied::NotModified`] or [`Denied::PreconditionFailed`].
pub fn check(precondition: Precondition, last_modified: Tick) -> Result<(), Denied> {
    match precondition.check(last_modified) {
        Verdict::Pass => Ok(()),
        Verdict::NotModified => Err(Denied::NotModified(last_modified)),
        Verdict::Failed => Err(Denied::PreconditionFailed(last_modified)),
    }
}

/// A write's way to the client when the writer itself could not do it.
pub(super) fn of_write(error: SubmitError<Denied>) -> Denied {
    match error {
        SubmitError::Job(denied) => denied,
        SubmitError::Overloaded | SubmitError::DeadlinePassed | SubmitError::Closed => Refusal::Busy.into(),
        SubmitError::NotDone(why) => {
            tracing::error!(why, "a write was not done");
            Refusal::Busy.into()
        }
        SubmitError::Unknown(why) => {
            tracing::error!(why, "the outcome of a write is unknown");
            Refusal::Internal.into()
        }
    }
}

/// A read's way to the client when the readers could not do it.
pub(super) fn of_read(error: ReadError<Denied>) -> Denied {
    match error {
        ReadError::Read(denied) => denied,
        ReadError::Overloaded | ReadError::DeadlinePassed | ReadError::Closed => Refusal::Busy.into(),
        ReadError::Failed(why) => {
            tracing::error!(why, "a read failed");
            Refusal::Internal.into()
        }
    }
}

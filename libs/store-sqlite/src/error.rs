//! What goes wrong inside a job or a read, and its one translation into the ports' errors.

use foxhold_ports::{Cause, ReadError, Refusal, WriteError};
use foxhold_sqlite::{
    ReadError as ReadFailure, SubmitError,
    rusqlite::{self, ErrorCode},
};
use thiserror::Error;

/// A statement failed, or a row makes no sense.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error("a statement failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the store is damaged: {0}")]
    Corrupt(&'static str),
    /// Rows that are sound each by itself and cannot both be true.
    #[error("records contradict each other: {0}")]
    Inconsistent(&'static str),
}

/// Why an intent is not carried out: decided against, or hindered.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Refusal),
    Failed(StoreError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl StoreError {
    fn cause(&self) -> Cause {
        match self {
            Self::Corrupt(_) => Cause::Fault,
            Self::Inconsistent(_) => Cause::Inconsistent,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Cause::Overloaded,
                Some(
                    ErrorCode::CannotOpen
                    | ErrorCode::DiskFull
                    | ErrorCode::OperationInterrupted
                    | ErrorCode::OutOfMemory
                    | ErrorCode::SystemIoFailure,
                ) => Cause::Unavailable,
                _ => Cause::Fault,
            },
        }
    }

    /// Logged here, where the details end. Neither SQLite's messages nor ours hold values of rows.
    fn translated(&self) -> Cause {
        let cause = self.cause();
        let source = std::error::Error::source(self).map(ToString::to_string);
        match cause {
            Cause::Fault | Cause::Inconsistent => {
                tracing::error!(error = %self, source, "the store is faulty");
            }
            _ => tracing::warn!(error = %self, source, "the store cannot be used"),
        }
        cause
    }
}

pub(crate) fn write_error(error: SubmitError<StoreError>) -> WriteError {
    match error {
        SubmitError::Job(error) => WriteError::NotDone(error.translated()),
        SubmitError::Overloaded => WriteError::NotDone(Cause::Overloaded),
        SubmitError::DeadlinePassed => WriteError::NotDone(Cause::Timeout),
        SubmitError::Closed => WriteError::NotDone(Cause::Unavailable),
        SubmitError::NotDone(reason) => {
            tracing::warn!(reason, "a group of writes was not done");
            WriteError::NotDone(Cause::Unavailable)
        }
        SubmitError::Unknown(reason) => {
            tracing::error!(reason, "the outcome of a group of writes is unknown");
            WriteError::Unknown(Cause::Unavailable)
        }
    }
}

pub(crate) fn read_error(error: ReadFailure<StoreError>) -> ReadError {
    ReadError(match error {
        ReadFailure::Read(error) => error.translated(),
        ReadFailure::Overloaded => Cause::Overloaded,
        ReadFailure::DeadlinePassed => Cause::Timeout,
        ReadFailure::Closed => Cause::Unavailable,
        ReadFailure::Failed(reason) => {
            tracing::warn!(reason, "a read was not possible");
            Cause::Unavailable
        }
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn sqlite(code: i32) -> StoreError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn what_helps_by_waiting_is_not_a_fault() {
        let cases = [
            ("busy", sqlite(ffi::SQLITE_BUSY), Cause::Overloaded),
            ("full disk", sqlite(ffi::SQLITE_FULL), Cause::Unavailable),
            ("failed read", sqlite(ffi::SQLITE_IOERR), Cause::Unavailable),
            ("damaged file", sqlite(ffi::SQLITE_CORRUPT), Cause::Fault),
            ("broken constraint", sqlite(ffi::SQLITE_CONSTRAINT), Cause::Fault),
            (
                "wrong type",
                rusqlite::Error::InvalidColumnIndex(1).into(),
                Cause::Fault,
            ),
            ("damaged cell", StoreError::Corrupt("cell"), Cause::Fault),
            (
                "contradiction",
                StoreError::Inconsistent("rows"),
                Cause::Inconsistent,
            ),
        ];
        for (name, error, expected) in cases {
            assert_eq!(error.cause(), expected, "{name}");
            assert_eq!(
                write_error(SubmitError::Job(error)),
                WriteError::NotDone(expected),
                "{name}"
            );
        }
    }

    #[test]
    fn only_a_commit_that_broke_off_is_unknown() {
        let not_done = [
            (SubmitError::Overloaded, Cause::Overloaded),
            (SubmitError::DeadlinePassed, Cause::Timeout),
            (SubmitError::Closed, Cause::Unavailable),
            (SubmitError::NotDone(String::new()), Cause::Unavailable),
        ];
        for (error, cause) in not_done {
            assert_eq!(write_error(error), WriteError::NotDone(cause));
        }
        let unknown = SubmitError::Unknown(String::new());
        assert_eq!(write_error(unknown), WriteError::Unknown(Cause::Unavailable));
    }
}

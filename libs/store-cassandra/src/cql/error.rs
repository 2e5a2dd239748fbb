//! What the driver's errors mean for an intent: whether the cluster can have seen it, and why there is no answer.

use foxhold_ports::{Cause, ReadError, WriteError};
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};

/// How far a failed request can have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was written.
    NotSent(Cause),
    /// Something may have been.
    MayBeDone(Cause),
}

impl Stage {
    pub(super) const fn cause(self) -> Cause {
        match self {
            Self::NotSent(cause) | Self::MayBeDone(cause) => cause,
        }
    }
}

/// For a plain write, which the driver repeats at other nodes: only the last answer is known, and a node that was asked
/// before may have carried it out.
pub(super) fn stage_of_repeated(error: &ExecutionError) -> Stage {
    match (error, stage(error)) {
        (ExecutionError::EmptyPlan, stage) => stage,
        (_, Stage::NotSent(cause @ (Cause::Unavailable | Cause::Overloaded))) => Stage::MayBeDone(cause),
        (_, stage) => stage,
    }
}

/// For what is sent once.
pub(super) fn stage(error: &ExecutionError) -> Stage {
    match error {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, words)) => {
            of_answer(error, words)
        }
        ExecutionError::LastAttemptError(_) => Stage::MayBeDone(Cause::Unavailable),
        ExecutionError::RequestTimeout(_) => Stage::MayBeDone(Cause::Timeout),
        ExecutionError::EmptyPlan
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::PrepareError(_) => Stage::NotSent(Cause::Unavailable),
        _ => {
            tracing::error!(%error, "a statement that cannot be put");
            Stage::NotSent(Cause::Fault)
        }
    }
}

/// How Cassandra's refusal begins when it could not read what a role may do, as while too few nodes are there: the same
/// error as for a role that may not (`CassandraAuthorizer`, `Roles`), so only the words tell.
const CANNOT_ASK: &str = "Unable to perform auth";

/// Whether a node refused because it could not find out whether it may.
pub(crate) fn could_not_authorize(error: &DbError, words: &str) -> bool {
    matches!(error, DbError::Unauthorized | DbError::AuthenticationError) && words.starts_with(CANNOT_ASK)
}

fn of_answer(error: &DbError, words: &str) -> Stage {
    match error {
        _ if could_not_authorize(error, words) => Stage::MayBeDone(Cause::Unavailable),
        // Also said when a round was agreed on and then could not be committed: in doubt.
        DbError::Unavailable { .. } => Stage::MayBeDone(Cause::Unavailable),
        DbError::Overloaded | DbError::RateLimitReached { .. } => Stage::NotSent(Cause::Overloaded),
        // Forgotten by the node between its preparation and its execution: more is asked of the node than its cache of
        // prepared statements holds.
        DbError::IsBootstrapping | DbError::Unprepared { .. } => Stage::NotSent(Cause::Unavailable),
        DbError::Unauthorized | DbError::AuthenticationError => {
            tracing::error!(%error, words, "the role may not do this");
            Stage::NotSent(Cause::NotPermitted)
        }
        DbError::ReadTimeout { .. } | DbError::WriteTimeout { .. } => Stage::MayBeDone(Cause::Timeout),
        DbError::ReadFailure { .. } | DbError::WriteFailure { .. } | DbError::ServerError => {
            Stage::MayBeDone(Cause::Unavailable)
        }
        _ => {
            tracing::error!(%error, "the cluster refuses a statement");
            Stage::NotSent(Cause::Fault)
        }
    }
}

/// An answer that is not what the statement asks for.
pub(crate) fn fault(error: &dyn std::error::Error) -> ReadError {
    tracing::error!(%error, "an answer of the cluster that makes no sense");
    ReadError(Cause::Fault)
}

/// For the later steps of an intent.
pub(crate) trait AfterAStep {
    /// That this step was not done does not mean that nothing was: an earlier one was.
    fn after_a_step(self) -> Self;
}

impl<T> AfterAStep for Result<T, WriteError> {
    fn after_a_step(self) -> Self {
        self.map_err(|error| match error {
            WriteError::NotDone(cause) => WriteError::Unknown(cause),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_forgot_was_not_executed_and_may_be_put_again() {
        let forgotten = DbError::Unprepared {
            statement_id: vec![1].into(),
        };
        assert_eq!(of_answer(&forgotten, ""), Stage::NotSent(Cause::Unavailable));
    }

    #[test]
    fn a_role_that_may_not_is_told_from_one_that_could_not_be_looked_up() {
        let table = [
            (
                DbError::Unauthorized,
                "User webhead has no MODIFY permission on <table foxhold.claims> or any of its parents",
                Stage::NotSent(Cause::NotPermitted),
            ),
            (
                DbError::Unauthorized,
                "Unable to perform authorization of permissions: Cannot achieve consistency level LOCAL_QUORUM",
                Stage::MayBeDone(Cause::Unavailable),
            ),
            (
                DbError::Unauthorized,
                "Unable to perform authorization of super-user permission: Operation timed out",
                Stage::MayBeDone(Cause::Unavailable),
            ),
            (
                DbError::AuthenticationError,
                "Unable to perform authentication: Cannot achieve consistency level LOCAL_QUORUM",
                Stage::MayBeDone(Cause::Unavailable),
            ),
            (
                DbError::AuthenticationError,
                "Provided username webhead and/or password are incorrect",
                Stage::NotSent(Cause::NotPermitted),
            ),
        ];
        for (error, words, expected) in table {
            assert_eq!(of_answer(&error, words), expected, "{words}");
        }
    }
}

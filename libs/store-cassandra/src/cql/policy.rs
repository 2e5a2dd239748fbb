//! When the driver may send a statement again: what can be repeated, at most twice, to another node (`security.md` D.1.7);
//! a conditional one never.

use std::time::Duration;

use scylla::{
    errors::{DbError, RequestAttemptError},
    policies::{
        retry::{RequestInfo, RetryDecision, RetryPolicy, RetrySession},
        speculative_execution::SimpleSpeculativeExecutionPolicy,
    },
};

use super::error::could_not_authorize;

/// Repetitions of one statement.
const REPEATS_MAX: usize = 2;

/// A node that has not answered for so long is not waited for alone: the next is asked beside it.
const PATIENCE: Duration = Duration::from_millis(250);

/// Asks another node beside a silent one. For statements that can be repeated.
pub(super) const fn beside_a_silent_node() -> SimpleSpeculativeExecutionPolicy {
    SimpleSpeculativeExecutionPolicy {
        max_retry_count: REPEATS_MAX,
        retry_interval: PATIENCE,
    }
}

/// Sends what can be repeated to another node, at most twice.
#[derive(Debug, Default)]
pub(super) struct AnotherNode;

impl RetryPolicy for AnotherNode {
    fn new_session(&self) -> Box<dyn RetrySession> {
        Box::new(Repeats(0))
    }
}

struct Repeats(usize);

impl RetrySession for Repeats {
    fn decide_should_retry(&mut self, info: RequestInfo) -> RetryDecision {
        if !info.is_idempotent || self.0 == REPEATS_MAX || !another_may_do(info.error) {
            return RetryDecision::DontRetry;
        }
        self.0 += 1;
        RetryDecision::RetryNextTarget(None)
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Whether it is the node, not the statement, that failed.
fn another_may_do(error: &RequestAttemptError) -> bool {
    match error {
        RequestAttemptError::UnableToAllocStreamId | RequestAttemptError::BrokenConnectionError(_) => true,
        RequestAttemptError::DbError(error, words) => {
            could_not_authorize(error, words)
                || matches!(
                    error,
                    DbError::Unavailable { .. }
                        | DbError::Overloaded
                        | DbError::IsBootstrapping
                        | DbError::Unprepared { .. }
                        | DbError::ReadTimeout { .. }
                        | DbError::WriteTimeout { .. }
                        | DbError::ReadFailure { .. }
                        | DbError::WriteFailure { .. }
                        | DbError::ServerError
                )
        }
        _ => false,
    }
}

//! Why the migrator stops.

use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use thiserror::Error;

use super::{PlanError, Process};
use crate::{ConnectError, cql::could_not_authorize};

/// Why the schema, or a region's state, was not changed (any further).
#[derive(Debug, Error)]
pub enum MigrateError {
    /// The plan cannot be.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// None of the data centres of the plan can be reached.
    #[error(
        "no node of {0} can be reached\nfix: see `contact_points`, and the `data_centre` of each region: `nodetool status` shows their names"
    )]
    NoNode(String),
    /// The cluster did not carry out a statement.
    #[error("{what}")]
    Statement {
        /// What was being done. Never the statement itself: it may hold a password.
        what: String,
        /// Why not.
        #[source]
        source: Box<ExecutionError>,
    },
    /// An answer that is not what was asked for.
    #[error("{what}: the cluster answers something else: {answer}")]
    Answer {
        /// What was being done.
        what: String,
        /// What is wrong with the answer.
        answer: String,
    },
    /// The role may not.
    #[error(
        "{0}: this role may not do that\nfix: log in as a superuser the first time, and as long as [roles] are configured; the migrator's role does for the rest"
    )]
    NotPermitted(String),
    /// Somebody else is at it.
    #[error(
        "another runner is at work: {owner}, for another {remaining_secs} s unless it goes on\nfix: wait for it; if it is dead, for that long"
    )]
    Busy {
        /// Who.
        owner: String,
        /// How long its lock still lasts.
        remaining_secs: i32,
    },
    /// Our lock ran out, or somebody took it.
    #[error(
        "the lock was lost: the cluster could not be reached for too long\nfix: run it again, it goes on where it stopped"
    )]
    LockLost,
    /// A file that was applied reads differently now.
    #[error(
        "{number:04} {name} was applied with another text (SHA-256 {applied}, here {here})\nfix: use the version that applied it, or a later one; files that were released never change"
    )]
    Changed {
        /// The file's number.
        number: u32,
        /// Its name.
        name: String,
        /// What was applied.
        applied: String,
        /// What this version holds.
        here: String,
    },
    /// What there is contradicts the plan.
    #[error("what there is contradicts the configuration:\n  {}\nfix: regions, marks, stripes and the serial level are fixed at first start; configure what there is", .0.join("\n  "))]
    Contradiction(Vec<String>),
    /// Something would be taken away that processes still use.
    #[error("{number:04} {name} takes something away that older processes need, and these ran within the last hour:\n  {}\nfix: update or stop them, and wait an hour", processes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    OlderProcesses {
        /// The file's number.
        number: u32,
        /// Its name.
        name: String,
        /// Who.
        processes: Vec<Process>,
    },
    /// There is no such keyspace, or nothing in it.
    #[error("keyspace {0} has no schema of foxhold\nfix: foxhold schema apply")]
    NoSchema(String),
    /// There is no such region.
    #[error("no region is called {0}\nfix: `foxhold region list` shows them")]
    UnknownRegion(String),
    /// It is not safe, or makes no sense, in the state that things are in.
    #[error("{what}\nfix: {fix}")]
    Refused {
        /// What stands against it.
        what: String,
        /// What to do.
        fix: String,
    },
}

impl MigrateError {
    pub(super) fn statement(what: &str, source: ExecutionError) -> Self {
        // A role that could not be looked up, as while too few nodes are up, is not one that may not.
        if let ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, words)) = &source
            && matches!(error, DbError::Unauthorized)
            && !could_not_authorize(error, words)
        {
            return Self::NotPermitted(what.to_owned());
        }
        Self::Statement {
            what: what.to_owned(),
            source: Box::new(source),
        }
    }

    /// What the cluster says if it changes no replication because of nodes that are joining or leaving, or that were stopped
    /// in order: those have told that they shut down, which counts as no normal state.
    pub(super) fn unsettled_nodes(&self) -> Option<&str> {
        let Self::Statement { source, .. } = self else {
            return None;
        };
        match &**source {
            ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::ConfigError, words))
                if words.contains("not in normal state") =>
            {
                Some(words)
            }
            _ => None,
        }
    }

    /// Whether a retry is sensible: the cluster, or a part of it that is needed, is away or too slow.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Connect(ConnectError::Cluster(_) | ConnectError::Ended { .. })
            | Self::NoNode(_)
            | Self::LockLost => true,
            Self::Statement { source, .. } | Self::Connect(ConnectError::Deployment { source, .. }) => {
                may_pass(source)
            }
            _ => false,
        }
    }
}

/// Whether a node does not know a table or keyspace: somebody may have made it a moment ago, and others tell of it already.
pub(super) fn may_come(error: &ExecutionError) -> bool {
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, words)) = error else {
        return false;
    };
    match error {
        DbError::Invalid => words.contains("does not exist") || words.contains("unconfigured table"),
        // It has read of the table and not opened it yet.
        DbError::ServerError => words.contains("Unknown CF"),
        _ => false,
    }
}

/// Whether the same statement may do a moment later.
pub(super) fn may_pass(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::EmptyPlan
        | ExecutionError::ConnectionPoolError(_)
        | ExecutionError::RequestTimeout(_)
        | ExecutionError::SchemaAgreementError(_)
        | ExecutionError::MetadataError(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, words)) => {
            could_not_authorize(error, words)
                || matches!(
                    error,
                    DbError::Unavailable { .. }
                        | DbError::Overloaded
                        | DbError::IsBootstrapping
                        | DbError::ReadTimeout { .. }
                        | DbError::WriteTimeout { .. }
                        | DbError::ReadFailure { .. }
                        | DbError::WriteFailure { .. }
                )
        }
        ExecutionError::LastAttemptError(error) => matches!(
            error,
            RequestAttemptError::BrokenConnectionError(_) | RequestAttemptError::UnableToAllocStreamId
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(error: DbError, words: &str) -> ExecutionError {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, words.to_owned()))
    }

    #[test]
    fn a_role_that_may_not_is_told_from_one_that_could_not_be_looked_up() {
        let table = [
            (
                "User writer has no ALTER permission on <keyspace foxhold> or any of its parents",
                true,
            ),
            (
                "Unable to perform authorization of permissions: Cannot achieve consistency level LOCAL_QUORUM",
                false,
            ),
            (
                "Unable to perform authorization of super-user permission: Operation timed out",
                false,
            ),
        ];
        for (words, may_not) in table {
            let source = answered(DbError::Unauthorized, words);
            assert_eq!(may_pass(&source), !may_not, "{words}");
            let error = MigrateError::statement("altering", source);
            assert_eq!(matches!(error, MigrateError::NotPermitted(_)), may_not, "{words}");
            assert_eq!(error.is_unavailable(), !may_not, "{words}");
        }
    }
}

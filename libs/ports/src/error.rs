//! How a port fails. The one distinction that must never blur: *refused* (decided, with a reason), *not done* (nothing
//! happened, a retry is safe) and *unknown* (it may have happened; only the same operation id settles it).

use foxhold_core::ErrorCode;
use thiserror::Error;

/// Why a store or tier could not be asked or could not answer. Says nothing about the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Cause {
    /// Nobody there, or the connection broke.
    #[error("unreachable")]
    Unavailable,
    /// No answer before the deadline.
    #[error("no answer before the deadline")]
    Timeout,
    /// Its queue is full.
    #[error("overloaded")]
    Overloaded,
    /// It may not be called by this role.
    #[error("not permitted")]
    NotPermitted,
    /// It answered something that makes no sense, or said that it is broken.
    #[error("faulty answer")]
    Fault,
    /// Its records contradict each other: an address and its account do not fit together (`security.md` D.2). A person
    /// has to look; meanwhile nobody is signed in by them, and nobody is told that there is no such account.
    #[error("records contradict each other")]
    Inconsistent,
}

impl Cause {
    /// Every cause, for tests and translations that walk them all.
    pub const ALL: [Self; 6] = [
        Self::Unavailable,
        Self::Timeout,
        Self::Overloaded,
        Self::NotPermitted,
        Self::Fault,
        Self::Inconsistent,
    ];

    /// What a client is told: try again, unless trying again cannot help. Contradicting records may be repaired, and
    /// must not look like an answer about the account.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Unavailable | Self::Timeout | Self::Overloaded | Self::Inconsistent => ErrorCode::Busy,
            Self::NotPermitted | Self::Fault => ErrorCode::BackendFault,
        }
    }
}

/// A read that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("reading from the store")]
pub struct ReadError(#[source] pub Cause);

/// A decision against an intent: nothing was written, and the same operation id again is refused while the cause stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// A verified account holds the address.
    #[error("the address belongs to an account")]
    EmailTaken,
    /// The account does not exist.
    #[error("no such account")]
    UnknownAccount,
    /// The single-use token does not exist, or is spent.
    #[error("no such token, or spent")]
    TokenSpent,
    /// The record is not the one the decision was made on any more.
    #[error("the record has changed")]
    Conflict,
    /// The service is unknown.
    #[error("no such service")]
    UnknownService,
    /// No node has room.
    #[error("no node has room")]
    NoNode,
    /// The service has handed out all its uids.
    #[error("no uid left")]
    NoUid,
    /// The operation id was used for an intent of another kind. Only stores that keep a log of operations notice.
    #[error("the operation id belongs to another intent")]
    OperationReused,
    /// The node is unknown.
    #[error("no such node")]
    UnknownNode,
    /// The service has as many users as it takes.
    #[error("the service takes no more users")]
    Closed,
    /// The user has as many past records as may be: their data must be purged first.
    #[error("too many past records wait to be purged")]
    TooManyPast,
}

impl Refusal {
    /// Every refusal, for tests and translations that walk them all.
    pub const ALL: [Self; 11] = [
        Self::EmailTaken,
        Self::UnknownAccount,
        Self::TokenSpent,
        Self::Conflict,
        Self::UnknownService,
        Self::NoNode,
        Self::NoUid,
        Self::OperationReused,
        Self::UnknownNode,
        Self::Closed,
        Self::TooManyPast,
    ];
}

/// An intent that was not carried out, or may not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Decided against; nothing was written.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Nothing was written; the intent may be tried again.
    #[error("not done")]
    NotDone(#[source] Cause),
    /// It may have been written. Only the same operation id again tells.
    #[error("outcome unknown")]
    Unknown(#[source] Cause),
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

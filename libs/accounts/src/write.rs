//! Carrying out an intent: what is done when the answer is *unknown*, and what the client is told.

use std::future::Future;

use foxhold_core::Timestamp;
use foxhold_ports::{Call, Refusal, WriteError};

use crate::{AccountError, Accounts, Caller, error::RETRY_AFTER};

/// An intent that was not carried out.
#[derive(Debug)]
pub(crate) enum WriteFailure {
    /// Decided against.
    Refused(Refusal),
    /// Not done.
    NotDone(AccountError),
    /// Unknown to the end.
    Unknown,
}

impl WriteFailure {
    /// As an error, where the call has words of its own for one refusal. The others are told as everywhere.
    pub(crate) fn telling(self, own: Refusal, told: impl FnOnce() -> AccountError) -> AccountError {
        match self {
            Self::Refused(refusal) if refusal == own => told(),
            other => other.into(),
        }
    }
}

impl From<WriteFailure> for AccountError {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Refused(refusal) => refused(refusal),
            WriteFailure::NotDone(error) => error,
            WriteFailure::Unknown => AccountError::Busy {
                retry_after: RETRY_AFTER,
            },
        }
    }
}

fn refused(refusal: Refusal) -> AccountError {
    match refusal {
        Refusal::UnknownAccount => AccountError::UnknownAccount { email: None },
        Refusal::TokenSpent => AccountError::BadToken,
        Refusal::EmailTaken | Refusal::Conflict => AccountError::StoreConflict,
        Refusal::UnknownService
        | Refusal::UnknownNode
        | Refusal::NoNode
        | Refusal::NoUid
        | Refusal::Closed
        | Refusal::TooManyPast
        | Refusal::OperationReused => AccountError::BackendFault {
            service: "dbwriter",
            operation: "write",
        },
    }
}

impl Accounts {
    /// Carries out one intent. An unknown outcome is asked for once more under the same operation id
    /// (`security.md` D.3); if it stays unknown the client is told to come back, never that it worked.
    pub(crate) async fn write<T, Attempt>(
        &self,
        caller: &Caller,
        intent: impl Fn(Call) -> Attempt + Send,
    ) -> Result<T, WriteFailure>
    where
        T: Send,
        Attempt: Future<Output = Result<T, WriteError>> + Send,
    {
        self.write_at(caller, self.now(), intent).await
    }

    /// [`Self::write`] of what replaces something that was read: `at` is later than that was written, so that the last
    /// write wins where the clocks of two webheads disagree.
    pub(crate) async fn write_at<T, Attempt>(
        &self,
        caller: &Caller,
        at: Timestamp,
        intent: impl Fn(Call) -> Attempt + Send,
    ) -> Result<T, WriteFailure>
    where
        T: Send,
        Attempt: Future<Output = Result<T, WriteError>> + Send,
    {
        let call = self.intent(caller, at);
        let outcome = match intent(call).await {
            Err(WriteError::Unknown(cause)) if !call.deadline.has_passed() => match intent(call).await {
                // That the second attempt did nothing says nothing of the first.
                Err(WriteError::NotDone(_)) => Err(WriteError::Unknown(cause)),
                outcome => outcome,
            },
            outcome => outcome,
        };
        outcome.map_err(|error| match error {
            WriteError::Refused(refusal) => WriteFailure::Refused(refusal),
            WriteError::NotDone(cause) => {
                WriteFailure::NotDone(AccountError::from_cause(cause, "dbwriter", "write"))
            }
            WriteError::Unknown(_) => WriteFailure::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::Refusal;

    use super::*;

    /// A refusal is a decision of the store about the caller's wish; none of them may read as "come back later".
    #[test]
    fn no_refusal_reads_as_an_outage() {
        for refusal in Refusal::ALL {
            let error = refused(refusal);
            assert_ne!(error.code().http_status(), 503, "{refusal:?}");
        }
    }

    #[test]
    fn a_calls_own_words_are_for_the_refusal_they_were_made_for() {
        let told = |refusal| {
            WriteFailure::Refused(refusal)
                .telling(Refusal::UnknownAccount, || AccountError::UnknownAccount {
                    email: None,
                })
                .code()
                .number()
        };
        assert_eq!(told(Refusal::UnknownAccount), 102);
        assert_eq!(told(Refusal::Conflict), 165);
        assert_eq!(told(Refusal::OperationReused), 203);
    }
}

//! An intent of unknown outcome is settled by putting the same operation again (`security.md` D.3): the store then tells
//! what became of it, or does it now. Called by whoever decides, at the edge of the rules.

use crate::{Call, Cause, WriteError};

/// How often an intent of unknown outcome is put again before its caller has to come back.
const REPEATS: usize = 2;

/// Puts an intent, and again while its outcome is unknown and there is time. `put` puts it once, always under the operation
/// id of `call`. What was unknown once is not settled by a store that cannot be asked again.
///
/// # Errors
/// [`WriteError`]: `Unknown` if it stays so.
pub async fn settled<T, F>(call: &Call, put: impl Fn() -> F) -> Result<T, WriteError>
where
    F: Future<Output = Result<T, WriteError>>,
{
    let mut outcome = Err(WriteError::NotDone(Cause::Timeout));
    for _ in 0..=REPEATS {
        let is_open = matches!(outcome, Err(WriteError::Unknown(_)));
        outcome = match put().await {
            Err(WriteError::NotDone(cause)) if is_open => Err(WriteError::Unknown(cause)),
            other => other,
        };
        if !matches!(outcome, Err(WriteError::Unknown(_))) || call.deadline.has_passed() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use foxhold_core::{Deadline, OpId, Timestamp};

    use super::*;
    use crate::{Refusal, memory::SeededRandom};

    const UNKNOWN: Result<u8, WriteError> = Err(WriteError::Unknown(Cause::Timeout));

    async fn puts(outcomes: &[Result<u8, WriteError>], span: Duration) -> (usize, Result<u8, WriteError>) {
        let call = Call {
            op: OpId::new(Timestamp::from_secs(1), &SeededRandom::new(1)),
            deadline: Deadline::after(span),
        };
        let done = Cell::new(0);
        let outcome = settled(&call, || {
            let outcome = outcomes[done.get()];
            done.set(done.get() + 1);
            std::future::ready(outcome)
        });
        let outcome = outcome.await;
        (done.get(), outcome)
    }

    #[tokio::test]
    async fn only_what_is_unknown_is_put_again_and_not_for_ever() {
        let refused = Err(WriteError::Refused(Refusal::Conflict));
        let not_done = Err(WriteError::NotDone(Cause::Unavailable));
        let long = Duration::from_secs(600);
        for (name, outcomes, span, expected) in [
            ("done", &[Ok(1)][..], long, (1, Ok(1))),
            ("refused", &[refused], long, (1, refused)),
            ("not done", &[not_done], long, (1, not_done)),
            ("done at last", &[UNKNOWN, Ok(2)], long, (2, Ok(2))),
            (
                "refused at last",
                &[UNKNOWN, UNKNOWN, refused],
                long,
                (3, refused),
            ),
            ("never known", &[UNKNOWN; 3], long, (3, UNKNOWN)),
            (
                "the store has gone since",
                &[UNKNOWN, not_done, not_done],
                long,
                (3, Err(WriteError::Unknown(Cause::Unavailable))),
            ),
            ("back again", &[UNKNOWN, not_done, Ok(3)], long, (3, Ok(3))),
            ("no time", &[UNKNOWN], Duration::ZERO, (1, UNKNOWN)),
        ] {
            assert_eq!(puts(outcomes, span).await, expected, "{name}");
        }
    }
}

//! Conditional writes, put until it is known what became of them (`security.md` D.3): whatever was not surely applied is
//! looked at, at the serial level of its partition, and judged by what stands there.
//!
//! Must stay true: [`WriteError::NotDone`] comes only from an intent none of whose writes is in doubt. That a serial read
//! does not show one that was is no proof: it may lie with a node that has not begun it.

use std::time::Duration;

use foxhold_core::{Deadline, Random, random};
use foxhold_ports::{Cause, ReadError, Refusal, WriteError};

use super::Outcome;

/// Between two looks at a partition that others are writing.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// What chance adds to it, so that two who wait for each other do not do so in step.
const PAUSE_JITTER_MS: u16 = 30;

/// How a conditional write ended.
#[derive(Debug)]
pub(crate) enum Settled<V> {
    /// It was applied.
    Applied,
    /// It was not, or nobody could say: this is how the partition stood afterwards.
    Look {
        /// What was found.
        view: V,
        /// Why nobody can say, if so. What was found tells whether it was applied, not whether it still may be.
        doubt: Option<Cause>,
    },
}

/// What a partition says about an operation that was to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// This operation has changed it.
    Done,
    /// It may not any more.
    Refused(Refusal),
    /// It has not, and still may.
    Again,
}

/// Waits for a conditional write; unless it was applied, `look`s at its partition at the serial level.
pub(crate) async fn decide_or_look<V, L>(
    by: Deadline,
    decided: impl Future<Output = Result<Outcome, WriteError>>,
    look: impl Fn() -> L,
) -> Result<Settled<V>, WriteError>
where
    L: Future<Output = Result<V, ReadError>>,
{
    let doubt = match decided.await? {
        Outcome::Applied => return Ok(Settled::Applied),
        Outcome::NotApplied => None,
        Outcome::InDoubt(cause) => Some(cause),
    };
    match look_patiently(by, look).await {
        Ok(view) => Ok(Settled::Look { view, doubt }),
        Err(ReadError(cause)) => Err(match doubt {
            Some(cause) => WriteError::Unknown(cause),
            None => WriteError::NotDone(cause),
        }),
    }
}

/// Puts one and the same conditional write until it is decided.
pub(crate) async fn settle<V, D, L>(
    by: Deadline,
    random: &dyn Random,
    decide: impl Fn() -> D,
    look: impl Fn() -> L,
    judge: impl Fn(V) -> Result<Verdict, WriteError>,
) -> Result<(), WriteError>
where
    D: Future<Output = Result<Outcome, WriteError>>,
    L: Future<Output = Result<V, ReadError>>,
{
    let mut doubts = Doubts::default();
    loop {
        let view = match doubts.weigh(decide_or_look(by, decide(), &look).await)? {
            Settled::Applied => return Ok(()),
            Settled::Look { view, doubt } => {
                doubts.note(doubt);
                view
            }
        };
        match doubts.weigh(judge(view))? {
            Verdict::Done => return Ok(()),
            Verdict::Refused(refusal) => return Err(refusal.into()),
            Verdict::Again => pause(by, random).await,
        }
    }
}

/// What is in doubt of an intent that is tried again.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Option<Cause>);

impl Doubts {
    /// After each try.
    pub(crate) fn note(&mut self, doubt: Option<Cause>) {
        self.0 = self.0.or(doubt);
    }

    /// That a later try was not made says nothing of an earlier one.
    pub(crate) fn weigh<T>(&self, answer: Result<T, WriteError>) -> Result<T, WriteError> {
        match (answer, self.0) {
            (Err(WriteError::NotDone(_)), Some(cause)) => Err(WriteError::Unknown(cause)),
            (answer, _) => answer,
        }
    }
}

/// A moment, or until the deadline.
pub(crate) async fn pause(by: Deadline, random: &dyn Random) {
    let jitter = u16::from_be_bytes(random::bytes(random)) % PAUSE_JITTER_MS;
    let moment = PAUSE_MIN + Duration::from_millis(jitter.into());
    tokio::time::sleep_until(by.at_most(moment).instant().into()).await;
}

/// Looks until somebody answers. What is in doubt stays so until then, and a conditional write that was applied by its
/// replicas but not confirmed may make the first look fail, too.
pub(crate) async fn look_patiently<V, L>(by: Deadline, look: impl Fn() -> L) -> Result<V, ReadError>
where
    L: Future<Output = Result<V, ReadError>>,
{
    loop {
        match look().await {
            Err(ReadError(Cause::Unavailable | Cause::Timeout | Cause::Overloaded)) if !by.has_passed() => {
                tokio::time::sleep_until(by.at_most(PAUSE_MIN * 2).instant().into()).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use foxhold_ports::memory::SeededRandom;

    use super::*;

    type Look = Result<u8, ReadError>;

    const NO_ANSWER: Cause = Cause::Unavailable;
    const DOUBT: Outcome = Outcome::InDoubt(Cause::Timeout);

    /// Plays outcomes and looks in order; the last of each is repeated. A view of 1 is done, 2 refused, 0 nothing.
    async fn play(
        by: Deadline,
        outcomes: &[Result<Outcome, WriteError>],
        looks: &[Look],
    ) -> Result<(), WriteError> {
        let (put, looked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        fn next<T: Copy>(of: &[T], at: &AtomicUsize) -> T {
            of[at.fetch_add(1, Ordering::Relaxed).min(of.len() - 1)]
        }
        settle(
            by,
            &SeededRandom::new(1),
            || ready(next(outcomes, &put)),
            || ready(next(looks, &looked)),
            |view| {
                Ok(match view {
                    0 => Verdict::Again,
                    1 => Verdict::Done,
                    _ => Verdict::Refused(Refusal::TokenSpent),
                })
            },
        )
        .await
    }

    #[tokio::test]
    async fn what_was_not_surely_applied_is_judged_by_what_stands_there() {
        use Outcome::{Applied, NotApplied};
        let refused = Err(Refusal::TokenSpent.into());
        let unsent = WriteError::NotDone(Cause::Overloaded);
        type Row<'a> = (
            &'a str,
            &'a [Result<Outcome, WriteError>],
            &'a [Look],
            Result<(), WriteError>,
        );
        let table: &[Row<'_>] = &[
            ("applied", &[Ok(Applied)], &[Ok(9)], Ok(())),
            ("by itself, earlier", &[Ok(NotApplied)], &[Ok(1)], Ok(())),
            ("by another", &[Ok(NotApplied)], &[Ok(2)], refused),
            ("in doubt, and it was", &[Ok(DOUBT)], &[Ok(1)], Ok(())),
            ("in doubt, and another was", &[Ok(DOUBT)], &[Ok(2)], refused),
            (
                "in doubt, and it was not",
                &[Ok(DOUBT), Ok(Applied)],
                &[Ok(0)],
                Ok(()),
            ),
            (
                "in doubt, and then not sent",
                &[Ok(DOUBT), Err(unsent)],
                &[Ok(0)],
                Err(WriteError::Unknown(Cause::Timeout)),
            ),
            (
                "was not, and then not sent",
                &[Ok(NotApplied), Err(unsent)],
                &[Ok(0)],
                Err(unsent),
            ),
            ("not sent", &[Err(unsent)], &[Ok(9)], Err(unsent)),
            (
                "no answer at first",
                &[Ok(DOUBT)],
                &[Err(ReadError(NO_ANSWER)), Ok(1)],
                Ok(()),
            ),
        ];
        for (name, outcomes, looks, expected) in table {
            let by = Deadline::after(Duration::from_secs(60));
            assert_eq!(play(by, outcomes, looks).await, *expected, "{name}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_looked_at_before_the_deadline_stays_unknown_only_if_it_was_in_doubt() {
        let nobody = [Err(ReadError(NO_ANSWER))];
        let by = || Deadline::after(Duration::from_millis(1));
        let doubt = play(by(), &[Ok(DOUBT)], &nobody).await;
        assert_eq!(doubt, Err(WriteError::Unknown(Cause::Timeout)));
        let not_applied = play(by(), &[Ok(Outcome::NotApplied)], &nobody).await;
        assert_eq!(not_applied, Err(WriteError::NotDone(NO_ANSWER)));
    }
}

//! How often a call is tried. The balancer behind the transport avoids an instance that just failed, so another attempt
//! meets another one. What must stay true: the number is bounded, the deadline is the caller's, and one attempt whose
//! outcome is unknown makes the whole call unknown unless a later one decides it.

use std::time::Duration;

use foxhold_core::Deadline;
use foxhold_ports::{Cause, WriteError};

/// Most attempts of one call.
const ATTEMPTS_MAX: u32 = 3;

/// An attempt gets at least this much of the time that is left, if there is as much.
const ATTEMPT_MIN: Duration = Duration::from_millis(300);

/// The attempts of one call.
pub(super) struct Attempts {
    left: u32,
    deadline: Deadline,
    shared: bool,
}

impl Attempts {
    /// Each attempt has a share of what is left, so that one stalled instance does not use it up.
    pub(super) const fn sharing(deadline: Deadline) -> Self {
        Self {
            left: ATTEMPTS_MAX,
            deadline,
            shared: true,
        }
    }

    /// Each attempt has all that is left: for work that may honestly take that long.
    pub(super) const fn patient(deadline: Deadline) -> Self {
        Self {
            left: ATTEMPTS_MAX,
            deadline,
            shared: false,
        }
    }
}

impl Iterator for Attempts {
    type Item = Deadline;

    /// The deadline of the next attempt; `None` when attempts or time are used up.
    fn next(&mut self) -> Option<Deadline> {
        let remaining = self.deadline.remaining()?;
        let share = remaining.checked_div(self.left)?;
        self.left -= 1;
        Some(if self.shared {
            self.deadline.at_most(share.max(ATTEMPT_MIN))
        } else {
            self.deadline
        })
    }
}

/// Carries an intent out, repeating it under the same operation id while its outcome is open.
pub(super) async fn write<T, F>(deadline: Deadline, attempt: impl Fn(Deadline) -> F) -> Result<T, WriteError>
where
    F: Future<Output = Result<T, WriteError>>,
{
    let mut open = WriteError::NotDone(Cause::Timeout);
    for until in Attempts::sharing(deadline) {
        match in_time(until, attempt(until), WriteError::Unknown(Cause::Timeout)).await {
            Err(WriteError::Unknown(cause)) => open = WriteError::Unknown(cause),
            // Nobody there, or its turn did not come in this attempt's share of the time.
            Err(WriteError::NotDone(cause @ (Cause::Unavailable | Cause::Timeout))) => {
                if !matches!(open, WriteError::Unknown(_)) {
                    open = WriteError::NotDone(cause);
                }
            }
            Err(WriteError::NotDone(cause)) => {
                // Overload and faults are not cured by more load; what an earlier attempt left open stays open.
                return Err(match open {
                    WriteError::Unknown(_) => open,
                    WriteError::NotDone(_) | WriteError::Refused(_) => WriteError::NotDone(cause),
                });
            }
            decided @ (Ok(_) | Err(WriteError::Refused(_))) => return decided,
        }
    }
    Err(open)
}

/// An attempt ends with its time, wherever it hangs: also in an answer that has begun and does not go on.
async fn in_time<T, E, F>(until: Deadline, attempt: F, late: E) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    tokio::time::timeout_at(until.instant().into(), attempt)
        .await
        .unwrap_or(Err(late))
}

/// Asks for something that is harmless to ask again: after a broken connection, or no answer in an attempt's share.
pub(super) async fn ask<T, E, F>(
    attempts: Attempts,
    attempt: impl Fn(Deadline) -> F,
    cause: impl Fn(&E) -> Option<Cause>,
    late: E,
) -> Result<T, E>
where
    E: Copy,
    F: Future<Output = Result<T, E>>,
{
    let mut last = late;
    for until in attempts {
        match in_time(until, attempt(until), late).await {
            Err(error) => match cause(&error) {
                Some(Cause::Unavailable | Cause::Timeout) => last = error,
                Some(Cause::Overloaded | Cause::NotPermitted | Cause::Fault | Cause::Inconsistent) | None => {
                    return Err(error);
                }
            },
            Ok(answer) => return Ok(answer),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use foxhold_ports::Refusal;

    use super::*;

    const UNKNOWN: WriteError = WriteError::Unknown(Cause::Unavailable);
    const GONE: WriteError = WriteError::NotDone(Cause::Unavailable);
    const LATE: WriteError = WriteError::NotDone(Cause::Timeout);
    const BUSY: WriteError = WriteError::NotDone(Cause::Overloaded);
    const TAKEN: WriteError = WriteError::Refused(Refusal::EmailTaken);

    /// What a call answers whose attempts answer `script`, and how many of them it used.
    async fn run(script: &[Result<(), WriteError>]) -> (Result<(), WriteError>, usize) {
        let answers = Mutex::new(script.iter());
        let deadline = Deadline::after(Duration::from_secs(60));
        let result = write(deadline, |_| {
            let answer = *answers
                .lock()
                .unwrap()
                .next()
                .expect("the number of attempts is bounded");
            async move { answer }
        })
        .await;
        let left = answers.lock().unwrap().len();
        (result, script.len() - left)
    }

    #[tokio::test]
    async fn an_open_outcome_is_settled_by_repeating_and_never_called_not_done() {
        type Case = (
            &'static str,
            [Result<(), WriteError>; 3],
            Result<(), WriteError>,
            usize,
        );
        let table: [Case; 12] = [
            ("done at once", [Ok(()), Ok(()), Ok(())], Ok(()), 1),
            ("settled by the second", [Err(UNKNOWN), Ok(()), Ok(())], Ok(()), 2),
            (
                "a refusal settles it",
                [Err(UNKNOWN), Err(TAKEN), Ok(())],
                Err(TAKEN),
                2,
            ),
            ("nobody there", [Err(GONE); 3], Err(GONE), 3),
            ("not in time, then done", [Err(LATE), Ok(()), Ok(())], Ok(()), 2),
            ("never in time", [Err(LATE); 3], Err(LATE), 3),
            (
                "open, then not in time",
                [Err(UNKNOWN), Err(LATE), Err(LATE)],
                Err(UNKNOWN),
                3,
            ),
            ("back in time", [Err(GONE), Err(GONE), Ok(())], Ok(()), 3),
            ("open to the end", [Err(UNKNOWN); 3], Err(UNKNOWN), 3),
            (
                "open, then nobody",
                [Err(UNKNOWN), Err(GONE), Err(GONE)],
                Err(UNKNOWN),
                3,
            ),
            (
                "open, then busy",
                [Err(UNKNOWN), Err(BUSY), Ok(())],
                Err(UNKNOWN),
                2,
            ),
            ("busy is not repeated", [Err(BUSY), Ok(()), Ok(())], Err(BUSY), 1),
        ];
        for (name, script, expected, used) in table {
            assert_eq!(run(&script).await, (expected, used), "{name}");
        }
    }

    #[tokio::test]
    async fn a_call_that_hangs_ends_with_its_time_and_is_open() {
        let deadline = Deadline::after(Duration::from_millis(500));
        let result = write(deadline, |_| std::future::pending::<Result<(), WriteError>>()).await;
        assert_eq!(result, Err(WriteError::Unknown(Cause::Timeout)));
    }

    #[test]
    fn attempts_end_with_the_deadline_and_share_it() {
        let passed = Deadline::after(Duration::ZERO);
        assert_eq!(Attempts::sharing(passed).count(), 0);

        let deadline = Deadline::after(Duration::from_secs(30));
        let shares: Vec<_> = Attempts::sharing(deadline).collect();
        assert_eq!(shares.len(), 3);
        assert!(
            shares[0] < deadline && shares[1] < deadline,
            "time is kept for another"
        );
        assert!(shares[2] <= deadline);
        assert!(Attempts::patient(deadline).all(|until| until == deadline));
    }
}

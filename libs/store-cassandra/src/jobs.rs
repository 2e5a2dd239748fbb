//! Turns at jobs that one process of the deployment runs at a time: one row a job, changed by conditional writes.
//!
//! Must stay true: of two that take a turn at once, one gets it; a turn ends by the clock of whoever wants the next one.

use async_trait::async_trait;
use foxhold_core::Timestamp;
use foxhold_ports::{
    Call, JobTurns, ReadError, WriteError,
    jobs::{Job, Runner, may_take, turn_end},
};
use scylla::{DeserializeRow, value::CqlTimestamp};

use crate::{
    CassandraStore,
    cql::{Doubts, Level, Settled, decide_or_look, look_patiently, pause, statements},
    placement::table::signed,
};

statements! {
    /// Statements about turns.
    TurnStatements {
        turn: Read = "SELECT runner, ends_at, op, version FROM job_turns WHERE job = ?";
        change: Conditional = "UPDATE job_turns SET runner = ?, ends_at = ?, op = ?, version = ? WHERE job = ?
            IF version = ?";
    }
}

/// The turn at a job. Whatever is damaged is nobody's turn: the next one that takes it writes all of it.
#[derive(Debug, Default, DeserializeRow)]
struct Turn {
    runner: Option<Vec<u8>>,
    ends_at: Option<CqlTimestamp>,
    op: Option<Vec<u8>>,
    version: Option<i64>,
}

impl Turn {
    fn held(&self) -> Option<(Runner, Timestamp)> {
        let runner = Runner(self.runner.as_deref()?.try_into().ok()?);
        let ends_at = u64::try_from(self.ends_at?.0).ok()?;
        Some((runner, Timestamp::from_millis(ends_at)))
    }
}

/// What a turn becomes; `Err` = it stays as it is, and that is the answer.
type Decision = Result<(Runner, Timestamp), bool>;

fn taken(turn: &Turn, runner: Runner, now: Timestamp) -> Decision {
    if may_take(turn.held(), runner, now) {
        Ok((runner, turn_end(now)))
    } else {
        Err(false)
    }
}

fn ended(turn: &Turn, runner: Runner) -> Decision {
    match turn.held() {
        Some((whose, ends_at)) if whose == runner && ends_at > Timestamp::from_millis(0) => {
            Ok((runner, Timestamp::from_millis(0)))
        }
        _ => Err(true),
    }
}

#[async_trait]
impl JobTurns for CassandraStore {
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        self.change_turn(call, job, |turn| taken(turn, runner, now)).await
    }

    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError> {
        self.change_turn(call, job, |turn| ended(turn, runner)).await?;
        Ok(())
    }
}

impl CassandraStore {
    /// Puts a change until it is decided: `true` if it was made.
    async fn change_turn(
        &self,
        call: &Call,
        job: Job,
        decide: impl Fn(&Turn) -> Decision,
    ) -> Result<bool, WriteError> {
        let by = call.deadline;
        let look = async || {
            let row = self
                .cql
                .serial_row(Level::Deployment, by, &self.turns.turn, (number(job),));
            Ok::<_, ReadError>(row.await?.unwrap_or_default())
        };
        let seen = look_patiently(by, look).await;
        let mut turn: Turn = seen.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        let mut doubts = Doubts::default();
        loop {
            if turn.op.as_deref() == Some(call.op.as_bytes()) {
                return Ok(true);
            }
            let (runner, ends_at) = match decide(&turn) {
                Ok(after) => after,
                Err(answer) => return Ok(answer),
            };
            let values = (
                &runner.0[..],
                CqlTimestamp(signed(ends_at.as_millis())),
                &call.op.as_bytes()[..],
                turn.version.unwrap_or(0).saturating_add(1),
                number(job),
                turn.version,
            );
            let decided = self.cql.decide(by, &self.turns.change, values);
            match doubts.weigh(decide_or_look(by, decided, look).await)? {
                Settled::Applied => return Ok(true),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    turn = view;
                }
            }
            pause(by, self.random.as_ref()).await;
        }
    }
}

/// As it stands in the table.
const fn number(job: Job) -> i8 {
    job.number().cast_signed()
}

#[cfg(test)]
mod tests {
    use foxhold_ports::jobs::TURN;

    use super::*;

    const A: Runner = Runner([1; 16]);
    const B: Runner = Runner([2; 16]);
    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn turn(runner: Runner, ends_at: Timestamp) -> Turn {
        Turn {
            runner: Some(runner.0.to_vec()),
            ends_at: Some(CqlTimestamp(signed(ends_at.as_millis()))),
            ..Turn::default()
        }
    }

    #[test]
    fn a_turn_is_taken_when_it_is_over_and_ended_by_its_own_runner() {
        let (until, over) = (NOW.plus(TURN), Timestamp::from_millis(0));
        let damaged = Turn {
            runner: Some(vec![1]),
            ..turn(B, until)
        };
        // Taken, and ended, by A.
        let table = [
            ("nobody's", Turn::default(), Ok((A, until)), Err(true)),
            ("damaged", damaged, Ok((A, until)), Err(true)),
            ("its own", turn(A, until), Ok((A, until)), Ok((A, over))),
            ("given back", turn(A, over), Ok((A, until)), Err(true)),
            ("another's", turn(B, until), Err(false), Err(true)),
            ("another's, just over", turn(B, NOW), Ok((A, until)), Err(true)),
        ];
        for (name, turn, taking, ending) in table {
            assert_eq!(taken(&turn, A, NOW), taking, "{name}");
            assert_eq!(ended(&turn, A), ending, "{name}");
        }
    }
}

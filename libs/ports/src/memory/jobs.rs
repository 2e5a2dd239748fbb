//! Turns at jobs, in memory.

use async_trait::async_trait;
use foxhold_core::Timestamp;

use super::MemoryStore;
use crate::{
    Call, JobTurns, WriteError,
    intent::IntentKind,
    jobs::{Job, Runner, may_take, turn_end},
};

#[async_trait]
impl JobTurns for MemoryStore {
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        self.intent(call, IntentKind::TakeTurn, |state| {
            let may = may_take(state.turns.get(&job).copied(), runner, now);
            if may {
                state.turns.insert(job, (runner, turn_end(now)));
            }
            Ok(may)
        })
    }

    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError> {
        self.intent(call, IntentKind::EndTurn, |state| {
            state
                .turns
                .retain(|other, (whose, _)| *other != job || *whose != runner);
            Ok(())
        })
    }
}

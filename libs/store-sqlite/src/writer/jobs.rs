//! `JobTurns`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::Timestamp;
use foxhold_ports::{
    Call, IntentKind, JobTurns, WriteError,
    jobs::{Job, Runner},
};

use super::SqliteStore;
use crate::jobs;

#[async_trait]
impl JobTurns for SqliteStore {
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        self.intent(call, IntentKind::TakeTurn, move |db| {
            jobs::take(db, job, runner, now)
        })
        .await
    }

    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError> {
        self.intent(call, IntentKind::EndTurn, move |db| jobs::end(db, job, runner))
            .await
    }
}

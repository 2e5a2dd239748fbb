//! Turns at jobs, over gRPC.

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};
use foxhold_ports::{
    Call, JobTurns, WriteError,
    jobs::{Job, Runner},
};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{self as pb, job_turns_client::JobTurnsClient},
};

/// [`JobTurns`] over gRPC.
#[derive(Clone)]
pub struct RemoteJobTurns(Transport);

impl RemoteJobTurns {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl JobTurns for RemoteJobTurns {
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        let message = pb::TakeTurnRequest {
            op_id: op(call.op),
            job: pb::Job::from(job).into(),
            runner: runner.0.to_vec(),
            now_ms: now.as_millis(),
        };
        intent!(self, JobTurnsClient, call, take_turn, message).map(|answer| answer.taken)
    }

    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError> {
        let message = pb::EndTurnRequest {
            op_id: op(call.op),
            job: pb::Job::from(job).into(),
            runner: runner.0.to_vec(),
        };
        intent!(self, JobTurnsClient, call, end_turn, message).map(|_| ())
    }
}

//! Turns at jobs, as a service.

use std::sync::Arc;

use foxhold_ports::{Call, JobTurns};
use tonic::{Request, Response, Status, async_trait};

use super::super::{deadline, traced};
use crate::{
    convert::{self, FieldError, time},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, job_turns_server::JobTurns as TurnsService},
};

pub(in crate::server) struct Turns(pub(in crate::server) Arc<dyn JobTurns>);

#[async_trait]
impl TurnsService for Turns {
    async fn take_turn(
        &self,
        request: Request<pb::TakeTurnRequest>,
    ) -> Result<Response<pb::TakeTurnResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                job = convert::job(wire.job);
                runner = convert::runner(&wire.runner);
                now = Ok(time(wire.now_ms));
            },
            take_turn(job, runner, now),
            |taken| pb::TakeTurnResponse { taken }
        )
    }

    async fn end_turn(
        &self,
        request: Request<pb::EndTurnRequest>,
    ) -> Result<Response<pb::EndTurnResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                job = convert::job(wire.job);
                runner = convert::runner(&wire.runner);
            },
            end_turn(job, runner),
            |()| pb::EndTurnResponse {}
        )
    }
}

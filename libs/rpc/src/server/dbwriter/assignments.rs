//! Assignments of users to nodes, as a service.

use std::sync::Arc;

use foxhold_ports::{AssignmentWriter, Call};
use tonic::{Request, Response, Status, async_trait};

use super::super::{deadline, traced};
use crate::{
    convert::{self, FieldError, message, service_uid, time},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, assignment_writer_server::AssignmentWriter as AssignmentService},
};

pub(in crate::server) struct Assignments(pub(in crate::server) Arc<dyn AssignmentWriter>);

#[async_trait]
impl AssignmentService for Assignments {
    async fn assign(
        &self,
        request: Request<pb::AssignRequest>,
    ) -> Result<Response<pb::AssignResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                values = message("values", wire.values);
                target = message("target", wire.target);
                now = Ok(time(wire.now_ms));
            },
            assign(&at, &values, &target, now),
            |record| pb::AssignResponse {
                record: Some(record.into())
            }
        )
    }

    async fn raise(&self, request: Request<pb::RaiseRequest>) -> Result<Response<pb::RaiseResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                values = message("values", wire.values);
            },
            raise(&at, &values),
            |record| pb::RaiseResponse {
                record: Some(record.into())
            }
        )
    }

    async fn rekey(&self, request: Request<pb::RekeyRequest>) -> Result<Response<pb::RekeyResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                values = message("values", wire.values);
                now = Ok(time(wire.now_ms));
            },
            rekey(&at, &values, now),
            |record| pb::RekeyResponse {
                record: Some(record.into())
            }
        )
    }

    async fn retire(
        &self,
        request: Request<pb::RetireRequest>,
    ) -> Result<Response<pb::RetireResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                now = Ok(time(wire.now_ms));
            },
            retire(&at, now),
            |record| pb::RetireResponse {
                record: Some(record.into())
            }
        )
    }

    async fn unassign(
        &self,
        request: Request<pb::UnassignRequest>,
    ) -> Result<Response<pb::UnassignResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                now = Ok(time(wire.now_ms));
            },
            unassign(&at, now),
            |record| pb::UnassignResponse {
                record: Some(record.into())
            }
        )
    }

    async fn forget(
        &self,
        request: Request<pb::ForgetRequest>,
    ) -> Result<Response<pb::ForgetResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                uid = service_uid("uid", wire.uid);
            },
            forget(&at, uid),
            |record| pb::ForgetResponse {
                record: Some(record.into())
            }
        )
    }
}

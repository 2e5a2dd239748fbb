//! Mail that waits, as a service.

use std::sync::Arc;

use foxhold_ports::{Call, Outbox};
use tonic::{Request, Response, Status, async_trait};

use super::super::{deadline, traced};
use crate::{
    convert::{self, FieldError, time},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, outbox_server::Outbox as OutboxService},
};

pub(in crate::server) struct Mails(pub(in crate::server) Arc<dyn Outbox>);

#[async_trait]
impl OutboxService for Mails {
    async fn put_mail(
        &self,
        request: Request<pb::PutMailRequest>,
    ) -> Result<Response<pb::PutMailResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                mail = convert::sealed_mail(wire.sealed);
                now = Ok(time(wire.now_ms));
            },
            put_mail(mail, now),
            |()| pb::PutMailResponse {}
        )
    }

    async fn take_mails(
        &self,
        request: Request<pb::TakeMailsRequest>,
    ) -> Result<Response<pb::TakeMailsResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                now = Ok(time(wire.now_ms));
                limit = Ok(wire.limit);
            },
            take_mails(now, limit),
            |mails| pb::TakeMailsResponse {
                mails: mails.into_iter().map(Into::into).collect()
            }
        )
    }

    async fn end_mail(
        &self,
        request: Request<pb::EndMailRequest>,
    ) -> Result<Response<pb::EndMailResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = convert::mail_ref(&wire.id, &wire.lease);
            },
            end_mail(at),
            |()| pb::EndMailResponse {}
        )
    }

    async fn defer_mail(
        &self,
        request: Request<pb::DeferMailRequest>,
    ) -> Result<Response<pb::DeferMailResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = convert::mail_ref(&wire.id, &wire.lease);
                next = Ok(time(wire.next_at_ms));
            },
            defer_mail(at, next),
            |()| pb::DeferMailResponse {}
        )
    }
}

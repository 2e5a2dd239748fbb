//! Mail that waits, over gRPC.

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};
use foxhold_ports::{
    Call, Outbox, WriteError,
    outbox::{LeasedMail, MailRef, SealedMail},
};

use super::{op, senseless};
use crate::{
    client::{Transport, attempts, outgoing},
    convert,
    status::to_write_error,
    wire::dbwriter::{self as pb, outbox_client::OutboxClient},
};

/// [`Outbox`] over gRPC.
#[derive(Clone)]
pub struct RemoteOutbox(Transport);

impl RemoteOutbox {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl Outbox for RemoteOutbox {
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError> {
        let message = pb::PutMailRequest {
            op_id: op(call.op),
            sealed: mail.0,
            now_ms: now.as_millis(),
        };
        intent!(self, OutboxClient, call, put_mail, message).map(|_| ())
    }

    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError> {
        let message = pb::TakeMailsRequest {
            op_id: op(call.op),
            now_ms: now.as_millis(),
            limit,
        };
        let answer = intent!(self, OutboxClient, call, take_mails, message)?;
        convert::messages("mails", answer.mails).map_err(senseless)
    }

    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError> {
        let message = pb::EndMailRequest {
            op_id: op(call.op),
            id: op(at.id),
            lease: op(at.lease),
        };
        intent!(self, OutboxClient, call, end_mail, message).map(|_| ())
    }

    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError> {
        let message = pb::DeferMailRequest {
            op_id: op(call.op),
            id: op(at.id),
            lease: op(at.lease),
            next_at_ms: next.as_millis(),
        };
        intent!(self, OutboxClient, call, defer_mail, message).map(|_| ())
    }
}

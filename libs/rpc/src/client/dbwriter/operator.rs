//! What operators write in owners' places, over gRPC.

use async_trait::async_trait;
use foxhold_core::{Deadline, Uid, record::Account};
use foxhold_ports::{Call, OperatorWriter, WriteError, operator::ForgotToken};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{self as pb, operator_writer_client::OperatorWriterClient},
};

/// [`OperatorWriter`] over gRPC. Needs a certificate of the role `ops`.
#[derive(Clone)]
pub struct RemoteOperatorWriter(Transport);

impl RemoteOperatorWriter {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl OperatorWriter for RemoteOperatorWriter {
    async fn make_account(&self, call: &Call, account: Account) -> Result<(), WriteError> {
        let message = pb::MakeAccountRequest {
            op_id: op(call.op),
            account: Some(account.into()),
        };
        intent!(self, OperatorWriterClient, call, make_account, message).map(|_| ())
    }

    async fn remove_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        let message = pb::RemoveAccountRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            based_on,
        };
        intent!(self, OperatorWriterClient, call, remove_account, message).map(|_| ())
    }

    async fn put_forgot_token(&self, call: &Call, token: ForgotToken) -> Result<(), WriteError> {
        let message = pb::PutForgotTokenRequest {
            op_id: op(call.op),
            token: Some(token.into()),
        };
        intent!(self, OperatorWriterClient, call, put_forgot_token, message).map(|_| ())
    }
}

//! Invitations, over gRPC.

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp, TokenId, record::Account};
use foxhold_ports::{Call, InvitationWriter, WriteError, accounts::SignIn, invitations::InvitationTerms};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{self as pb, invitation_writer_client::InvitationWriterClient},
};

/// [`InvitationWriter`] over gRPC.
#[derive(Clone)]
pub struct RemoteInvitationWriter(Transport);

impl RemoteInvitationWriter {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl InvitationWriter for RemoteInvitationWriter {
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError> {
        let message = pb::PutInvitationRequest {
            op_id: op(call.op),
            id: id.as_bytes().to_vec(),
            terms: Some(terms.into()),
        };
        intent!(self, InvitationWriterClient, call, put_invitation, message).map(|_| ())
    }

    async fn delete_invitation(&self, call: &Call, id: TokenId, now: Timestamp) -> Result<(), WriteError> {
        let message = pb::DeleteInvitationRequest {
            op_id: op(call.op),
            id: id.as_bytes().to_vec(),
            now_ms: now.as_millis(),
        };
        intent!(self, InvitationWriterClient, call, delete_invitation, message).map(|_| ())
    }

    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let message = pb::CreateInvitedAccountRequest {
            op_id: op(call.op),
            account: Some(account.into()),
            sign_in: Some(sign_in.into()),
            invitation: invitation.as_bytes().to_vec(),
            now_ms: now.as_millis(),
        };
        intent!(
            self,
            InvitationWriterClient,
            call,
            create_invited_account,
            message
        )
        .map(|_| ())
    }
}

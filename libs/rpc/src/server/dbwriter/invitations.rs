//! Invitations, as a service.

use std::sync::Arc;

use foxhold_ports::{Call, InvitationWriter};
use tonic::{Request, Response, Status, async_trait};

use super::{
    super::{deadline, traced},
    token,
};
use crate::{
    convert::{self, FieldError, message, time},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, invitation_writer_server::InvitationWriter as InvitationService},
};

pub(in crate::server) struct Invitations(pub(in crate::server) Arc<dyn InvitationWriter>);

#[async_trait]
impl InvitationService for Invitations {
    async fn put_invitation(
        &self,
        request: Request<pb::PutInvitationRequest>,
    ) -> Result<Response<pb::PutInvitationResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                id = token("id", &wire.id);
                terms = message("terms", wire.terms);
            },
            put_invitation(id, terms),
            |()| pb::PutInvitationResponse {}
        )
    }

    async fn delete_invitation(
        &self,
        request: Request<pb::DeleteInvitationRequest>,
    ) -> Result<Response<pb::DeleteInvitationResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                id = token("id", &wire.id);
                now = Ok(time(wire.now_ms));
            },
            delete_invitation(id, now),
            |()| pb::DeleteInvitationResponse {}
        )
    }

    async fn create_invited_account(
        &self,
        request: Request<pb::CreateInvitedAccountRequest>,
    ) -> Result<Response<pb::CreateInvitedAccountResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                account = message("account", wire.account);
                sign_in = message("sign_in", wire.sign_in);
                invitation = token("invitation", &wire.invitation);
                now = Ok(time(wire.now_ms));
            },
            create_invited_account(account, sign_in, invitation, now),
            |()| pb::CreateInvitedAccountResponse {}
        )
    }
}

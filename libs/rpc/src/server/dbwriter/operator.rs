//! What operators write in owners' places, as a service.

use std::sync::Arc;

use foxhold_ports::{Call, OperatorWriter};
use tonic::{Request, Response, Status, async_trait};

use super::{
    super::{deadline, traced},
    uid,
};
use crate::{
    convert::{self, FieldError, message},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, operator_writer_server::OperatorWriter as OperatorService},
};

pub(in crate::server) struct Operators(pub(in crate::server) Arc<dyn OperatorWriter>);

#[async_trait]
impl OperatorService for Operators {
    async fn make_account(
        &self,
        request: Request<pb::MakeAccountRequest>,
    ) -> Result<Response<pb::MakeAccountResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                account = message("account", wire.account);
            },
            make_account(account),
            |()| pb::MakeAccountResponse {}
        )
    }

    async fn remove_account(
        &self,
        request: Request<pb::RemoveAccountRequest>,
    ) -> Result<Response<pb::RemoveAccountResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                based_on = Ok::<_, FieldError>(wire.based_on);
            },
            remove_account(uid, based_on),
            |()| pb::RemoveAccountResponse {}
        )
    }

    async fn put_forgot_token(
        &self,
        request: Request<pb::PutForgotTokenRequest>,
    ) -> Result<Response<pb::PutForgotTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                token = message("token", wire.token);
            },
            put_forgot_token(token),
            |()| pb::PutForgotTokenResponse {}
        )
    }
}

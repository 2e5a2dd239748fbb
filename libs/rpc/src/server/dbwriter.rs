//! The dbwriter's services: take the message apart, call the port, put the answer together.

use std::sync::Arc;

use foxhold_core::{DeviceId, TokenId, Uid};
use foxhold_ports::{AccountWriter, AssignmentAdmin, AssignmentWriter, Call, assignments::NodeChange};
use tonic::{Request, Response, Status, async_trait};

use super::{deadline, traced};
use crate::{
    convert::{
        self, FieldError, field, key_fetches, message, node_url, optional_message, service_key, service_uid,
        time,
    },
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{
        self as pb, account_writer_server::AccountWriter as AccountService,
        assignment_admin_server::AssignmentAdmin as AdminService,
        assignment_writer_server::AssignmentWriter as AssignmentService,
    },
};

pub(super) struct Accounts(pub(super) Arc<dyn AccountWriter>);
pub(super) struct Assignments(pub(super) Arc<dyn AssignmentWriter>);
pub(super) struct Administration(pub(super) Arc<dyn AssignmentAdmin>);

/// Bytes of an id, or the field's name.
fn token(name: &'static str, wire: &[u8]) -> Result<TokenId, FieldError> {
    field(name, TokenId::from_slice(wire))
}

fn uid(wire: &[u8]) -> Result<Uid, FieldError> {
    field("uid", Uid::from_slice(wire))
}

/// One rpc: names the message, reads its fields into variables, calls the port with them, makes the answer of what the
/// port says. The operation id and the deadline make the `Call`.
macro_rules! intent {
    ($self:ident, $request:ident, |$wire:ident| { $($var:ident = $read:expr;)* }, $method:ident ( $($arg:expr),* ),
     |$done:pat_param| $answer:expr) => {{
        let by = deadline(&$request);
        let id = trace::take($request.metadata());
        let $wire = $request.into_inner();
        let read = || -> Result<_, FieldError> {
            let op = convert::op_id(&$wire.op_id)?;
            $(let $var = $read?;)*
            Ok((Call { op, deadline: by }, $($var,)*))
        };
        let (call, $($var,)*) = read().map_err(|error| of_field_error(&error))?;
        match traced(id, $self.0.$method(&call, $($arg),*)).await {
            Ok($done) => Ok(Response::new($answer)),
            Err(error) => Err(of_write_error(error)),
        }
    }};
}

mod account_admin;
mod device_commands;
mod guards;
mod invitations;
mod openid;
mod outbox;
mod turns;

pub(super) use account_admin::AccountAdministration;
pub(super) use device_commands::Commands;
pub(super) use guards::Guards;
pub(super) use invitations::Invitations;
pub(super) use openid::{Clients, Grants};
pub(super) use outbox::Mails;
pub(super) use turns::Turns;

#[async_trait]
impl AccountService for Accounts {
    async fn create_account(
        &self,
        request: Request<pb::CreateAccountRequest>,
    ) -> Result<Response<pb::CreateAccountResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                account = message("account", wire.account);
                sign_in = message("sign_in", wire.sign_in);
            },
            create_account(account, sign_in),
            |()| pb::CreateAccountResponse {}
        )
    }

    async fn open_session(
        &self,
        request: Request<pb::OpenSessionRequest>,
    ) -> Result<Response<pb::OpenSessionResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                sign_in = message("sign_in", wire.sign_in);
            },
            open_session(sign_in),
            |()| pb::OpenSessionResponse {}
        )
    }

    async fn close_session(
        &self,
        request: Request<pb::CloseSessionRequest>,
    ) -> Result<Response<pb::CloseSessionResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                session = token("session", &wire.session);
            },
            close_session(uid, session),
            |()| pb::CloseSessionResponse {}
        )
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
            },
            verify_email(uid),
            |()| pb::VerifyEmailResponse {}
        )
    }

    async fn consume_key_fetch(
        &self,
        request: Request<pb::ConsumeKeyFetchRequest>,
    ) -> Result<Response<pb::ConsumeKeyFetchResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                id = token("id", &wire.id);
            },
            consume_key_fetch(id),
            |()| pb::ConsumeKeyFetchResponse {}
        )
    }

    async fn put_device(
        &self,
        request: Request<pb::PutDeviceRequest>,
    ) -> Result<Response<pb::PutDeviceResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                device = message("device", wire.device);
            },
            put_device(device),
            |()| pb::PutDeviceResponse {}
        )
    }

    async fn delete_device(
        &self,
        request: Request<pb::DeleteDeviceRequest>,
    ) -> Result<Response<pb::DeleteDeviceResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                device = field("device", DeviceId::from_slice(&wire.device));
            },
            delete_device(uid, device),
            |()| pb::DeleteDeviceResponse {}
        )
    }

    async fn put_authorization_code(
        &self,
        request: Request<pb::PutAuthorizationCodeRequest>,
    ) -> Result<Response<pb::PutAuthorizationCodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                code = message("code", wire.code);
            },
            put_authorization_code(code),
            |()| pb::PutAuthorizationCodeResponse {}
        )
    }

    async fn consume_authorization_code(
        &self,
        request: Request<pb::ConsumeAuthorizationCodeRequest>,
    ) -> Result<Response<pb::ConsumeAuthorizationCodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                id = token("id", &wire.id);
            },
            consume_authorization_code(id),
            |()| pb::ConsumeAuthorizationCodeResponse {}
        )
    }

    async fn put_refresh_token(
        &self,
        request: Request<pb::PutRefreshTokenRequest>,
    ) -> Result<Response<pb::PutRefreshTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                token = message("token", wire.token);
            },
            put_refresh_token(token),
            |()| pb::PutRefreshTokenResponse {}
        )
    }

    async fn delete_refresh_token(
        &self,
        request: Request<pb::DeleteRefreshTokenRequest>,
    ) -> Result<Response<pb::DeleteRefreshTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                id = token("id", &wire.id);
            },
            delete_refresh_token(id),
            |()| pb::DeleteRefreshTokenResponse {}
        )
    }

    async fn put_password_token(
        &self,
        request: Request<pb::PutPasswordTokenRequest>,
    ) -> Result<Response<pb::PutPasswordTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                token = message("token", wire.token);
                key_fetch = optional_message("key_fetch", wire.key_fetch);
            },
            put_password_token(token, key_fetch),
            |()| pb::PutPasswordTokenResponse {}
        )
    }

    async fn miss_password_token(
        &self,
        request: Request<pb::MissPasswordTokenRequest>,
    ) -> Result<Response<pb::MissPasswordTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                id = token("id", &wire.id);
            },
            miss_password_token(id),
            |misses| pb::MissPasswordTokenResponse {
                misses: misses.into()
            }
        )
    }

    async fn redeem_password_token(
        &self,
        request: Request<pb::RedeemPasswordTokenRequest>,
    ) -> Result<Response<pb::RedeemPasswordTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                forgot = token("forgot", &wire.forgot);
                reset = message("reset", wire.reset);
            },
            redeem_password_token(forgot, reset),
            |()| pb::RedeemPasswordTokenResponse {}
        )
    }

    async fn set_password(
        &self,
        request: Request<pb::SetPasswordRequest>,
    ) -> Result<Response<pb::SetPasswordResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                update = message("update", wire.update);
                sign_in = optional_message("sign_in", wire.sign_in);
            },
            set_password(update, sign_in),
            |()| pb::SetPasswordResponse {}
        )
    }

    async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                based_on = Ok::<_, FieldError>(wire.based_on);
            },
            delete_account(uid, based_on),
            |()| pb::DeleteAccountResponse {}
        )
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                session = message("session", wire.session);
                key_fetches = key_fetches(wire.key_fetches);
            },
            refresh_session(session, key_fetches),
            |()| pb::RefreshSessionResponse {}
        )
    }
}

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

#[async_trait]
impl AdminService for Administration {
    async fn put_service(
        &self,
        request: Request<pb::PutServiceRequest>,
    ) -> Result<Response<pb::PutServiceResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = message("service", wire.service);
            },
            put_service(service),
            |()| pb::PutServiceResponse {}
        )
    }

    async fn create_node(
        &self,
        request: Request<pb::CreateNodeRequest>,
    ) -> Result<Response<pb::CreateNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                node = message("node", wire.node);
            },
            create_node(node),
            |()| pb::CreateNodeResponse {}
        )
    }

    async fn rename_node(
        &self,
        request: Request<pb::RenameNodeRequest>,
    ) -> Result<Response<pb::RenameNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                from = node_url("from", wire.from);
                to = node_url("to", wire.to);
            },
            rename_node(&service, &from, &to),
            |()| pb::RenameNodeResponse {}
        )
    }

    async fn update_node(
        &self,
        request: Request<pb::UpdateNodeRequest>,
    ) -> Result<Response<pb::UpdateNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                url = node_url("url", wire.url);
                change = message("change", wire.change);
            },
            update_node(&service, &url, change),
            |()| pb::UpdateNodeResponse {}
        )
    }

    async fn mark_node(
        &self,
        request: Request<pb::MarkNodeRequest>,
    ) -> Result<Response<pb::MarkNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                url = node_url("url", wire.url);
                change = Ok::<_, FieldError>(NodeChange {
                    unhealthy: Some(wire.unhealthy),
                    ..NodeChange::default()
                });
            },
            update_node(&service, &url, change),
            |()| pb::MarkNodeResponse {}
        )
    }

    async fn remove_node(
        &self,
        request: Request<pb::RemoveNodeRequest>,
    ) -> Result<Response<pb::RemoveNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                url = node_url("url", wire.url);
            },
            remove_node(&service, &url),
            |()| pb::RemoveNodeResponse {}
        )
    }

    async fn import_user(
        &self,
        request: Request<pb::ImportUserRequest>,
    ) -> Result<Response<pb::ImportUserResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                user = message("user", wire.user);
            },
            import_user(&at, &user),
            |record| pb::ImportUserResponse {
                record: Some(record.into())
            }
        )
    }

    async fn reserve_uids(
        &self,
        request: Request<pb::ReserveUidsRequest>,
    ) -> Result<Response<pb::ReserveUidsResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                through = service_uid("through", wire.through);
            },
            reserve_uids(&service, through),
            |()| pb::ReserveUidsResponse {}
        )
    }
}

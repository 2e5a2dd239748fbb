//! Writing through the dbwriter: the writers' ports over its two services and its administration.

use async_trait::async_trait;
use foxhold_core::{
    Deadline, DeviceId, OpId, ServiceUid, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, KeyFetch, PasswordToken, PasswordUpdate, RefreshToken, Service,
        ServiceKey, Session, UserRecord,
    },
};
use foxhold_ports::{
    AccountWriter, AssignmentAdmin, AssignmentWriter, Call, Cause, WriteError,
    accounts::{SessionAccess, SignIn},
    assignments::{ImportedUser, NewNode, NodeChange, RecordRef, Target, UserValues},
};

use super::{Transport, attempts, outgoing};
use crate::{
    convert::{self, FieldError},
    status::to_write_error,
    wire::dbwriter::{
        self as pb, account_writer_client::AccountWriterClient,
        assignment_admin_client::AssignmentAdminClient, assignment_writer_client::AssignmentWriterClient,
    },
};

fn op(id: OpId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// Sends one intent, repeatedly if its outcome is open.
macro_rules! intent {
    ($self:ident, $client:ident, $call:ident, $rpc:ident, $message:expr) => {{
        let message = $message;
        attempts::write($call.deadline, |until: Deadline| {
            let mut client = $client::new($self.0.clone());
            let request = outgoing(message.clone(), until);
            async move {
                let answer = client.$rpc(request).await;
                answer
                    .map(tonic::Response::into_inner)
                    .map_err(|status| to_write_error(&status))
            }
        })
        .await
    }};
}

mod account_admin;
mod device_commands;
mod guards;
mod invitations;
mod openid;
mod operator;
mod outbox;
mod turns;

pub use account_admin::RemoteAccountAdmin;
pub use device_commands::RemoteCommandWriter;
pub use guards::RemoteAccountGuards;
pub use invitations::RemoteInvitationWriter;
pub use openid::{RemoteClientAdmin, RemoteGrantWriter};
pub use operator::RemoteOperatorWriter;
pub use outbox::RemoteOutbox;
pub use turns::RemoteJobTurns;

/// [`AccountWriter`] over gRPC.
#[derive(Clone)]
pub struct RemoteAccountWriter(Transport);

impl RemoteAccountWriter {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl AccountWriter for RemoteAccountWriter {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        let message = pb::CreateAccountRequest {
            op_id: op(call.op),
            account: Some(account.into()),
            sign_in: Some(sign_in.into()),
        };
        intent!(self, AccountWriterClient, call, create_account, message).map(|_| ())
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        let message = pb::OpenSessionRequest {
            op_id: op(call.op),
            sign_in: Some(sign_in.into()),
        };
        intent!(self, AccountWriterClient, call, open_session, message).map(|_| ())
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        let message = pb::CloseSessionRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            session: session.as_bytes().to_vec(),
        };
        intent!(self, AccountWriterClient, call, close_session, message).map(|_| ())
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        let message = pb::VerifyEmailRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
        };
        intent!(self, AccountWriterClient, call, verify_email, message).map(|_| ())
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        let message = pb::ConsumeKeyFetchRequest {
            op_id: op(call.op),
            id: id.as_bytes().to_vec(),
        };
        intent!(self, AccountWriterClient, call, consume_key_fetch, message).map(|_| ())
    }

    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        let message = pb::NoteAccessRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            session: access.session.as_bytes().to_vec(),
            at_ms: access.at.as_millis(),
        };
        intent!(self, AccountWriterClient, call, note_access, message).map(|_| ())
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        let message = pb::PutDeviceRequest {
            op_id: op(call.op),
            device: Some(device.into()),
        };
        intent!(self, AccountWriterClient, call, put_device, message).map(|_| ())
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        let message = pb::DeleteDeviceRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            device: device.as_bytes().to_vec(),
        };
        intent!(self, AccountWriterClient, call, delete_device, message).map(|_| ())
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        let message = pb::PutAuthorizationCodeRequest {
            op_id: op(call.op),
            code: Some(code.into()),
        };
        intent!(self, AccountWriterClient, call, put_authorization_code, message).map(|_| ())
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        let message = pb::ConsumeAuthorizationCodeRequest {
            op_id: op(call.op),
            id: id.as_bytes().to_vec(),
        };
        intent!(
            self,
            AccountWriterClient,
            call,
            consume_authorization_code,
            message
        )
        .map(|_| ())
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        let message = pb::PutRefreshTokenRequest {
            op_id: op(call.op),
            token: Some(token.into()),
        };
        intent!(self, AccountWriterClient, call, put_refresh_token, message).map(|_| ())
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        let message = pb::DeleteRefreshTokenRequest {
            op_id: op(call.op),
            id: id.as_bytes().to_vec(),
        };
        intent!(self, AccountWriterClient, call, delete_refresh_token, message).map(|_| ())
    }

    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        let message = pb::PutPasswordTokenRequest {
            op_id: op(call.op),
            token: Some(token.into()),
            key_fetch: key_fetch.map(Into::into),
        };
        intent!(self, AccountWriterClient, call, put_password_token, message).map(|_| ())
    }

    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError> {
        let message = pb::MissPasswordTokenRequest {
            op_id: op(call.op),
            id: id.as_bytes().to_vec(),
        };
        let answer = intent!(self, AccountWriterClient, call, miss_password_token, message)?;
        answer
            .misses
            .try_into()
            .map_err(|_| senseless(FieldError::new("misses")))
    }

    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        let message = pb::RedeemPasswordTokenRequest {
            op_id: op(call.op),
            forgot: forgot.as_bytes().to_vec(),
            reset: Some(reset.into()),
        };
        intent!(self, AccountWriterClient, call, redeem_password_token, message).map(|_| ())
    }

    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        let message = pb::SetPasswordRequest {
            op_id: op(call.op),
            update: Some(update.into()),
            sign_in: sign_in.map(Into::into),
        };
        intent!(self, AccountWriterClient, call, set_password, message).map(|_| ())
    }

    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        let message = pb::DeleteAccountRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            based_on,
        };
        intent!(self, AccountWriterClient, call, delete_account, message).map(|_| ())
    }

    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        let message = pb::RefreshSessionRequest {
            op_id: op(call.op),
            session: Some(session.into()),
            key_fetches: key_fetches.into_iter().map(Into::into).collect(),
        };
        intent!(self, AccountWriterClient, call, refresh_session, message).map(|_| ())
    }
}

/// The intent was carried out, so an answer that makes no sense leaves its outcome open.
fn senseless(error: FieldError) -> WriteError {
    tracing::error!(%error, "the dbwriter's answer makes no sense");
    WriteError::Unknown(Cause::Fault)
}

/// [`AssignmentWriter`] over gRPC.
#[derive(Clone)]
pub struct RemoteAssignmentWriter(Transport);

impl RemoteAssignmentWriter {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

/// The record of an answer.
fn record(wire: Option<pb::UserRecord>) -> Result<UserRecord, WriteError> {
    convert::message("record", wire).map_err(senseless)
}

#[async_trait]
impl AssignmentWriter for RemoteAssignmentWriter {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let message = pb::AssignRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            values: Some(values.into()),
            now_ms: now.as_millis(),
            target: Some(target.into()),
        };
        record(intent!(self, AssignmentWriterClient, call, assign, message)?.record)
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        let message = pb::RaiseRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            values: Some(values.into()),
        };
        record(intent!(self, AssignmentWriterClient, call, raise, message)?.record)
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let message = pb::RekeyRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            values: Some(values.into()),
            now_ms: now.as_millis(),
        };
        record(intent!(self, AssignmentWriterClient, call, rekey, message)?.record)
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        let message = pb::RetireRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            now_ms: now.as_millis(),
        };
        record(intent!(self, AssignmentWriterClient, call, retire, message)?.record)
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        let message = pb::UnassignRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            now_ms: now.as_millis(),
        };
        record(intent!(self, AssignmentWriterClient, call, unassign, message)?.record)
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        let message = pb::ForgetRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            uid: uid.get(),
        };
        record(intent!(self, AssignmentWriterClient, call, forget, message)?.record)
    }
}

/// Whether a node answers, if a change says that and nothing else.
fn mark(change: &NodeChange) -> Option<bool> {
    let alone = NodeChange {
        unhealthy: change.unhealthy,
        ..NodeChange::default()
    };
    change.unhealthy.filter(|_| *change == alone)
}

/// [`AssignmentAdmin`] over gRPC. Needs a certificate of the role `ops`; for whether a node answers, `webhead` is enough.
#[derive(Clone)]
pub struct RemoteAssignmentAdmin(Transport);

impl RemoteAssignmentAdmin {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl AssignmentAdmin for RemoteAssignmentAdmin {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        let message = pb::PutServiceRequest {
            op_id: op(call.op),
            service: Some(service.into()),
        };
        intent!(self, AssignmentAdminClient, call, put_service, message).map(|_| ())
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        let message = pb::CreateNodeRequest {
            op_id: op(call.op),
            node: Some(node.into()),
        };
        intent!(self, AssignmentAdminClient, call, create_node, message).map(|_| ())
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        let message = pb::RenameNodeRequest {
            op_id: op(call.op),
            service: service.0.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        intent!(self, AssignmentAdminClient, call, rename_node, message).map(|_| ())
    }

    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        // What webheads may ask, too.
        if let Some(unhealthy) = mark(&change) {
            let message = pb::MarkNodeRequest {
                op_id: op(call.op),
                service: service.0.clone(),
                url: url.to_owned(),
                unhealthy,
            };
            return intent!(self, AssignmentAdminClient, call, mark_node, message).map(|_| ());
        }
        let message = pb::UpdateNodeRequest {
            op_id: op(call.op),
            service: service.0.clone(),
            url: url.to_owned(),
            change: Some(change.into()),
        };
        intent!(self, AssignmentAdminClient, call, update_node, message).map(|_| ())
    }

    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError> {
        let message = pb::RemoveNodeRequest {
            op_id: op(call.op),
            service: service.0.clone(),
            url: url.to_owned(),
        };
        intent!(self, AssignmentAdminClient, call, remove_node, message).map(|_| ())
    }

    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        let message = pb::ImportUserRequest {
            op_id: op(call.op),
            at: Some(at.into()),
            user: Some(user.into()),
        };
        record(intent!(self, AssignmentAdminClient, call, import_user, message)?.record)
    }

    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError> {
        let message = pb::ReserveUidsRequest {
            op_id: op(call.op),
            service: service.0.clone(),
            through: through.get(),
        };
        intent!(self, AssignmentAdminClient, call, reserve_uids, message).map(|_| ())
    }
}

//! Accounts, as a service.

use std::sync::Arc;

use foxhold_core::DeviceId;
use foxhold_ports::{AccountWriter, Call, accounts::SessionAccess};
use tonic::{Request, Response, Status, async_trait};

use super::{
    super::{deadline, traced},
    token, uid,
};
use crate::{
    convert::{self, FieldError, field, key_fetches, message, optional_message, time},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, account_writer_server::AccountWriter as AccountService},
};

pub(in crate::server) struct Accounts(pub(in crate::server) Arc<dyn AccountWriter>);

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

    async fn note_access(
        &self,
        request: Request<pb::NoteAccessRequest>,
    ) -> Result<Response<pb::NoteAccessResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                access = token("session", &wire.session).map(|session| SessionAccess {
                    session,
                    at: time(wire.at_ms),
                });
            },
            note_access(uid, access),
            |()| pb::NoteAccessResponse {}
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

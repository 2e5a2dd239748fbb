//! `AccountWriter`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{
    DeviceId, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, KeyFetch, PasswordToken, PasswordUpdate, RefreshToken, Session,
    },
};
use foxhold_ports::{
    AccountWriter, Call, IntentKind, WriteError,
    accounts::{SessionAccess, SignIn},
    outbox::put_at,
};

use super::SqliteStore;
use crate::accounts::{
    self, account, code, device, key_fetch, password, password_token, refresh_token, session,
};

#[async_trait]
impl AccountWriter for SqliteStore {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CreateAccount, move |db| {
            accounts::create(db, &account, &sign_in)
        })
        .await
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        self.intent(call, IntentKind::OpenSession, move |db| {
            accounts::open_session(db, &sign_in)
        })
        .await
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CloseSession, move |db| {
            Ok(accounts::close_session(db, uid, session)?)
        })
        .await
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        self.intent(call, IntentKind::VerifyEmail, move |db| {
            account::verify_email(db, uid)
        })
        .await
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::ConsumeKeyFetch, move |db| {
            key_fetch::consume(db, id)
        })
        .await
    }

    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        self.intent(call, IntentKind::NoteAccess, move |db| {
            Ok(session::note_access(db, uid, access)?)
        })
        .await
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutDevice, move |db| {
            Ok(device::put(db, &device)?)
        })
        .await
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteDevice, move |db| {
            Ok(device::delete(db, uid, device)?)
        })
        .await
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutAuthorizationCode, move |db| {
            Ok(code::put(db, &code)?)
        })
        .await
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        let at = put_at(call.op);
        self.intent(call, IntentKind::ConsumeAuthorizationCode, move |db| {
            code::consume(db, id, at)
        })
        .await
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutRefreshToken, move |db| {
            Ok(refresh_token::put(db, &token)?)
        })
        .await
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteRefreshToken, move |db| {
            Ok(refresh_token::delete(db, id)?)
        })
        .await
    }

    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutPasswordToken, move |db| {
            password_token::put(db, &token, key_fetch.as_ref())
        })
        .await
    }

    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError> {
        self.intent(call, IntentKind::MissPasswordToken, move |db| {
            password_token::miss(db, id)
        })
        .await
    }

    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::RedeemPasswordToken, move |db| {
            password_token::redeem(db, forgot, &reset)
        })
        .await
    }

    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::SetPassword, move |db| {
            password::set(db, &update, sign_in.as_ref())
        })
        .await
    }

    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteAccount, move |db| {
            password::delete_account(db, uid, based_on)
        })
        .await
    }

    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::RefreshSession, move |db| {
            password::refresh_session(db, &session, &key_fetches)
        })
        .await
    }
}

//! `AccountWriter`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{
    DeviceId, TokenId, Uid,
    record::{Account, AuthorizationCode, Device, RefreshToken},
};
use foxhold_ports::{AccountWriter, Call, IntentKind, WriteError, accounts::SignIn};

use super::SqliteStore;
use crate::accounts::{self, account, code, device, key_fetch, refresh_token};

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
        self.intent(call, IntentKind::ConsumeAuthorizationCode, move |db| {
            code::consume(db, id)
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
}

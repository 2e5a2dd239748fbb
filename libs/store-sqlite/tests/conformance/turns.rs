//! Two writers of one file behind one port: every intent goes to the other one than the intent before.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use foxhold_core::{
    DeviceId, Timestamp, TokenId, Uid,
    record::{Account, AuthorizationCode, Device, RefreshToken, Service, ServiceKey, UserRecord},
};
use foxhold_ports::{
    AccountWriter, AssignmentAdmin, AssignmentWriter, Call, WriteError,
    accounts::SignIn,
    assignments::{NewNode, RecordRef, UserValues},
};
use foxhold_store_sqlite::SqliteStore;

pub(crate) struct Turns {
    writers: [SqliteStore; 2],
    turn: AtomicUsize,
}

impl Turns {
    pub(crate) fn new(first: SqliteStore, second: SqliteStore) -> Self {
        Self {
            writers: [first, second],
            turn: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> &SqliteStore {
        &self.writers[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl AccountWriter for Turns {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        self.next().create_account(call, account, sign_in).await
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        self.next().open_session(call, sign_in).await
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        self.next().close_session(call, uid, session).await
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        self.next().verify_email(call, uid).await
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.next().consume_key_fetch(call, id).await
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        self.next().put_device(call, device).await
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        self.next().delete_device(call, uid, device).await
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        self.next().put_authorization_code(call, code).await
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.next().consume_authorization_code(call, id).await
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        self.next().put_refresh_token(call, token).await
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        self.next().delete_refresh_token(call, id).await
    }
}

#[async_trait]
impl AssignmentWriter for Turns {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.next().assign(call, at, values, now).await
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.next().raise(call, at, values).await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.next().rekey(call, at, values, now).await
    }
}

#[async_trait]
impl AssignmentAdmin for Turns {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        self.next().put_service(call, service).await
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        self.next().create_node(call, node).await
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        self.next().rename_node(call, service, from, to).await
    }
}

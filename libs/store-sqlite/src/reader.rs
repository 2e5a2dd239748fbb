//! The reading side: connections that can change nothing, in the writer's process or in any other.

mod account_admin;
mod device_commands;
mod invitations;
mod openid;

use std::path::PathBuf;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, EmailKey, KeyFetch, NodeRecord, PasswordToken, RefreshToken,
        Service, ServiceKey, Session, UserKey, UserRecord,
    },
};
use foxhold_ports::{
    AccountReader, AssignmentReader, OutboxReader, ReadError,
    accounts::SessionAccess,
    assignments::{RecordCursor, RecordPage},
    outbox::Backlog,
};
use foxhold_sqlite::{OpenError, Readers, ReadersConfig, rusqlite::Connection};
use tracing::Instrument as _;

use crate::{
    SCHEMA,
    accounts::{account, claim, code, device, key_fetch, password_token, refresh_token, session},
    assignments::{node, service, user},
    error::{StoreError, read_error},
    outbox, spans,
};

/// Reads accounts and assignments. Share it behind an `Arc`.
pub struct SqliteReader(Readers);

impl SqliteReader {
    /// Opens `connections` reading connections on a file that a writer has made.
    ///
    /// # Errors
    /// [`OpenError`], also while the writer has not migrated the file yet.
    pub fn open(path: impl Into<PathBuf>, connections: usize) -> Result<Self, OpenError> {
        let config = ReadersConfig {
            connections,
            ..ReadersConfig::new(path, &SCHEMA)
        };
        Readers::open(&config).map(Self)
    }

    /// Takes no more reads, finishes those that wait, and ends the threads. Blocks meanwhile.
    pub fn close(&self) {
        self.0.close();
    }

    async fn read<T: Send + 'static>(
        &self,
        by: Deadline,
        look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let span = spans::read(&look);
        self.0.read(by, look).instrument(span).await.map_err(read_error)
    }
}

#[async_trait]
impl AccountReader for SqliteReader {
    async fn account_by_email(&self, by: Deadline, key: &EmailKey) -> Result<Option<Account>, ReadError> {
        let key = key.clone();
        self.read(by, move |db| claim::holder(db, &key)).await
    }

    async fn account(&self, by: Deadline, uid: Uid) -> Result<Option<Account>, ReadError> {
        self.read(by, move |db| account::find(db, uid)).await
    }

    async fn session(&self, by: Deadline, id: TokenId) -> Result<Option<Session>, ReadError> {
        self.read(by, move |db| session::find(db, id)).await
    }

    async fn sessions(&self, by: Deadline, uid: Uid) -> Result<Vec<Session>, ReadError> {
        self.read(by, move |db| session::of_account(db, uid)).await
    }

    async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Vec<SessionAccess>, ReadError> {
        self.read(by, move |db| session::accesses(db, uid)).await
    }

    async fn key_fetch(&self, by: Deadline, id: TokenId) -> Result<Option<KeyFetch>, ReadError> {
        self.read(by, move |db| key_fetch::find(db, id)).await
    }

    async fn devices(&self, by: Deadline, uid: Uid) -> Result<Vec<Device>, ReadError> {
        self.read(by, move |db| device::of_account(db, uid)).await
    }

    async fn authorization_code(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<AuthorizationCode>, ReadError> {
        self.read(by, move |db| code::find(db, id)).await
    }

    async fn refresh_token(&self, by: Deadline, id: TokenId) -> Result<Option<RefreshToken>, ReadError> {
        self.read(by, move |db| refresh_token::find(db, id)).await
    }

    async fn refresh_tokens(&self, by: Deadline, uid: Uid) -> Result<Vec<RefreshToken>, ReadError> {
        self.read(by, move |db| refresh_token::of_account(db, uid)).await
    }

    async fn password_token(&self, by: Deadline, id: TokenId) -> Result<Option<PasswordToken>, ReadError> {
        self.read(by, move |db| password_token::find(db, id)).await
    }
}

#[async_trait]
impl OutboxReader for SqliteReader {
    async fn backlog(&self, by: Deadline, now: Timestamp) -> Result<Backlog, ReadError> {
        self.read(by, move |db| outbox::backlog(db, now)).await
    }
}

#[async_trait]
impl AssignmentReader for SqliteReader {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.read(by, service::every).await
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        let service = service.clone();
        self.read(by, move |db| node::of_service(db, &service)).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        let (service, user) = (service.clone(), user.clone());
        self.read(by, move |db| {
            Ok(user::find(db, &service, &user)?.map(|stored| stored.record))
        })
        .await
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        let (service, after) = (service.clone(), user::after(after).map_err(ReadError)?);
        self.read(by, move |db| user::page(db, &service, &after, limit))
            .await
    }
}

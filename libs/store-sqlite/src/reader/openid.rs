//! Reading registered clients and grants.

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, TokenId, Uid,
    record::{Grant, RegisteredClient},
};
use foxhold_ports::{
    ClientRegistry, GrantReader, ReadError,
    openid::spent::{ReplacedToken, SpentCode},
};

use super::SqliteReader;
use crate::{
    accounts::{code, replaced_token},
    openid,
};

#[async_trait]
impl ClientRegistry for SqliteReader {
    async fn client(&self, by: Deadline, id: ClientId) -> Result<Option<RegisteredClient>, ReadError> {
        self.read(by, move |db| openid::client(db, id)).await
    }

    async fn clients(&self, by: Deadline) -> Result<Vec<RegisteredClient>, ReadError> {
        self.read(by, openid::clients).await
    }
}

#[async_trait]
impl GrantReader for SqliteReader {
    async fn grant(&self, by: Deadline, uid: Uid, client: ClientId) -> Result<Option<Grant>, ReadError> {
        self.read(by, move |db| openid::grant(db, uid, client)).await
    }

    async fn grants(&self, by: Deadline, uid: Uid) -> Result<Vec<Grant>, ReadError> {
        self.read(by, move |db| openid::grants(db, uid)).await
    }

    async fn spent_code(&self, by: Deadline, id: TokenId) -> Result<Option<SpentCode>, ReadError> {
        self.read(by, move |db| code::find_spent(db, id)).await
    }

    async fn replaced_token(&self, by: Deadline, id: TokenId) -> Result<Option<ReplacedToken>, ReadError> {
        self.read(by, move |db| replaced_token::find(db, id)).await
    }
}

//! `InvitationReader`.

use async_trait::async_trait;
use foxhold_core::{Deadline, TokenId};
use foxhold_ports::{InvitationReader, ReadError, invitations::Invitation};

use super::SqliteReader;
use crate::invitations;

#[async_trait]
impl InvitationReader for SqliteReader {
    async fn invitation(&self, by: Deadline, id: TokenId) -> Result<Option<Invitation>, ReadError> {
        self.read(by, move |db| invitations::find(db, id)).await
    }

    async fn invitations(
        &self,
        by: Deadline,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, ReadError> {
        self.read(by, move |db| invitations::page(db, after, limit)).await
    }
}

//! `AccountDirectory`. A cursor is the uid of the last account before it.

use async_trait::async_trait;
use foxhold_core::Deadline;
use foxhold_ports::{
    AccountDirectory, ReadError,
    account_admin::{AccountCursor, AccountPage, page_size},
};

use super::SqliteReader;
use crate::accounts::admin;

#[async_trait]
impl AccountDirectory for SqliteReader {
    async fn accounts(
        &self,
        by: Deadline,
        after: Option<&AccountCursor>,
        limit: u32,
    ) -> Result<AccountPage, ReadError> {
        let after = after.map(AccountCursor::uid).transpose()?;
        let size = page_size(limit);
        // One more tells whether it is the last page.
        let accounts = self.read(by, move |db| admin::page(db, after, size + 1)).await?;
        Ok(AccountPage::by_uid(accounts, size))
    }
}

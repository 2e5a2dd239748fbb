//! `AccountDirectory`. A cursor is the uid of the last account before it.

use async_trait::async_trait;
use foxhold_core::{Deadline, Uid};
use foxhold_ports::{
    AccountDirectory, Cause, ReadError,
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
        let after = match after {
            Some(AccountCursor(place)) => Some(Uid::from_slice(place).ok_or(ReadError(Cause::Fault))?),
            None => None,
        };
        let size = page_size(limit);
        // One more tells whether it is the last page.
        let mut accounts = self.read(by, move |db| admin::page(db, after, size + 1)).await?;
        let is_last = accounts.len() <= size;
        accounts.truncate(size);
        let end = accounts.last().filter(|_| !is_last);
        Ok(AccountPage {
            next: end.map(|account| AccountCursor(account.uid.as_bytes().to_vec())),
            accounts,
        })
    }
}

//! What operators do with accounts (`security.md` C.2: administration intents): all of them page by page, disabling one, and
//! taking the second factor off one whose owner has lost it.
//!
//! What must stay true: a disabled account loses nothing. Whether it is disabled stands in its own record, which is read
//! anyway by whoever judges a password, a session or a token of it.

use async_trait::async_trait;
use foxhold_core::{
    Deadline, Timestamp, Uid,
    record::{Account, Disabled},
};

use crate::{Call, Cause, ReadError, WriteError};

/// Accounts of a page, at most.
pub const ACCOUNTS_PAGE_MAX: u32 = 1000;

/// A page's size: at least 1, at most [`ACCOUNTS_PAGE_MAX`].
#[must_use]
pub fn page_size(limit: u32) -> usize {
    limit.clamp(1, ACCOUNTS_PAGE_MAX) as usize
}

/// A place in a store's order of accounts. Only the store that gave it can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCursor(pub Vec<u8>);

/// An account as it stands in a list: none of its secrets is read for it. The address does not show in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedAccount {
    /// Its id.
    pub uid: Uid,
    /// Its address as typed.
    pub email: String,
    /// Whether the address was shown to be the owner's.
    pub email_verified: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether an operator has disabled it, now or at some time.
    pub disabled: Option<Disabled>,
}

impl From<&Account> for ListedAccount {
    fn from(account: &Account) -> Self {
        Self {
            uid: account.uid,
            email: account.email.clone(),
            email_verified: account.email_verified,
            created_at: account.created_at,
            disabled: account.disabled,
        }
    }
}

impl std::fmt::Debug for ListedAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListedAccount")
            .field("uid", &self.uid)
            .field("email_verified", &self.email_verified)
            .finish_non_exhaustive()
    }
}

/// Some accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPage {
    /// In the store's order.
    pub accounts: Vec<ListedAccount>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<AccountCursor>,
}

impl AccountCursor {
    /// In a store that keeps accounts in the order of their uids: the last one before the place.
    ///
    /// # Errors
    /// It is a place of another store.
    pub fn uid(&self) -> Result<Uid, ReadError> {
        Uid::from_slice(&self.0).ok_or(ReadError(Cause::Fault))
    }
}

impl AccountPage {
    /// Of the accounts behind a place, in the order of their uids: as many as the page takes, and one more if there are any
    /// behind it.
    #[must_use]
    pub fn by_uid(mut accounts: Vec<ListedAccount>, size: usize) -> Self {
        let is_last = accounts.len() <= size;
        accounts.truncate(size);
        let end = accounts.last().filter(|_| !is_last);
        Self {
            next: end.map(|account| AccountCursor(account.uid.as_bytes().to_vec())),
            accounts,
        }
    }
}

/// Reads all accounts.
#[async_trait]
pub trait AccountDirectory: Send + Sync {
    /// The next [`page_size`] accounts of the limit after a place; from the beginning without one. Every account that is
    /// there all the time stands in exactly one page, whatever the pages' sizes. A page may hold fewer before the last.
    /// A place of another store is a fault.
    async fn accounts(
        &self,
        by: Deadline,
        after: Option<&AccountCursor>,
        limit: u32,
    ) -> Result<AccountPage, ReadError>;
}

/// Administers accounts. Each method is one intent: see the crate's first page.
#[async_trait]
pub trait AccountAdmin: Send + Sync {
    /// Disables an account, or enables it again. Nothing of it ends; its `version` counts one up.
    /// Refused: [`UnknownAccount`](crate::Refusal::UnknownAccount); [`Conflict`](crate::Refusal::Conflict) if the
    /// account's version is not `based_on` any more.
    async fn set_disabled(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        disabled: Disabled,
    ) -> Result<(), WriteError>;

    /// Removes the second factor and its backup codes; done, too, if there are none. Nothing else ends: a session that waits
    /// for the second factor goes on waiting. The account's `version` counts one up. Refused as [`Self::set_disabled`].
    async fn delete_second_factor(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError>;
}

/// The account as it is after [`AccountAdmin::set_disabled`].
#[must_use]
pub fn disabled_as(account: &Account, disabled: Disabled) -> Account {
    Account {
        disabled: Some(disabled),
        version: account.version + 1,
        ..account.clone()
    }
}

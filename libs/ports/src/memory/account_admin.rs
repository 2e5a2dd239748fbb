//! Operators' side of accounts, in memory.

use async_trait::async_trait;
use foxhold_core::{Deadline, Uid, record::Disabled};

use super::MemoryStore;
use crate::{
    AccountAdmin, AccountDirectory, Call, ReadError, Refusal, WriteError,
    account_admin::{AccountCursor, AccountPage, ListedAccount, disabled_as, page_size},
    guards::Guard,
    intent::IntentKind,
};

#[async_trait]
impl AccountDirectory for MemoryStore {
    async fn accounts(
        &self,
        by: Deadline,
        after: Option<&AccountCursor>,
        limit: u32,
    ) -> Result<AccountPage, ReadError> {
        let after = after.map(AccountCursor::uid).transpose()?;
        let size = page_size(limit);
        self.read(by, |state| {
            let behind = state
                .accounts
                .values()
                .filter(|account| after.is_none_or(|after| account.uid > after));
            let mut accounts: Vec<ListedAccount> = behind.map(Into::into).collect();
            accounts.sort_by_key(|account| account.uid);
            AccountPage::by_uid(accounts, size)
        })
    }
}

#[async_trait]
impl AccountAdmin for MemoryStore {
    async fn set_disabled(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        disabled: Disabled,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::SetDisabled, |state| {
            let account = state.accounts.get_mut(&uid).ok_or(Refusal::UnknownAccount)?;
            if account.version != based_on {
                return Err(Refusal::Conflict.into());
            }
            *account = disabled_as(account, disabled);
            Ok(())
        })
    }

    async fn delete_second_factor(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteSecondFactor, |state| {
            state.set_guard(uid, based_on, Guard::SecondFactor(None))
        })
    }
}

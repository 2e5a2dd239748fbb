//! Guards of accounts in memory.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Uid,
    record::{RecoveryKey, SecondFactor},
};

use super::store::{MemoryStore, State};
use crate::{AccountGuards, Call, Refusal, WriteError, guards::Guard};

#[async_trait]
impl AccountGuards for MemoryStore {
    async fn set_second_factor(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        factor: Option<Arc<SecondFactor>>,
    ) -> Result<(), WriteError> {
        self.set_guard(call, uid, based_on, Guard::SecondFactor(factor))
    }

    async fn set_recovery_key(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        key: Option<Arc<RecoveryKey>>,
    ) -> Result<(), WriteError> {
        self.set_guard(call, uid, based_on, Guard::RecoveryKey(key))
    }
}

impl MemoryStore {
    fn set_guard(&self, call: &Call, uid: Uid, based_on: u64, guard: Guard) -> Result<(), WriteError> {
        self.intent(call, guard.kind(), |state| state.set_guard(uid, based_on, guard))
    }
}

impl State {
    pub(super) fn set_guard(&mut self, uid: Uid, based_on: u64, guard: Guard) -> Result<(), WriteError> {
        let account = self.accounts.get_mut(&uid).ok_or(Refusal::UnknownAccount)?;
        if account.version != based_on {
            return Err(Refusal::Conflict.into());
        }
        *account = guard.applied_to(account);
        Ok(())
    }
}

//! `AccountGuards`: each method names its intent and hands over.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Uid,
    record::{RecoveryKey, SecondFactor},
};
use foxhold_ports::{AccountGuards, Call, WriteError, guards::Guard};

use super::SqliteStore;
use crate::accounts::guard;

#[async_trait]
impl AccountGuards for SqliteStore {
    async fn set_second_factor(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        factor: Option<Arc<SecondFactor>>,
    ) -> Result<(), WriteError> {
        self.set_guard(call, uid, based_on, Guard::SecondFactor(factor))
            .await
    }

    async fn set_recovery_key(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        key: Option<Arc<RecoveryKey>>,
    ) -> Result<(), WriteError> {
        self.set_guard(call, uid, based_on, Guard::RecoveryKey(key)).await
    }
}

impl SqliteStore {
    async fn set_guard(&self, call: &Call, uid: Uid, based_on: u64, guard: Guard) -> Result<(), WriteError> {
        let kind = guard.kind();
        self.intent(call, kind, move |db| guard::set(db, uid, based_on, &guard))
            .await
    }
}

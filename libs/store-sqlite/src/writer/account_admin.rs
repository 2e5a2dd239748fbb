//! `AccountAdmin`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{Uid, record::Disabled};
use foxhold_ports::{AccountAdmin, Call, IntentKind, WriteError, guards::Guard};

use super::SqliteStore;
use crate::accounts::{admin, guard};

#[async_trait]
impl AccountAdmin for SqliteStore {
    async fn set_disabled(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        disabled: Disabled,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::SetDisabled, move |db| {
            admin::set_disabled(db, uid, based_on, disabled)
        })
        .await
    }

    async fn delete_second_factor(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteSecondFactor, move |db| {
            guard::set(db, uid, based_on, &Guard::SecondFactor(None))
        })
        .await
    }
}

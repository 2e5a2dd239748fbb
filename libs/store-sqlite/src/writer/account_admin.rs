//! `AccountAdmin`: the method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{Uid, record::Disabled};
use foxhold_ports::{AccountAdmin, Call, IntentKind, WriteError};

use super::SqliteStore;
use crate::accounts::admin;

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
}

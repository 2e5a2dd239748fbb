//! `CommandWriter`: names its intent and hands over.

use async_trait::async_trait;
use foxhold_ports::{
    Call, CommandWriter, IntentKind, WriteError,
    device_commands::{DeviceCommand, DeviceRef},
};

use super::SqliteStore;
use crate::accounts::command;

#[async_trait]
impl CommandWriter for SqliteStore {
    async fn put_command(
        &self,
        call: &Call,
        to: DeviceRef,
        command: DeviceCommand,
    ) -> Result<u64, WriteError> {
        self.intent(call, IntentKind::PutCommand, move |db| {
            command::put(db, to, &command)
        })
        .await
    }
}

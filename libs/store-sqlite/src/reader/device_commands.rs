//! `CommandReader`.

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};
use foxhold_ports::{
    CommandReader, ReadError,
    device_commands::{CommandPage, DeviceRef},
};

use super::SqliteReader;
use crate::accounts::command;

#[async_trait]
impl CommandReader for SqliteReader {
    async fn waiting_commands(
        &self,
        by: Deadline,
        to: DeviceRef,
        from: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<CommandPage, ReadError> {
        self.read(by, move |db| command::waiting(db, to, from, limit, now))
            .await
    }
}

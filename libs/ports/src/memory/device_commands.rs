//! Commands that wait for devices, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};

use super::{MemoryStore, store::State};
use crate::{
    Call, CommandReader, CommandWriter, ReadError, Refusal, WriteError,
    device_commands::{CommandPage, DeviceCommand, DeviceRef, WAITING_MAX, WaitingCommand, next_index},
    intent::IntentKind,
};

/// What waits for a device.
#[derive(Default)]
pub(super) struct Queue {
    last_index: Option<u64>,
    commands: BTreeMap<u64, DeviceCommand>,
}

#[async_trait]
impl CommandReader for MemoryStore {
    async fn waiting_commands(
        &self,
        by: Deadline,
        to: DeviceRef,
        from: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<CommandPage, ReadError> {
        self.read(by, |state| {
            let waiting = state
                .commands
                .get(&to)
                .into_iter()
                .flat_map(|queue| queue.commands.range(from..));
            let waiting = waiting.map(|(index, command)| WaitingCommand {
                index: *index,
                command: command.clone(),
            });
            CommandPage::of(waiting, limit, now)
        })
    }
}

#[async_trait]
impl CommandWriter for MemoryStore {
    async fn put_command(
        &self,
        call: &Call,
        to: DeviceRef,
        command: DeviceCommand,
    ) -> Result<u64, WriteError> {
        self.intent(call, IntentKind::PutCommand, |state| {
            if !state.devices.contains_key(&(to.uid, to.device)) {
                return Err(Refusal::Conflict.into());
            }
            let queue = state.commands.entry(to).or_default();
            let index = next_index(queue.last_index, command.created_at);
            queue.last_index = Some(index);
            queue.commands.insert(index, command);
            if queue.commands.len() > WAITING_MAX {
                queue.commands.pop_first();
            }
            Ok(index)
        })
    }
}

impl State {
    /// What waits for a device goes with it, whichever intent ends it.
    pub(super) fn drop_commands_of_gone_devices(&mut self) {
        self.commands
            .retain(|to, _| self.devices.contains_key(&(to.uid, to.device)));
    }
}

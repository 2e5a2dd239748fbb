//! Commands that wait for a device: what one browser of an account sends another, until that comes for it
//! (`accounts.md` (c), Devices).
//!
//! What must stay true: the commands of a device are numbered upwards, whatever has expired or been left out since, so
//! that a browser which remembers the last number it has seen misses none and sees none twice.

use std::fmt;

use async_trait::async_trait;
use foxhold_core::{Deadline, DeviceId, Timestamp, Uid};

use crate::{Call, ReadError, WriteError};

/// Most commands that wait for one device. One more, and the oldest goes.
pub const WAITING_MAX: usize = 100;

/// The longest that a command waits, in days.
pub const WAITING_DAYS_MAX: u64 = 30;

/// A device of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceRef {
    /// Whose.
    pub uid: Uid,
    /// Which.
    pub device: DeviceId,
}

/// A command. What it carries is for its receiver, and does not show in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCommand {
    /// Its name, as the receiver offers it.
    pub name: String,
    /// What it carries: a JSON object, as text.
    pub payload: String,
    /// The device that sent it, if it was one.
    pub sender: Option<DeviceId>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// From when on nobody gets it any more: at most [`WAITING_DAYS_MAX`] after it was sent.
    pub expires_at: Timestamp,
}

impl fmt::Debug for DeviceCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCommand")
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A command and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCommand {
    /// Its number among those of its device.
    pub index: u64,
    /// The command.
    pub command: DeviceCommand,
}

/// A part of what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandPage {
    /// In the order of their numbers.
    pub commands: Vec<WaitingCommand>,
    /// Whether nothing waits behind them.
    pub is_last: bool,
}

impl CommandPage {
    /// The first `limit` of what has not expired at `now`. `found` are in the order of their numbers.
    pub fn of(found: impl IntoIterator<Item = WaitingCommand>, limit: usize, now: Timestamp) -> Self {
        let mut waiting = found
            .into_iter()
            .filter(|waiting| waiting.command.expires_at > now);
        let commands = waiting.by_ref().take(limit).collect();
        Self {
            commands,
            is_last: waiting.next().is_none(),
        }
    }
}

/// The number of the next command. Times are numbers, too: should a store have forgotten the last one with all that it
/// counted, or have been restored from before it, the next is higher all the same.
#[must_use]
pub fn next_index(last: Option<u64>, created_at: Timestamp) -> u64 {
    let after = last.map_or(1, |last| last.saturating_add(1));
    after.max(created_at.as_millis())
}

/// Reads what waits.
#[async_trait]
pub trait CommandReader: Send + Sync {
    /// The first `limit` commands with numbers of at least `from` that have not expired at `now`. None for a device that
    /// is not there.
    async fn waiting_commands(
        &self,
        by: Deadline,
        to: DeviceRef,
        from: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<CommandPage, ReadError>;
}

/// Lets commands wait.
#[async_trait]
pub trait CommandWriter: Send + Sync {
    /// Lets a command wait for a device, and tells its number: higher than those of all before. Of more than
    /// [`WAITING_MAX`] the oldest goes. What waits goes with its device. One intent.
    /// Refused: [`Conflict`](crate::Refusal::Conflict) if there is no such device; once that is so, perhaps also for an
    /// operation that was done before.
    async fn put_command(
        &self,
        call: &Call,
        to: DeviceRef,
        command: DeviceCommand,
    ) -> Result<u64, WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(index: u64, expires_at: u64) -> WaitingCommand {
        WaitingCommand {
            index,
            command: DeviceCommand {
                name: "c".into(),
                payload: "{\"secret\":1}".into(),
                sender: None,
                created_at: Timestamp::from_millis(1),
                expires_at: Timestamp::from_millis(expires_at),
            },
        }
    }

    #[test]
    fn a_page_holds_what_has_not_expired_and_tells_whether_more_waits() {
        let found = [waiting(1, 9), waiting(2, 5), waiting(3, 9), waiting(4, 5)];
        type Row = (usize, u64, &'static [u64], bool);
        let table: [Row; 6] = [
            (100, 4, &[1, 2, 3, 4], true),
            (100, 5, &[1, 3], true),
            (1, 5, &[1], false),
            (2, 5, &[1, 3], true),
            (3, 4, &[1, 2, 3], false),
            (0, 9, &[], true),
        ];
        for (limit, now, expected, is_last) in table {
            let page = CommandPage::of(found.clone(), limit, Timestamp::from_millis(now));
            let numbers: Vec<_> = page.commands.iter().map(|command| command.index).collect();
            assert_eq!(
                (&numbers[..], page.is_last),
                (expected, is_last),
                "{limit} at {now}"
            );
        }
    }

    #[test]
    fn numbers_rise_whatever_is_forgotten() {
        let at = Timestamp::from_millis;
        let table = [
            ("the first", None, 1000, 1000),
            ("as usual", Some(1000), 2000, 2000),
            ("two at a time", Some(2000), 2000, 2001),
            ("by a slow clock", Some(2001), 5, 2002),
            ("at the beginning of time", None, 0, 1),
        ];
        for (name, last, created_at, expected) in table {
            assert_eq!(next_index(last, at(created_at)), expected, "{name}");
        }
    }

    #[test]
    fn what_a_command_carries_does_not_show() {
        assert!(!format!("{:?}", waiting(1, 2)).contains("secret"));
    }
}

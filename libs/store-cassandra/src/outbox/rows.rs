//! A mail as its row has it, and what becomes of it.

use foxhold_core::{OpId, Timestamp};
use foxhold_ports::{
    Refusal,
    outbox::{LeasedMail, MailRef, SealedMail},
};
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::signed;

/// The row as it is read.
#[derive(Debug, DeserializeRow)]
pub(super) struct Stored {
    sealed: Option<Vec<u8>>,
    lease: Option<Vec<u8>>,
    due_at: Option<CqlTimestamp>,
    attempts: Option<i32>,
    ended: Option<bool>,
}

/// A mail. One that is damaged waits for nothing.
#[derive(Debug)]
pub(super) struct MailRow {
    sealed: Option<Vec<u8>>,
    pub(super) lease: Option<OpId>,
    due_at: Option<CqlTimestamp>,
    pub(super) attempts: u32,
    ended: bool,
}

impl From<Stored> for MailRow {
    fn from(stored: Stored) -> Self {
        Self {
            sealed: stored.sealed,
            lease: stored.lease.and_then(|lease| OpId::from_slice(&lease)),
            due_at: stored.due_at,
            attempts: stored
                .attempts
                .map_or(0, |attempts| attempts.max(0).cast_unsigned()),
            ended: stored.ended.unwrap_or(false),
        }
    }
}

/// What a mail's row becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// The operation's own, or nobody's, until then.
    Lease { due: Timestamp, attempts: u32 },
    /// Sent, or given up.
    End,
}

/// `Err` = it stays as it is, and that is the answer.
pub(super) type Decision = Result<Change, Result<(), Refusal>>;

impl MailRow {
    pub(super) const fn is_waiting(&self) -> bool {
        !self.ended && self.sealed.is_some() && self.lease.is_some()
    }

    pub(super) fn due(&self) -> Timestamp {
        self.due_at.map_or(Timestamp::from_millis(0), time)
    }

    pub(super) fn leased(self, at: MailRef) -> Option<LeasedMail> {
        Some(LeasedMail {
            at,
            attempts: self.attempts,
            mail: SealedMail(self.sealed?),
        })
    }
}

/// As it stands in a row.
pub(super) fn at(time: Timestamp) -> CqlTimestamp {
    CqlTimestamp(signed(time.as_millis()))
}

/// What stands in a row.
pub(super) fn time(at: CqlTimestamp) -> Timestamp {
    Timestamp::from_millis(u64::try_from(at.0).unwrap_or(0))
}

/// As it stands in a row.
pub(super) fn count(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

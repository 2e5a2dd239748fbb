//! Mail that was promised and is not sent yet: kept so that neither a mail server that is down nor a process that dies
//! loses it (`accounts.md` (i), docs/adr/0016).
//!
//! What must stay true: a mail is in the hands of one sender at a time, by a lease that runs out; whose lease was taken
//! over can neither end nor defer the mail. What a mail says is sealed before it comes here, its receiver included.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, OpId, Timestamp};

use crate::{Call, ReadError, WriteError};

/// How long a sender has a mail for itself, from when it was put or taken.
pub const LEASE: Duration = Duration::from_secs(120);

/// How long a mail is worth sending. An older one is not handed out any more.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);

/// How far off senders put a mail at most: whoever may give one back does not keep it from the others for longer.
pub const DEFERRED_MAX: Duration = Duration::from_secs(20 * 60);

/// Most mails that are handed out at once.
pub const TAKEN_MAX: u32 = 32;

/// The longest sealed mail, in bytes.
pub const SEALED_LEN_MAX: usize = 64 * 1024;

/// A mail that only the senders of the deployment can read. Not shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedMail(pub Vec<u8>);

impl fmt::Debug for SealedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedMail(..)")
    }
}

/// A mail in the hands of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailRef {
    /// The operation that put it: its name for good.
    pub id: OpId,
    /// The operation that leased it: that of the put itself, or of the last take.
    pub lease: OpId,
}

impl MailRef {
    /// A mail in the hands of who has put it.
    #[must_use]
    pub const fn just_put(id: OpId) -> Self {
        Self { id, lease: id }
    }
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedMail {
    /// Which, and by which lease.
    pub at: MailRef,
    /// How often it was deferred.
    pub attempts: u32,
    /// What it says.
    pub mail: SealedMail,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many mails.
    pub mails: u64,
    /// When the oldest was put.
    pub oldest: Option<Timestamp>,
}

/// When a mail was put, by its id.
#[must_use]
pub fn put_at(id: OpId) -> Timestamp {
    let millis = id.write_timestamp() / 1000;
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// When a lease runs out that begins now.
#[must_use]
pub fn lease_end(now: Timestamp) -> Timestamp {
    now.plus(LEASE)
}

/// Keeps mail until it is sent.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Keeps a mail, leased to the caller until [`lease_end`] of `now`. Its id is `call.op`, and so is its lease. Put again
    /// after it was sent it stays sent. One intent.
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError>;

    /// Leases mails to the caller that are nobody's at `now`, at most `limit` and [`TAKEN_MAX`], those that wait longest
    /// first. Mails put more than [`KEPT`] ago may be left out. The lease is `call.op`; the same operation again answers
    /// what of it is still leased. One intent.
    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError>;

    /// Removes a mail: it was sent, or given up. Done, too, if it is not there. Refused with `Conflict` if somebody else
    /// has leased or deferred it since. One intent.
    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError>;

    /// Gives a mail back, to be sent at `next` or later by whoever takes it then. Refused with `Conflict` if it is not there,
    /// or somebody else has leased or deferred it since. One intent.
    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError>;
}

/// An [`Outbox`] in which no mail is put off for longer than [`DEFERRED_MAX`]: what stands between a store and callers elsewhere.
#[derive(Clone)]
pub struct Bounded {
    outbox: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
}

impl Bounded {
    /// Over a store.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>) -> Self {
        Self { outbox, clock }
    }
}

#[async_trait]
impl Outbox for Bounded {
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError> {
        self.outbox.put_mail(call, mail, now).await
    }

    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError> {
        self.outbox.take_mails(call, now, limit).await
    }

    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError> {
        self.outbox.end_mail(call, at).await
    }

    /// At the latest when the bound is over: a mail is rather tried early than late.
    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError> {
        let next = next.min(self.clock.now().plus(DEFERRED_MAX));
        self.outbox.defer_mail(call, at, next).await
    }
}

/// Tells what waits.
#[async_trait]
pub trait OutboxReader: Send + Sync {
    /// The mails that were put in the last [`KEPT`] before `now` and have not been ended.
    async fn backlog(&self, by: Deadline, now: Timestamp) -> Result<Backlog, ReadError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::SeededRandom;

    #[test]
    fn a_mails_id_tells_when_it_was_put_and_nothing_of_it_shows() {
        let at = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(put_at(OpId::new(at, &SeededRandom::new(1))), at);
        assert_eq!(format!("{:?}", SealedMail(vec![7; 9])), "SealedMail(..)");
    }
}

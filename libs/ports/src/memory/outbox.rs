//! Mail that waits, in memory.

use async_trait::async_trait;
use foxhold_core::{Deadline, OpId, Timestamp};

use super::{MemoryStore, store::State};
use crate::{
    Call, Outbox, OutboxReader, ReadError, Refusal, WriteError,
    intent::IntentKind,
    outbox::{Backlog, KEPT, LeasedMail, MailRef, SealedMail, TAKEN_MAX, lease_end, put_at},
};

/// A mail with whose turn it is.
pub(super) struct KeptMail {
    lease: OpId,
    /// From when on anybody may take it.
    due: Timestamp,
    attempts: u32,
    mail: SealedMail,
}

impl State {
    /// The mail, if it is in these hands.
    fn mail_in_hands(&mut self, at: MailRef) -> Result<Option<&mut KeptMail>, WriteError> {
        match self.mails.get_mut(&at.id) {
            Some(kept) if kept.lease != at.lease => Err(Refusal::Conflict.into()),
            kept => Ok(kept),
        }
    }

    fn lease_due_mails(&mut self, op: OpId, now: Timestamp, limit: u32) {
        let mut due: Vec<_> = self
            .mails
            .iter_mut()
            .filter(|(_, kept)| kept.due <= now)
            .map(|(id, kept)| (kept.due, *id, kept))
            .collect();
        due.sort_by_key(|(due, id, _)| (*due, *id));
        for (_, _, kept) in due.into_iter().take(limit.min(TAKEN_MAX) as usize) {
            (kept.lease, kept.due) = (op, lease_end(now));
        }
    }

    fn mails_leased_by(&self, op: OpId) -> Vec<LeasedMail> {
        let held = self.mails.iter().filter(|(_, kept)| kept.lease == op);
        held.map(|(id, kept)| LeasedMail {
            at: MailRef { id: *id, lease: op },
            attempts: kept.attempts,
            mail: kept.mail.clone(),
        })
        .collect()
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutMail, |state| {
            let kept = KeptMail {
                lease: call.op,
                due: lease_end(now),
                attempts: 0,
                mail,
            };
            state.mails.insert(call.op, kept);
            Ok(())
        })
    }

    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError> {
        self.intent(call, IntentKind::TakeMails, |state| {
            state.lease_due_mails(call.op, now, limit);
            Ok(())
        })?;
        let held = self.read(call.deadline, |state| state.mails_leased_by(call.op));
        held.map_err(|ReadError(cause)| WriteError::Unknown(cause))
    }

    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError> {
        self.intent(call, IntentKind::EndMail, |state| {
            state.mail_in_hands(at)?;
            state.mails.remove(&at.id);
            Ok(())
        })
    }

    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeferMail, |state| {
            let kept = state.mail_in_hands(at)?.ok_or(Refusal::Conflict)?;
            (kept.lease, kept.due) = (call.op, next);
            kept.attempts += 1;
            Ok(())
        })
    }
}

#[async_trait]
impl OutboxReader for MemoryStore {
    async fn backlog(&self, by: Deadline, now: Timestamp) -> Result<Backlog, ReadError> {
        self.read(by, |state| {
            let ids = state.mails.keys().map(|id| put_at(*id));
            let recent: Vec<_> = ids.filter(|put| now <= put.plus(KEPT)).collect();
            Backlog {
                mails: recent.len() as u64,
                oldest: recent.into_iter().min(),
            }
        })
    }
}

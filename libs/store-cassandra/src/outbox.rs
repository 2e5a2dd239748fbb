//! Mail that waits: the mail itself in a conditional row of its own, and a plain list of what waits, to find it by.
//!
//! Must stay true: a mail is on the list before its put is done, and the list alone decides nothing; every change of a mail
//! names the lease it was decided on.

mod list;
mod rows;

use async_trait::async_trait;
use foxhold_core::{Deadline, OpId, Timestamp};
use foxhold_ports::{
    Call, Outbox, OutboxReader, ReadError, Refusal, WriteError,
    outbox::{Backlog, LeasedMail, MailRef, SealedMail, TAKEN_MAX, lease_end},
};
use futures_util::StreamExt as _;

pub(crate) use self::list::WaitingList;
use self::{
    list::Waiting,
    rows::{Change, Decision, MailRow},
};
use crate::{
    CassandraReader, CassandraStore,
    accounts::together,
    cql::{
        Doubts, Level, Outcome, Settled, Verdict, decide_or_look, look_patiently, pause, settle, statements,
    },
    placement::table::signed,
};

statements! {
    /// Statements about mails.
    MailStatements {
        mail: Read = "SELECT sealed, lease, due_at, attempts, ended FROM outbox_mails WHERE id = ?";
        put: RegionalConditional = "INSERT INTO outbox_mails (id, sealed, lease, due_at, attempts)
            VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
        lease: RegionalConditional = "UPDATE outbox_mails SET lease = ?, due_at = ?, attempts = ? WHERE id = ?
            IF lease = ?";
        end: RegionalConditional = "UPDATE outbox_mails SET lease = ?, ended = true, sealed = null WHERE id = ?
            IF lease = ?";
        list: Plain = "INSERT INTO outbox_waiting (region, hour, part, id, due_at, lease) VALUES (?, ?, ?, ?, ?, ?)
            USING TIMESTAMP ?";
        unlist: Plain = "DELETE FROM outbox_waiting USING TIMESTAMP ? WHERE region = ? AND hour = ? AND part = ?
            AND id = ?";
    }
}

/// Every set, for the test of the catalogue.
#[cfg(test)]
pub(crate) const fn catalogue() -> [&'static [crate::cql::Entry]; 2] {
    [MailStatements::CATALOGUE, list::ListReads::CATALOGUE]
}

/// Mails that one taker tries for at once.
const AT_ONCE: usize = 8;

/// How an intent left a mail.
enum Left {
    /// It was changed by this operation; so it stood before, or stands since.
    Changed(MailRow),
    /// It stays as it is.
    Stays(Option<MailRow>),
}

#[async_trait]
impl Outbox for CassandraStore {
    /// On the list first or at the same time: what is kept and on no list would be found by nobody.
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError> {
        let due = lease_end(now);
        let waiting = Waiting::new(call.op, due, call.op);
        let (listed, kept) =
            futures_util::join!(self.list_mail(call, &waiting), self.keep_mail(call, &mail, due),);
        together(vec![listed, kept])
    }

    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError> {
        let listed = self.reader.waiting.read(call.deadline, now).await;
        let mut waiting = listed.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        waiting.retain(|waiting| waiting.due <= now || waiting.lease == Some(call.op));
        waiting.sort_by_key(|waiting| (waiting.due, waiting.id));
        let limit = limit.min(TAKEN_MAX) as usize;
        let (mut taken, mut fault) = (Vec::new(), None);
        for some in waiting.chunks(AT_ONCE) {
            let some = &some[..some.len().min(limit - taken.len())];
            let tries: Vec<_> = some
                .iter()
                .map(|waiting| self.take_mail(call, *waiting, now))
                .collect();
            let mut tries = futures_util::stream::iter(tries).buffered(AT_ONCE);
            while let Some(tried) = tries.next().await {
                match tried {
                    Ok(mail) => taken.extend(mail),
                    Err(error) => fault = fault.or(Some(error)),
                }
            }
            if taken.len() >= limit || fault.is_some() {
                break;
            }
        }
        match fault {
            Some(error) if taken.is_empty() => Err(error),
            _ => Ok(taken),
        }
    }

    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError> {
        let ended = |row: Option<&MailRow>| match row.filter(|row| row.is_waiting()) {
            None => Err(Ok(())),
            Some(row) if row.lease == Some(at.lease) => Ok(Change::End),
            Some(_) => Err(Err(Refusal::Conflict)),
        };
        self.change_mail(call, at.id, ended).await?;
        self.unlist_mail(call, at.id, call.op.write_timestamp()).await;
        Ok(())
    }

    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError> {
        let deferred = |row: Option<&MailRow>| match row.filter(|row| row.is_waiting()) {
            Some(row) if row.lease == Some(at.lease) => Ok(Change::Lease {
                due: next,
                attempts: row.attempts.saturating_add(1),
            }),
            _ => Err(Err(Refusal::Conflict)),
        };
        self.change_mail(call, at.id, deferred).await?;
        self.note_mail(call, at.id, next).await;
        Ok(())
    }
}

#[async_trait]
impl OutboxReader for CassandraReader {
    async fn backlog(&self, by: Deadline, now: Timestamp) -> Result<Backlog, ReadError> {
        let waiting = self.waiting.read(by, now).await?;
        Ok(Backlog {
            mails: waiting.len() as u64,
            oldest: waiting.iter().map(Waiting::put_at).min(),
        })
    }
}

#[async_trait]
impl OutboxReader for CassandraStore {
    async fn backlog(&self, by: Deadline, now: Timestamp) -> Result<Backlog, ReadError> {
        self.reader.backlog(by, now).await
    }
}

impl CassandraStore {
    async fn keep_mail(&self, call: &Call, mail: &SealedMail, due: Timestamp) -> Result<(), WriteError> {
        let (by, regions, id) = (call.deadline, self.cql.regions(), &call.op.as_bytes()[..]);
        let due = rows::at(due);
        settle(
            by,
            self.random.as_ref(),
            || {
                let values = (id, &mail.0, id, due, 0_i32);
                self.cql.decide_in(regions.own(), by, &self.mails.put, values)
            },
            || self.look_at_mail(by, call.op),
            // Whatever stands there was put by this operation, by whichever of its attempts.
            |row: Option<MailRow>| Ok(row.map_or(Verdict::Again, |_| Verdict::Done)),
        )
        .await
    }

    /// Takes a mail, if it is to be had. An entry of the list that names none is removed, long after it was made.
    async fn take_mail(
        &self,
        call: &Call,
        waiting: Waiting,
        now: Timestamp,
    ) -> Result<Option<LeasedMail>, WriteError> {
        let taken = |row: Option<&MailRow>| match row.filter(|row| row.is_waiting()) {
            Some(row) if row.due() <= now => Ok(Change::Lease {
                due: lease_end(now),
                attempts: row.attempts,
            }),
            _ => Err(Ok(())),
        };
        match self.change_mail(call, waiting.id, taken).await? {
            Left::Changed(row) => {
                self.note_mail(call, waiting.id, lease_end(now)).await;
                Ok(row.leased(MailRef {
                    id: waiting.id,
                    lease: call.op,
                }))
            }
            Left::Stays(row) => {
                if !row.is_some_and(|row| row.is_waiting()) && waiting.is_old(now) {
                    let at = call.op.write_timestamp().max(waiting.written.saturating_add(1));
                    self.unlist_mail(call, waiting.id, at).await;
                }
                Ok(None)
            }
        }
    }

    async fn look_at_mail(&self, by: Deadline, id: OpId) -> Result<Option<MailRow>, ReadError> {
        let (regions, id) = (self.cql.regions(), (&id.as_bytes()[..],));
        let level = Level::Within(regions.own());
        let row = self.cql.serial_row(level, by, &self.mails.mail, id);
        Ok(row.await?.map(|row: rows::Stored| row.into()))
    }

    /// Puts a change until it is decided.
    async fn change_mail(
        &self,
        call: &Call,
        id: OpId,
        decide: impl Fn(Option<&MailRow>) -> Decision,
    ) -> Result<Left, WriteError> {
        let by = call.deadline;
        let look = || self.look_at_mail(by, id);
        let seen = look_patiently(by, look).await;
        let mut row = seen.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        let mut doubts = Doubts::default();
        loop {
            let change = match (&row, decide(row.as_ref())) {
                (Some(mine), _) if mine.lease == Some(call.op) => {
                    return Ok(row.map_or(Left::Stays(None), Left::Changed));
                }
                (_, Ok(change)) => change,
                (_, Err(Ok(()))) => return Ok(Left::Stays(row)),
                (_, Err(Err(refusal))) => return Err(refusal.into()),
            };
            let before = row.as_ref().and_then(|row| row.lease);
            let decided = self.decide_mail(call, id, before, change);
            match doubts.weigh(decide_or_look(by, decided, look).await)? {
                Settled::Applied => return Ok(row.map_or(Left::Stays(None), Left::Changed)),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    row = view;
                }
            }
            pause(by, self.random.as_ref()).await;
        }
    }

    async fn decide_mail(
        &self,
        call: &Call,
        id: OpId,
        before: Option<OpId>,
        change: Change,
    ) -> Result<Outcome, WriteError> {
        let (by, regions) = (call.deadline, self.cql.regions());
        let (op, id) = (&call.op.as_bytes()[..], &id.as_bytes()[..]);
        let before = before.map(|lease| lease.as_bytes().to_vec());
        match change {
            Change::Lease { due, attempts } => {
                let values = (op, rows::at(due), rows::count(attempts), id, before);
                self.cql
                    .decide_in(regions.own(), by, &self.mails.lease, values)
                    .await
            }
            Change::End => {
                let values = (op, id, before);
                self.cql
                    .decide_in(regions.own(), by, &self.mails.end, values)
                    .await
            }
        }
    }

    async fn list_mail(&self, call: &Call, waiting: &Waiting) -> Result<(), WriteError> {
        let regions = self.cql.regions();
        let (hour, part) = list::place(waiting.id);
        let values = (
            regions.own().name.as_str(),
            hour,
            part,
            &waiting.id.as_bytes()[..],
            rows::at(waiting.due),
            &call.op.as_bytes()[..],
            call.op.write_timestamp(),
        );
        self.cql.write(call.deadline, &self.mails.list, values).await
    }

    /// Tells the list when to look at a mail again. Only a hint: that it cannot be given changes nothing.
    async fn note_mail(&self, call: &Call, id: OpId, due: Timestamp) {
        let noted = self.list_mail(call, &Waiting::new(id, due, call.op)).await;
        if let Err(error) = noted {
            tracing::debug!(%error, "the list of waiting mails was not told");
        }
    }

    /// Whoever finds an entry that stays removes it.
    async fn unlist_mail(&self, call: &Call, id: OpId, at: i64) {
        let regions = self.cql.regions();
        let (hour, part) = list::place(id);
        let at = at.max(id.write_timestamp().saturating_add(1));
        let values = (at, regions.own().name.as_str(), hour, part, &id.as_bytes()[..]);
        let done = self.cql.write(call.deadline, &self.mails.unlist, values).await;
        if let Err(error) = done {
            tracing::debug!(%error, "an entry of the list of waiting mails stays");
        }
    }
}

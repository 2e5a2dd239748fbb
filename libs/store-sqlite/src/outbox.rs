//! Mail that waits, decided and written in one transaction.

use foxhold_core::{OpId, Timestamp};
use foxhold_ports::{
    Refusal,
    outbox::{Backlog, KEPT, LeasedMail, MailRef, SealedMail, TAKEN_MAX, lease_end, put_at},
};
use foxhold_sqlite::rusqlite::Connection;

use crate::{
    error::{Stop, StoreError},
    operations::first_of,
    row::{all, change, millis, one},
};

const PUT: &str = "INSERT INTO outbox (id, lease, due_at_ms, attempts, sealed) VALUES (?1, ?1, ?2, 0, ?3)";
const IS_DUE: &str = "SELECT 1 FROM outbox WHERE due_at_ms <= ?1 LIMIT 1";
const TAKE: &str = "UPDATE outbox SET lease = ?1, due_at_ms = ?2 WHERE id IN
    (SELECT id FROM outbox WHERE due_at_ms <= ?3 ORDER BY due_at_ms, id LIMIT ?4)";
const LEASED_BY: &str = "SELECT id, attempts, sealed FROM outbox WHERE lease = ?1 ORDER BY id";
const LEASE_OF: &str = "SELECT lease FROM outbox WHERE id = ?1";
const END: &str = "DELETE FROM outbox WHERE id = ?1";
const DEFER: &str = "UPDATE outbox SET lease = ?1, due_at_ms = ?2, attempts = attempts + 1 WHERE id = ?3";
const BACKLOG: &str = "SELECT count(*), min(id) FROM outbox WHERE id >= ?1";

/// `Outbox::put_mail`
pub(crate) fn put(db: &Connection, id: OpId, mail: &SealedMail, now: Timestamp) -> Result<(), Stop> {
    let due = millis(lease_end(now))?;
    change(db, PUT, (id.as_bytes(), due, &mail.0))?;
    Ok(())
}

/// Whether anything can be taken: else a take is not even remembered, as senders ask every few seconds.
pub(crate) fn is_due(db: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    Ok(one(db, IS_DUE, [millis(now)?], |row| row.get::<i64>())?.is_some())
}

/// `Outbox::take_mails`
pub(crate) fn take(db: &Connection, op: OpId, now: Timestamp, limit: u32) -> Result<(), Stop> {
    let (until, now) = (millis(lease_end(now))?, millis(now)?);
    change(db, TAKE, (op.as_bytes(), until, now, limit.min(TAKEN_MAX)))?;
    Ok(())
}

/// What an operation has leased and not ended.
pub(crate) fn leased_by(db: &Connection, op: OpId) -> Result<Vec<LeasedMail>, StoreError> {
    all(db, LEASED_BY, [op.as_bytes()], |row| {
        let id = OpId::from_bytes(row.get()?);
        Ok(LeasedMail {
            at: MailRef { id, lease: op },
            attempts: row.get()?,
            mail: SealedMail(row.get()?),
        })
    })
}

/// Whether the mail is there, in these hands.
fn is_in_hands(db: &Connection, at: MailRef) -> Result<bool, Stop> {
    let lease = one(db, LEASE_OF, [at.id.as_bytes()], |row| {
        row.get().map(OpId::from_bytes)
    })?;
    match lease {
        Some(lease) if lease != at.lease => Err(Refusal::Conflict.into()),
        lease => Ok(lease.is_some()),
    }
}

/// `Outbox::end_mail`
pub(crate) fn end(db: &Connection, at: MailRef) -> Result<(), Stop> {
    if is_in_hands(db, at)? {
        change(db, END, [at.id.as_bytes()])?;
    }
    Ok(())
}

/// `Outbox::defer_mail`
pub(crate) fn defer(db: &Connection, op: OpId, at: MailRef, next: Timestamp) -> Result<(), Stop> {
    if !is_in_hands(db, at)? {
        return Err(Refusal::Conflict.into());
    }
    change(db, DEFER, (op.as_bytes(), millis(next)?, at.id.as_bytes()))?;
    Ok(())
}

/// `OutboxReader::backlog`
pub(crate) fn backlog(db: &Connection, now: Timestamp) -> Result<Backlog, StoreError> {
    let found = one(db, BACKLOG, [first_of(now.minus(KEPT))], |row| {
        let mails = row.number()?;
        let oldest: Option<[u8; 16]> = row.get()?;
        Ok(Backlog {
            mails,
            oldest: oldest.map(|id| put_at(OpId::from_bytes(id))),
        })
    });
    Ok(found?.unwrap_or_default())
}

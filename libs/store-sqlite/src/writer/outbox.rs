//! `Outbox`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::Timestamp;
use foxhold_ports::{
    Call, IntentKind, Outbox, WriteError,
    outbox::{LeasedMail, MailRef, SealedMail},
};
use foxhold_sqlite::rusqlite::Connection;

use super::SqliteStore;
use crate::{error::write_error, operations, outbox};

#[async_trait]
impl Outbox for SqliteStore {
    async fn put_mail(&self, call: &Call, mail: SealedMail, now: Timestamp) -> Result<(), WriteError> {
        let id = call.op;
        self.intent(call, IntentKind::PutMail, move |db| {
            outbox::put(db, id, &mail, now)
        })
        .await
    }

    async fn take_mails(
        &self,
        call: &Call,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<LeasedMail>, WriteError> {
        let op = call.op;
        let job = move |db: &Connection| {
            if outbox::is_due(db, now)? {
                let decide = |db: &Connection| outbox::take(db, op, now, limit);
                if let Err(refusal) = operations::once(db, op, IntentKind::TakeMails, decide)? {
                    return Ok(Err(refusal));
                }
            }
            outbox::leased_by(db, op).map(Ok)
        };
        let taken = self.0.submit(call.deadline, job).await;
        taken.map_err(write_error)?.map_err(WriteError::Refused)
    }

    async fn end_mail(&self, call: &Call, at: MailRef) -> Result<(), WriteError> {
        self.intent(call, IntentKind::EndMail, move |db| outbox::end(db, at))
            .await
    }

    async fn defer_mail(&self, call: &Call, at: MailRef, next: Timestamp) -> Result<(), WriteError> {
        let op = call.op;
        self.intent(call, IntentKind::DeferMail, move |db| {
            outbox::defer(db, op, at, next)
        })
        .await
    }
}

//! Forgetting a record whose data is purged (`tokenserver.md` 11): the record goes first, then its slot comes back.
//!
//! Must stay true: a slot comes back only when no record holds it any more, and once. Whoever repeats the operation does
//! what was not done; if nobody does, the load of the node stays too high, which the audit finds.

use foxhold_core::{ServiceUid, record::UserRecord};
use foxhold_ports::{
    Call, Cause, IntentKind, ReadError, WriteError,
    assignments::{
        RecordRef,
        change::{self, Forgotten},
    },
};

use super::{
    batch::New,
    past::Seat,
    record::Stored,
    write::{Current, Written},
};
use crate::{
    CassandraStore,
    cql::AfterAStep as _,
    placement::{Passage, returns::Return, state::LeaseId},
};

impl CassandraStore {
    /// See [`AssignmentWriter::forget`](foxhold_ports::AssignmentWriter::forget).
    pub(super) async fn forget_record(
        &self,
        call: &Call,
        at: &RecordRef,
        uid: ServiceUid,
    ) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let (stored, before) = match self.current(call, at).await? {
            Current::Answer(answer) => return self.end_what_was_begun(call, at, answer).await,
            Current::Record(before) => before,
        };
        let forgotten = change::forgotten(&before, uid)?;
        let freed = self.slot_of(call, at, &stored, uid, &forgotten).await?;
        let (is_current, nowhere) = (before.current.uid == uid, Seat::default());
        let past = stored.past_without(uid);
        let new = New {
            at,
            op: call.op,
            kind: IntentKind::Forget,
            after: &forgotten.record,
            seat: if is_current { &nowhere } else { &stored.seat },
            spends: &[],
            past: Some(&past),
            freed: freed.as_ref().map(|(seat, slot, _)| (*seat, *slot)),
        };
        let written = self.write(call.deadline, new).await?;
        let freed = freed.map(|(_, slot, passage)| (slot, passage));
        match written {
            Written::Done => {
                self.come_back(call, at, freed).await?;
                Ok(forgotten.record)
            }
            Written::Before(before) => {
                let passage = freed.map(|(_, passage)| passage);
                self.come_back_after_all(call, at, before.freed, passage).await?;
                Ok(before.answer)
            }
            Written::Lost => Err(WriteError::NotDone(Cause::Fault)),
        }
    }

    /// The slot that comes back, if the record held one, and the right to have it on its way.
    async fn slot_of<'a>(
        &self,
        call: &Call,
        at: &RecordRef,
        stored: &'a Stored,
        uid: ServiceUid,
        forgotten: &Forgotten,
    ) -> Result<Option<(&'a Seat, Return, Passage)>, WriteError> {
        let seat = stored.seat_of(uid).filter(|_| forgotten.freed.is_some());
        let Some((seat, node)) = seat.and_then(|seat| Some((seat, seat.node?))) else {
            return Ok(None);
        };
        let passage = self.placements.passage(call.deadline, &at.service).await?;
        let slot = Return {
            node,
            lease: seat.slot.as_deref().and_then(lease),
            since: passage.since,
        };
        Ok(Some((seat, slot, passage)))
    }

    /// The record was forgotten by an attempt before this one. Whether the slot came back, that does not tell.
    async fn end_what_was_begun(
        &self,
        call: &Call,
        at: &RecordRef,
        answer: UserRecord,
    ) -> Result<UserRecord, WriteError> {
        let unknown = |ReadError(cause)| WriteError::Unknown(cause);
        let seen = self.look(call.deadline, at).await.map_err(unknown)?;
        let freed = seen.freed(&call.op).map_err(unknown)?;
        self.come_back_after_all(call, at, freed, None).await?;
        Ok(answer)
    }

    /// The slot that another attempt has freed.
    async fn come_back_after_all(
        &self,
        call: &Call,
        at: &RecordRef,
        slot: Option<Return>,
        passage: Option<Passage>,
    ) -> Result<(), WriteError> {
        let Some(slot) = slot else {
            return Ok(());
        };
        let passage = match passage {
            Some(passage) => passage,
            None => {
                let passage = self.placements.passage(call.deadline, &at.service).await;
                passage.after_a_step()?
            }
        };
        self.come_back(call, at, Some((slot, passage))).await
    }

    async fn come_back(
        &self,
        call: &Call,
        at: &RecordRef,
        slot: Option<(Return, Passage)>,
    ) -> Result<(), WriteError> {
        let Some(slot) = slot else {
            return Ok(());
        };
        let done = self
            .placements
            .come_back(call.deadline, &at.service, call.op, slot);
        done.await.after_a_step()
    }
}

/// The lease that a slot is of.
fn lease(slot: &[u8]) -> Option<LeaseId> {
    slot.first_chunk().map(|lease| LeaseId(*lease))
}

//! The one conditional write of a user's records: the current one, those before it, what the operation answered, and the
//! slots that are spent or come back.
//!
//! Must stay true: all are in one partition and one batch, so they are there together or not at all.

use std::num::NonZeroU64;

use foxhold_core::{
    Deadline, OpId, Timestamp,
    record::{ClientState, UserRecord},
};
use foxhold_ports::{
    IntentKind, WriteError,
    assignments::{RecordRef, encoding},
};
use scylla::{
    serialize::{
        SerializationError,
        row::{RowSerializationContext, SerializeRow},
        writers::RowWriter,
    },
    value::{CqlTimestamp, MaybeUnset},
};

use super::{
    past::{self, Past, Seat},
    table::{AssignmentWrites, SlotMark},
};
use crate::{
    cql::{Cql, Outcome},
    placement::{returns::Return, table::signed},
};

/// Records to write, if the user's partition is still as it was when they were decided on.
#[derive(Debug, Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) at: &'a RecordRef,
    pub(super) op: OpId,
    pub(super) kind: IntentKind,
    pub(super) after: &'a UserRecord,
    /// Where the current record is from then on. It is written in any case: rows that regions decided apart are merged cell
    /// by cell when they meet, and what comes of it must be one of the two, not a mixture.
    pub(super) seat: &'a Seat,
    /// Slots that are spent on the records.
    pub(super) spends: &'a [[u8; 24]],
    /// The past records; absent = there never were any.
    pub(super) past: Option<&'a [Past]>,
    /// Where a record was that is forgotten, with the slot of its that is to come back.
    pub(super) freed: Option<(&'a Seat, Return)>,
}

impl New<'_> {
    /// Puts it, once.
    pub(super) async fn decide(
        self,
        cql: &Cql,
        by: Deadline,
        writes: &AssignmentWrites,
    ) -> Result<Outcome, WriteError> {
        let answer = encoding::encode(self.after);
        let mut statements = vec![
            writes.replace.prepared().clone(),
            writes.operation.prepared().clone(),
        ];
        let mut rows = vec![Change::Record(self), Change::Operation(self, &answer)];
        if let Some(records) = self.past {
            statements.push(writes.past.prepared().clone());
            rows.push(Change::Past(self, past::encode(records)));
        }
        for slot in self.spends {
            statements.push(writes.spend_slot.prepared().clone());
            rows.push(Change::Mark(self, slot.to_vec()));
        }
        if let Some((seat, slot)) = self.freed {
            statements.push(writes.freeing.prepared().clone());
            rows.push(Change::Freed(self, slot.encode()));
            // No record tells any more that it was spent, should its lease have to be ended by others.
            if let Some(slot) = &seat.slot {
                statements.push(writes.keep_mark.prepared().clone());
                rows.push(Change::Mark(self, slot.clone()));
            }
        }
        cql.decide_together(by, statements, rows).await
    }
}

/// The values of one statement of a record's batch.
enum Change<'a> {
    Record(New<'a>),
    Operation(New<'a>, &'a [u8]),
    Past(New<'a>, Vec<u8>),
    /// That a slot was spent.
    Mark(New<'a>, Vec<u8>),
    Freed(New<'a>, Vec<u8>),
}

impl SerializeRow for Change<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Record(new) => {
                let record = &new.after.current;
                // There is nothing to write over yet on the first record.
                let replaced_at = match (record.replaced_at, new.at.version) {
                    (None, None) => MaybeUnset::Unset,
                    (replaced_at, _) => MaybeUnset::Set(replaced_at.map(millis)),
                };
                let node = new.seat.node.map(|node| signed(node.0));
                let slot = new.seat.slot.as_deref();
                let states: Vec<&[u8]> = new
                    .after
                    .old_client_states
                    .iter()
                    .map(ClientState::as_bytes)
                    .collect();
                (
                    signed(record.uid.get()),
                    signed(record.generation.0),
                    signed(record.keys_changed_at.map_or(0, NonZeroU64::get)),
                    record.client_state.as_bytes(),
                    millis(record.created_at),
                    replaced_at,
                    node,
                    slot,
                    states,
                    millis(new.after.first_seen_at),
                    signed(new.after.version),
                    &new.at.service.0,
                    &new.at.user.0,
                    new.at.version.map(signed),
                )
                    .serialize(context, writer)
            }
            Self::Operation(new, answer) => (
                &new.at.service.0,
                &new.at.user.0,
                &new.op.as_bytes()[..],
                new.kind.number().cast_signed(),
                answer,
            )
                .serialize(context, writer),
            Self::Past(new, cell) => {
                (&cell[..], &new.at.service.0, &new.at.user.0).serialize(context, writer)
            }
            Self::Mark(new, slot) => (
                &new.at.service.0,
                &new.at.user.0,
                &slot[..],
                SlotMark::Spent.number(),
            )
                .serialize(context, writer),
            Self::Freed(new, cell) => (
                &new.at.service.0,
                &new.at.user.0,
                &new.op.as_bytes()[..],
                &cell[..],
            )
                .serialize(context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

fn millis(at: Timestamp) -> CqlTimestamp {
    CqlTimestamp(signed(at.as_millis()))
}

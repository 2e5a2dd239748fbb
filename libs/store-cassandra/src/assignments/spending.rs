//! Records that take slots: the slots are noted, then the records written, and then it is told what became of each slot.
//!
//! Called for assignments and for records from elsewhere. Must stay true: a slot is noted before the record that spends it
//! is written, and spent by that very write.

use foxhold_core::{Deadline, record::UserRecord};
use foxhold_ports::{Call, IntentKind, WriteError, assignments::RecordRef};

use super::{
    batch::New,
    past::{Past, Seat},
    table::SlotMark,
    write::Written,
};
use crate::{CassandraStore, fail_point, placement::Slot};

/// Records that spend slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spending<'a> {
    pub(super) kind: IntentKind,
    pub(super) after: &'a UserRecord,
    /// Where the current one is.
    pub(super) seat: &'a Seat,
    /// The past ones; absent = there never were any.
    pub(super) past: Option<&'a [Past]>,
}

pub(super) enum Spent {
    /// This is what the operation answers, whichever attempt has done it.
    Done(UserRecord),
    /// Somebody has taken this process for dead and ended a lease meanwhile. Nothing was done.
    Lost,
}

impl CassandraStore {
    /// Writes records with slots of their own.
    pub(super) async fn spend(
        &self,
        call: &Call,
        at: &RecordRef,
        mut slots: Vec<Slot>,
        records: Spending<'_>,
    ) -> Result<Spent, WriteError> {
        let by = call.deadline.at_most(self.lease_times.write_max);
        for slot in &mut slots {
            slot.note(&call.op, &at.user);
            let noted = self.placements.note(by, slot.id(), &call.op, &at.user).await;
            if let Err(WriteError::Unknown(cause) | WriteError::NotDone(cause)) = noted {
                // Nothing but notes can have been written.
                return Err(WriteError::NotDone(cause));
            }
        }
        fail_point("assign.slot_noted");
        if !slots.iter().all(Slot::is_good) {
            return Ok(Spent::Lost);
        }
        let spends: Vec<_> = slots.iter().map(|slot| slot.id().to_bytes()).collect();
        let new = New {
            at,
            op: call.op,
            kind: records.kind,
            after: records.after,
            seat: records.seat,
            spends: &spends,
            past: records.past,
            freed: None,
        };
        match self.write(by, new).await {
            Ok(Written::Done) => {
                fail_point("assign.written");
                slots.into_iter().for_each(Slot::spent);
                Ok(Spent::Done(records.after.clone()))
            }
            Ok(Written::Before(before)) => {
                for slot in slots {
                    let mark = before.seen.slot(&slot.id().to_bytes());
                    if mark == Some(SlotMark::Spent) {
                        slot.spent();
                    } else {
                        self.put_back(by, call, slot).await;
                    }
                }
                Ok(Spent::Done(before.answer))
            }
            Ok(Written::Lost) => {
                self.put_all_back(by, call, slots).await;
                Ok(Spent::Lost)
            }
            // They stay spent; who ends their leases finds out.
            Err(error @ WriteError::Unknown(_)) => Err(error),
            Err(error @ (WriteError::Refused(_) | WriteError::NotDone(_))) => {
                self.put_all_back(by, call, slots).await;
                Err(error)
            }
        }
    }

    async fn put_all_back(&self, by: Deadline, call: &Call, slots: Vec<Slot>) {
        for slot in slots {
            self.put_back(by, call, slot).await;
        }
    }

    /// Frees a slot that is on no record.
    async fn put_back(&self, by: Deadline, call: &Call, slot: Slot) {
        let after = call.op.write_timestamp() + 1;
        if self.placements.forget(by, slot.id(), after).await.is_ok() {
            slot.give_back();
        }
    }
}

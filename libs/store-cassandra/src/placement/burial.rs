//! The end of leases whose writer shows no sign of life any more: what it had spent becomes load, the rest is available
//! again.
//!
//! It takes a look at every slot the writer had noted, so it goes on beside everything else, one task for each writer.
//! Must stay true: nothing is taken from a writer that may be alive; what an attempt has found out is kept for the next.

mod ledger;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use foxhold_core::{
    Deadline, OpId,
    record::{ServiceKey, UserKey},
};
use foxhold_ports::{Cause, ReadError, WriteError};
use scylla::DeserializeRow;

pub(crate) use ledger::Ledger;
#[cfg(test)]
pub(crate) use ledger::{LEASES_AT_ONCE, Notes, SLOTS_AT_ONCE};

use super::{
    Placements, Put,
    pool::Pool,
    rules,
    slot::SlotId,
    state::{LeaseId, WriterId},
    table::{Damaged, How},
};
use crate::{
    Region, RegionState,
    assignments::table::SlotMark,
    cql::{as_upkeep, fault},
};

/// Writers whose leases a process is ending at once, of all services together; the others wait for their turn.
pub(super) const AT_ONCE: usize = 4;

/// One that takes longer is put aside; the next round begins it again, with what was found out.
const BURIAL_MAX: Duration = Duration::from_secs(300);

/// One attempt: a request without an answer costs no more than this.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);

/// A writer to bury, as it was last heard of.
struct Grave {
    pool: Arc<Pool>,
    dead: WriterId,
    sign: u64,
}

#[derive(DeserializeRow)]
struct NoteRow {
    number: i64,
    op: Option<Vec<u8>>,
    user: Option<String>,
}

impl Placements {
    /// Begins to end the leases of all writers that have shown no sign of life, unless that is going on.
    pub(super) fn begin_burials(self: &Arc<Self>, pool: &Arc<Pool>) {
        for (dead, sign) in pool.dead() {
            let Ok(mut ledger) = pool.ledger(dead, sign).try_lock_owned() else {
                continue;
            };
            let pool = Arc::clone(pool);
            let (grave, turns) = (Grave { pool, dead, sign }, Arc::clone(&self.burials));
            let placements = Arc::downgrade(self);
            tokio::spawn(as_upkeep(async move {
                let Ok(_turn) = turns.acquire_owned().await else {
                    return;
                };
                let (done, service) = (grave.work(&placements, &mut ledger).await, &grave.pool.key.0);
                let was_late = std::mem::replace(&mut ledger.is_late, done.is_err());
                if let (false, Err(error)) = (was_late, done) {
                    tracing::warn!(%error, %service, "the leases of a writer that is gone cannot be ended yet");
                }
            }));
        }
    }

    /// Ends the leases of a writer that the audit has found.
    pub(crate) async fn bury_writer(
        self: &Arc<Self>,
        service: &ServiceKey,
        dead: WriterId,
        sign: u64,
    ) -> Result<(), WriteError> {
        let pool = self.pool(service);
        let ledger = tokio::time::timeout(BURIAL_MAX, pool.ledger(dead, sign).lock_owned());
        let Ok(mut ledger) = ledger.await else {
            return Err(WriteError::NotDone(Cause::Timeout));
        };
        let grave = Grave { pool, dead, sign };
        grave.work(&Arc::downgrade(self), &mut ledger).await
    }

    /// One attempt. It has come to an end, too, if the writer lives after all or others were faster.
    async fn bury(&self, grave: &Grave, ledger: &mut Ledger, by: Deadline) -> Result<(), WriteError> {
        let (pool, dead, sign) = (&grave.pool, grave.dead, grave.sign);
        // Marking slots of the living as void would cost them: what is remembered here may be late.
        let mut state = self.read(pool, How::Serial, by).await.map_err(not_done)?;
        let Some(writer) = state.writer(dead).filter(|writer| writer.renewed_at == sign) else {
            return Ok(());
        };
        let region = self.region_of_notes(&writer.region);
        let leases: Vec<_> = state.of(dead).map(|(_, lease)| lease.id).collect();
        let read = |lease| self.notes(by, lease, region.as_ref());
        let settle = |slot, user| self.fate(by, &pool.key, user, slot);
        let wanted = || pool.last_heard(dead) == Some(sign);
        ledger.count(&leases, wanted, read, settle).await?;
        let spent = ledger.spent();
        // Whoever else does the same may be first.
        while let Some(after) = rules::bury(&state, dead, sign, &spent) {
            match self.put(pool, by, &state, after, None).await? {
                Put::Done => {
                    if !leases.is_empty() {
                        tracing::warn!(service = %pool.key.0, leases = leases.len(), "ended the leases of a writer that is gone");
                    }
                    self.sweep(by, ledger.read()).await;
                    return Ok(());
                }
                Put::Instead(found, _) => state = found,
            }
            self.pause(by).await?;
        }
        Ok(())
    }

    /// Where the notes of a writer were written, if that is elsewhere: here they may be late. A region that was declared
    /// dead is not asked; what it had not told, the audit finds.
    fn region_of_notes(&self, name: &str) -> Option<Region> {
        let regions = self.cql.regions();
        let mut all = regions.all().iter();
        let found = all.find(|region| region.name == name && region.state == RegionState::Live);
        found.filter(|region| region.name != regions.own().name).cloned()
    }

    async fn notes(
        &self,
        by: Deadline,
        lease: LeaseId,
        region: Option<&Region>,
    ) -> Result<ledger::Notes, WriteError> {
        let values = (&lease.0[..],);
        let rows: Result<Vec<NoteRow>, _> = match region {
            Some(region) => self.cql.rows_in(region, by, &self.reads.slots, values).await,
            None => self.cql.rows(by, &self.reads.slots, values).await,
        };
        let rows = rows.map_err(not_done)?;
        let ops = rows.iter().filter_map(|row| OpId::from_slice(row.op.as_deref()?));
        let after = ops.map(|op| op.write_timestamp() + 1).max().unwrap_or(1);
        let slots = rows.into_iter().map(|row| {
            let number = u64::try_from(row.number).ok()?;
            Some((number, UserKey(row.user?)))
        });
        let slots = slots.collect::<Option<_>>();
        let slots = slots.ok_or_else(|| not_done(fault(&Damaged)))?;
        Ok(ledger::Notes { slots, after })
    }

    /// Whether a slot was spent, for good. A mark that is there says so and stays, so any quorum will do to see it; most
    /// slots of a writer that died were spent in peace, and have one. Only what lacks it is decided on.
    async fn fate(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: UserKey,
        slot: SlotId,
    ) -> Result<bool, WriteError> {
        let (reads, bytes) = (&self.reads.mark, slot.to_bytes());
        let row = self.cql.row(by, reads, (&service.0, &user.0, &bytes[..])).await;
        let row: Option<(Option<i8>,)> = row.map_err(not_done)?;
        let kind = row.and_then(|(kind,)| kind);
        if kind == Some(SlotMark::Spent.number()) {
            Ok(true)
        } else if kind == Some(SlotMark::Void.number()) {
            Ok(false)
        } else {
            self.settle(by, service, &user, slot).await
        }
    }
}

impl Grave {
    /// Attempts until one has come to an end, however that is, or the time is up. Holds the placements only as long as
    /// one attempt takes.
    async fn work(&self, placements: &Weak<Placements>, ledger: &mut Ledger) -> Result<(), WriteError> {
        let by = Deadline::after(BURIAL_MAX);
        loop {
            let Some(placements) = placements.upgrade() else {
                return Ok(());
            };
            let attempt = placements.bury(self, ledger, by.at_most(ATTEMPT_MAX)).await;
            match attempt {
                Err(WriteError::NotDone(Cause::Timeout) | WriteError::Unknown(Cause::Timeout)) => {}
                ended => return ended,
            }
            placements.pause(by).await?;
        }
    }
}

fn not_done(ReadError(cause): ReadError) -> WriteError {
    WriteError::NotDone(cause)
}

//! Uids that are kept for records from elsewhere: from a time on nobody is given one.
//!
//! Called for administrators, and for each import, whose uids should be reserved by then. Steps: it is written to the
//! placement (`uids_from`); each stripe counts the blocks with such uids as taken (`uids`); and then whoever works by an
//! older placement has to end what he does. A process that finds the first step done by another takes the other two as
//! well, since that one may have died; what it has found to be over it remembers, for all later records of an import.
//!
//! Must stay true, for the last step: a record with a new uid is written within `write_max` of a look at a placement, of
//! which it is known that it stood so within `figures_age_max` ([`CassandraStore::may_write`]). So what is begun by a
//! placement without the reservation ends within both together. Only a write whose outcome its writer has never learned
//! may still be carried out by the cluster later; the audit finds that.

use std::time::Instant;

use foxhold_core::{Deadline, ServiceUid, record::ServiceKey};
use foxhold_ports::{Call, Cause, IntentKind, Refusal, WriteError, assignments::RecordRef};

use super::write::not_done;
use crate::{
    CassandraStore,
    cql::AfterAStep as _,
    placement::{state::Placement, table::How},
    uids::Uid,
};

impl CassandraStore {
    /// Nobody is given a uid up to `through` any more, once this is done. `rule` says what becomes of a placement by that.
    pub(super) async fn reserve(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
        rule: impl Fn(&Placement, ServiceUid) -> Result<Placement, Refusal>,
    ) -> Result<(), WriteError> {
        let by = call.deadline;
        let placement = self.placements.with_nodes(by, service, std::iter::empty()).await;
        let placement = placement.map_err(not_done)?;
        let uids_from = match rule(&placement, through) {
            Ok(after) if after.uids_from == placement.uids_from => placement.uids_from,
            // Refused by what may be remembered, or not reserved yet.
            _ => {
                let change = |state: &Placement| rule(state, through);
                let kind = IntentKind::ReserveUids;
                self.placements.change(call, service, kind, change).await?;
                through.get() + 1
            }
        };
        self.end_reservation(by, service, through, uids_from)
            .await
            .after_a_step()
    }

    /// The later steps of a reservation of all uids below `uids_from`.
    async fn end_reservation(
        &self,
        by: Deadline,
        service: &ServiceKey,
        through: ServiceUid,
        uids_from: u64,
    ) -> Result<(), WriteError> {
        let pool = self.placements.pool(service);
        if pool.is_out_of_reach(through.get()) {
            return Ok(());
        }
        let _turn = self.uids.reserving.turn(service, by).await?;
        if pool.is_out_of_reach(through.get()) {
            return Ok(());
        }
        // All that is reserved at once: others come for the rest.
        let Some(last) = ServiceUid::new(uids_from - 1) else {
            return Err(WriteError::NotDone(Cause::Fault));
        };
        if self.uids.reserve(by, service, last).await? {
            // Processes may have such uids in memory.
            let is_alone = self.cql.regions().all().len() == 1;
            if !is_alone && pool.reserved_since(uids_from, true).is_none() {
                self.placements
                    .uids_from_everywhere(by, service, uids_from)
                    .await?;
            }
            let since = pool
                .reserved_since(uids_from, !is_alone)
                .unwrap_or_else(Instant::now);
            let over = tokio::time::sleep_until((since + self.lease_times.patience()).into());
            let over = tokio::time::timeout_at(by.instant().into(), over).await;
            over.map_err(|_| WriteError::NotDone(Cause::Timeout))?;
        }
        pool.out_of_reach_below(uids_from);
        Ok(())
    }

    /// Until when a record with this uid may be written; `None` = not any more, it was reserved meanwhile.
    pub(super) async fn may_write(
        &self,
        by: Deadline,
        at: &RecordRef,
        uid: &Uid,
    ) -> Result<Option<Deadline>, WriteError> {
        // Counted from before the look.
        let until = by.at_most(self.lease_times.write_max);
        let uids = self.placements.uids(by, &at.service, How::Quorum).await;
        let uids = uids.map_err(not_done)?;
        let is_free = uids.is_some_and(|uids| uids.contains(&uid.number().get()));
        Ok(is_free.then_some(until))
    }
}

//! The end of leases: what became of slots that nobody can say it of, and the own leases when this process ends. Those of
//! writers that are gone: `burial`.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use foxhold_core::{
    Deadline, OpId,
    record::{ServiceKey, UserKey},
};
use foxhold_ports::{ReadError, WriteError};
use futures_util::{StreamExt as _, stream};

use super::{Placements, pool::Pool, slot::SlotId, state::LeaseId};
use crate::{
    assignments::table::{self, SlotMark},
    cql::{KeyGuard, Outcome},
};

/// Slots looked after at once.
const AT_ONCE: usize = 8;

/// Between two looks whether the last slots in work have ended.
const PATIENCE: Duration = Duration::from_millis(20);

impl Placements {
    /// What became of a slot. If it is not on a record yet, it never will be: a mark in the user's partition sees to it,
    /// however late the write may come that would have put it there.
    pub(super) async fn settle(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
        slot: SlotId,
    ) -> Result<bool, WriteError> {
        let bytes = slot.to_bytes();
        let not_done = |ReadError(cause)| WriteError::NotDone(cause);
        loop {
            let seen = table::look(&self.cql, &self.user_reads, by, service, user).await;
            match seen.map_err(not_done)?.slot(&bytes) {
                Some(SlotMark::Spent) => return Ok(true),
                Some(SlotMark::Void) => return Ok(false),
                None => {}
            }
            let values = (&service.0, &user.0, &bytes[..], SlotMark::Void.number());
            if self.cql.decide(by, &self.user_writes.void_slot, values).await? == Outcome::Applied {
                return Ok(false);
            }
            self.pause(by).await?;
        }
    }

    /// Settles the own slots that are in doubt.
    pub(super) async fn settle_doubts(&self, pool: &Pool, by: Deadline) {
        let doubts = stream::iter(pool.doubts()).map(|(slot, doubt)| async move {
            match self.settle(by, &pool.key, &doubt.user, slot).await {
                Ok(true) => pool.settled(slot, true),
                Ok(false) => {
                    // Its number is not used again, so a note that stays is one too many until the lease ends.
                    let _ = self.forget(by, slot, doubt.noted_at + 1).await;
                    pool.settled(slot, false);
                }
                Err(error) => tracing::info!(%error, "a slot stays in doubt"),
            }
        });
        doubts.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Notes that a slot is about to be spent.
    pub(crate) async fn note(
        &self,
        by: Deadline,
        slot: SlotId,
        op: &OpId,
        user: &UserKey,
    ) -> Result<(), WriteError> {
        let values = (
            &slot.lease.0[..],
            super::table::signed(slot.number),
            &op.as_bytes()[..],
            &user.0,
            op.write_timestamp(),
        );
        self.cql.write(by, &self.writes.note_slot, values).await
    }

    /// Deletes the note of a slot, written with a timestamp before `after`.
    pub(crate) async fn forget(&self, by: Deadline, slot: SlotId, after: i64) -> Result<(), WriteError> {
        let values = (after, &slot.lease.0[..], super::table::signed(slot.number));
        self.cql.write(by, &self.writes.forget_slot, values).await
    }

    /// Deletes the notes of leases that have ended.
    pub(super) async fn sweep(&self, by: Deadline, ended: Vec<(LeaseId, i64)>) {
        let deletions = stream::iter(ended).map(|(lease, after)| async move {
            let done = self
                .cql
                .write(by, &self.writes.forget_slots, (after, &lease.0[..]))
                .await;
            if let Err(error) = done {
                tracing::info!(%error, "the notes of a lease are left to expire");
            }
        });
        deletions.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Ends all own leases. From here on no slot is handed out.
    pub(crate) async fn close(&self, by: Deadline) {
        self.leaving.store(true, Ordering::Release);
        let all = self.pools().into_iter().map(|pool| self.leave(pool, by));
        futures_util::future::join_all(all).await;
    }

    async fn leave(&self, pool: Arc<Pool>, by: Deadline) {
        let Some(_turn) = self.last_turn(&pool, by).await else {
            if pool.holds_any() {
                tracing::warn!(service = %pool.key.0, "leases are left for others to end: somebody is at work on them");
            }
            return;
        };
        self.settle_doubts(&pool, by).await;
        while !pool.returning.is_empty() && !by.has_passed() {
            if let Err(error) = self.bring_back(&pool, by).await {
                tracing::warn!(%error, service = %pool.key.0, "slots are left for the audit to find");
                break;
            }
        }
        if let Err(error) = self.tend(&pool, by, true).await {
            tracing::warn!(%error, service = %pool.key.0, "leases are left for others to end");
        }
        self.sweep(by, pool.to_sweep()).await;
    }

    /// The turn after the last slot in work has ended. It is not waited for in turn: who holds one slot may be waiting for
    /// a turn to get another.
    async fn last_turn(&self, pool: &Pool, by: Deadline) -> Option<KeyGuard<ServiceKey>> {
        loop {
            while pool.is_at_work() && !by.has_passed() {
                tokio::time::sleep(PATIENCE).await;
            }
            let turn = self.turns.turn(&pool.key, by).await.ok()?;
            if !pool.is_at_work() || by.has_passed() {
                return Some(turn);
            }
        }
    }
}

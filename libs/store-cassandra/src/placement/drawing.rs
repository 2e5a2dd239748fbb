//! A slot for a user: from a lease that is held, or from a new one, or, if there is no room, from what others hand back.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use foxhold_core::{Deadline, NodeId, record::ServiceKey};
use foxhold_ports::{Cause, ReadError, WriteError};

use super::{
    Placements, Put,
    pool::{Pool, Verdict},
    rules::{self, Draw, Pick, Wanted},
    slot::Slot,
    state::{LeaseId, Placement},
    table::How,
};
use crate::{cql::as_upkeep, fail_point};

/// Changes of others met while drawing a lease, at most.
const ATTEMPTS_MAX: usize = 64;

/// Changes of others met while asking them to hand back, at most; then it is looked again what there is.
const RECALLS_MAX: usize = 8;

/// Between two looks whether others have handed slots back.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How far to go for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// Only what is released already; otherwise the verdict is a hint, made on what is remembered.
    No,
    /// More is released, and others are asked to hand back. The verdict is the placement's.
    Yes,
}

impl Placements {
    /// A slot on the node that is named, or that the rule chooses.
    pub(crate) async fn slot(
        &self,
        by: Deadline,
        service: &ServiceKey,
        wanted: Wanted<'_>,
        release: Release,
    ) -> Result<Result<Slot, Verdict>, WriteError> {
        let mut without_room: Option<Instant> = None;
        loop {
            self.is_staying()?;
            let (pool, arrived) = (self.pool(service), Instant::now());
            pool.asked();
            if let Some(slot) = pool.take(wanted) {
                return Ok(Ok(slot));
            }
            let turn = self.turns.turn(service, by).await?;
            // Whoever was waiting here meanwhile must not draw what nobody would give back.
            self.is_staying()?;
            let refilled = as_upkeep(self.refill(&pool, by, arrived, wanted, release)).await;
            let refilled = refilled.map_err(not_done)?;
            if refilled.as_ref().err() != Some(&Verdict::Others) || release == Release::No {
                return Ok(refilled);
            }
            if without_room.get_or_insert_with(Instant::now).elapsed() >= self.times.recall_wait {
                return Ok(Err(Verdict::Full));
            }
            as_upkeep(self.recall(&pool, by)).await.map_err(not_done)?;
            drop(turn);
            if by.has_passed() {
                return Err(WriteError::NotDone(Cause::Timeout));
            }
            tokio::time::sleep(LOOK_AGAIN.min(self.times.recall_wait / 8)).await;
        }
    }

    fn is_staying(&self) -> Result<(), WriteError> {
        if self.leaving.load(Ordering::Acquire) {
            return Err(WriteError::NotDone(Cause::Unavailable));
        }
        Ok(())
    }

    /// Whether so many records from elsewhere find room on these nodes: asked before any of them takes a slot.
    pub(crate) async fn have_room(
        &self,
        by: Deadline,
        service: &ServiceKey,
        slots: &BTreeMap<NodeId, u64>,
    ) -> Result<bool, WriteError> {
        let pool = self.pool(service);
        if slots.is_empty() || pool.fresh().is_some_and(|state| pool.has_room(&state, slots)) {
            return Ok(true);
        }
        let state = self.look(&pool, How::Serial, by).await?;
        Ok(pool.has_room(&state, slots))
    }

    /// In turn: draws a lease, unless somebody else has done so meanwhile.
    async fn refill(
        &self,
        pool: &Arc<Pool>,
        by: Deadline,
        arrived: Instant,
        wanted: Wanted<'_>,
        release: Release,
    ) -> Result<Result<Slot, Verdict>, WriteError> {
        let mut state = match pool.fresh() {
            Some(state) => state,
            None => self.look(pool, How::Quorum, by).await?,
        };
        let mut looked = None;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(slot) = pool.take(wanted) {
                return Ok(Ok(slot));
            }
            let verdict = match self.attempt(pool, by, &state, wanted, release).await? {
                Attempt::Changed(now) => {
                    state = now;
                    continue;
                }
                Attempt::Verdict(verdict) => verdict,
            };
            if release == Release::No && verdict != Verdict::UnknownService {
                return Ok(Err(verdict));
            }
            if let Some(verdict) = pool.verdict_after(arrived, wanted) {
                return Ok(Err(verdict));
            }
            if let Some(at) = looked {
                pool.judge(at, wanted, verdict);
                return Ok(Err(verdict));
            }
            looked = Some(Instant::now());
            state = self.look(pool, How::Serial, by).await?;
        }
        Err(WriteError::NotDone(Cause::Overloaded))
    }

    async fn attempt(
        &self,
        pool: &Pool,
        by: Deadline,
        state: &Arc<Placement>,
        wanted: Wanted<'_>,
        release: Release,
    ) -> Result<Attempt, WriteError> {
        if state.service.is_none() {
            return Ok(Attempt::Verdict(Verdict::UnknownService));
        }
        let regions = self.cql.regions();
        let me = self.me(&regions.own().name);
        let after = match pool.pick(state, wanted) {
            // It was not handed out because this writer may be taken for dead: first it shows that it is not.
            Pick::Spend(_) => {
                let mut after = Placement::clone(state);
                rules::renew(&mut after, me);
                Some(after)
            }
            Pick::Draw(_, releases) if !releases.is_empty() && release == Release::No => {
                return Ok(Attempt::Verdict(Verdict::Release));
            }
            Pick::Draw(node, releases) => {
                let lease = Draw {
                    node,
                    releases: &releases,
                    id: LeaseId::random(self.random.as_ref()),
                    seeker: wanted.seeker,
                };
                pool.draw(state, me, lease)
            }
            Pick::Others => return Ok(Attempt::Verdict(Verdict::Others)),
            Pick::Full => return Ok(Attempt::Verdict(Verdict::Full)),
            Pick::Closed => return Ok(Attempt::Verdict(Verdict::Closed)),
        };
        let Some(after) = after else {
            return Ok(Attempt::Changed(self.look(pool, How::Serial, by).await?));
        };
        match self.put(pool, by, state, after, None).await? {
            Put::Done => {
                fail_point("lease.drawn");
                Ok(Attempt::Changed(
                    pool.known().unwrap_or_else(|| Arc::clone(state)),
                ))
            }
            Put::Instead(found, _) => {
                self.pause(by).await?;
                Ok(Attempt::Changed(found))
            }
        }
    }

    /// Asks the others to hand back, unless that was done just now; in turn. They are asked only once it is written.
    async fn recall(&self, pool: &Pool, by: Deadline) -> Result<(), WriteError> {
        let Some(mut state) = pool.known().filter(|_| pool.is_time_to_recall()) else {
            return Ok(());
        };
        for _ in 0..RECALLS_MAX {
            let regions = self.cql.regions();
            let after = rules::recall(&state, self.me(&regions.own().name));
            let asked = after.recall;
            match self.put(pool, by, &state, after, None).await? {
                Put::Instead(found, _) if found.recall != asked => state = found,
                Put::Done | Put::Instead(..) => {
                    pool.recalled();
                    return Ok(());
                }
            }
            self.pause(by).await?;
        }
        // There is so much going on that a look may well find something.
        Ok(())
    }

    async fn look(&self, pool: &Pool, how: How, by: Deadline) -> Result<Arc<Placement>, WriteError> {
        let read = self.read(pool, how, by).await;
        read.map_err(|ReadError(cause)| WriteError::NotDone(cause))
    }
}

enum Attempt {
    Changed(Arc<Placement>),
    Verdict(Verdict),
}

/// A lease that may have been drawn is nothing of the intent that asked for it.
fn not_done(error: WriteError) -> WriteError {
    match error {
        WriteError::Unknown(cause) => WriteError::NotDone(cause),
        other => other,
    }
}

//! What a process that holds leases does from time to time: shows that it lives, looks at the placement, hands back what
//! others need, and has the leases of those that are gone ended beside it. At services that nobody asks it for it looks
//! seldom, so that what a dead writer held there comes back before somebody needs it.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use foxhold_core::{Deadline, record::ServiceKey};
use foxhold_ports::{ReadError, WriteError};
use futures_util::future::join_all;
use scylla::DeserializeRow;

use super::{Placements, Put, pool::Pool, state::Placement, table::How, times::LeaseTimes};
use crate::cql::as_upkeep;

/// A round of upkeep that takes longer is given up; the next one goes on.
const ROUND_MAX: Duration = Duration::from_secs(5);

/// Changes of others met in one round, at most.
const ATTEMPTS_MAX: usize = 8;

/// Services that are looked at though nobody asks for them, at most: far fewer than pools there may be, since those are
/// forgotten between two looks if there are too many.
const LOOKED_AT_MAX: usize = 256;

#[derive(DeserializeRow)]
struct Named {
    service: String,
}

/// Looks after all placements as long as somebody holds them.
pub(super) fn start(placements: &Arc<Placements>, times: LeaseTimes) {
    let weak = Arc::downgrade(placements);
    tokio::spawn(as_upkeep(run(weak, times)));
}

async fn run(placements: Weak<Placements>, times: LeaseTimes) {
    let mut tick = tokio::time::interval(times.look_every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked_around = Instant::now();
    loop {
        tick.tick().await;
        let Some(placements) = placements.upgrade() else {
            return;
        };
        if looked_around.elapsed() >= times.lives_for + times.write_max {
            looked_around = Instant::now();
            placements.look_around().await;
        }
        let pools = placements.pools();
        let due = pools.iter().filter(|pool| pool.needs_care());
        join_all(due.map(|pool| placements.round(pool))).await;
    }
}

impl Placements {
    /// A look at each service that nobody asks for. Whoever shows no sign of life until the next one or the one after that
    /// is dead.
    async fn look_around(self: &Arc<Self>) {
        let by = Deadline::after(ROUND_MAX);
        let rows: Result<Vec<Named>, _> = self.cql.rows(by, &self.reads.names, ()).await;
        // Another time; who asks for a service has it looked after in any case.
        let Ok(rows) = rows else { return };
        let pools = rows.into_iter().take(LOOKED_AT_MAX);
        let pools = pools.map(|row| self.pool(&ServiceKey(row.service)));
        let idle: Vec<_> = pools.filter(|pool| !pool.needs_care()).collect();
        join_all(idle.iter().map(|pool| self.round(pool))).await;
    }

    async fn round(self: &Arc<Self>, pool: &Arc<Pool>) {
        let by = Deadline::after(ROUND_MAX);
        let (done, service) = (self.try_round(pool, by).await, &pool.key.0);
        match (pool.upkeep_is_late(done.is_err()), done) {
            (true, Err(error)) => tracing::warn!(%error, %service, "upkeep of leases is late"),
            (true, Ok(())) => tracing::info!(%service, "upkeep of leases is in time again"),
            (false, _) => {}
        }
    }

    async fn try_round(self: &Arc<Self>, pool: &Arc<Pool>, by: Deadline) -> Result<(), WriteError> {
        let read = self.read(pool, How::Quorum, by).await;
        read.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        self.settle_doubts(pool, by).await;
        if pool.holds_any() {
            let _turn = self.turns.turn(&pool.key, by).await?;
            self.tend(pool, by, false).await?;
        }
        self.sweep(by, pool.to_sweep()).await;
        self.begin_burials(pool);
        // What nobody waits for any more, or what waits too long.
        if !pool.returning.is_empty() {
            let _turn = self.turns.turn(&pool.key, by).await?;
            self.bring_back(pool, by).await?;
        }
        Ok(())
    }

    /// Writes what this writer's leases have come to, if there is anything to write; in turn.
    pub(super) async fn tend(&self, pool: &Pool, by: Deadline, everything: bool) -> Result<(), WriteError> {
        let Some(mut state) = pool.known() else {
            return Ok(());
        };
        for _ in 0..ATTEMPTS_MAX {
            let regions = self.cql.regions();
            let after: Option<Placement> = pool.upkeep(&state, self.me(&regions.own().name), everything);
            let Some(after) = after else {
                return Ok(());
            };
            match self.put(pool, by, &state, after, None).await? {
                Put::Done => return Ok(()),
                Put::Instead(found, _) => state = found,
            }
            self.pause(by).await?;
        }
        Ok(())
    }
}

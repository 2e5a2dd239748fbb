//! Which node a new user of a service goes to (`tokenserver.md` 9): one partition a service, changed by conditional
//! writes, and blocks of slots that a process draws from it, so that most users cost it nothing.
//!
//! Called by `assignments`. Must stay true: the load of a node never exceeds its capacity, whatever fails; figures are
//! exact once the leases are counted in; nobody is refused on what is merely remembered.
//!
//! Why that holds over several regions, of which one may know a placement later than another: what is remembered, up to
//! `figures_age_max` old or older where a region lags, only says which node to *try*. A slot is taken in two writes only. A
//! lease is drawn by a write on condition of the very version it was computed from, at the serial level of the deployment:
//! computed from an older one, it is not applied. And a slot of a lease is spent by its holder alone, in a write on
//! condition that nobody has marked the slot as void, which whoever ends the lease does first. So age and lag cost tries,
//! or send a user to a node that is no longer the best, and never a slot that is not there. Uids have no such condition:
//! see `assignments::reserving`.

mod burial;
mod drawing;
mod ending;
mod pool;
mod returning;
pub(crate) mod returns;
pub(crate) mod rows;
pub(crate) mod rules;
mod slot;
pub(crate) mod state;
pub(crate) mod table;
mod times;
mod upkeep;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Instant,
};

use foxhold_core::{
    Clock, Deadline, Random,
    record::{Service, ServiceKey},
};
use foxhold_ports::{Call, Cause, IntentKind, ReadError, Refusal, WriteError, assignments::NodeChange};
use tokio::sync::Semaphore;

pub(crate) use drawing::Release;
use pool::Pool;
pub(crate) use pool::Verdict;
pub(crate) use returning::Passage;
pub(crate) use rules::{Seeker, Wanted, Where};
pub(crate) use slot::Slot;
pub use times::LeaseTimes;

use self::{
    rules::Me,
    state::{Placement, WriterId},
    table::{How, PlacementReads, PlacementWrites},
};
use crate::{
    Region, RegionState,
    assignments::table::{AssignmentReads, AssignmentWrites},
    cql::{Cql, Doubts, KeyedLocks, Settled, decide_or_look, pause},
};

/// Services looked after at a time; those that nobody asks for are forgotten first.
const POOLS_MAX: usize = 1024;

/// The placements of all services, as one process takes part in them.
pub(crate) struct Placements {
    pub(crate) cql: Arc<Cql>,
    pub(crate) reads: PlacementReads,
    pub(crate) writes: PlacementWrites,
    pub(crate) user_reads: AssignmentReads,
    pub(crate) user_writes: AssignmentWrites,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    times: LeaseTimes,
    me: WriterId,
    pools: Mutex<HashMap<ServiceKey, Arc<Pool>>>,
    turns: KeyedLocks<ServiceKey>,
    /// Turns of those that end the leases of dead writers.
    burials: Arc<Semaphore>,
    leaving: AtomicBool,
}

/// What became of a change.
enum Put {
    /// It was made.
    Done,
    /// It was not as far as one can see; this is how the placement stands instead. And why it still may be made, if so.
    Instead(Arc<Placement>, Option<Cause>),
}

/// Everything a process needs to take part.
pub(crate) struct Parts {
    pub(crate) cql: Arc<Cql>,
    pub(crate) reads: PlacementReads,
    pub(crate) writes: PlacementWrites,
    pub(crate) user_reads: AssignmentReads,
    pub(crate) user_writes: AssignmentWrites,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Placements {
    /// Takes part under a name of its own. What has to be done from time to time is done as long as this lives.
    pub(crate) fn start(parts: Parts, times: LeaseTimes) -> Arc<Self> {
        let placements = Arc::new(Self {
            me: WriterId::random(parts.random.as_ref()),
            cql: parts.cql,
            reads: parts.reads,
            writes: parts.writes,
            user_reads: parts.user_reads,
            user_writes: parts.user_writes,
            clock: parts.clock,
            random: parts.random,
            times,
            pools: Mutex::default(),
            turns: KeyedLocks::default(),
            burials: Arc::new(Semaphore::new(burial::AT_ONCE)),
            leaving: AtomicBool::new(false),
        });
        upkeep::start(&placements, times);
        placements
    }

    pub(crate) fn pool(&self, service: &ServiceKey) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= POOLS_MAX && !pools.contains_key(service) {
            pools.retain(|_, pool| pool.needs_care());
        }
        let pool = pools
            .entry(service.clone())
            .or_insert_with(|| Arc::new(Pool::new(service.clone(), self.me, self.times)));
        Arc::clone(pool)
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.values().map(Arc::clone).collect()
    }

    /// Which uids a service may hand out, at most as old as figures may be, or for sure; `None` = there is no such service.
    pub(crate) async fn uids(
        &self,
        by: Deadline,
        service: &ServiceKey,
        how: How,
    ) -> Result<Option<RangeInclusive<u64>>, ReadError> {
        let pool = self.pool(service);
        let state = match pool.fresh().filter(|_| how == How::Quorum) {
            Some(state) => state,
            None => self.read(&pool, how, by).await?,
        };
        let uids = |service: &Service| state.uids_from..=service.uid_ceiling;
        Ok(state.service.as_ref().map(uids))
    }

    /// The placement of a service, as old as figures may be if it has these nodes; else as it stands for sure.
    pub(crate) async fn with_nodes(
        &self,
        by: Deadline,
        service: &ServiceKey,
        mut urls: impl Iterator<Item = &str>,
    ) -> Result<Arc<Placement>, ReadError> {
        let pool = self.pool(service);
        pool.asked();
        match pool.fresh() {
            Some(state)
                if state.service.is_some() && urls.all(|url| rules::at_url(&state, url).is_some()) =>
            {
                Ok(state)
            }
            _ => self.read(&pool, How::Serial, by).await,
        }
    }

    /// Waits until every region that lives has seen which uids are reserved in this placement. There each process looks
    /// at a quorum of its own region.
    pub(crate) async fn uids_from_everywhere(
        &self,
        by: Deadline,
        service: &ServiceKey,
        from: u64,
    ) -> Result<(), WriteError> {
        let regions = self.cql.regions();
        let live = |region: &&Region| region.state == RegionState::Live && region.name != regions.own().name;
        for region in regions.all().iter().filter(live) {
            loop {
                let there = table::read_in(&self.cql, &self.reads, region, by, service).await;
                if there
                    .map_err(|ReadError(cause)| WriteError::NotDone(cause))?
                    .uids_from
                    >= from
                {
                    break;
                }
                self.pause(by).await?;
            }
        }
        self.pool(service).reserved_everywhere(from);
        Ok(())
    }

    /// Reads a placement. What is known already is answered if it is newer.
    async fn read(&self, pool: &Pool, how: How, by: Deadline) -> Result<Arc<Placement>, ReadError> {
        let at = Instant::now();
        let state = table::read(&self.cql, &self.reads, how, by, &pool.key).await?;
        Ok(pool.learn(state, at))
    }

    /// An administrator's change: made once for its operation, whatever was changed since.
    pub(crate) async fn change(
        &self,
        call: &Call,
        service: &ServiceKey,
        kind: IntentKind,
        compute: impl Fn(&Placement) -> Result<Placement, Refusal>,
    ) -> Result<(), WriteError> {
        let by = call.deadline;
        let pool = self.pool(service);
        let _turn = self.turns.turn(service, by).await?;
        let read = self.read(&pool, How::Serial, by).await;
        let mut state = read.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        let mut doubts = Doubts::default();
        loop {
            if state.done.contains(&call.op) {
                return Ok(());
            }
            let mut after = compute(&state)?;
            after.done.insert(call.op);
            match doubts.weigh(self.put(&pool, by, &state, after, Some(kind)).await)? {
                Put::Done => return Ok(()),
                Put::Instead(found, doubt) => {
                    doubts.note(doubt);
                    state = found;
                }
            }
            doubts.weigh(self.pause(by).await)?;
        }
    }

    /// Changes what is given of a node. What this process holds of its slots goes back with that; others hand back what
    /// they hold when they see it.
    pub(crate) async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: &NodeChange,
    ) -> Result<(), WriteError> {
        let (pool, regions) = (self.pool(service), self.cql.regions());
        let me = self.me(&regions.own().name);
        let compute = |state: &Placement| match rules::at_url(state, url) {
            Some(node) => rules::update_node(&pool.hand_back(state, me, node), url, change),
            None => rules::update_node(state, url, change),
        };
        self.change(call, service, IntentKind::UpdateNode, compute).await
    }

    /// Makes a change if the placement is still as it was; otherwise reads it, after everything in doubt.
    async fn put(
        &self,
        pool: &Pool,
        by: Deadline,
        before: &Placement,
        mut after: Placement,
        kind: Option<IntentKind>,
    ) -> Result<Put, WriteError> {
        after.version = Some(table::next_version(before));
        let at = pool.sends(before, &after);
        let write = table::write(&self.cql, &self.writes, by, &pool.key, before, &after, kind);
        let look = || self.read(pool, How::Serial, by);
        match decide_or_look(by, write, look).await? {
            Settled::Applied => {
                pool.learn(after, at);
                Ok(Put::Done)
            }
            Settled::Look { view, doubt } => Ok(Put::Instead(view, doubt)),
        }
    }

    /// Before the same is tried again: somebody else is at work there.
    async fn pause(&self, by: Deadline) -> Result<(), WriteError> {
        pause(by, self.random.as_ref()).await;
        if by.has_passed() {
            return Err(WriteError::NotDone(Cause::Timeout));
        }
        Ok(())
    }

    /// This writer, as it stands in what it writes.
    fn me<'a>(&self, region: &'a str) -> Me<'a> {
        Me {
            id: self.me,
            region,
            now: self.clock.now().as_millis(),
        }
    }
}

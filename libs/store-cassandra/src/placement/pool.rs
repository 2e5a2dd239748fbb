//! What one process knows of a service's placement, and the slots it holds: from here most users get their slot without
//! a word to the cluster.
//!
//! Must stay true: a slot is handed out once; never one that has been promised back, and none after the writer may have
//! been taken for dead.

mod held;
mod reserved;
mod verdicts;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use foxhold_core::{NodeId, record::ServiceKey};
use foxhold_ports::assignments::change::Place;
use held::Held;
use reserved::Reserved;
use verdicts::Verdicts;

use super::{
    burial::Ledger,
    returning::Queue,
    rules::{self, Draw, Holding, Holdings, Me, Pick, Telling, Wanted},
    slot::{Doubt, End, Slot, SlotId},
    state::{LeaseId, Placement, Recall, WriterId},
    times::LeaseTimes,
};

/// Ended leases whose notes wait to be deleted, at most; the others' notes expire by themselves.
const TO_SWEEP_MAX: usize = 1024;

/// One service's.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) key: ServiceKey,
    pub(crate) me: WriterId,
    times: LeaseTimes,
    inner: Mutex<Inner>,
    /// Slots on their way back to its nodes.
    pub(super) returning: Queue,
}

#[derive(Debug, Default)]
struct Inner {
    known: Option<Known>,
    held: BTreeMap<LeaseId, Held>,
    /// The last sign of life that was sent, and when.
    sign: Option<(u64, Instant)>,
    /// When the last one was sent that is known to have arrived.
    renewed: Option<Instant>,
    /// Signs of life of other writers, and since when each is the last.
    seen: HashMap<WriterId, (u64, Instant)>,
    /// Writers whose leases are being ended, each with the sign of life it counts from.
    burials: HashMap<WriterId, (u64, Arc<tokio::sync::Mutex<Ledger>>)>,
    /// The last recall that was heard.
    heard: Option<Recall>,
    verdicts: Verdicts,
    reserved: Reserved,
    to_sweep: Vec<(LeaseId, i64)>,
    asked: Option<Instant>,
    /// When the others were last asked to hand back.
    recalled: Option<Instant>,
    is_late: bool,
}

#[derive(Debug)]
struct Known {
    state: Arc<Placement>,
    /// No later than it was so.
    at: Instant,
}

/// Why there is no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is no such service.
    UnknownService,
    /// More slots would have to be released first.
    Release,
    /// Other writers hold all there are.
    Others,
    /// No node has room.
    Full,
    /// The service has as many users as it takes.
    Closed,
}

impl Pool {
    pub(crate) fn new(key: ServiceKey, me: WriterId, times: LeaseTimes) -> Self {
        Self {
            key,
            me,
            times,
            inner: Mutex::default(),
            returning: Queue::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The placement as it is known, however old.
    pub(crate) fn known(&self) -> Option<Arc<Placement>> {
        self.inner().known.as_ref().map(|known| Arc::clone(&known.state))
    }

    /// The placement, if it is known well enough to choose by.
    pub(crate) fn fresh(&self) -> Option<Arc<Placement>> {
        self.inner()
            .fresh(self.times)
            .map(|known| Arc::clone(&known.state))
    }

    /// The placement, if it is known to have been so within that time.
    pub(crate) fn known_within(&self, age: Duration) -> Option<Arc<Placement>> {
        let inner = self.inner();
        let known = inner.known.as_ref().filter(|known| known.at.elapsed() < age);
        known.map(|known| Arc::clone(&known.state))
    }

    /// Somebody wants something of this service: it is looked after for a while.
    pub(crate) fn asked(&self) {
        self.inner().asked = Some(Instant::now());
    }

    /// Whether there is anything to look after.
    pub(crate) fn needs_care(&self) -> bool {
        let inner = self.inner();
        let lately = (self.times.lives_for + self.times.write_max) * 3;
        !inner.held.is_empty()
            || !self.returning.is_empty()
            || !inner.to_sweep.is_empty()
            || inner.asked.is_some_and(|asked| asked.elapsed() < lately)
    }

    /// Takes over what was read or written; `at` is no later than it was so.
    pub(crate) fn learn(&self, state: Placement, at: Instant) -> Arc<Placement> {
        let mut inner = self.inner();
        if let Some(known) = &mut inner.known {
            if known.state.version == state.version {
                known.at = known.at.max(at);
            }
            if known.state.version >= state.version {
                return Arc::clone(&known.state);
            }
        }
        inner.reserved.learn(state.uids_from, Instant::now());
        let state = Arc::new(state);
        let before = inner.known.replace(Known {
            state: Arc::clone(&state),
            at,
        });
        if let Some(before) = before {
            inner.heed_moves(&before.state, &state);
        }
        inner.follow(&state, self.me);
        state
    }

    /// A slot of a lease that is held, by the rule, if the figures are fresh and the rule says so.
    pub(crate) fn take(self: &Arc<Self>, wanted: Wanted<'_>) -> Option<Slot> {
        let mut inner = self.inner();
        if !inner.may_spend(self.times) {
            return None;
        }
        let state = Arc::clone(&inner.fresh(self.times)?.state);
        let Pick::Spend(lease) = rules::pick(&state, self.me, &inner.spendable(), wanted) else {
            return None;
        };
        let held = inner.held.get_mut(&lease).filter(|held| held.free() > 0)?;
        let node = state.nodes.get(&held.node)?;
        let number = held.next_number;
        held.next_number += 1;
        held.used += 1;
        held.in_work += 1;
        let place = Place {
            node: node.url.clone(),
            node_type: node.node_type.clone(),
        };
        let id = SlotId { lease, number };
        Some(Slot::new(Arc::clone(self), id, held.node, place))
    }

    /// What the rule says to this state.
    pub(crate) fn pick(&self, state: &Placement, wanted: Wanted<'_>) -> Pick {
        rules::pick(state, self.me, &self.inner().spendable(), wanted)
    }

    /// Whether so many records from elsewhere find room on these nodes.
    pub(crate) fn has_room(&self, state: &Placement, slots: &BTreeMap<NodeId, u64>) -> bool {
        let held = self.inner().spendable();
        let mut slots = slots.iter();
        slots.all(|(node, wanted)| rules::room_exactly(state, self.me, &held, *node) >= *wanted)
    }

    /// The state after a new lease was drawn. What has to go back for it is not spent any more from here on.
    pub(crate) fn draw(&self, state: &Placement, me: Me<'_>, lease: Draw<'_>) -> Option<Placement> {
        let mut inner = self.inner();
        if rules::hands_back_first(state, lease.seeker) {
            inner.withdraw(state, self.times, true);
        }
        let held = inner.holdings();
        rules::draw(state, me, &held, lease)
    }

    /// Whether slots may be spent: nobody can have ended the leases.
    pub(crate) fn may_spend(&self) -> bool {
        self.inner().may_spend(self.times)
    }

    /// Whether this lease is still held.
    pub(crate) fn holds(&self, lease: LeaseId) -> bool {
        self.inner().held.contains_key(&lease)
    }

    /// The state this writer's upkeep leads to, if it is another. What is to go back is not spent any more from here on.
    pub(crate) fn upkeep(&self, state: &Placement, me: Me<'_>, everything: bool) -> Option<Placement> {
        let mut inner = self.inner();
        inner.withdraw(state, self.times, everything);
        let held = inner.holdings();
        let others = state.leases.values().any(|lease| lease.writer != self.me);
        let telling = if others { Telling::All } else { Telling::Nothing };
        let mut after = if everything {
            rules::leave(state, me, &held)
        } else {
            rules::tend(state, me, &held, telling)
        };
        let due = inner
            .renewed
            .is_none_or(|at| at.elapsed() >= self.times.renew_every);
        let holds = after.of(self.me).next().is_some();
        if holds && (due || after != *state) {
            rules::renew(&mut after, me);
        }
        (after != *state).then_some(after)
    }

    /// The state after this writer handed back what it holds of a node; nobody is given that any more from here on.
    pub(crate) fn hand_back(&self, state: &Placement, me: Me<'_>, node: NodeId) -> Placement {
        let mut inner = self.inner();
        let of_node = inner.held.values_mut().filter(|held| held.node == node);
        of_node.for_each(Held::withdraw);
        let held = inner.holdings();
        rules::tend(state, me, &held, Telling::All)
    }

    /// A change is about to be sent: if there is a new sign of life in it, remembers that, and when.
    pub(crate) fn sends(&self, before: &Placement, after: &Placement) -> Instant {
        let now = Instant::now();
        if let Some(new) = after
            .sign(self.me)
            .filter(|new| before.sign(self.me) != Some(*new))
        {
            let mut inner = self.inner();
            // Sent once before, and in doubt: the others may have seen that one.
            if inner.sign.is_none_or(|(sent, _)| sent != new) {
                inner.sign = Some((new, now));
            }
        }
        now
    }

    /// When the last sign of life was sent for the first time.
    #[cfg(test)]
    pub(crate) fn sign_sent(&self) -> Option<Instant> {
        self.inner().sign.map(|(_, sent)| sent)
    }

    /// Writers that have shown no sign of life for so long that their leases may be ended, each with its last sign.
    pub(crate) fn dead(&self) -> Vec<(WriterId, u64)> {
        let silence = self.times.lives_for + self.times.write_max;
        let inner = self.inner();
        let silent = inner
            .seen
            .iter()
            .filter(|(_, (_, since))| since.elapsed() >= silence);
        silent.map(|(id, (sign, _))| (*id, *sign)).collect()
    }

    /// The last sign of life of a writer, as far as it is known; `None` = it has none.
    pub(crate) fn last_heard(&self, writer: WriterId) -> Option<u64> {
        let inner = self.inner();
        inner.known.as_ref()?.state.sign(writer)
    }

    /// What was found out of the slots of a writer that was last heard of by this sign. The same one until the writer has
    /// shown another or is gone; whoever ends its leases holds it meanwhile.
    pub(crate) fn ledger(&self, dead: WriterId, sign: u64) -> Arc<tokio::sync::Mutex<Ledger>> {
        let mut inner = self.inner();
        let ledger = inner.burials.entry(dead).or_default();
        if ledger.0 != sign {
            *ledger = (sign, Arc::default());
        }
        Arc::clone(&ledger.1)
    }

    /// Whether it is time to ask the others again.
    pub(crate) fn is_time_to_recall(&self) -> bool {
        let pause = self.times.recall_wait / 2;
        self.inner().recalled.is_none_or(|at| at.elapsed() >= pause)
    }

    /// The others were asked.
    pub(crate) fn recalled(&self) {
        self.inner().recalled = Some(Instant::now());
    }

    /// Takes down how upkeep goes; answers whether that is news.
    pub(super) fn upkeep_is_late(&self, is_late: bool) -> bool {
        std::mem::replace(&mut self.inner().is_late, is_late) != is_late
    }

    /// A note of a slot of this lease was written with this timestamp.
    pub(super) fn noted(&self, id: SlotId, at: i64) {
        if let Some(held) = self.inner().held.get_mut(&id.lease) {
            held.noted_at = held.noted_at.max(at);
        }
    }

    /// What became of a slot.
    pub(super) fn end(&self, id: SlotId, end: End) {
        let mut inner = self.inner();
        let Some(held) = inner.held.get_mut(&id.lease) else {
            return;
        };
        held.in_work = held.in_work.saturating_sub(1);
        match end {
            End::Spent => {}
            End::Free => held.used = held.used.saturating_sub(1),
            End::InDoubt(doubt) => held.doubts.push(doubt),
        }
    }

    /// Slots of which nobody knows whether they were spent.
    pub(super) fn doubts(&self) -> Vec<(SlotId, Doubt)> {
        let inner = self.inner();
        let of = |(lease, held): (&LeaseId, &Held)| -> Vec<_> {
            let id = |doubt: &Doubt| SlotId {
                lease: *lease,
                number: doubt.number,
            };
            held.doubts
                .iter()
                .map(|doubt| (id(doubt), doubt.clone()))
                .collect()
        };
        inner.held.iter().flat_map(of).collect()
    }

    /// A doubt was settled.
    pub(crate) fn settled(&self, id: SlotId, spent: bool) {
        let mut inner = self.inner();
        let Some(held) = inner.held.get_mut(&id.lease) else {
            return;
        };
        let before = held.doubts.len();
        held.doubts.retain(|doubt| doubt.number != id.number);
        if held.doubts.len() < before && !spent {
            held.used = held.used.saturating_sub(1);
        }
    }

    /// Whether any slot is in work.
    pub(crate) fn is_at_work(&self) -> bool {
        self.inner().held.values().any(|held| held.in_work > 0)
    }

    /// Ended leases whose notes can be deleted, with a timestamp after all of them.
    pub(crate) fn to_sweep(&self) -> Vec<(LeaseId, i64)> {
        std::mem::take(&mut self.inner().to_sweep)
    }

    /// Whether any lease is held.
    pub(crate) fn holds_any(&self) -> bool {
        !self.inner().held.is_empty()
    }
}

impl Inner {
    fn fresh(&self, times: LeaseTimes) -> Option<&Known> {
        let known = self.known.as_ref();
        known.filter(|known| known.at.elapsed() < times.figures_age_max)
    }

    fn may_spend(&self, times: LeaseTimes) -> bool {
        self.renewed.is_some_and(|at| at.elapsed() < times.spends_for)
    }

    /// Leases as the choice sees them: what is not free cannot be had.
    fn spendable(&self) -> Holdings {
        let holding = |held: &Held| Holding {
            used: held.used,
            open: held.open(),
            withheld: held.size.saturating_sub(held.free() + held.used),
            ..Holding::default()
        };
        self.held.iter().map(|(id, held)| (*id, holding(held))).collect()
    }

    /// Leases as they are written. What is being returned cannot be spent any more while that is done.
    fn holdings(&mut self) -> Holdings {
        for held in self.held.values_mut() {
            held.limit = held.limit.map(|limit| limit.min(held.used));
        }
        let holding = |held: &Held| Holding {
            used: held.used,
            settled: held.open() == 0,
            to_return: held.limit.is_some(),
            ..Holding::default()
        };
        self.held.iter().map(|(id, held)| (*id, holding(held))).collect()
    }

    /// A newer state: leases come and go, signs of life, recalls.
    fn follow(&mut self, state: &Placement, me: WriterId) {
        let now = Instant::now();
        let own: BTreeMap<_, _> = state.of(me).map(|(_, lease)| (lease.id, lease)).collect();
        let gone: Vec<_> = self
            .held
            .keys()
            .filter(|id| !own.contains_key(id))
            .copied()
            .collect();
        for id in gone {
            if let Some(held) = self.held.remove(&id)
                && self.to_sweep.len() < TO_SWEEP_MAX
            {
                self.to_sweep.push((id, held.noted_at + 1));
            }
        }
        for (id, lease) in own {
            let held = self.held.entry(id).or_insert_with(|| Held::new(lease.node, now));
            held.follow(&lease);
        }
        if let Some((sign, sent)) = self.sign
            && state.sign(me) == Some(sign)
        {
            self.renewed = Some(sent);
        }
        self.watch(state, me, now);
    }

    /// Slots of a node that has come to another pool go back: they were drawn for other users.
    fn heed_moves(&mut self, before: &Placement, now: &Placement) {
        let pool = |state: &Placement, node| state.nodes.get(node).map(|node| node.pool.clone());
        for held in self.held.values_mut() {
            held.recalled |= pool(before, &held.node) != pool(now, &held.node);
        }
    }

    fn watch(&mut self, state: &Placement, me: WriterId, now: Instant) {
        self.seen.retain(|id, _| state.writer(*id).is_some());
        for writer in state.writers.values().filter(|writer| writer.id != me) {
            let seen = self.seen.entry(writer.id).or_insert((writer.renewed_at, now));
            if seen.0 != writer.renewed_at {
                *seen = (writer.renewed_at, now);
            }
        }
        self.burials
            .retain(|id, (sign, _)| state.sign(*id) == Some(*sign));
        if self.heard != state.recall {
            self.heard = state.recall;
            if state.recall.is_some_and(|recall| recall.writer != me) {
                self.held.values_mut().for_each(|held| held.recalled = true);
            }
        }
    }

    /// From here on no slot is handed out that is about to be returned.
    fn withdraw(&mut self, state: &Placement, times: LeaseTimes, everything: bool) {
        for held in self.held.values_mut() {
            let returns = everything
                || held.recalled
                || held.since.elapsed() >= times.lease_age_max
                || rules::takes_nobody(state, held.node);
            if returns {
                held.withdraw();
            }
            held.recalled &= held.used < held.size;
        }
    }
}

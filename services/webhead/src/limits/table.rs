//! What is remembered of each key: counted events and blocks, bounded, the key idle for longest out first.
//!
//! Called by the engine under its lock. Must stay true: an active block is never forgotten to make room.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use foxhold_core::Timestamp;

use super::rules::{KeyKind, Rule};

/// Whether an event is known to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It counts.
    Kept,
    /// It may yet be taken back.
    Reserved,
}

/// Sixteen bytes that stand for a key's value. The value itself is not kept.
pub(super) type Subject = [u8; 16];

/// Where something is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    /// Events and block of one rule.
    Rule(usize, Subject),
    /// A ban from everything.
    Ban(KeyKind, Subject),
}

/// How long something reserved waits to be kept or taken back; longer than a request may take. One that nobody comes back
/// for counts: its client may have left only because the answer did not please.
const RESERVED_SPAN: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Entry {
    events: VecDeque<Timestamp>,
    /// Events of which it is not known yet whether they count.
    reserved: VecDeque<Timestamp>,
    blocked_until: Option<Timestamp>,
    /// When the last of it ends; past that it may be forgotten at once.
    useful_until: Timestamp,
    /// Its place in the order of use.
    used: u64,
}

impl Entry {
    fn block_left(&self, now: Timestamp) -> Option<Duration> {
        self.blocked_until
            .map(|until| until.since(now))
            .filter(|left| !left.is_zero())
    }

    /// Forgets what is over, and counts what was reserved for too long. How many events were forgotten.
    fn trim(&mut self, window: Duration, now: Timestamp) -> usize {
        while let Some(event) = pop_older(&mut self.reserved, RESERVED_SPAN.min(window), now) {
            self.events.push_back(event);
        }
        let mut forgotten = 0;
        while pop_older(&mut self.events, window, now).is_some() {
            forgotten += 1;
        }
        forgotten
    }
}

/// The first event, if it is older than that.
fn pop_older(events: &mut VecDeque<Timestamp>, span: Duration, now: Timestamp) -> Option<Timestamp> {
    let first = *events.front()?;
    (now.since(first) >= span).then(|| events.pop_front()).flatten()
}

/// How many events count somewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// For certain.
    pub(super) kept: usize,
    /// Perhaps.
    pub(super) reserved: usize,
}

impl Count {
    pub(super) const fn all(self) -> usize {
        self.kept + self.reserved
    }
}

/// How many entries are looked at to make room for one.
const SEARCH_MAX: usize = 16;

/// The memory of the limiter.
pub(super) struct Table {
    entries: HashMap<Slot, Entry>,
    by_use: BTreeMap<u64, Slot>,
    next_use: u64,
    events: usize,
    keys_max: usize,
    events_max: usize,
    forgotten: u64,
}

impl Table {
    pub(super) fn new(keys_max: usize, events_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            next_use: 0,
            events: 0,
            keys_max,
            events_max,
            forgotten: 0,
        }
    }

    /// How long a block there lasts yet.
    pub(super) fn block_left(&self, slot: Slot, now: Timestamp) -> Option<Duration> {
        self.entries.get(&slot)?.block_left(now)
    }

    /// How many events count there at present.
    pub(super) fn count(&mut self, slot: Slot, rule: &Rule, now: Timestamp) -> Count {
        let Some(entry) = self.entries.get_mut(&slot) else {
            return Count::default();
        };
        self.events -= entry.trim(rule.window, now);
        Count {
            kept: entry.events.len(),
            reserved: entry.reserved.len(),
        }
    }

    /// Remembers an event, for good or reserved; `rule.max` of them at most.
    pub(super) fn record(&mut self, slot: Slot, rule: &Rule, hold: Hold, now: Timestamp) {
        if self.count(slot, rule, now).all() >= rule.max || !self.make_room(slot, now) {
            return;
        }
        let entry = self.touch(slot);
        match hold {
            Hold::Kept => entry.events.push_back(now),
            Hold::Reserved => entry.reserved.push_back(now),
        }
        entry.useful_until = entry.useful_until.max(now.plus(rule.window));
        self.events += 1;
    }

    /// Counts a reserved event from now on.
    pub(super) fn keep(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(&slot)
            && let Some(event) = entry.reserved.pop_front()
        {
            entry.events.push_back(event);
        }
    }

    /// Takes the newest event back, a reserved one if there is any.
    pub(super) fn take_back(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get_mut(&slot)
            && entry
                .reserved
                .pop_back()
                .or_else(|| entry.events.pop_back())
                .is_some()
        {
            self.events -= 1;
        }
    }

    /// Blocks until `until`, or longer if it is blocked longer already. Whether this block is new.
    pub(super) fn block(&mut self, slot: Slot, now: Timestamp, until: Timestamp) -> bool {
        if !self.make_room(slot, now) {
            return false;
        }
        let entry = self.touch(slot);
        let is_new = entry.block_left(now).is_none();
        entry.blocked_until = entry.blocked_until.max(Some(until));
        entry.useful_until = entry.useful_until.max(until);
        is_new
    }

    /// Keys and events remembered, and keys forgotten to make room.
    pub(super) fn figures(&self) -> (usize, usize, u64) {
        (self.entries.len(), self.events, self.forgotten)
    }

    fn touch(&mut self, slot: Slot) -> &mut Entry {
        self.next_use += 1;
        let entry = self.entries.entry(slot).or_default();
        self.by_use.remove(&entry.used);
        entry.used = self.next_use;
        self.by_use.insert(entry.used, slot);
        entry
    }

    /// Makes room for one event under `slot`. False if only active blocks could go: then the event goes unremembered.
    fn make_room(&mut self, slot: Slot, now: Timestamp) -> bool {
        for _ in 0..SEARCH_MAX {
            let full = self.events >= self.events_max
                || (self.entries.len() >= self.keys_max && !self.entries.contains_key(&slot));
            let Some((_, oldest)) = self.by_use.first_key_value() else {
                return !full;
            };
            let oldest = *oldest;
            let entry = &self.entries[&oldest];
            let is_over = entry.useful_until <= now;
            if !full && !is_over {
                return true;
            }
            if entry.block_left(now).is_some() {
                self.touch(oldest);
            } else {
                self.forget(oldest);
                self.forgotten += u64::from(!is_over);
            }
        }
        self.events < self.events_max
            && (self.entries.len() < self.keys_max || self.entries.contains_key(&slot))
    }

    /// Forgets all of it, block and all.
    pub(super) fn forget(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.remove(&slot) {
            self.by_use.remove(&entry.used);
            self.events -= entry.events.len() + entry.reserved.len();
        }
    }
}

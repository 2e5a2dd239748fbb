//! How much room a service's nodes have for the users of one pool, as far as this process knows: figures read lately, and
//! what it has let through since.
//!
//! Called under the lock of [`FirstAssignments`](super::FirstAssignments). Must stay true: everything this process let
//! through that the figures may not hold yet is counted on top of them; what is counted twice for a moment only makes
//! the judgement stricter. A stranger is sent to a node that is named: the store's own choice looks at released slots, not
//! at the reserve.

use std::time::Duration;

use foxhold_core::{
    Timestamp,
    record::{NodeFigures, NodeRecord},
};
use foxhold_ports::assignments::{
    Target,
    choice::{self, Candidate, take_slot},
};

/// How old figures may be before somebody reads them again.
const AGE_MAX: Duration = Duration::from_secs(1);
/// How old they may be while somebody reads new ones.
const AGE_MAX_MEANWHILE: Duration = Duration::from_secs(10);

/// The nodes of one service, for users who go to one target.
#[derive(Default)]
pub(super) struct Room {
    target: Target,
    /// Sorted as the store has them, and changed by every user that was let through. Those that do not fit are there, too:
    /// they are room of the service.
    nodes: Vec<Candidate>,
    /// Theirs, in the same order.
    urls: Vec<String>,
    read_at: Option<Timestamp>,
    /// When somebody went to read last.
    asked_at: Option<Timestamp>,
    /// Users let through.
    taken: u64,
    /// Of them, those whose writes are over.
    settled: u64,
    /// Of them, those that the figures are known to hold.
    held: u64,
}

/// Figures are being read.
#[must_use]
pub(super) struct Reading {
    settled: u64,
    at: Timestamp,
}

impl Room {
    pub(super) fn of(target: Target) -> Self {
        Self {
            target,
            ..Self::default()
        }
    }

    /// Whether it can be forgotten: figures that are read anew hold all that was let through.
    pub(super) const fn is_idle(&self) -> bool {
        self.taken == self.settled
    }

    /// Whoever gets a reading has to read; the others go on with what is known.
    pub(super) fn begin_reading(&mut self, now: Timestamp) -> Option<Reading> {
        let is_known = is_within(self.read_at, now, AGE_MAX_MEANWHILE);
        if is_known && is_within(self.asked_at, now, AGE_MAX) {
            return None;
        }
        self.asked_at = Some(now);
        Some(Reading {
            settled: self.settled,
            at: now,
        })
    }

    pub(super) fn install(&mut self, reading: &Reading, nodes: &[NodeRecord]) {
        if reading.settled < self.held {
            // Another began later and was faster.
            return;
        }
        self.read_at = Some(reading.at);
        self.held = reading.settled;
        let candidate = |node: &NodeRecord| Candidate {
            id: node.id,
            fits: self.target.includes(&node.url, node.pool.as_ref()),
            figures: NodeFigures {
                // The store releases more when it is needed: nobody is turned away for what is not released yet.
                available: node.figures.capacity.saturating_sub(node.figures.current_load),
                ..node.figures
            },
        };
        self.nodes = nodes.iter().map(candidate).collect();
        self.urls = nodes.iter().map(|node| node.url.clone()).collect();
        for _ in self.held..self.taken {
            take_slot(&mut self.nodes, &self.target);
        }
    }

    /// Slots that users could get.
    pub(super) fn free(&self) -> u64 {
        let serving = self
            .nodes
            .iter()
            .map(|node| node.figures)
            .filter(|figures| !choice::is_out(figures) && !figures.backoff);
        serving
            .map(|figures| figures.capacity.saturating_sub(figures.current_load))
            .fold(0, u64::saturating_add)
    }

    /// Lets a user through, whom the store will send where it likes: in the end it fills all nodes.
    pub(super) fn take(&mut self) {
        take_slot(&mut self.nodes, &self.target);
        self.taken += 1;
    }

    /// Lets a stranger through: to this node, the least loaded one of those that keep their last `reserved_percent` then.
    /// `None` = there is none, and nothing has changed.
    pub(super) fn take_open(&mut self, reserved_percent: u8) -> Option<String> {
        let mut open: Vec<Candidate> = self.nodes.clone();
        for node in &mut open {
            node.fits &= keeps(&node.figures, reserved_percent);
        }
        let chosen = take_slot(&mut open, &self.target)?;
        let place = self.nodes.iter().position(|node| node.id == chosen)?;
        self.nodes[place].figures = open[place].figures;
        self.taken += 1;
        Some(self.urls[place].clone())
    }

    /// One that was let through has been written, or never will be.
    pub(super) fn settle(&mut self) {
        self.settled += 1;
    }
}

/// Whether the last part of a node is left with one more user.
fn keeps(figures: &NodeFigures, reserved_percent: u8) -> bool {
    let open = u128::from(figures.capacity) * u128::from(100_u8.saturating_sub(reserved_percent));
    (u128::from(figures.current_load) + 1) * 100 <= open
}

/// A clock that stepped back makes the age unknown.
fn is_within(time: Option<Timestamp>, now: Timestamp, age_max: Duration) -> bool {
    time.is_some_and(|time| time <= now && now.since(time) < age_max)
}

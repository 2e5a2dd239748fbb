//! A lease as its holder knows it, better than the store does.

use std::time::Instant;

use foxhold_core::NodeId;

use crate::placement::{slot::Doubt, state::Lease};

/// A lease of this process.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) node: NodeId,
    pub(super) size: u64,
    /// Slots handed out and not returned, without those that came back since.
    pub(super) used: u64,
    /// Those: slots that were spent on records that are forgotten.
    pub(super) freed: u64,
    pub(super) in_work: u64,
    pub(super) doubts: Vec<Doubt>,
    pub(super) next_number: u64,
    /// The latest timestamp of a note.
    pub(super) noted_at: i64,
    pub(super) since: Instant,
    /// While a write that makes the lease smaller may be applied: no more than so many slots.
    pub(super) limit: Option<u64>,
    pub(super) recalled: bool,
}

impl Held {
    pub(super) const fn new(node: NodeId, since: Instant) -> Self {
        Self {
            node,
            size: 0,
            used: 0,
            freed: 0,
            in_work: 0,
            doubts: Vec::new(),
            next_number: 0,
            noted_at: 0,
            since,
            limit: None,
            recalled: false,
        }
    }

    /// What the store says of it by now. Slots that came back have left it.
    pub(super) fn follow(&mut self, lease: &Lease) {
        let came_back = lease.freed.saturating_sub(self.freed);
        (self.size, self.freed) = (lease.size, lease.freed);
        self.used = self.used.saturating_sub(came_back);
        if self.limit.take().is_some_and(|limit| lease.size <= limit) {
            self.recalled = false;
        }
    }

    /// From here on no more slots are handed out: they are about to be returned.
    pub(super) fn withdraw(&mut self) {
        if self.used < self.size {
            self.limit = Some(self.limit.map_or(self.used, |limit| limit.min(self.used)));
        }
    }

    /// Slots whose users may turn out not to have them.
    pub(super) fn open(&self) -> u64 {
        self.in_work + self.doubts.len() as u64
    }

    /// Slots that may be handed out.
    pub(super) fn free(&self) -> u64 {
        self.limit
            .unwrap_or(self.size)
            .min(self.size)
            .saturating_sub(self.used)
    }
}

//! How many operations ended how: what a test needs to know to say that a run showed anything.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// How the operations of a run ended, those of last reads included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Writes that were done.
    pub done: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Writes whose outcome is not known for good.
    pub unknown: u64,
    /// Attempts after which it was not known whether they wrote; most writes find out with the next.
    pub doubts: u64,
    /// Writes that were answered with "not done"; the history does not have them.
    pub not_done: u64,
    /// Reads that were recorded.
    pub read: u64,
    /// Reads without an answer; the history does not have them.
    pub unread: u64,
}

impl Tally {
    /// Operations in the history.
    #[must_use]
    pub const fn recorded(&self) -> u64 {
        self.done + self.refused + self.unknown + self.read
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations recorded: {} writes done, {} refused, {} not known (after {} attempts not known), {} reads; \
             besides {} writes not done, {} reads without an answer",
            self.recorded(),
            self.done,
            self.refused,
            self.unknown,
            self.doubts,
            self.read,
            self.not_done,
            self.unread
        )
    }
}

/// Counts while clients work.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) done: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) unknown: AtomicU64,
    pub(super) doubts: AtomicU64,
    pub(super) not_done: AtomicU64,
    pub(super) read: AtomicU64,
    pub(super) unread: AtomicU64,
}

impl Counts {
    pub(super) fn tally(&self) -> Tally {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            done: count(&self.done),
            refused: count(&self.refused),
            unknown: count(&self.unknown),
            doubts: count(&self.doubts),
            not_done: count(&self.not_done),
            read: count(&self.read),
            unread: count(&self.unread),
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

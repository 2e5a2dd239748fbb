//! What was asked of the cluster, counted: the budgets of operations are tests on these numbers.

use std::{
    ops::Sub,
    sync::atomic::{AtomicU64, Ordering},
};

/// Requests so far, by kind. A batch is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// Reads at a quorum of one region.
    pub reads: u64,
    /// Reads at a serial level.
    pub serial_reads: u64,
    /// Writes without a condition.
    pub plain_writes: u64,
    /// Conditional writes.
    pub conditional_writes: u64,
    /// Requests of any kind that belong to no single intent: leases, blocks of uids, looks at what others do.
    pub upkeep: u64,
    /// Rows that were left out of what was answered because they are damaged.
    pub left_out: u64,
}

tokio::task_local! {
    static UPKEEP: ();
}

/// Counts what is asked for in `work` as upkeep.
pub(crate) async fn as_upkeep<T>(work: impl Future<Output = T>) -> T {
    UPKEEP.scope((), work).await
}

impl Sub for Requests {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            serial_reads: self.serial_reads - before.serial_reads,
            plain_writes: self.plain_writes - before.plain_writes,
            conditional_writes: self.conditional_writes - before.conditional_writes,
            upkeep: self.upkeep - before.upkeep,
            left_out: self.left_out - before.left_out,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    reads: AtomicU64,
    serial_reads: AtomicU64,
    plain_writes: AtomicU64,
    conditional_writes: AtomicU64,
    upkeep: AtomicU64,
    left_out: AtomicU64,
}

impl Counters {
    fn count(&self, kind: &AtomicU64) {
        let is_upkeep = UPKEEP.try_with(|()| ()).is_ok();
        let counter = if is_upkeep { &self.upkeep } else { kind };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) {
        self.count(&self.reads);
    }

    pub(super) fn serial_read(&self) {
        self.count(&self.serial_reads);
    }

    pub(super) fn plain_write(&self) {
        self.count(&self.plain_writes);
    }

    pub(super) fn conditional_write(&self) {
        self.count(&self.conditional_writes);
    }

    pub(super) fn left_out(&self, rows: u64) {
        self.left_out.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Requests {
        Requests {
            reads: self.reads.load(Ordering::Relaxed),
            serial_reads: self.serial_reads.load(Ordering::Relaxed),
            plain_writes: self.plain_writes.load(Ordering::Relaxed),
            conditional_writes: self.conditional_writes.load(Ordering::Relaxed),
            upkeep: self.upkeep.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
        }
    }
}

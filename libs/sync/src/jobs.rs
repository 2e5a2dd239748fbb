//! Work on a service's records and nodes that nobody waits for (`tokenserver.md` 11, 14): [`purge`] erases the data of
//! replaced records, [`leave`] takes users from a node a page at a time, [`node_health`] finds nodes that do not answer.
//!
//! Called by the Token Server's runner and by administrators' tools. What must stay true: every step is safe to be done
//! twice, by two processes at once, and to be cut off after any of its calls; nobody's live data is erased.

mod calls;
mod intent;
pub mod leave;
pub mod node_health;
pub mod purge;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use foxhold_core::{Clock, Deadline, Random, record::Service};
use foxhold_ports::{AssignmentReader, AssignmentWriter, ReadError, assignments::RecordCursor};

pub use self::calls::{CallFailure, NodeCalls};

/// How long one call of a job may take.
const STEP_MAX: Duration = Duration::from_secs(10);
/// How often a user's records are read anew because another write came first.
const ROUNDS: usize = 3;

/// What jobs ask of the world.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// Nodes and users' records.
    pub reader: &'a dyn AssignmentReader,
    /// Changes of them.
    pub writer: &'a dyn AssignmentWriter,
    /// What is due.
    pub clock: &'a dyn Clock,
    /// Operation ids.
    pub random: &'a dyn Random,
    /// When somebody stops waiting for the job: no call of it lasts longer. Absent = nobody waits.
    pub by: Option<Deadline>,
}

impl Ports<'_> {
    /// The deadline of one call.
    fn step(&self) -> Deadline {
        self.by
            .map_or_else(|| Deadline::after(STEP_MAX), |by| by.at_most(STEP_MAX))
    }

    /// Where a page goes on that has ended after so many of its users: only the store knows its places, and it is asked
    /// though the page's own time may be over. `None` = nobody follows.
    async fn place_after(
        &self,
        service: &Service,
        after: Option<&RecordCursor>,
        users: usize,
    ) -> Result<Option<RecordCursor>, ReadError> {
        let Some(limit) = u32::try_from(users).ok().filter(|users| *users > 0) else {
            return Ok(after.cloned());
        };
        let by = Deadline::after(STEP_MAX);
        let page = self.reader.records(by, &service.key, after, limit).await?;
        Ok(page.next)
    }
}

/// Tells a job to end soon: after the record that it is at, and before the first one never, so that a job which is gone on
/// with comes to its end however little time it is given.
#[derive(Debug, Default)]
pub struct Halt {
    is_told: AtomicBool,
    at: Option<Deadline>,
}

impl Halt {
    /// Tells it by itself, when this moment has come.
    #[must_use]
    pub const fn at(moment: Deadline) -> Self {
        Self {
            is_told: AtomicBool::new(false),
            at: Some(moment),
        }
    }

    /// Tells it.
    pub fn call(&self) {
        self.is_told.store(true, Ordering::Relaxed);
    }

    /// Whether it was told.
    #[must_use]
    pub fn is_called(&self) -> bool {
        self.is_told.load(Ordering::Relaxed) || self.at.is_some_and(Deadline::has_passed)
    }
}

#[cfg(test)]
mod tests;

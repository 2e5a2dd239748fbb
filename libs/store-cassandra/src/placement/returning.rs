//! Slots that come back to their nodes: the second step of forgetting a record, after the record itself.
//!
//! A purge forgets records by the hundred thousand, and all their slots come back to one partition: so one caller writes
//! for up to [`AT_ONCE`] that wait, and the others wait for it. Must stay true: of a process no more are on their way than
//! can be told apart afterwards (`returns`), so who forgets a record takes a [`Passage`] first; a slot whose caller gives
//! up comes back all the same, by the next caller or by upkeep.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foxhold_core::{Deadline, OpId, record::ServiceKey};
use foxhold_ports::{Cause, ReadError, WriteError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    Placements, Put,
    pool::Pool,
    returns::{Fate, LAST_MAX, Return},
    rules,
    state::Placement,
    table::How,
};
use crate::cql::Doubts;

/// Slots that one write brings back, at most.
pub(super) const AT_ONCE: usize = 64;
/// Slots of a service that may be on their way at once; who wants to forget one more waits.
pub(super) const ON_THE_WAY_MAX: usize = 256;
/// How old the count may be that a slot is told from others by: at full speed thousands come back in a second.
const COUNT_AGE_MAX: Duration = Duration::from_millis(100);

const _: () = assert!(LAST_MAX >= 4 * ON_THE_WAY_MAX);

/// The right to have one slot on its way. It ends when the slot is back.
#[derive(Debug)]
pub(crate) struct Passage {
    /// Slots that had come back to the nodes of the service at some time before now.
    pub(crate) since: u64,
    permit: OwnedSemaphorePermit,
}

/// Slots of one service that are on their way, in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue {
    places: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Entry>>,
}

#[derive(Debug)]
struct Entry {
    op: OpId,
    slot: Return,
    /// Who waits for it; absent = it was told that this did not work.
    caller: Option<oneshot::Sender<Result<(), WriteError>>>,
    _permit: OwnedSemaphorePermit,
}

/// Slots that one write is to bring back. What is not back when it is dropped waits again, before all others.
struct Batch<'a> {
    queue: &'a Queue,
    entries: VecDeque<Entry>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(ON_THE_WAY_MAX)),
            waiting: Mutex::default(),
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether none is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn add(&self, op: OpId, slot: Return, passage: Passage) -> oneshot::Receiver<Result<(), WriteError>> {
        let (caller, answer) = oneshot::channel();
        self.waiting().push_back(Entry {
            op,
            slot,
            caller: Some(caller),
            _permit: passage.permit,
        });
        answer
    }

    fn batch(&self) -> Batch<'_> {
        let mut waiting = self.waiting();
        let number = waiting.len().min(AT_ONCE);
        Batch {
            queue: self,
            entries: waiting.drain(..number).collect(),
        }
    }
}

impl Batch<'_> {
    /// Tells those who wait. They go on waiting where only the time of the one who wrote for them was up.
    fn end(mut self, done: Result<(), WriteError>) {
        let entries = match done {
            Ok(()) => std::mem::take(&mut self.entries),
            Err(WriteError::NotDone(Cause::Timeout) | WriteError::Unknown(Cause::Timeout)) => return,
            Err(_) => VecDeque::new(),
        };
        let callers = entries.into_iter().map(|entry| entry.caller);
        let left = self.entries.iter_mut().map(|entry| entry.caller.take());
        for caller in callers.chain(left).flatten() {
            // Whoever does not wait any more does not have to be told.
            let _ = caller.send(done);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        while let Some(entry) = self.entries.pop_back() {
            waiting.push_front(entry);
        }
    }
}

impl Placements {
    /// What it takes to forget a record that holds a slot. To be asked for before it is forgotten.
    pub(crate) async fn passage(&self, by: Deadline, service: &ServiceKey) -> Result<Passage, WriteError> {
        let pool = self.pool(service);
        pool.asked();
        let permit = Arc::clone(&pool.returning.places).acquire_owned();
        let permit = tokio::time::timeout_at(by.instant().into(), permit).await;
        // Nobody closes the semaphore.
        let Ok(Ok(permit)) = permit else {
            return Err(WriteError::NotDone(Cause::Timeout));
        };
        let state = match pool.known_within(COUNT_AGE_MAX) {
            Some(state) => state,
            None => self
                .read(&pool, How::Quorum, by)
                .await
                .map_err(|ReadError(cause)| WriteError::NotDone(cause))?,
        };
        Ok(Passage {
            since: state.returns.count(),
            permit,
        })
    }

    /// Gives the slot of a record that was forgotten back to its node, once for the operation.
    pub(crate) async fn come_back(
        &self,
        by: Deadline,
        service: &ServiceKey,
        op: OpId,
        (slot, passage): (Return, Passage),
    ) -> Result<(), WriteError> {
        let pool = self.pool(service);
        let mut answer = pool.returning.add(op, slot, passage);
        loop {
            let turn = tokio::select! {
                biased;
                told = &mut answer => return told.unwrap_or(Err(WriteError::Unknown(Cause::Unavailable))),
                turn = self.turns.turn(service, by) => turn?,
            };
            if let Ok(told) = answer.try_recv() {
                return told;
            }
            if by.has_passed() {
                return Err(WriteError::NotDone(Cause::Timeout));
            }
            // Those it was for have been told, maybe this one.
            let _ = self.bring_back(&pool, by).await;
            drop(turn);
        }
    }

    /// In turn: brings back what has waited longest.
    pub(super) async fn bring_back(&self, pool: &Pool, by: Deadline) -> Result<(), WriteError> {
        let batch = pool.returning.batch();
        if batch.entries.is_empty() {
            return Ok(());
        }
        let done = self.write_back(pool, by, &batch.entries).await;
        batch.end(done);
        done
    }

    async fn write_back(
        &self,
        pool: &Pool,
        by: Deadline,
        entries: &VecDeque<Entry>,
    ) -> Result<(), WriteError> {
        let nodes = || entries.iter().map(|entry| entry.slot.node);
        let knows = |state: &Arc<Placement>| {
            nodes().all(|node| state.nodes.contains_key(&node) || state.removed.contains(&node))
        };
        let mut state = match pool.fresh().filter(knows) {
            Some(state) => state,
            None => {
                let read = self.read(pool, How::Serial, by).await;
                read.map_err(|ReadError(cause)| WriteError::NotDone(cause))?
            }
        };
        let mut doubts = Doubts::default();
        loop {
            let mut after = Placement::clone(&state);
            let back = entries
                .iter()
                .filter(|entry| rules::come_back(&mut after, entry.op, &entry.slot));
            // Nothing changes, either, where the node is removed.
            if back.count() == 0 {
                break;
            }
            match doubts.weigh(self.put(pool, by, &state, after, None).await)? {
                Put::Done => break,
                Put::Instead(found, doubt) => {
                    doubts.note(doubt);
                    state = found;
                }
            }
            doubts.weigh(self.pause(by).await)?;
        }
        let is_lost = |entry: &&Entry| {
            state.nodes.contains_key(&entry.slot.node)
                && state.returns.fate(&entry.op, &entry.slot) == Fate::Forgotten
        };
        let lost = entries.iter().filter(is_lost).count();
        if lost > 0 {
            tracing::warn!(service = %pool.key.0, slots = lost, "slots may be lost until the audit finds them");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::NodeId;

    use super::*;

    const FAULT: WriteError = WriteError::NotDone(Cause::Unavailable);
    const LATE: WriteError = WriteError::Unknown(Cause::Timeout);

    fn op(number: u8) -> OpId {
        OpId::from_bytes([number; 16])
    }

    async fn add(queue: &Queue, number: u8) -> oneshot::Receiver<Result<(), WriteError>> {
        let permit = Arc::clone(&queue.places).acquire_owned().await.unwrap();
        let slot = Return {
            node: NodeId(1),
            lease: None,
            since: 0,
        };
        queue.add(op(number), slot, Passage { since: 0, permit })
    }

    fn ops(batch: &Batch<'_>) -> Vec<OpId> {
        batch.entries.iter().map(|entry| entry.op).collect()
    }

    #[tokio::test]
    async fn those_who_wait_are_served_in_order_and_told_once() {
        let queue = Queue::default();
        let mut answers = Vec::new();
        for number in 1..=100 {
            answers.push(add(&queue, number).await);
        }
        let batch = queue.batch();
        assert_eq!(ops(&batch), (1..=64).map(op).collect::<Vec<_>>());
        batch.end(Ok(()));
        assert_eq!(queue.places.available_permits(), ON_THE_WAY_MAX - 36);
        for (number, answer) in answers.iter_mut().enumerate() {
            let told = answer.try_recv().ok();
            assert_eq!(told, (number < 64).then_some(Ok(())), "{number}");
        }
        assert_eq!(ops(&queue.batch()).len(), 36);
    }

    #[tokio::test]
    async fn what_is_not_back_waits_again_before_the_others() {
        let queue = Queue::default();
        let mut first = add(&queue, 1).await;
        let mut second = add(&queue, 2).await;
        let batch = queue.batch();
        let _third = add(&queue, 3).await;
        drop(batch);
        let batch = queue.batch();
        assert_eq!(
            ops(&batch),
            [op(1), op(2), op(3)],
            "whoever wrote for them has gone"
        );
        batch.end(Err(LATE));
        assert!(
            first.try_recv().is_err(),
            "it has more time than the one who wrote"
        );
        queue.batch().end(Err(FAULT));
        assert_eq!(first.try_recv(), Ok(Err(FAULT)));
        drop(second.try_recv());
        assert!(!queue.is_empty(), "it comes back though nobody waits any more");
        queue.batch().end(Ok(()));
        assert!(queue.is_empty());
        assert_eq!(queue.places.available_permits(), ON_THE_WAY_MAX);
    }
}

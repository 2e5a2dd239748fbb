//! What is kept of the slots of a dead writer while its leases are being ended.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use foxhold_core::record::UserKey;
use foxhold_ports::{Cause, WriteError};

use crate::placement::{
    burial::{LEASES_AT_ONCE, Ledger, Notes, SLOTS_AT_ONCE},
    slot::SlotId,
    state::LeaseId,
};

const TIMEOUT: WriteError = WriteError::NotDone(Cause::Timeout);

fn leases(count: u8) -> Vec<LeaseId> {
    (0..count).map(|number| LeaseId([number; 16])).collect()
}

/// So many slots of each lease were noted; every third was never spent.
fn notes(slots: u64) -> Notes {
    let slots = (0..slots).map(|number| (number, UserKey(format!("user {number}"))));
    Notes {
        slots: slots.collect(),
        after: 1,
    }
}

const fn is_spent(slot: SlotId) -> bool {
    !slot.number.is_multiple_of(3)
}

/// A cluster that answers so many questions of an attempt in time, and what it was asked.
#[derive(Default)]
struct Slow {
    answers_left: AtomicUsize,
    asked: Mutex<BTreeMap<SlotId, usize>>,
    read: AtomicUsize,
    at_once: AtomicUsize,
    at_once_max: AtomicUsize,
}

impl Slow {
    async fn answer<T>(&self, answer: T) -> Result<T, WriteError> {
        let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.at_once_max.fetch_max(at_once, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        let left = self
            .answers_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| answer).map_err(|_| TIMEOUT)
    }

    async fn read(&self, slots: u64) -> Result<Notes, WriteError> {
        let notes = self.answer(notes(slots)).await?;
        self.read.fetch_add(1, Ordering::Relaxed);
        Ok(notes)
    }

    async fn settle(&self, slot: SlotId) -> Result<bool, WriteError> {
        let spent = self.answer(is_spent(slot)).await?;
        *self.asked.lock().unwrap().entry(slot).or_default() += 1;
        Ok(spent)
    }

    /// An attempt in which so many questions are answered.
    async fn attempt(
        &self,
        ledger: &mut Ledger,
        leases: &[LeaseId],
        slots: u64,
        answers: usize,
    ) -> Result<(), WriteError> {
        self.answers_left.store(answers, Ordering::Relaxed);
        let settle = |slot, _: UserKey| self.settle(slot);
        let wanted = || true;
        ledger.count(leases, wanted, |_| self.read(slots), settle).await
    }
}

/// Twenty leases of thirty-two slots, and time for a hundred answers at a time.
#[tokio::test]
async fn every_attempt_goes_on_where_the_last_one_stopped() {
    const SLOTS: u64 = 32;
    let (leases, slow, mut ledger) = (leases(20), Slow::default(), Ledger::default());
    let mut attempts = 0;
    while let Err(error) = slow.attempt(&mut ledger, &leases, SLOTS, 100).await {
        assert_eq!(error, TIMEOUT);
        attempts += 1;
        assert!(attempts < 10, "it comes to an end");
    }
    let spent = ledger.spent();
    assert_eq!(spent.len(), leases.len());
    assert!(spent.values().all(|spent| *spent == 21), "{spent:?}");
    let asked = slow.asked.into_inner().unwrap();
    assert_eq!(asked.len(), 20 * 32);
    assert!(
        asked.values().all(|times| *times == 1),
        "what is settled is not asked again"
    );
    assert_eq!(slow.read.into_inner(), 20, "nor what was noted");
}

#[tokio::test]
async fn slots_of_all_leases_are_asked_side_by_side_and_not_too_many() {
    for (count, slots, expected) in [
        (20, 2, SLOTS_AT_ONCE),
        (1, 64, SLOTS_AT_ONCE),
        (100, 0, LEASES_AT_ONCE),
    ] {
        let (leases, slow, mut ledger) = (leases(count), Slow::default(), Ledger::default());
        slow.attempt(&mut ledger, &leases, slots, 1000).await.unwrap();
        assert_eq!(slow.at_once_max.into_inner(), expected, "{count} {slots}");
    }
}

#[tokio::test]
async fn a_lease_counts_when_all_of_its_slots_do() {
    let (leases, mut ledger) = (leases(2), Ledger::default());
    let lost = SlotId {
        lease: leases[1],
        number: 2,
    };
    let read = |_| ready(Ok(notes(3)));
    let all_but_one = |slot, _| {
        ready(if slot == lost {
            Err(TIMEOUT)
        } else {
            Ok(is_spent(slot))
        })
    };
    let counted = ledger.count(&leases, || true, read, all_but_one).await;
    assert_eq!(counted, Err(TIMEOUT));
    assert_eq!(ledger.spent(), BTreeMap::from([(leases[0], 2)]));
    let the_last = |slot, _| ready(if slot == lost { Ok(true) } else { Err(TIMEOUT) });
    let counted = ledger.count(&leases, || true, read, the_last).await;
    assert_eq!(counted, Ok(()));
    assert_eq!(ledger.spent(), BTreeMap::from([(leases[0], 2), (leases[1], 2)]));
}

#[tokio::test]
async fn nothing_is_asked_once_others_have_ended_the_leases() {
    let (leases, slow, mut ledger) = (leases(2), Slow::default(), Ledger::default());
    slow.answers_left.store(1000, Ordering::Relaxed);
    let wanted = || slow.asked.lock().unwrap().len() < 10;
    let settle = |slot, _: UserKey| slow.settle(slot);
    let counted = ledger.count(&leases, wanted, |_| slow.read(64), settle).await;
    assert_eq!(counted, Ok(()));
    let asked = slow.asked.lock().unwrap().len();
    assert!(asked < 10 + SLOTS_AT_ONCE, "{asked}");
    assert_eq!(ledger.spent(), BTreeMap::new());
}

//! What is known of the slots that a dead writer had noted. It outlives a failed attempt to end the writer's leases: the
//! next one goes on where that one stopped.
//!
//! Must stay true: what was settled is never asked again, since it is final: a spent slot stays spent, and a void one can
//! never be spent any more.

use std::{
    collections::BTreeMap,
    future::ready,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

use foxhold_core::record::UserKey;
use foxhold_ports::WriteError;
use futures_util::{StreamExt as _, stream};

use crate::placement::{slot::SlotId, state::LeaseId};

/// Leases whose notes are read at once.
pub(crate) const LEASES_AT_ONCE: usize = 16;
/// Slots looked after at once, of all leases together.
pub(crate) const SLOTS_AT_ONCE: usize = 32;

/// The notes of a lease. The writer spends nothing any more, so they are read once.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    /// Slots that were noted, and for whom.
    pub(crate) slots: Vec<(u64, UserKey)>,
    /// A timestamp after all of them.
    pub(crate) after: i64,
}

/// What became of a slot.
#[derive(Debug, Clone)]
enum Fate {
    /// Not known yet; noted for this user.
    Open(UserKey),
    /// Known for good.
    Settled { spent: bool },
}

#[derive(Debug)]
struct Counted {
    slots: BTreeMap<u64, Fate>,
    after: i64,
}

/// One writer's, as it was last heard of.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    leases: BTreeMap<LeaseId, Counted>,
    /// Whether it was said that its leases could not be ended.
    pub(super) is_late: bool,
}

impl Ledger {
    /// Goes on with these leases: `read` answers the notes of one, `settle` whether a slot was spent, for good. Both are
    /// asked side by side, and only for what is not known. After the first error, and as soon as it is not `wanted` any
    /// more, nothing else is asked.
    pub(crate) async fn count<N, S>(
        &mut self,
        leases: &[LeaseId],
        wanted: impl Fn() -> bool,
        read: impl Fn(LeaseId) -> N,
        settle: impl Fn(SlotId, UserKey) -> S,
    ) -> Result<(), WriteError>
    where
        N: Future<Output = Result<Notes, WriteError>>,
        S: Future<Output = Result<bool, WriteError>>,
    {
        let unread = leases.iter().filter(|lease| !self.leases.contains_key(lease));
        let unread: Vec<_> = unread.copied().collect();
        let read = ask(unread, LEASES_AT_ONCE, &wanted, read, |lease, notes| {
            self.leases.insert(lease, Counted::from(notes));
        });
        read.await?;
        let settle = |(slot, user)| settle(slot, user);
        let settled = ask(
            self.open(leases),
            SLOTS_AT_ONCE,
            &wanted,
            settle,
            |(slot, _), spent| {
                if let Some(counted) = self.leases.get_mut(&slot.lease) {
                    counted.slots.insert(slot.number, Fate::Settled { spent });
                }
            },
        );
        settled.await
    }

    /// Slots that were spent, for each lease of which that is known of all.
    pub(crate) fn spent(&self) -> BTreeMap<LeaseId, u64> {
        let spent = self.leases.iter().filter_map(|(id, lease)| {
            let fates = lease.slots.values().map(|fate| match fate {
                Fate::Open(_) => None,
                Fate::Settled { spent } => Some(u64::from(*spent)),
            });
            Some((*id, fates.sum::<Option<u64>>()?))
        });
        spent.collect()
    }

    /// The leases, each with a timestamp after all its notes.
    pub(super) fn read(&self) -> Vec<(LeaseId, i64)> {
        let leases = self.leases.iter();
        leases.map(|(lease, counted)| (*lease, counted.after)).collect()
    }

    fn open(&self, leases: &[LeaseId]) -> Vec<(SlotId, UserKey)> {
        let known = leases.iter().filter_map(|id| Some((*id, self.leases.get(id)?)));
        let slots = known.flat_map(|(lease, counted)| {
            counted.slots.iter().filter_map(move |(number, fate)| match fate {
                Fate::Open(user) => Some((
                    SlotId {
                        lease,
                        number: *number,
                    },
                    user.clone(),
                )),
                Fate::Settled { .. } => None,
            })
        });
        slots.collect()
    }
}

impl From<Notes> for Counted {
    fn from(notes: Notes) -> Self {
        let slots = notes.slots.into_iter();
        Self {
            slots: slots.map(|(number, user)| (number, Fate::Open(user))).collect(),
            after: notes.after,
        }
    }
}

/// Asks so many at once, and takes down every answer there is. The first error ends it.
async fn ask<Q: Clone, A, F>(
    questions: Vec<Q>,
    at_once: usize,
    wanted: impl Fn() -> bool,
    put: impl Fn(Q) -> F,
    mut take: impl FnMut(Q, A),
) -> Result<(), WriteError>
where
    F: Future<Output = Result<A, WriteError>>,
{
    let failed = AtomicBool::new(false);
    let questions =
        stream::iter(questions).take_while(|_| ready(wanted() && !failed.load(Ordering::Relaxed)));
    let answers = questions.map(|question| {
        let answer = put(question.clone());
        async move { (question, answer.await) }
    });
    let mut answers = pin!(answers.buffer_unordered(at_once));
    let mut done = Ok(());
    while let Some((question, answer)) = answers.next().await {
        match answer {
            Ok(answer) => take(question, answer),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                done = done.and(Err(error));
            }
        }
    }
    done
}

//! A slot on its way to a user. However its way ends, the pool it came from is told.

use std::sync::Arc;

use foxhold_core::{NodeId, OpId, record::UserKey};
use foxhold_ports::assignments::change::Place;

use super::{pool::Pool, state::LeaseId};

/// A slot: a lease and a number in it that is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotId {
    pub(crate) lease: LeaseId,
    pub(crate) number: u64,
}

impl SlotId {
    /// As it stands in the user's partition.
    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.lease.0);
        bytes[16..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

/// How a slot ended.
#[derive(Debug)]
pub(super) enum End {
    /// On a record.
    Spent,
    /// Nothing was written.
    Free,
    /// Nobody knows yet.
    InDoubt(Doubt),
}

/// A slot that may be spent.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    pub(super) number: u64,
    /// On whose record.
    pub(super) user: UserKey,
    /// The timestamp of its note.
    pub(super) noted_at: i64,
}

/// A slot in hand. If it is dropped after it was noted, it counts as spent until a look at the user's record settles it.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Arc<Pool>,
    id: SlotId,
    /// The node it is on.
    pub(crate) node: NodeId,
    /// The same, as it stands in records.
    pub(crate) place: Place,
    noted: Option<(UserKey, i64)>,
    ended: bool,
}

impl Slot {
    pub(super) const fn new(pool: Arc<Pool>, id: SlotId, node: NodeId, place: Place) -> Self {
        Self {
            pool,
            id,
            node,
            place,
            noted: None,
            ended: false,
        }
    }

    pub(crate) const fn id(&self) -> SlotId {
        self.id
    }

    /// From here on a note of it may be in the store.
    pub(crate) fn note(&mut self, op: &OpId, user: &UserKey) {
        let at = op.write_timestamp();
        self.noted = Some((user.clone(), at));
        self.pool.noted(self.id, at);
    }

    /// Whether it may still be spent: its lease cannot have been ended by others.
    pub(crate) fn is_good(&self) -> bool {
        self.pool.may_spend() && self.pool.holds(self.id.lease)
    }

    /// It is on a record now.
    pub(crate) fn spent(mut self) {
        self.end(End::Spent);
    }

    /// It is on no record, and no note of it is in the store.
    pub(crate) fn give_back(mut self) {
        self.end(End::Free);
    }

    fn end(&mut self, end: End) {
        self.ended = true;
        self.pool.end(self.id, end);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match self.noted.take() {
            Some((user, noted_at)) => {
                let number = self.id.number;
                self.end(End::InDoubt(Doubt {
                    number,
                    user,
                    noted_at,
                }));
            }
            None => self.end(End::Free),
        }
    }
}

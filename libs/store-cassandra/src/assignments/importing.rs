//! Records that come from elsewhere (`tokenserver.md` 11): the shared rule says what a user's records become
//! ([`imported`]); here each of them is given its place in this store.
//!
//! Must stay true: a record that holds a slot has one of its own, spent by the write that makes it so; what a record had
//! before it keeps.

use std::{collections::BTreeMap, sync::Arc};

use foxhold_core::{
    NodeId, ServiceUid,
    record::{PastRecord, UserRecord},
};
use foxhold_ports::{
    Call, Cause, IntentKind, Refusal, WriteError,
    assignments::{
        ImportedUser, RecordRef,
        import::{Imported, imported},
    },
};

use super::{
    past::{Past, Seat},
    record::Stored,
    spending::{Spending, Spent},
    write::{Current, not_done},
};
use crate::{
    CassandraStore,
    cql::pause,
    placement::{Release, Seeker, Slot, Verdict, Wanted, Where, rules, state::Placement},
};

/// What the user has here already.
type Before = Option<(Stored, UserRecord)>;

/// A user's records as they are to be, and where they are.
#[derive(Debug, PartialEq, Eq)]
struct Seated {
    record: UserRecord,
    /// The current one's; without a slot, where it is to get one.
    seat: Seat,
    past: Vec<Past>,
    /// Records that are to get a slot, on which node: past ones by place, then the current one.
    takes: Vec<(usize, NodeId)>,
}

impl CassandraStore {
    /// See [`AssignmentAdmin::import_user`](foxhold_ports::AssignmentAdmin::import_user).
    pub(super) async fn import(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        let _turn = self.user_turn(call, at).await?;
        let placement = self.placement_of(call, at, user).await?;
        let before = match at.version {
            // Nothing is released for somebody who is here already.
            None => match self.decided(call, at).await? {
                Current::Answer(answer) => return Ok(answer),
                Current::Record(_) => None,
            },
            Some(_) => match self.current(call, at).await? {
                Current::Answer(answer) => return Ok(answer),
                Current::Record(before) => Some(before),
            },
        };
        let known = before.as_ref().map(|(_, record)| record);
        let is_node = |url: &str| rules::at_url(&placement, url).is_some();
        let merged = match imported(known, user, is_node) {
            Ok(merged) => merged,
            Err(refusal) => return self.refuse(call, at, refusal).await,
        };
        let Some(mut seated) = Seated::of(&before, merged, &placement) else {
            tracing::error!(service = %at.service.0, "records from elsewhere do not add up");
            return Err(WriteError::NotDone(Cause::Fault));
        };
        if !self
            .placements
            .have_room(call.deadline, &at.service, &seated.slots())
            .await?
        {
            return self.refuse(call, at, Refusal::NoNode).await;
        }
        loop {
            let mut slots = Vec::with_capacity(seated.takes.len());
            for (_, node) in &seated.takes {
                match self.occupy(call, at, *node).await? {
                    Some(slot) => slots.push(slot),
                    // Those that are in hand already go back by themselves.
                    None => return self.refuse(call, at, Refusal::NoNode).await,
                }
            }
            seated.sit_on(&slots);
            let records = Spending {
                kind: IntentKind::ImportUser,
                after: &seated.record,
                seat: &seated.seat,
                past: Some(&seated.past),
            };
            match self.spend(call, at, slots, records).await? {
                Spent::Done(answer) => return Ok(answer),
                Spent::Lost => pause(call.deadline, self.random.as_ref()).await,
            }
        }
    }

    /// The placement of the service, with the nodes that are named if they are there. None of the uids is handed out any
    /// more: whoever imports has reserved them, and if he has not, that is done now.
    async fn placement_of(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<Arc<Placement>, WriteError> {
        let urls = user.records.iter().filter_map(|record| record.node.as_deref());
        let placement = self.placements.with_nodes(call.deadline, &at.service, urls).await;
        let placement = placement.map_err(not_done)?;
        if placement.service.is_none() {
            return Err(Refusal::UnknownService.into());
        }
        if let Some(highest) = user.records.iter().map(|record| record.uid).max() {
            let behind = |state: &Placement, uid| Ok(rules::uids_behind(state, uid));
            let reserved = self.reserve(call, &at.service, highest, behind).await;
            // Nothing of this intent is done by that.
            reserved.map_err(|error| match error {
                WriteError::Unknown(cause) => WriteError::NotDone(cause),
                other => other,
            })?;
        }
        Ok(placement)
    }

    /// A slot of a node, whatever is released there; `None` = it is full.
    async fn occupy(&self, call: &Call, at: &RecordRef, node: NodeId) -> Result<Option<Slot>, WriteError> {
        let wanted = Wanted {
            seeker: Seeker::Known,
            place: Where::Exactly(node),
        };
        let slot = self
            .placements
            .slot(call.deadline, &at.service, wanted, Release::Yes);
        match slot.await? {
            Ok(slot) => Ok(Some(slot)),
            Err(Verdict::UnknownService) => Err(Refusal::UnknownService.into()),
            Err(Verdict::Release | Verdict::Others | Verdict::Full | Verdict::Closed) => Ok(None),
        }
    }
}

impl Seated {
    /// `None` if what the rule says cannot be: it never gives a slot back, since a record that is known keeps what it has.
    fn of(before: &Before, merged: Imported, placement: &Placement) -> Option<Self> {
        let Imported {
            mut record,
            takes,
            frees,
        } = merged;
        let current = &mut record.current;
        let seat = Self::seat(before, placement, current.uid, current.node.as_deref());
        let has_slot = current.node.is_some();
        if has_slot && let Some(node) = seat.node.and_then(|node| placement.nodes.get(&node)) {
            current.node_type.clone_from(&node.node_type);
        }
        let mut seated = Self {
            seat,
            past: Vec::with_capacity(record.past.len()),
            takes: Vec::new(),
            record: record.clone(),
        };
        for (place, past) in record.past.iter().enumerate() {
            let mut seat = Self::seat(before, placement, past.uid, past.node.as_deref());
            seated.note(before, past.uid, past.holds_slot, place, &mut seat);
            let record = PastRecord {
                node: None,
                ..past.clone()
            };
            seated.past.push(Past { record, seat });
        }
        let mut seat = std::mem::take(&mut seated.seat);
        seated.note(before, record.current.uid, has_slot, record.past.len(), &mut seat);
        seated.seat = seat;
        (frees.is_empty() && takes.len() == seated.takes.len()).then_some(seated)
    }

    /// Where a record is: where it was, or on the node at its URL.
    fn seat(before: &Before, placement: &Placement, uid: ServiceUid, url: Option<&str>) -> Seat {
        let known = before.as_ref().and_then(|(stored, _)| stored.seat_of(uid));
        known.cloned().unwrap_or_else(|| Seat {
            node: url.and_then(|url| rules::at_url(placement, url)),
            slot: None,
        })
    }

    /// Notes whether a record is to get a slot. It has one already if it held one before.
    fn note(&mut self, before: &Before, uid: ServiceUid, holds_slot: bool, place: usize, seat: &mut Seat) {
        let held = before.as_ref().is_some_and(|(_, record)| {
            let current = record.current.uid == uid && record.current.node.is_some();
            let mut past = record.past.iter();
            current || past.any(|past| past.uid == uid && past.holds_slot)
        });
        if !held {
            seat.slot = None;
            let takes = seat.node.filter(|_| holds_slot).map(|node| (place, node));
            self.takes.extend(takes);
        }
    }

    /// How many slots it takes, by node.
    fn slots(&self) -> BTreeMap<NodeId, u64> {
        let mut slots = BTreeMap::new();
        for (_, node) in &self.takes {
            *slots.entry(*node).or_default() += 1;
        }
        slots
    }

    /// Puts each of these slots under the record that takes it.
    fn sit_on(&mut self, slots: &[Slot]) {
        for ((place, _), slot) in self.takes.iter().zip(slots) {
            let seat = match self.past.get_mut(*place) {
                Some(past) => &mut past.seat,
                None => &mut self.seat,
            };
            seat.slot = Some(slot.id().to_bytes().to_vec());
        }
    }
}

#[cfg(test)]
mod tests;

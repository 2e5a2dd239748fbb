//! How a user's records change by an intent: pure, so that every store that can read and write them in one transaction
//! changes them alike. Whether a change may happen is decided before, by the state rules of the `sync` area.

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{Admission, Assignment, ClientState, Generation, PastRecord, UserRecord},
};

use super::{PAST_MAX, RecordRef, UserValues};
use crate::Refusal;

/// The version of a user's records after the first assignment and before anything else was written. A user's first renewal
/// is written ([`raised`] to the values there are), so records that still have it a while later are those of somebody who
/// came once and never again (`security.md` B.5).
pub const ASSIGNED_ONCE: u64 = 1;
/// The first version of records that come from elsewhere: whether they were in use there is not known, and they count as used.
pub const IMPORTED: u64 = ASSIGNED_ONCE + 1;

/// Where a new record points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The node's URL.
    pub node: String,
    /// The node's label.
    pub node_type: Option<String>,
}

/// Checks that the user's records are those the decision was made on.
///
/// # Errors
/// [`Refusal::Conflict`]
pub fn check_version(at: &RecordRef, stored: Option<&UserRecord>) -> Result<(), Refusal> {
    if at.version == stored.map(|record| record.version) {
        Ok(())
    } else {
        Err(Refusal::Conflict)
    }
}

/// Checks that a service which takes only so many users takes this one. Who has a record is never refused. Users are
/// counted as the load of the nodes.
///
/// # Errors
/// [`Refusal::Closed`]
pub fn check_admission<E: From<Refusal>>(
    at: &RecordRef,
    admission: &Admission,
    users: impl FnOnce() -> Result<u64, E>,
) -> Result<(), E> {
    match admission.user_limit() {
        Some(limit) if at.version.is_none() && users()? >= limit => Err(Refusal::Closed.into()),
        Some(_) | None => Ok(()),
    }
}

/// Checks that a user's past has room for one record more.
///
/// # Errors
/// [`Refusal::TooManyPast`]
pub fn check_past(before: &UserRecord) -> Result<(), Refusal> {
    if before.past.len() < PAST_MAX {
        Ok(())
    } else {
        Err(Refusal::TooManyPast)
    }
}

/// The records that `raise`, `retire`, `unassign` and `forget` change. Of a user without any there is nothing to change, and
/// nothing to answer.
///
/// # Errors
/// [`Refusal::Conflict`]
pub fn known<'a>(at: &RecordRef, stored: Option<&'a UserRecord>) -> Result<&'a UserRecord, Refusal> {
    check_version(at, stored)?;
    stored.ok_or(Refusal::Conflict)
}

/// The active record on a node that `rekey` changes. Without one the decision was made on something else:
/// the caller reads again, and then asks for an assignment.
///
/// # Errors
/// [`Refusal::Conflict`]
pub fn active<'a>(at: &RecordRef, stored: Option<&'a UserRecord>) -> Result<&'a UserRecord, Refusal> {
    let stored = known(at, stored)?;
    let is_active = stored.current.replaced_at.is_none() && stored.current.node.is_some();
    is_active.then_some(stored).ok_or(Refusal::Conflict)
}

/// The user's records after `assign`: a new one was added, for the first time or in place of `before`, which keeps its
/// slot.
#[must_use]
pub fn replaced(
    before: Option<&UserRecord>,
    values: &UserValues,
    uid: ServiceUid,
    place: Place,
    now: Timestamp,
) -> UserRecord {
    let current = fresh(values, uid, Some(place.node), place.node_type, now);
    match before {
        Some(before) => succeeded(before, current, before.current.node.is_some(), now),
        None => UserRecord {
            current,
            past: Vec::new(),
            old_client_states: Vec::new(),
            first_seen_at: now,
            version: ASSIGNED_ONCE,
        },
    }
}

/// The user's records after `rekey`: a new one on the node of `before`, and in its slot.
#[must_use]
pub fn rekeyed(before: &UserRecord, values: &UserValues, uid: ServiceUid, now: Timestamp) -> UserRecord {
    let Assignment { node, node_type, .. } = before.current.clone();
    succeeded(before, fresh(values, uid, node, node_type, now), false, now)
}

/// The user's records after generation and key change time were raised to `values`, where those are higher.
#[must_use]
pub fn raised(before: &UserRecord, values: &UserValues) -> UserRecord {
    let mut after = before.clone();
    after.current.generation = after.current.generation.max(values.generation);
    after.current.keys_changed_at = after.current.keys_changed_at.max(values.keys_changed_at);
    after.version += 1;
    after
}

/// Whether a user took a place, and then lost it without ever having come again: who comes after all is counted as new.
/// Mostly the place was taken back; an operator who unassigned such a user is not told apart, and need not be.
#[must_use]
pub const fn was_taken_back(record: &UserRecord) -> bool {
    record.version == ASSIGNED_ONCE + 1 && record.current.replaced_at.is_some()
}

/// The user's records after `retire`.
#[must_use]
pub fn retired(before: &UserRecord, now: Timestamp) -> UserRecord {
    let mut after = unassigned(before, now);
    after.current.generation = Generation::RETIRED;
    after
}

/// The user's records after `unassign`. What was replaced before was replaced then.
#[must_use]
pub fn unassigned(before: &UserRecord, now: Timestamp) -> UserRecord {
    let mut after = before.clone();
    after.current.replaced_at.get_or_insert(now);
    after.version += 1;
    after
}

/// What `forget` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The user's records afterwards.
    pub record: UserRecord,
    /// The node that a slot goes back to ([`give_back`](super::choice::give_back)); absent = no slot was held.
    pub freed: Option<String>,
}

/// The user's records after `forget`.
///
/// # Errors
/// [`Refusal::Conflict`] if the uid is that of an active record: its data is in use.
pub fn forgotten(before: &UserRecord, uid: ServiceUid) -> Result<Forgotten, Refusal> {
    let mut record = before.clone();
    record.version += 1;
    let freed = if record.current.uid == uid {
        if record.current.replaced_at.is_none() {
            return Err(Refusal::Conflict);
        }
        record.current.node_type = None;
        record.current.node.take()
    } else {
        let place = record.past.iter().position(|past| past.uid == uid);
        let past = place.map(|place| record.past.remove(place));
        past.filter(|past| past.holds_slot).and_then(|past| past.node)
    };
    Ok(Forgotten { record, freed })
}

fn fresh(
    values: &UserValues,
    uid: ServiceUid,
    node: Option<String>,
    node_type: Option<String>,
    now: Timestamp,
) -> Assignment {
    Assignment {
        uid,
        generation: values.generation,
        keys_changed_at: values.keys_changed_at,
        client_state: values.client_state.clone(),
        created_at: now,
        replaced_at: None,
        node,
        node_type,
    }
}

/// `current` in place of that of `before`, which goes to the past.
fn succeeded(before: &UserRecord, current: Assignment, holds_slot: bool, now: Timestamp) -> UserRecord {
    let old_client_states = old_states(before, &current.client_state);
    let mut past = before.past.clone();
    past.push(gone(&before.current, holds_slot, now));
    UserRecord {
        current,
        past,
        old_client_states,
        first_seen_at: before.first_seen_at,
        version: before.version + 1,
    }
}

fn gone(record: &Assignment, holds_slot: bool, now: Timestamp) -> PastRecord {
    PastRecord {
        uid: record.uid,
        generation: record.generation,
        keys_changed_at: record.keys_changed_at,
        client_state: record.client_state.clone(),
        created_at: record.created_at,
        replaced_at: record.replaced_at.unwrap_or(now),
        node: record.node.clone(),
        holds_slot,
    }
}

/// Oldest first, each once, without the new current one.
fn old_states(before: &UserRecord, current: &ClientState) -> Vec<ClientState> {
    let mut states = before.old_client_states.clone();
    if !states.contains(&before.current.client_state) {
        states.push(before.current.client_state.clone());
    }
    states.retain(|state| state != current);
    states
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn values(generation: u64, keys_changed_at: u64, state: &[u8]) -> UserValues {
        UserValues {
            generation: Generation(generation),
            keys_changed_at: NonZeroU64::new(keys_changed_at),
            client_state: ClientState::new(state.to_vec()).unwrap(),
        }
    }

    fn record(values: &UserValues, before: Option<&UserRecord>, number: u64) -> UserRecord {
        let place = Place {
            node: "https://node.example".into(),
            node_type: None,
        };
        let uid = ServiceUid::new(number).unwrap();
        replaced(before, values, uid, place, Timestamp::from_millis(number * 1000))
    }

    #[test]
    fn raising_is_per_number_and_never_lowers() {
        let before = record(&values(10, 20, b"a"), None, 1);
        let cases = [
            ("both", values(11, 21, b"a"), (11, 21)),
            ("generation alone", values(11, 0, b"a"), (11, 20)),
            ("keys alone", values(0, 21, b"a"), (10, 21)),
            ("neither", values(9, 19, b"a"), (10, 20)),
        ];
        for (name, values, expected) in cases {
            let after = raised(&before, &values);
            let current = &after.current;
            assert_eq!(
                (current.generation.0, current.keys_changed_at.unwrap().get()),
                expected,
                "{name}"
            );
            assert_eq!((current.uid, after.version), (before.current.uid, 2), "{name}");
        }
    }

    #[test]
    fn old_states_are_those_of_earlier_records_without_the_current_one() {
        let first = record(&values(1, 0, b"a"), None, 1);
        let second = record(&values(2, 0, b"b"), Some(&first), 2);
        let again = record(&values(3, 0, b"b"), Some(&second), 3);
        let back = record(&values(4, 0, b"a"), Some(&again), 4);
        let states = |record: &UserRecord| -> Vec<Vec<u8>> {
            record
                .old_client_states
                .iter()
                .map(|s| s.as_bytes().to_vec())
                .collect()
        };
        assert_eq!(states(&first), Vec::<Vec<u8>>::new());
        assert_eq!(states(&second), [b"a"]);
        assert_eq!(states(&again), [b"a"]);
        assert_eq!(states(&back), [b"b"]);
        assert_eq!((back.version, back.first_seen_at), (4, Timestamp::from_secs(1)));
    }

    fn number(record: &UserRecord) -> u64 {
        record.current.uid.get()
    }

    #[test]
    fn who_is_replaced_goes_to_the_past_with_the_slot_unless_it_is_handed_on() {
        let at = Timestamp::from_secs;
        let first = record(&values(1, 7, b"a"), None, 1);
        let uid = |number| ServiceUid::new(number).unwrap();
        let rekeyed = rekeyed(&first, &values(2, 8, b"b"), uid(2), at(2));
        assert_eq!(rekeyed.current.node, first.current.node);
        let moved = record(&values(3, 9, b"c"), Some(&rekeyed), 3);
        let left = unassigned(&moved, at(4));
        let back = record(&values(5, 9, b"c"), Some(&left), 5);
        let mut lost = back.clone();
        lost.current.node = None;
        let found = record(&values(6, 9, b"c"), Some(&lost), 6);
        let past: Vec<_> = found
            .past
            .iter()
            .map(|past| {
                (
                    past.uid.get(),
                    past.replaced_at,
                    past.node.is_some(),
                    past.holds_slot,
                )
            })
            .collect();
        let expected = [
            (1, at(2), true, false),
            (2, at(3), true, true),
            (3, at(4), true, true),
            (5, at(6), false, false),
        ];
        assert_eq!(past, expected);
        let oldest = &found.past[0];
        assert_eq!((oldest.generation, oldest.created_at), (Generation(1), at(1)));
        assert_eq!(oldest.keys_changed_at, NonZeroU64::new(7));
        assert_eq!(oldest.client_state.as_bytes(), b"a");
        assert_eq!((number(&found), found.version), (6, 6));
    }

    #[test]
    fn what_has_ended_ended_at_its_first_time() {
        let before = record(&values(10, 20, b"a"), None, 1);
        let at = Timestamp::from_secs;
        let cases = [
            ("unassigned", unassigned(&before, at(8)), 10, 8),
            (
                "unassigned twice",
                unassigned(&unassigned(&before, at(8)), at(9)),
                10,
                8,
            ),
            ("retired", retired(&before, at(8)), Generation::RETIRED.0, 8),
            (
                "retired twice",
                retired(&retired(&before, at(8)), at(9)),
                Generation::RETIRED.0,
                8,
            ),
            (
                "unassigned, then retired",
                retired(&unassigned(&before, at(8)), at(9)),
                Generation::RETIRED.0,
                8,
            ),
        ];
        for (name, after, generation, replaced_at) in cases {
            let mut expected = before.clone();
            expected.current.generation = Generation(generation);
            expected.current.replaced_at = Some(at(replaced_at));
            expected.version = after.version;
            assert_eq!(after, expected, "{name}");
            assert!(after.version > before.version, "{name}");
        }
    }

    #[test]
    fn forgetting_frees_the_slot_that_was_held() {
        let first = record(&values(1, 0, b"a"), None, 1);
        let uid = |number| ServiceUid::new(number).unwrap();
        let second = rekeyed(&first, &values(2, 0, b"b"), uid(2), Timestamp::from_secs(2));
        let third = record(&values(3, 0, b"b"), Some(&second), 3);
        let left = unassigned(&third, Timestamp::from_secs(4));
        let node = || Some("https://node.example".to_owned());
        let cases = [
            ("handed on", &left, 1, None, vec![2], true),
            ("past", &left, 2, node(), vec![1], true),
            ("current", &left, 3, node(), vec![1, 2], false),
            ("nobody's", &left, 4, None, vec![1, 2], true),
            ("past of an active one", &third, 2, node(), vec![1], true),
        ];
        for (name, before, forget, freed, past, on_node) in cases {
            let forgotten = forgotten(before, uid(forget)).unwrap();
            let after = &forgotten.record;
            let left: Vec<_> = after.past.iter().map(|past| past.uid.get()).collect();
            assert_eq!((forgotten.freed, left), (freed, past), "{name}");
            assert_eq!(after.current.node.is_some(), on_node, "{name}");
            assert_eq!((number(after), after.version), (3, before.version + 1), "{name}");
            assert_eq!(after.old_client_states, before.old_client_states, "{name}");
        }
        assert_eq!(forgotten(&third, uid(3)), Err(Refusal::Conflict), "active");
        let empty = forgotten(&left, uid(3)).unwrap().record;
        assert_eq!(forgotten(&empty, uid(3)).unwrap().freed, None, "once");
    }
}

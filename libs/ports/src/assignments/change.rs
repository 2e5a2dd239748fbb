//! How a user's records change by an intent: pure, so that every store that can read and write them in one transaction
//! changes them alike. Whether a change may happen is decided before, by the state rules of the `sync` area.

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{Assignment, ClientState, UserRecord},
};

use super::{RecordRef, UserValues};
use crate::Refusal;

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

/// The active record on a node that `raise` and `rekey` change. Without one the decision was made on something else:
/// the caller reads again, and then asks for an assignment.
///
/// # Errors
/// [`Refusal::Conflict`]
pub fn active<'a>(at: &RecordRef, stored: Option<&'a UserRecord>) -> Result<&'a UserRecord, Refusal> {
    check_version(at, stored)?;
    stored
        .filter(|record| record.current.replaced_at.is_none() && record.current.node.is_some())
        .ok_or(Refusal::Conflict)
}

/// The user's records after a new one was added, for the first time or in place of `before`.
#[must_use]
pub fn replaced(
    before: Option<&UserRecord>,
    values: &UserValues,
    uid: ServiceUid,
    place: Place,
    now: Timestamp,
) -> UserRecord {
    UserRecord {
        current: Assignment {
            uid,
            generation: values.generation,
            keys_changed_at: values.keys_changed_at,
            client_state: values.client_state.clone(),
            created_at: now,
            replaced_at: None,
            node: Some(place.node),
            node_type: place.node_type,
        },
        old_client_states: before.map_or_else(Vec::new, |before| old_states(before, &values.client_state)),
        first_seen_at: before.map_or(now, |before| before.first_seen_at),
        version: before.map_or(1, |before| before.version + 1),
    }
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

    use foxhold_core::record::Generation;

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
}

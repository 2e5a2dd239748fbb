//! Imports of records that other servers left behind, and their repetition.

use std::num::NonZeroU64;

use foxhold_core::record::Generation;
use proptest::prelude::*;

use super::{super::change::ASSIGNED_ONCE, *};

const NODES: [&str; 2] = ["https://a.example", "https://b.example"];

fn record(uid: u64, generation: u64, created: u64, state: u8) -> ImportedRecord {
    ImportedRecord {
        uid: ServiceUid::new(uid).unwrap(),
        generation: Generation(generation),
        keys_changed_at: None,
        client_state: ClientState::new(vec![state]).unwrap(),
        created_at: Timestamp::from_millis(created),
        replaced_at: None,
        node: Some(NODES[0].to_owned()),
        holds_slot: None,
    }
}

fn user(records: Vec<ImportedRecord>) -> ImportedUser {
    ImportedUser {
        records,
        old_client_states: Vec::new(),
        first_seen_at: None,
    }
}

fn import(before: Option<&UserRecord>, user: &ImportedUser) -> Imported {
    imported(before, user, |url| NODES.contains(&url)).expect("there are records")
}

#[test]
fn the_highest_is_current_and_the_others_end_where_it_begins() {
    let moved = ImportedRecord {
        node: Some(NODES[1].to_owned()),
        ..record(3, 9, 30, 3)
    };
    let ended = ImportedRecord {
        replaced_at: Some(Timestamp::from_millis(20)),
        keys_changed_at: NonZeroU64::new(77),
        ..record(1, 5, 10, 1)
    };
    let gone = ImportedRecord {
        node: Some("https://gone.example".to_owned()),
        ..record(4, 1, 5, 4)
    };
    let done = import(None, &user(vec![moved, ended, gone, record(2, 7, 20, 2)]));
    let current = &done.record.current;
    assert_eq!((current.uid.get(), current.generation.0), (3, 9));
    assert_eq!(current.keys_changed_at, NonZeroU64::new(77), "the highest of all");
    assert_eq!(done.record.first_seen_at, Timestamp::from_millis(5));
    let past: Vec<_> = done
        .record
        .past
        .iter()
        .map(|past| {
            (
                past.uid.get(),
                past.replaced_at.as_millis(),
                past.node.is_some(),
                past.holds_slot,
            )
        })
        .collect();
    // The first was succeeded by one whose node is gone, so its data holds a slot; so does the last before the move.
    assert_eq!(
        past,
        [(1, 20, true, true), (4, 30, false, false), (2, 30, true, true)]
    );
    let states: Vec<_> = done
        .record
        .old_client_states
        .iter()
        .map(|state| state.as_bytes()[0])
        .collect();
    assert_eq!(states, [4, 1, 2]);
    assert_eq!(done.takes.len(), 3);
    assert!(
        done.record.version > ASSIGNED_ONCE,
        "it may have been in use for years"
    );
    assert_eq!(done.frees, Vec::<String>::new());
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let all_nodes = |_: &str| true;
    assert_eq!(imported(None, &user(vec![]), all_nodes), Err(Refusal::Conflict));
    let many = |count: u64| user((1..=count).map(|uid| record(uid, uid, uid, 1)).collect());
    let most = PAST_MAX as u64 + 1;
    assert!(imported(None, &many(most), all_nodes).is_ok());
    assert_eq!(
        imported(None, &many(most + 1), all_nodes),
        Err(Refusal::TooManyPast)
    );
}

prop_compose! {
    fn any_record()(
        uid in 1..6_u64,
        numbers in (0..4_u64, 0..4_u64, 1..5_u64, proptest::option::of(1..9_u64)),
        state in 0..3_u8,
        node in proptest::option::of(0..3_usize),
        holds_slot in any::<Option<bool>>(),
    ) -> ImportedRecord {
        let (generation, keys, created, replaced) = numbers;
        let urls = [NODES[0], NODES[1], "https://gone.example"];
        ImportedRecord {
            keys_changed_at: NonZeroU64::new(keys),
            replaced_at: replaced.map(Timestamp::from_millis),
            node: node.map(|node| urls[node].to_owned()),
            holds_slot,
            ..record(uid, generation, created, state)
        }
    }
}

fn without_version(record: &UserRecord) -> UserRecord {
    UserRecord {
        version: 0,
        ..record.clone()
    }
}

proptest! {
    #[test]
    fn done_again_it_changes_nothing(records in proptest::collection::vec(any_record(), 1..6)) {
        let user = user(records);
        let once = import(None, &user);
        let twice = import(Some(&once.record), &user);
        prop_assert_eq!(without_version(&once.record), without_version(&twice.record));
        prop_assert_eq!((twice.takes, twice.frees), (vec![], vec![]));
    }

    #[test]
    fn numbers_never_fall_and_slots_follow_the_records(
        first in proptest::collection::vec(any_record(), 1..6),
        second in proptest::collection::vec(any_record(), 1..6),
    ) {
        let before = import(None, &user(first)).record;
        let done = import(Some(&before), &user(second));
        let after = &done.record;
        prop_assert!(after.current.generation >= before.current.generation);
        prop_assert!(after.current.keys_changed_at >= before.current.keys_changed_at);
        prop_assert!(after.first_seen_at <= before.first_seen_at);
        let known = |state: &ClientState| {
            after.old_client_states.contains(state) || after.current.client_state == *state
        };
        prop_assert!(before.old_client_states.iter().all(known));
        prop_assert!(known(&before.current.client_state));
        let expected = slots(&before).len() + done.takes.len() - done.frees.len();
        prop_assert_eq!(slots(after).len(), expected);
    }
}

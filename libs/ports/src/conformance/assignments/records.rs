//! How a user's records come to be and change.

use std::{collections::HashSet, sync::Arc};

use foxhold_core::record::{ClientState, Generation, UserRecord};

use super::{LATER, NOW};
use crate::{
    Refusal,
    assignments::Target,
    conformance::{
        Subject, cases,
        fixtures::{Maker, service, user, values},
    },
};

cases![
    a_first_assignment_takes_a_slot,
    what_was_never_reported_stays_unreported,
    extreme_values_survive,
    an_unknown_service_has_no_users,
    a_user_needs_a_node_with_room,
    more_slots_are_released_when_none_is_left,
    a_second_first_assignment_is_a_conflict,
    a_new_assignment_replaces_the_record,
    raising_changes_the_record_in_place,
    raising_never_lowers,
    a_new_key_gets_a_new_uid_on_the_same_node,
    all_earlier_client_states_are_kept,
    decisions_on_another_version_are_conflicts,
    without_a_record_there_is_nothing_to_change,
    uids_end_at_the_ceiling,
    uids_are_never_handed_out_twice,
    users_and_services_are_told_apart,
];

fn states(record: &UserRecord) -> Vec<&[u8]> {
    let mut states: Vec<_> = record
        .old_client_states
        .iter()
        .map(ClientState::as_bytes)
        .collect();
    states.sort_unstable();
    states
}

async fn a_first_assignment_takes_a_slot(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 10).await;
    let at = user(&service, 1, None);
    let record = s
        .assign(&make, &at, &values(1234, 1233, b"0123456789abcdef"))
        .await;
    assert_eq!(record.current.generation, Generation(1234));
    assert_eq!(
        record.current.keys_changed_at.map(std::num::NonZeroU64::get),
        Some(1233)
    );
    assert_eq!(record.current.client_state.as_bytes(), b"0123456789abcdef");
    assert_eq!((record.current.created_at, record.first_seen_at), (NOW, NOW));
    assert_eq!(record.current.replaced_at, None);
    assert_eq!(record.current.node.as_deref(), Some("https://node-1.example"));
    assert_eq!(record.current.node_type.as_deref(), Some("sqlite"));
    assert_eq!(record.old_client_states, vec![]);
    assert_eq!(s.record(&at).await, Some(record));
    let figures = s.nodes(&service).await[0].figures;
    assert_eq!(
        (figures.current_load, figures.available, figures.capacity),
        (1, 9, 10)
    );
}

async fn what_was_never_reported_stays_unreported(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 10).await;
    let at = user(&service, 1, None);
    let record = s.assign(&make, &at, &values(0, 0, b"")).await;
    assert_eq!(record.current.generation, Generation(0));
    assert_eq!(record.current.keys_changed_at, None);
    assert!(record.current.client_state.is_empty());
    assert_eq!(s.record(&at).await, Some(record));
}

async fn extreme_values_survive(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.served(&make, 10).await;
    let at = user(&service, 1, None);
    let most = Generation::RETIRED.0;
    let record = s.assign(&make, &at, &values(most, most, &[0xff; 16])).await;
    assert_eq!(record.current.generation, Generation::RETIRED);
    assert_eq!(s.record(&at).await, Some(record));
}

async fn an_unknown_service_has_no_users(s: Arc<Subject>) {
    let make = Maker::new(4);
    s.served(&make, 10).await;
    let at = user(&service("unknown-1.0"), 1, None);
    let refused = s.try_assign(&make, &at, &values(1, 1, b"a")).await;
    assert_eq!(refused, Err(Refusal::UnknownService.into()));
    assert_eq!(s.record(&at).await, None);
}

async fn a_user_needs_a_node_with_room(s: Arc<Subject>) {
    let make = Maker::new(5);
    let service = service("sync-1.5");
    s.put_service(&make, &service).await;
    let (first, second) = (user(&service, 1, None), user(&service, 2, None));
    let values = values(1, 1, b"a");
    let refused = Err(Refusal::NoNode.into());
    assert_eq!(
        s.try_assign(&make, &first, &values).await,
        refused,
        "no node at all"
    );
    assert_eq!(s.record(&first).await, None);

    s.add_node(&make, &service, "https://node-1.example", 1).await;
    s.assign(&make, &first, &values).await;
    assert_eq!(
        s.try_assign(&make, &second, &values).await,
        refused,
        "a full node"
    );
    assert_eq!(s.record(&second).await, None);
    assert_eq!(s.load(&service).await, 1);

    s.add_node(&make, &service, "https://node-2.example", 1).await;
    let record = s.assign(&make, &second, &values).await;
    assert_eq!(record.current.node.as_deref(), Some("https://node-2.example"));
}

async fn more_slots_are_released_when_none_is_left(s: Arc<Subject>) {
    let make = Maker::new(6);
    let service = service("sync-1.5");
    s.put_service(&make, &service).await;
    let mut node = crate::conformance::fixtures::node(&service, "https://node-1.example", 25);
    node.available = 0;
    assert_eq!(s.assignment_admin.create_node(&make.call(), node).await, Ok(()));
    for number in 0..25 {
        s.assign(&make, &user(&service, number, None), &values(1, 1, b"a"))
            .await;
        let figures = s.nodes(&service).await[0].figures;
        assert_eq!(figures.current_load, number + 1);
        assert!(
            figures.current_load + figures.available <= figures.capacity,
            "{figures:?}"
        );
    }
    let refused = s
        .try_assign(&make, &user(&service, 25, None), &values(1, 1, b"a"))
        .await;
    assert_eq!(refused, Err(Refusal::NoNode.into()));
}

async fn a_second_first_assignment_is_a_conflict(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.served(&make, 10).await;
    let at = user(&service, 1, None);
    let record = s.assign(&make, &at, &values(1, 1, b"a")).await;
    let refused = s.try_assign(&make, &at, &values(2, 2, b"b")).await;
    assert_eq!(refused, Err(Refusal::Conflict.into()));
    assert_eq!(s.record(&at).await, Some(record));
    assert_eq!(s.load(&service).await, 1);
}

async fn a_new_assignment_replaces_the_record(s: Arc<Subject>) {
    let make = Maker::new(8);
    let service = s.served(&make, 10).await;
    let first = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let at = user(&service, 1, Some(first.version));
    let writer = &s.assignment_writer;
    let second = writer
        .assign(&make.call(), &at, &values(2, 2, b"b"), &Target::DEFAULT, LATER)
        .await;
    let second = second.expect("there is room");
    assert_ne!(second.current.uid, first.current.uid);
    assert_eq!((second.current.created_at, second.first_seen_at), (LATER, NOW));
    assert_eq!(states(&second), vec![b"a"]);
    assert!(second.version > first.version);
    assert_eq!(s.record(&at).await, Some(second));
}

async fn raising_changes_the_record_in_place(s: Arc<Subject>) {
    let make = Maker::new(9);
    let service = s.served(&make, 10).await;
    let before = s
        .assign(&make, &user(&service, 1, None), &values(10, 0, b"a"))
        .await;
    let at = user(&service, 1, Some(before.version));
    let after = s
        .assignment_writer
        .raise(&make.call(), &at, &values(11, 7, b"a"))
        .await;
    let after = after.expect("the version is current");
    let mut expected = before.clone();
    expected.current.generation = Generation(11);
    expected.current.keys_changed_at = std::num::NonZeroU64::new(7);
    expected.version = after.version;
    assert_eq!(after, expected);
    assert!(after.version > before.version);
    assert_eq!(s.record(&at).await, Some(after));
    assert_eq!(s.load(&service).await, 1);
}

async fn raising_never_lowers(s: Arc<Subject>) {
    let make = Maker::new(10);
    let service = s.served(&make, 10).await;
    let mut record = s
        .assign(&make, &user(&service, 1, None), &values(10, 20, b"a"))
        .await;
    for (generation, keys_changed_at, expected) in [
        (9, 19, (10, 20)),
        (0, 0, (10, 20)),
        (11, 0, (11, 20)),
        (0, 21, (11, 21)),
    ] {
        let at = user(&service, 1, Some(record.version));
        let values = values(generation, keys_changed_at, b"a");
        let raised = s.assignment_writer.raise(&make.call(), &at, &values).await;
        record = raised.expect("the version is current");
        let current = &record.current;
        let keys_changed_at = current.keys_changed_at.map_or(0, std::num::NonZeroU64::get);
        assert_eq!((current.generation.0, keys_changed_at), expected);
        assert_eq!(s.record(&at).await.as_ref(), Some(&record));
    }
}

async fn a_new_key_gets_a_new_uid_on_the_same_node(s: Arc<Subject>) {
    let make = Maker::new(11);
    let service = s.served(&make, 10).await;
    // A second, emptier node must not attract the user.
    let before = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    s.add_node(&make, &service, "https://node-2.example", 1000).await;
    let figures = s.nodes(&service).await;
    let at = user(&service, 1, Some(before.version));
    let writer = &s.assignment_writer;
    let after = writer.rekey(&make.call(), &at, &values(2, 3, b"b"), LATER).await;
    let after = after.expect("the version is current");
    assert_ne!(after.current.uid, before.current.uid);
    assert_eq!(after.current.node, before.current.node);
    assert_eq!(after.current.node_type, before.current.node_type);
    assert_eq!(after.current.generation, Generation(2));
    assert_eq!(after.current.client_state.as_bytes(), b"b");
    assert_eq!((after.current.created_at, after.first_seen_at), (LATER, NOW));
    assert_eq!(after.current.replaced_at, None);
    assert_eq!(states(&after), vec![b"a"]);
    assert!(after.version > before.version);
    assert_eq!(s.record(&at).await, Some(after));
    assert_eq!(s.nodes(&service).await, figures, "slot figures do not change");
}

async fn all_earlier_client_states_are_kept(s: Arc<Subject>) {
    let make = Maker::new(12);
    let service = s.served(&make, 10).await;
    let mut record = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, &[0]))
        .await;
    for number in 1..40 {
        let at = user(&service, 1, Some(record.version));
        let values = values(1, 1, &[number; 16]);
        let rekeyed = s.assignment_writer.rekey(&make.call(), &at, &values, LATER).await;
        record = rekeyed.expect("the version is current");
    }
    let read = s.record(&user(&service, 1, None)).await;
    assert_eq!(read.as_ref(), Some(&record));
    let expected: HashSet<_> = (1..39).map(|number| vec![number; 16]).chain([vec![0]]).collect();
    let found: HashSet<_> = record
        .old_client_states
        .iter()
        .map(|s| s.as_bytes().to_vec())
        .collect();
    assert_eq!(found, expected);
}

async fn decisions_on_another_version_are_conflicts(s: Arc<Subject>) {
    let make = Maker::new(13);
    let service = s.served(&make, 10).await;
    let first = s
        .assign(&make, &user(&service, 1, None), &values(1, 1, b"a"))
        .await;
    let writer = &s.assignment_writer;
    let at = user(&service, 1, Some(first.version));
    let second = writer.raise(&make.call(), &at, &values(2, 2, b"a")).await;
    let second = second.expect("the version is current");
    let figures = s.nodes(&service).await;
    for version in [None, Some(first.version), Some(second.version + 1), Some(0)] {
        let (at, values) = (user(&service, 1, version), values(9, 9, b"z"));
        let conflict = Err(Refusal::Conflict.into());
        assert_eq!(
            writer
                .assign(&make.call(), &at, &values, &Target::DEFAULT, LATER)
                .await,
            conflict,
            "{version:?}"
        );
        assert_eq!(
            writer.raise(&make.call(), &at, &values).await,
            conflict,
            "{version:?}"
        );
        assert_eq!(
            writer.rekey(&make.call(), &at, &values, LATER).await,
            conflict,
            "{version:?}"
        );
    }
    assert_eq!(s.record(&at).await, Some(second));
    assert_eq!(s.nodes(&service).await, figures);
}

async fn without_a_record_there_is_nothing_to_change(s: Arc<Subject>) {
    let make = Maker::new(14);
    let service = s.served(&make, 10).await;
    let (writer, values) = (&s.assignment_writer, values(1, 1, b"a"));
    let conflict = Err(Refusal::Conflict.into());
    for version in [None, Some(1)] {
        let at = user(&service, 1, version);
        assert_eq!(writer.raise(&make.call(), &at, &values).await, conflict);
        assert_eq!(writer.rekey(&make.call(), &at, &values, NOW).await, conflict);
        assert_eq!(s.record(&at).await, None);
    }
}

async fn uids_end_at_the_ceiling(s: Arc<Subject>) {
    let make = Maker::new(15);
    let mut service = service("sync-1.5");
    service.uid_ceiling = 2;
    s.put_service(&make, &service).await;
    s.add_node(&make, &service, "https://node-1.example", 10).await;
    let (at, given) = (user(&service, 1, None), values(1, 1, b"a"));
    let first = s.assign(&make, &at, &given).await;
    s.assign(&make, &user(&service, 2, None), &given).await;
    let refused = Err(Refusal::NoUid.into());
    assert_eq!(
        s.try_assign(&make, &user(&service, 3, None), &given).await,
        refused
    );
    let at = user(&service, 1, Some(first.version));
    let rekeyed = s
        .assignment_writer
        .rekey(&make.call(), &at, &values(2, 2, b"b"), LATER)
        .await;
    assert_eq!(rekeyed, refused);
    assert_eq!(s.load(&service).await, 2, "no slot is taken");
    assert_eq!(s.record(&at).await, Some(first));
    assert_eq!(s.record(&user(&service, 3, None)).await, None);

    service.uid_ceiling = 3;
    s.put_service(&make, &service).await;
    let third = s.assign(&make, &user(&service, 3, None), &given).await;
    assert_eq!(third.current.uid.get(), 3);
}

async fn uids_are_never_handed_out_twice(s: Arc<Subject>) {
    let make = Maker::new(16);
    let service = s.served(&make, 100).await;
    let mut uids = HashSet::new();
    for number in 0..10 {
        let record = s
            .assign(&make, &user(&service, number, None), &values(1, 1, b"a"))
            .await;
        let at = user(&service, number, Some(record.version));
        let rekeyed = s
            .assignment_writer
            .rekey(&make.call(), &at, &values(2, 2, b"b"), NOW)
            .await;
        uids.insert(record.current.uid);
        uids.insert(rekeyed.expect("the version is current").current.uid);
        s.put_service(&make, &service).await;
    }
    assert_eq!(uids.len(), 20, "also when the service is put again in between");
}

async fn users_and_services_are_told_apart(s: Arc<Subject>) {
    let make = Maker::new(17);
    let services = [s.served(&make, 10).await, service("sync-2.0")];
    s.put_service(&make, &services[1]).await;
    s.add_node(&make, &services[1], "https://other.example", 10).await;
    let mut expected = Vec::new();
    for (service, number) in [(0, 1), (0, 2), (1, 1)] {
        let at = user(&services[service], number, None);
        let record = s
            .assign(&make, &at, &values(1, 1, &[service as u8, number as u8]))
            .await;
        expected.push((at, record));
    }
    for (at, record) in expected {
        assert_eq!(s.record(&at).await, Some(record));
    }
    assert_eq!((s.load(&services[0]).await, s.load(&services[1]).await), (2, 1));
}

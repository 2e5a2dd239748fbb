//! How records end: replaced, retired, unassigned; and how they are forgotten once their data is purged.
//!
//! What must hold after each intent: what was answered is what is read, and the load is the number of slots held.

use std::{num::NonZeroU64, sync::Arc};

use foxhold_core::{
    ServiceUid,
    record::{Generation, PastRecord, Service, UserRecord},
};

use super::{LATER, NOW, OfUser};
use crate::{
    Refusal,
    conformance::{
        Subject, cases,
        fixtures::{Maker, user, values},
    },
};

cases![
    a_new_key_leaves_a_past_record_without_its_slot,
    a_move_leaves_a_past_record_with_its_slot,
    the_past_is_in_order,
    who_is_unassigned_is_replaced_and_keeps_the_slot,
    who_is_retired_is_replaced_for_good,
    what_has_ended_ends_once,
    who_was_unassigned_is_assigned_anew,
    a_forgotten_record_gives_its_slot_back_if_it_has_one,
    a_forgotten_current_record_stays_without_its_node,
    what_is_not_there_is_forgotten,
    an_active_record_is_not_forgotten,
    forgetting_keeps_the_client_states,
    a_slot_given_back_is_taken_by_the_next,
    endings_on_another_version_are_conflicts,
    without_a_record_nothing_ends,
];

fn holders(records: &[&UserRecord]) -> u64 {
    let slots = |record: &UserRecord| {
        let past = record.past.iter().filter(|past| past.holds_slot).count();
        past as u64 + u64::from(record.current.node.is_some())
    };
    records.iter().map(|record| slots(record)).sum()
}

impl Subject {
    /// What was answered is what is read, and of a service with one node of a hundred slots it holds so many.
    async fn shows(&self, service: &Service, users: &[&OfUser]) {
        for user in users {
            assert_eq!(self.record(&user.at).await.as_ref(), Some(&user.record));
        }
        let records: Vec<_> = users.iter().map(|user| &user.record).collect();
        let figures = self.nodes(service).await[0].figures;
        let load = holders(&records);
        assert_eq!(
            (figures.current_load, figures.available, figures.capacity),
            (load, 100 - load, 100),
            "{records:?}"
        );
    }
}

async fn a_new_key_leaves_a_past_record_without_its_slot(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    assert_eq!(first.record.past, vec![]);
    let second = s.rekey(&make, &first, &values(2, 3, b"b")).await;
    let was = &first.record.current;
    let expected = PastRecord {
        uid: was.uid,
        generation: was.generation,
        keys_changed_at: was.keys_changed_at,
        client_state: was.client_state.clone(),
        created_at: NOW,
        replaced_at: LATER,
        node: was.node.clone(),
        holds_slot: false,
    };
    assert_eq!(second.record.past, vec![expected]);
    s.shows(&service, &[&second]).await;
}

async fn a_move_leaves_a_past_record_with_its_slot(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let second = s.assign_again(&make, &first, &values(2, 2, b"a")).await;
    assert_eq!(second.past(), [(first.uid(), true)]);
    assert_eq!(second.record.past[0].replaced_at, LATER);
    assert_eq!(second.record.past[0].node, first.record.current.node);
    s.shows(&service, &[&second]).await;
}

async fn the_past_is_in_order(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.served(&make, 100).await;
    let mut now = s.user(&make, &service, 1).await;
    let mut expected = Vec::new();
    for number in 2..12 {
        expected.push((now.uid(), number % 3 == 0));
        let values = values(number, number, &[number as u8]);
        now = if number % 3 == 0 {
            s.assign_again(&make, &now, &values).await
        } else {
            s.rekey(&make, &now, &values).await
        };
    }
    assert_eq!(now.past(), expected);
    s.shows(&service, &[&now]).await;
}

async fn who_is_unassigned_is_replaced_and_keeps_the_slot(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let left = s.unassign(&make, &first, LATER).await;
    let mut expected = first.record.clone();
    expected.current.replaced_at = Some(LATER);
    expected.version = left.record.version;
    assert_eq!(left.record, expected);
    s.shows(&service, &[&left]).await;

    // A change of credentials must not wait until there is a node again.
    let (writer, given) = (&s.assignment_writer, values(90, 90, b"z"));
    let raised = writer.raise(&make.call(), &left.at, &given).await;
    let raised = left.after(raised);
    expected.current.generation = Generation(90);
    expected.current.keys_changed_at = NonZeroU64::new(90);
    expected.version = raised.record.version;
    assert_eq!(raised.record, expected);
    s.shows(&service, &[&raised]).await;
}

async fn who_is_retired_is_replaced_for_good(s: Arc<Subject>) {
    let make = Maker::new(5);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let retired = s.retire(&make, &first, LATER).await;
    let mut expected = first.record.clone();
    expected.current.generation = Generation::RETIRED;
    expected.current.replaced_at = Some(LATER);
    expected.version = retired.record.version;
    assert_eq!(retired.record, expected);
    let (writer, given) = (&s.assignment_writer, values(9, 0, b"z"));
    let rekeyed = writer.rekey(&make.call(), &retired.at, &given, LATER).await;
    assert_eq!(rekeyed, Err(Refusal::Conflict.into()));
    let raised = writer.raise(&make.call(), &retired.at, &given).await;
    let raised = retired.after(raised);
    let before = &retired.record.current;
    assert_eq!(&raised.record.current, before, "nothing is above it");
    s.shows(&service, &[&raised]).await;
}

async fn what_has_ended_ends_once(s: Arc<Subject>) {
    let make = Maker::new(6);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let left = s.unassign(&make, &first, NOW).await;
    let again = s.unassign(&make, &left, LATER).await;
    assert_eq!(again.record.current, left.record.current);
    s.shows(&service, &[&again]).await;

    let retired = s.retire(&make, &again, LATER).await;
    assert_eq!(retired.record.current.generation, Generation::RETIRED);
    assert_eq!(
        retired.record.current.replaced_at,
        Some(NOW),
        "it was replaced then"
    );
    let again = s.retire(&make, &retired, LATER).await;
    assert_eq!(again.record.current, retired.record.current);
    let again = s.unassign(&make, &again, LATER).await;
    assert_eq!(
        again.record.current, retired.record.current,
        "the tombstone stays"
    );
    s.shows(&service, &[&again]).await;
}

async fn who_was_unassigned_is_assigned_anew(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let left = s.unassign(&make, &first, NOW).await;
    let back = s.assign_again(&make, &left, &values(2, 2, b"a")).await;
    assert_ne!(back.uid(), first.uid());
    assert_eq!(back.record.current.replaced_at, None);
    assert_eq!(back.past(), [(first.uid(), true)]);
    assert_eq!(back.record.past[0].replaced_at, NOW, "it was replaced then");
    s.shows(&service, &[&back]).await;
}

async fn a_forgotten_record_gives_its_slot_back_if_it_has_one(s: Arc<Subject>) {
    let make = Maker::new(8);
    let service = s.served(&make, 100).await;
    let (first, other) = (s.user(&make, &service, 1).await, s.user(&make, &service, 2).await);
    let second = s.rekey(&make, &first, &values(2, 2, b"b")).await;
    let third = s.assign_again(&make, &second, &values(3, 3, b"c")).await;
    s.shows(&service, &[&third, &other]).await;

    let now = s.forget(&make, &third, second.uid()).await;
    assert_eq!(now.past(), [(first.uid(), false)]);
    assert_eq!(now.record.current, third.record.current);
    s.shows(&service, &[&now, &other]).await;
    let now = s.forget(&make, &now, first.uid()).await;
    assert_eq!(now.past(), []);
    s.shows(&service, &[&now, &other]).await;
}

async fn a_forgotten_current_record_stays_without_its_node(s: Arc<Subject>) {
    let make = Maker::new(9);
    let service = s.served(&make, 100).await;
    for (number, retires) in [(1, false), (2, true)] {
        let first = s.user(&make, &service, number).await;
        let ended = if retires {
            s.retire(&make, &first, LATER).await
        } else {
            s.unassign(&make, &first, LATER).await
        };
        let gone = s.forget(&make, &ended, first.uid()).await;
        let mut expected = ended.record.clone();
        expected.current.node = None;
        expected.current.node_type = None;
        expected.version = gone.record.version;
        assert_eq!(gone.record, expected, "retired: {retires}");
        s.shows(&service, &[&gone]).await;
        let again = s.forget(&make, &gone, first.uid()).await;
        s.shows(&service, &[&again]).await;
    }
    let at = user(&service, 1, None);
    let gone = OfUser::new(&at, s.record(&at).await.expect("it stays"));
    let back = s.assign_again(&make, &gone, &values(2, 2, b"a")).await;
    assert_eq!(back.past(), [(gone.uid(), false)]);
    assert_eq!(back.record.past[0].node, None);
    s.shows(&service, &[&back]).await;
}

async fn what_is_not_there_is_forgotten(s: Arc<Subject>) {
    let make = Maker::new(10);
    let service = s.served(&make, 100).await;
    let (first, other) = (s.user(&make, &service, 1).await, s.user(&make, &service, 2).await);
    let second = s.assign_again(&make, &first, &values(2, 2, b"a")).await;
    let unknown = ServiceUid::new(ServiceUid::MAX).expect("the largest uid is one");
    let mut now = second.clone();
    for uid in [unknown, other.uid(), first.uid(), first.uid()] {
        now = s.forget(&make, &now, uid).await;
        s.shows(&service, &[&now, &other]).await;
    }
    assert_eq!(now.past(), []);
    assert_eq!(now.record.current, second.record.current);
}

async fn an_active_record_is_not_forgotten(s: Arc<Subject>) {
    let make = Maker::new(11);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let refused = s
        .assignment_writer
        .forget(&make.call(), &first.at, first.uid())
        .await;
    assert_eq!(refused, Err(Refusal::Conflict.into()));
    s.shows(&service, &[&first]).await;
}

async fn forgetting_keeps_the_client_states(s: Arc<Subject>) {
    let make = Maker::new(12);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let second = s.rekey(&make, &first, &values(2, 2, b"b")).await;
    let now = s.forget(&make, &second, first.uid()).await;
    assert_eq!(now.past(), []);
    assert_eq!(now.record.old_client_states, second.record.old_client_states);
    assert_eq!(now.record.first_seen_at, NOW);
    s.shows(&service, &[&now]).await;
}

async fn a_slot_given_back_is_taken_by_the_next(s: Arc<Subject>) {
    let make = Maker::new(13);
    let service = s.served(&make, 1).await;
    let first = s.user(&make, &service, 1).await;
    let left = s.unassign(&make, &first, LATER).await;
    let (next, given) = (user(&service, 2, None), values(1, 1, b"a"));
    let full = Err(Refusal::NoNode.into());
    assert_eq!(
        s.try_assign(&make, &next, &given).await,
        full,
        "its data is there"
    );
    s.forget(&make, &left, first.uid()).await;
    s.assign(&make, &next, &given).await;
    let figures = s.nodes(&service).await[0].figures;
    assert_eq!((figures.current_load, figures.available), (1, 0));
}

async fn endings_on_another_version_are_conflicts(s: Arc<Subject>) {
    let make = Maker::new(14);
    let service = s.served(&make, 100).await;
    let first = s.user(&make, &service, 1).await;
    let second = s.assign_again(&make, &first, &values(2, 2, b"a")).await;
    let (writer, version) = (&s.assignment_writer, second.record.version);
    let conflict = Err(Refusal::Conflict.into());
    for version in [None, Some(first.record.version), Some(version + 1), Some(0)] {
        let at = user(&service, 1, version);
        let retired = writer.retire(&make.call(), &at, LATER).await;
        assert_eq!(retired, conflict, "{version:?}");
        let unassigned = writer.unassign(&make.call(), &at, LATER).await;
        assert_eq!(unassigned, conflict, "{version:?}");
        let forgotten = writer.forget(&make.call(), &at, first.uid()).await;
        assert_eq!(forgotten, conflict, "{version:?}");
    }
    s.shows(&service, &[&second]).await;
}

async fn without_a_record_nothing_ends(s: Arc<Subject>) {
    let make = Maker::new(15);
    let service = s.served(&make, 100).await;
    let other = s.user(&make, &service, 2).await;
    let (writer, conflict) = (&s.assignment_writer, Err(Refusal::Conflict.into()));
    for version in [None, Some(1)] {
        let at = user(&service, 1, version);
        assert_eq!(writer.retire(&make.call(), &at, LATER).await, conflict);
        assert_eq!(writer.unassign(&make.call(), &at, LATER).await, conflict);
        assert_eq!(writer.forget(&make.call(), &at, other.uid()).await, conflict);
        assert_eq!(s.record(&at).await, None);
    }
    s.shows(&service, &[&other]).await;
}

//! Nodes whose figures change, and nodes that are removed.

use std::sync::Arc;

use foxhold_core::record::{NodeFigures, Service};

use super::{LATER, OfUser};
use crate::{
    Refusal,
    assignments::NodeChange,
    conformance::{
        Subject, cases,
        fixtures::{Maker, user, values},
    },
};

cases![
    what_is_given_of_a_node_is_changed,
    no_more_slots_are_offered_than_the_capacity_leaves,
    a_larger_node_takes_further_users,
    a_smaller_node_sends_nobody_away,
    a_node_out_of_service_takes_no_new_users,
    only_a_node_can_be_changed,
    records_on_a_removed_node_have_none,
    users_of_a_removed_node_are_assigned_anew,
    a_removed_node_is_not_the_next_one_of_its_url,
    what_is_not_there_is_removed,
    removing_stays_within_the_service,
];

const NODE: &str = "https://node-1.example";
const OTHER: &str = "https://node-2.example";
const NOTHING: NodeChange = NodeChange {
    capacity: None,
    available: None,
    downed: None,
    backoff: None,
    unhealthy: None,
    pool: None,
};

impl Subject {
    /// The figures of the node at [`NODE`].
    async fn figures(&self, service: &Service) -> NodeFigures {
        let nodes = self.nodes(service).await;
        let node = nodes.iter().find(|node| node.url == NODE);
        node.expect("the node is listed").figures
    }
}

async fn what_is_given_of_a_node_is_changed(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.served(&make, 20).await;
    s.add_node(&make, &service, OTHER, 5).await;
    let mut expected = s.nodes(&service).await;
    let mut changes = |change: NodeChange, change_expected: fn(&mut NodeFigures)| {
        change_expected(&mut expected[0].figures);
        (change, expected.clone())
    };
    let steps = [
        changes(NOTHING, |_| {}),
        changes(
            NodeChange {
                available: Some(3),
                ..NOTHING
            },
            |figures| figures.available = 3,
        ),
        changes(
            NodeChange {
                capacity: Some(30),
                ..NOTHING
            },
            |figures| figures.capacity = 30,
        ),
        changes(
            NodeChange {
                downed: Some(true),
                backoff: Some(true),
                ..NOTHING
            },
            |figures| (figures.downed, figures.backoff) = (true, true),
        ),
        changes(
            NodeChange {
                downed: Some(false),
                ..NOTHING
            },
            |figures| figures.downed = false,
        ),
        changes(
            NodeChange {
                capacity: Some(7),
                available: Some(0),
                downed: Some(true),
                backoff: Some(false),
                ..NOTHING
            },
            |figures| {
                *figures = NodeFigures {
                    capacity: 7,
                    downed: true,
                    ..NodeFigures::default()
                };
            },
        ),
    ];
    for (change, expected) in steps {
        assert_eq!(s.update_node(&make, &service, NODE, change.clone()).await, Ok(()));
        assert_eq!(s.nodes(&service).await, expected, "{change:?}");
    }
}

async fn no_more_slots_are_offered_than_the_capacity_leaves(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.served(&make, 10).await;
    let cases = [
        (Some(4), None, (4, 4)),
        (None, Some(99), (4, 4)),
        (Some(6), Some(7), (6, 6)),
        (Some(0), None, (0, 0)),
    ];
    for (capacity, available, expected) in cases {
        let change = NodeChange {
            capacity,
            available,
            ..NOTHING
        };
        assert_eq!(s.update_node(&make, &service, NODE, change.clone()).await, Ok(()));
        let figures = s.figures(&service).await;
        assert_eq!((figures.capacity, figures.available), expected, "{change:?}");
    }
}

async fn a_larger_node_takes_further_users(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.served(&make, 1).await;
    let (next, given) = (user(&service, 2, None), values(1, 1, b"a"));
    s.user(&make, &service, 1).await;
    let full = Err(Refusal::NoNode.into());
    assert_eq!(s.try_assign(&make, &next, &given).await, full);
    let change = NodeChange {
        capacity: Some(2),
        ..NOTHING
    };
    assert_eq!(s.update_node(&make, &service, NODE, change.clone()).await, Ok(()));
    s.assign(&make, &next, &given).await;
    let next = user(&service, 3, None);
    assert_eq!(s.try_assign(&make, &next, &given).await, full);
    let figures = s.figures(&service).await;
    assert_eq!((figures.current_load, figures.capacity), (2, 2));
}

async fn a_smaller_node_sends_nobody_away(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.served(&make, 3).await;
    let mut users = Vec::new();
    for number in 0..3 {
        users.push(s.user(&make, &service, number).await);
    }
    let change = NodeChange {
        capacity: Some(1),
        ..NOTHING
    };
    assert_eq!(s.update_node(&make, &service, NODE, change.clone()).await, Ok(()));
    let shows = async |load| {
        let expected = NodeFigures {
            capacity: 1,
            current_load: load,
            ..NodeFigures::default()
        };
        assert_eq!(s.figures(&service).await, expected);
    };
    shows(3).await;
    for user in &users {
        assert_eq!(s.record(&user.at).await.as_ref(), Some(&user.record));
    }
    // Slots come back, but there is no room for them.
    for (user, load) in users.iter().zip([2, 1]) {
        let left = s.unassign(&make, user, LATER).await;
        s.forget(&make, &left, user.uid()).await;
        shows(load).await;
    }
    let next = user(&service, 9, None);
    let full = Err(Refusal::NoNode.into());
    assert_eq!(s.try_assign(&make, &next, &values(1, 1, b"a")).await, full);
}

async fn a_node_out_of_service_takes_no_new_users(s: Arc<Subject>) {
    let make = Maker::new(5);
    let out = [
        NodeChange {
            downed: Some(true),
            ..NOTHING
        },
        NodeChange {
            backoff: Some(true),
            ..NOTHING
        },
    ];
    for (number, change) in (1..).zip(out) {
        let service = super::service(&format!("out-{number}.0"));
        s.put_service(&make, &service).await;
        s.add_node(&make, &service, NODE, 100).await;
        s.add_node(&make, &service, OTHER, 100).await;
        assert_eq!(s.update_node(&make, &service, NODE, change.clone()).await, Ok(()));
        for number in 0..5 {
            let user = s.user(&make, &service, number).await;
            assert_eq!(user.record.current.node.as_deref(), Some(OTHER), "{change:?}");
        }
        let back = NodeChange {
            downed: Some(false),
            backoff: Some(false),
            ..NOTHING
        };
        assert_eq!(s.update_node(&make, &service, NODE, back).await, Ok(()));
        assert_eq!(s.figures(&service).await.available, 100);
        s.remove_node(&make, &service, OTHER).await;
        let user = s.user(&make, &service, 9).await;
        assert_eq!(user.record.current.node.as_deref(), Some(NODE), "{change:?}");
    }
}

async fn only_a_node_can_be_changed(s: Arc<Subject>) {
    let make = Maker::new(6);
    let service = s.served(&make, 10).await;
    let before = s.nodes(&service).await;
    let change = NodeChange {
        capacity: Some(1),
        ..NOTHING
    };
    let no_node = s.update_node(&make, &service, OTHER, change.clone()).await;
    assert_eq!(no_node, Err(Refusal::UnknownNode.into()));
    let unknown = super::service("unknown-1.0");
    let no_service = s.update_node(&make, &unknown, NODE, change).await;
    assert_eq!(no_service, Err(Refusal::UnknownService.into()));
    assert_eq!(s.nodes(&service).await, before);
}

/// What is read of a user whose current and past records were all on a node that is gone.
fn without_node(user: &OfUser) -> OfUser {
    let mut lost = user.clone();
    lost.record.current.node = None;
    lost.record.current.node_type = None;
    for past in &mut lost.record.past {
        past.node = None;
        past.holds_slot = false;
    }
    lost
}

impl Subject {
    /// A user on [`NODE`], with a past there, with and without a slot.
    async fn with_a_past(&self, make: &Maker, service: &Service) -> OfUser {
        let first = self.user(make, service, 1).await;
        let second = self.assign_again(make, &first, &values(2, 2, b"a")).await;
        let now = self.rekey(make, &second, &values(3, 3, b"b")).await;
        assert_eq!(now.past(), [(first.uid(), true), (second.uid(), false)]);
        now
    }
}

async fn records_on_a_removed_node_have_none(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.served(&make, 10).await;
    let user = s.with_a_past(&make, &service).await;
    s.add_node(&make, &service, OTHER, 10).await;
    s.remove_node(&make, &service, NODE).await;
    let nodes = s.nodes(&service).await;
    assert_eq!((nodes.len(), nodes[0].url.as_str()), (1, OTHER));
    let lost = without_node(&user);
    assert_eq!(s.record(&user.at).await, Some(lost.record.clone()));
    let pages = s.pages(&service, 10).await;
    let records: Vec<_> = pages.into_iter().flat_map(|page| page.records).collect();
    assert_eq!(records, [(user.at.user.clone(), lost.record.clone())]);

    let (writer, given) = (&s.assignment_writer, values(9, 9, b"z"));
    let conflict = Err(Refusal::Conflict.into());
    let rekeyed = writer.rekey(&make.call(), &user.at, &given, LATER).await;
    assert_eq!(rekeyed, conflict);
    let retired = s.retire(&make, &lost, LATER).await;
    assert_eq!(retired.record.current.replaced_at, Some(LATER));
    assert_eq!(s.record(&user.at).await, Some(retired.record));
    assert_eq!(s.load(&service).await, 0);
}

async fn users_of_a_removed_node_are_assigned_anew(s: Arc<Subject>) {
    let make = Maker::new(8);
    let service = s.served(&make, 10).await;
    let user = s.with_a_past(&make, &service).await;
    s.add_node(&make, &service, OTHER, 10).await;
    s.remove_node(&make, &service, NODE).await;
    let lost = without_node(&user);
    let mut now = s.assign_again(&make, &lost, &values(4, 4, b"b")).await;
    assert_eq!(now.record.current.node.as_deref(), Some(OTHER));
    assert_eq!(now.record.past.len(), 3);
    assert!(
        now.record
            .past
            .iter()
            .all(|past| past.node.is_none() && !past.holds_slot)
    );
    assert_eq!(s.record(&user.at).await.as_ref(), Some(&now.record));
    assert_eq!(s.load(&service).await, 1);
    for (uid, _) in now.past() {
        now = s.forget(&make, &now, uid).await;
        assert_eq!(s.load(&service).await, 1, "nothing comes back");
    }
    assert_eq!(now.past(), []);
}

async fn a_removed_node_is_not_the_next_one_of_its_url(s: Arc<Subject>) {
    let make = Maker::new(9);
    let service = s.served(&make, 10).await;
    let user = s.with_a_past(&make, &service).await;
    s.remove_node(&make, &service, NODE).await;
    s.add_node(&make, &service, NODE, 5).await;
    let lost = without_node(&user);
    assert_eq!(s.record(&user.at).await.as_ref(), Some(&lost.record));
    let fresh = NodeFigures {
        capacity: 5,
        available: 5,
        ..NodeFigures::default()
    };
    assert_eq!(s.figures(&service).await, fresh);
    let mut now = lost;
    for (uid, _) in now.past() {
        now = s.forget(&make, &now, uid).await;
        assert_eq!(s.figures(&service).await, fresh);
    }
    now = s.unassign(&make, &now, LATER).await;
    now = s.forget(&make, &now, now.uid()).await;
    assert_eq!(s.figures(&service).await, fresh);
    let back = s.assign_again(&make, &now, &values(4, 4, b"b")).await;
    assert_eq!(back.record.current.node.as_deref(), Some(NODE));
    assert_eq!(s.figures(&service).await.current_load, 1);
}

async fn what_is_not_there_is_removed(s: Arc<Subject>) {
    let make = Maker::new(10);
    let service = s.served(&make, 10).await;
    let before = s.nodes(&service).await;
    s.remove_node(&make, &service, OTHER).await;
    s.remove_node(&make, &super::service("unknown-1.0"), NODE).await;
    assert_eq!(s.nodes(&service).await, before);
    for _ in 0..2 {
        s.remove_node(&make, &service, NODE).await;
        assert_eq!(s.nodes(&service).await, vec![]);
    }
}

async fn removing_stays_within_the_service(s: Arc<Subject>) {
    let make = Maker::new(11);
    let (service, other) = (s.served(&make, 10).await, super::service("other-2.0"));
    s.put_service(&make, &other).await;
    s.add_node(&make, &other, NODE, 10).await;
    let user = s.user(&make, &other, 1).await;
    let nodes = s.nodes(&other).await;
    s.remove_node(&make, &service, NODE).await;
    assert_eq!(s.nodes(&other).await, nodes);
    assert_eq!(s.record(&user.at).await, Some(user.record));
}

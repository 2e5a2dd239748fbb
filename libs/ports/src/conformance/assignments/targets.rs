//! Users who are placed on, or moved to, a node by name (`tokenserver.md` 9, override).

use std::{collections::HashSet, sync::Arc};

use foxhold_core::record::Service;

use super::{LATER, NOW, OfUser};
use crate::{
    Refusal,
    assignments::{NewNode, NodeChange, Target},
    conformance::{
        Subject, at_once, cases,
        fixtures::{Maker, node, pool, service, user, values},
    },
};

cases![
    a_named_node_takes_whom_it_has_room_for,
    a_named_node_that_cannot_take_the_user_is_no_node,
    an_active_user_moves_and_the_old_record_keeps_its_slot,
    a_user_without_a_node_is_placed,
    a_refused_move_leaves_the_user_where_he_is,
    many_who_move_to_one_node_do_not_overfill_it,
];

const OTHER: &str = "https://other.example";
const NAMED: &str = "https://named.example";

fn named() -> Target {
    Target::Node(NAMED.into())
}

impl Subject {
    /// A service with a large node, and one to be named, changed.
    async fn with_named(&self, make: &Maker, key: &str, available: u64, change: NodeChange) -> Service {
        let service = service(key);
        self.put_service(make, &service).await;
        self.add_node(make, &service, OTHER, 100).await;
        let node = NewNode {
            available,
            ..node(&service, NAMED, 20)
        };
        let made = self.assignment_admin.create_node(&make.call(), node).await;
        assert_eq!(made, Ok(()));
        assert_eq!(self.update_node(make, &service, NAMED, change).await, Ok(()));
        service
    }
}

async fn a_named_node_takes_whom_it_has_room_for(s: Arc<Subject>) {
    let make = Maker::new(1);
    let change = NodeChange::default;
    let table = [
        ("released", 20, change(), (1, 19)),
        ("nothing released", 0, change(), (1, 1)),
        (
            "in backoff",
            3,
            NodeChange {
                backoff: Some(true),
                ..change()
            },
            (1, 2),
        ),
        (
            "of another pool",
            3,
            NodeChange {
                pool: Some(Some(pool("disks"))),
                ..change()
            },
            (1, 2),
        ),
    ];
    for (number, (name, available, change, expected)) in (1..).zip(table) {
        let service = s
            .with_named(&make, &format!("named-{number}.0"), available, change)
            .await;
        let record = s.assign_to(&make, &user(&service, 1, None), &named()).await;
        let node = record.expect(name).current.node;
        assert_eq!(node.as_deref(), Some(NAMED), "{name}");
        assert_eq!(s.load_at(&service, NAMED).await, expected, "{name}");
        assert_eq!(s.load_at(&service, OTHER).await, (0, 100), "{name}");
    }
}

async fn a_named_node_that_cannot_take_the_user_is_no_node(s: Arc<Subject>) {
    let make = Maker::new(2);
    let change = NodeChange::default;
    let table = [
        (
            "downed",
            NodeChange {
                downed: Some(true),
                ..change()
            },
        ),
        (
            "unhealthy",
            NodeChange {
                unhealthy: Some(true),
                ..change()
            },
        ),
        (
            "full",
            NodeChange {
                capacity: Some(0),
                ..change()
            },
        ),
    ];
    for (number, (name, change)) in (1..).zip(table) {
        let service = s
            .with_named(&make, &format!("named-{number}.0"), 20, change)
            .await;
        let nodes = s.nodes(&service).await;
        let at = user(&service, 1, None);
        for target in [named(), Target::Node("https://unknown.example".into())] {
            let refused = s.assign_to(&make, &at, &target).await;
            assert_eq!(refused, Err(Refusal::NoNode.into()), "{name}, {target:?}");
        }
        assert_eq!(s.nodes(&service).await, nodes, "{name}");
        assert_eq!(s.record(&at).await, None, "{name}");
    }
}

async fn an_active_user_moves_and_the_old_record_keeps_its_slot(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.with_named(&make, "sync-1.5", 0, NodeChange::default()).await;
    let at = user(&service, 1, None);
    let first = s.assign_to(&make, &at, &Target::Node(OTHER.into())).await;
    let first = OfUser::new(&at, first.expect("there is room"));
    let moved = s
        .assignment_writer
        .assign(&make.call(), &first.at, &values(1, 1, b"a"), &named(), LATER)
        .await;
    let moved = first.after(moved);
    assert_ne!(moved.uid(), first.uid());
    let current = &moved.record.current;
    assert_eq!(
        (current.node.as_deref(), current.created_at),
        (Some(NAMED), LATER)
    );
    assert_eq!(current.replaced_at, None);
    let past = &moved.record.past[0];
    assert_eq!((past.node.as_deref(), past.created_at), (Some(OTHER), NOW));
    assert_eq!((past.replaced_at, past.holds_slot), (LATER, true));
    assert_eq!(s.record(&moved.at).await.as_ref(), Some(&moved.record));
    assert_eq!(s.load_at(&service, OTHER).await, (1, 99));
    assert_eq!(s.load_at(&service, NAMED).await, (1, 1));
    let purged = s.forget(&make, &moved, first.uid()).await;
    assert_eq!(purged.past(), []);
    assert_eq!(s.load_at(&service, OTHER).await, (0, 100));
}

async fn a_user_without_a_node_is_placed(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.with_named(&make, "sync-1.5", 0, NodeChange::default()).await;
    let at = user(&service, 1, None);
    let first = s.assign_to(&make, &at, &Target::Node(OTHER.into())).await;
    let first = OfUser::new(&at, first.expect("there is room"));
    s.remove_node(&make, &service, OTHER).await;
    let placed = first.after(s.assign_to(&make, &first.at, &named()).await);
    assert_eq!(placed.record.current.node.as_deref(), Some(NAMED));
    assert_eq!(placed.past(), [(first.uid(), false)]);
    assert_eq!(s.load_at(&service, NAMED).await, (1, 1));
}

async fn a_refused_move_leaves_the_user_where_he_is(s: Arc<Subject>) {
    let make = Maker::new(5);
    let full = NodeChange {
        capacity: Some(0),
        ..NodeChange::default()
    };
    let service = s.with_named(&make, "sync-1.5", 0, full).await;
    let user = s.user(&make, &service, 1).await;
    let nodes = s.nodes(&service).await;
    let refused = s.assign_to(&make, &user.at, &named()).await;
    assert_eq!(refused, Err(Refusal::NoNode.into()));
    assert_eq!(s.record(&user.at).await, Some(user.record));
    assert_eq!(s.nodes(&service).await, nodes);
}

async fn many_who_move_to_one_node_do_not_overfill_it(s: Arc<Subject>) {
    let make = Maker::new(6);
    let service = s.with_named(&make, "sync-1.5", 0, NodeChange::default()).await;
    let answers = at_once(32, |number| {
        let (writer, call) = (Arc::clone(&s.assignment_writer), make.call());
        let at = user(&service, number as u64, None);
        async move {
            writer
                .assign(&call, &at, &values(1, 1, b"a"), &named(), NOW)
                .await
        }
    });
    let answers = answers.await;
    let uids: HashSet<_> = answers
        .iter()
        .flatten()
        .map(|record| record.current.uid)
        .collect();
    let refused = answers
        .iter()
        .filter(|answer| **answer == Err(Refusal::NoNode.into()));
    assert_eq!((uids.len(), refused.count()), (20, 12), "{answers:?}");
    assert_eq!(s.load_at(&service, NAMED).await, (20, 0));
    assert_eq!(s.load_at(&service, OTHER).await, (0, 100));
}

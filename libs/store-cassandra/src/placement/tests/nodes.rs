//! What administrators change of nodes.

use foxhold_core::{NodeId, record::NodeFigures};
use foxhold_ports::{
    Refusal,
    assignments::{NewNode, NodeChange},
};

use super::{A, B, NEW, figures, held, lease, me, on, placement, service};
use crate::placement::{
    rules::{self, Holding, Holdings, Pick, Telling},
    state::{LeaseId, Placement},
};

const URL: &str = "https://n0.example";

fn change() -> NodeChange {
    NodeChange::default()
}

fn update(state: &Placement, change: NodeChange) -> NodeFigures {
    let after = rules::update_node(state, URL, &change).unwrap();
    assert_eq!(after.leases, state.leases, "a lease is its holder's");
    after.nodes[&NodeId(1)].figures
}

/// Load, capacity, what is released, a lease's size and what of it was spent; the change; capacity and what is released
/// after it. Everybody sees what is leased and not spent as available.
#[test]
fn what_is_given_is_what_everybody_sees() {
    let capacity = |capacity| NodeChange {
        capacity: Some(capacity),
        ..change()
    };
    let available = |available| NodeChange {
        available: Some(available),
        ..change()
    };
    type Before = (u64, u64, u64, u64, u64);
    let table: [(&str, Before, NodeChange, (u64, u64)); 12] = [
        ("nothing", (3, 20, 5, 0, 0), change(), (20, 5)),
        ("more capacity", (3, 20, 5, 4, 1), capacity(30), (30, 5)),
        ("less, with room for all", (3, 20, 5, 4, 1), capacity(12), (12, 5)),
        ("less than is released", (3, 20, 5, 4, 1), capacity(9), (9, 2)),
        ("less than is leased", (3, 20, 5, 4, 1), capacity(6), (6, 0)),
        ("less than the load", (3, 20, 5, 0, 0), capacity(2), (2, 0)),
        ("more available", (3, 20, 5, 0, 0), available(8), (20, 8)),
        ("beside what is leased", (3, 20, 5, 4, 1), available(8), (20, 5)),
        (
            "less than is leased and not spent",
            (3, 20, 5, 4, 1),
            available(2),
            (20, 0),
        ),
        ("none", (3, 20, 5, 0, 0), available(0), (20, 0)),
        (
            "more than there is room",
            (3, 20, 5, 0, 0),
            available(99),
            (20, 17),
        ),
        (
            "more than there is room beside leases",
            (3, 20, 5, 4, 1),
            available(99),
            (20, 13),
        ),
    ];
    for (name, (load, capacity, available, size, spent), change, expected) in table {
        let mut state = placement(&[(load, capacity, available)]);
        if size > 0 {
            lease(&mut state, B, 0, 1, size, spent);
        }
        let after = update(&state, change);
        assert_eq!((after.capacity, after.available), expected, "{name}");
        assert_eq!(after.current_load, load, "{name}");
    }
}

#[test]
fn flags_are_set_and_cleared_one_by_one() {
    let mut state = placement(&[(3, 20, 5)]);
    let flags = |state: &Placement| {
        let figures = state.nodes[&NodeId(1)].figures;
        [figures.downed, figures.backoff, figures.unhealthy]
    };
    let changes = [
        ([Some(true), None, None], [true, false, false]),
        ([None, Some(true), None], [true, true, false]),
        ([Some(false), None, None], [false, true, false]),
        ([None, None, None], [false, true, false]),
        ([None, Some(false), None], [false, false, false]),
        ([None, None, Some(true)], [false, false, true]),
        ([None, Some(false), Some(false)], [false, false, false]),
    ];
    for ([downed, backoff, unhealthy], expected) in changes {
        let change = NodeChange {
            downed,
            backoff,
            unhealthy,
            ..change()
        };
        state = rules::update_node(&state, URL, &change).unwrap();
        assert_eq!(flags(&state), expected, "{change:?}");
        let is_out = expected.contains(&true);
        assert_eq!(rules::takes_nobody(&state, NodeId(1)), is_out);
        let pick = rules::pick(&state, A, &Holdings::new(), NEW);
        assert_eq!(pick == Pick::Full, is_out, "{change:?}");
        assert_eq!(figures(&state), [(3, 5)]);
    }
    assert_eq!(
        rules::update_node(&state, "https://gone.example", &change()),
        Err(Refusal::UnknownNode)
    );
    let nothing = Placement::default();
    assert_eq!(
        rules::update_node(&nothing, URL, &change()),
        Err(Refusal::UnknownService)
    );
}

/// Where the capacity was made smaller, slots that are handed back are gone, and nobody is sent away.
#[test]
fn what_there_is_no_room_for_is_not_released_again() {
    let mut state = placement(&[(10, 100, 20)]);
    let id = lease(&mut state, A, 0, 1, 8, 0);
    let change = NodeChange {
        capacity: Some(14),
        ..change()
    };
    let state = rules::update_node(&state, URL, &change).unwrap();
    assert_eq!(figures(&state), [(10, 0)]);
    assert!(rules::takes_nobody(&state, NodeId(1)));
    let returning = Holding {
        to_return: true,
        ..held(1, true)
    };
    let returned = rules::tend(&state, me(A), &Holdings::from([(id, returning)]), Telling::All);
    assert_eq!(
        figures(&returned),
        [(11, 3)],
        "eight were leased, and there is room for three"
    );

    let mut crowded = placement(&[(10, 100, 0)]);
    let dead = lease(&mut crowded, B, 0, 1, 8, 0);
    rules::renew(&mut crowded, me(B));
    crowded.figures(NodeId(1), |figures| figures.capacity = 5);
    let sign = crowded.sign(B).unwrap();
    let buried = rules::bury(&crowded, B, sign, &[(dead, 3)].into()).unwrap();
    assert_eq!(figures(&buried), [(13, 0)]);
}

#[test]
fn a_node_that_is_removed_takes_its_leases_along_and_never_its_number() {
    let mut state = placement(&[(3, 20, 5), (0, 20, 5)]);
    let (gone, kept) = (lease(&mut state, A, 0, 2, 4, 1), lease(&mut state, A, 1, 1, 4, 1));
    let after = rules::remove_node(&state, "https://n1.example");
    assert_eq!(after.nodes.keys().collect::<Vec<_>>(), [&NodeId(1)]);
    assert_eq!(after.removed.iter().collect::<Vec<_>>(), [&NodeId(2)]);
    let left: Vec<_> = after.of(A).map(|(_, lease)| lease.id).collect();
    assert_eq!((left, after.leases.count()), (vec![kept], 2));
    // Its holder has not heard of it yet, and hands a lease back that is there no more.
    let holdings = Holdings::from([(gone, held(1, true)), (kept, held(1, true))]);
    assert_eq!(
        figures(&rules::tend(&after, me(A), &holdings, Telling::All)),
        [(3, 5)]
    );
    assert_eq!(
        rules::remove_node(&after, "https://n1.example"),
        after,
        "done, too, if there is none"
    );

    let again = NewNode {
        service: service().key,
        url: "https://n1.example".into(),
        node_type: None,
        pool: None,
        capacity: 10,
        available: 10,
    };
    let after = rules::create_node(&after, again).unwrap();
    assert_eq!(after.nodes.keys().collect::<Vec<_>>(), [&NodeId(1), &NodeId(3)]);
    let lease = on(NodeId(2), LeaseId([9; 16]));
    assert_eq!(rules::draw(&after, me(A), &Holdings::new(), lease), None);
}

#[test]
fn nodes_are_renamed_by_their_urls() {
    let state = placement(&[(0, 1, 1), (0, 1, 1)]);
    let urls = |state: &Placement| -> Vec<String> {
        state
            .nodes
            .values()
            .map(|node| node.url.trim_start_matches("https://").to_owned())
            .collect()
    };
    let table = [
        ("n0.example", "new.example", Ok(vec!["new.example", "n1.example"])),
        ("gone.example", "n1.example", Ok(vec!["n0.example", "n1.example"])),
        ("n0.example", "n0.example", Ok(vec!["n0.example", "n1.example"])),
        ("n0.example", "n1.example", Err(Refusal::Conflict)),
        ("gone.example", "new.example", Err(Refusal::UnknownNode)),
    ];
    for (from, to, expected) in table {
        let [from, to] = [from, to].map(|host| format!("https://{host}"));
        let renamed = rules::rename_node(&state, &from, &to).map(|after| urls(&after));
        let expected = expected.map(|urls: Vec<_>| urls.into_iter().map(str::to_owned).collect());
        assert_eq!(renamed, expected, "{from} to {to}");
    }
    let nothing = Placement::default();
    assert_eq!(
        rules::rename_node(&nothing, "a", "b"),
        Err(Refusal::UnknownService)
    );
}

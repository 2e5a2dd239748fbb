//! Slots that come back while their lease is open, when it has ended, and in whatever way it ends after that.

use foxhold_core::{NodeId, OpId};

use super::{A, B, figures, held, lease, me, placement};
use crate::placement::{
    returns::Return,
    rules::{self, Holding, Holdings, Telling},
    state::{LeaseId, Placement},
};

const NODE: NodeId = NodeId(1);

fn op(number: u8) -> OpId {
    OpId::from_bytes([number; 16])
}

fn slot(lease: Option<LeaseId>) -> Return {
    Return {
        node: NODE,
        lease,
        since: 0,
    }
}

fn come_back(state: &Placement, number: u8, lease: Option<LeaseId>) -> Placement {
    try_to_come_back(state, number, lease).expect("it has not come back")
}

fn try_to_come_back(state: &Placement, number: u8, lease: Option<LeaseId>) -> Option<Placement> {
    let mut after = state.clone();
    let came_back = rules::come_back(&mut after, op(number), &slot(lease));
    assert_eq!(came_back, after != *state, "it says whether anything was done");
    came_back.then_some(after)
}

/// What everybody sees: `spent` of every open lease, those that came back included.
fn seen(state: &Placement, spent: u64) -> (u64, u64) {
    let figures = state.nodes[&NODE].figures;
    let open = |(load, available): (u64, u64), lease: &crate::placement::state::Lease| {
        let spent = spent - lease.freed;
        (load + spent, available + lease.size - spent)
    };
    let none = (figures.current_load, figures.available);
    state.leases.values().fold(none, open)
}

#[test]
fn a_slot_of_no_open_lease_was_load() {
    let state = placement(&[(3, 20, 5)]);
    for lease in [None, Some(LeaseId([9; 16]))] {
        let after = come_back(&state, 1, lease);
        assert_eq!(figures(&after), [(2, 6)]);
        assert_eq!((after.returns.count(), after.nodes[&NODE].returned), (1, 1));
    }
}

#[test]
fn neither_load_nor_room_go_beyond_what_there_is() {
    // Load, capacity, released; and load and released after one came back.
    let table = [
        ((0, 20, 5), (0, 6)),
        ((0, 20, 20), (0, 20)),
        ((20, 20, 0), (19, 1)),
        ((20, 10, 0), (19, 0)),
        ((11, 10, 0), (10, 0)),
        ((10, 10, 0), (9, 1)),
    ];
    for (before, after) in table {
        let state = placement(&[before]);
        assert_eq!(figures(&come_back(&state, 1, None)), [after], "{before:?}");
    }
}

/// It was spent from a lease that is open: it leaves that at once, and the load does not get it when the lease ends.
#[test]
fn a_slot_of_an_open_lease_leaves_it_however_that_ends() {
    let mut state = placement(&[(3, 100, 40)]);
    let id = lease(&mut state, A, 0, 1, 10, 4);
    rules::renew(&mut state, me(A));
    // Six were spent; its holder has told of four.
    assert_eq!(seen(&state, 6), (9, 44));
    let state = come_back(&state, 1, Some(id));
    let state = come_back(&state, 2, Some(id));
    assert_eq!(figures(&state), [(3, 42)]);
    assert_eq!(seen(&state, 6), (7, 46));
    let (_, left) = state.of(A).next().unwrap();
    assert_eq!((left.size, left.spent, left.freed), (8, 2, 2));

    let returning = Holding {
        to_return: true,
        ..held(4, true)
    };
    let returned = rules::tend(&state, me(A), &Holdings::from([(id, returning)]), Telling::All);
    assert_eq!(figures(&returned), [(7, 46)], "by its holder");

    let in_work = Holding {
        settled: false,
        ..returning
    };
    let shrunk = rules::tend(&state, me(A), &Holdings::from([(id, in_work)]), Telling::All);
    assert_eq!(
        (figures(&shrunk), seen(&shrunk, 6)),
        (vec![(3, 46)], (7, 46)),
        "not yet"
    );
    let ended = come_back(&shrunk, 3, Some(id));
    let ended = rules::tend(
        &ended,
        me(A),
        &Holdings::from([(id, held(3, true))]),
        Telling::All,
    );
    assert_eq!(figures(&ended), [(6, 47)], "and then, after one more");

    let sign = state.sign(A).unwrap();
    let buried = rules::bury(&state, A, sign, &[(id, 6)].into()).unwrap();
    assert_eq!(figures(&buried), [(7, 46)], "by others, who find all six");
    let late = come_back(&buried, 3, Some(id));
    assert_eq!(figures(&late), [(6, 47)], "the next one was load by then");
}

#[test]
fn a_lease_of_which_all_came_back_ends_as_any_other() {
    let mut state = placement(&[(0, 1, 0)]);
    let id = lease(&mut state, A, 0, 1, 1, 0);
    let state = come_back(&state, 1, Some(id));
    assert_eq!((figures(&state), state.leased(NODE)), (vec![(0, 1)], 0));
    let ended = rules::tend(
        &state,
        me(A),
        &Holdings::from([(id, held(0, true))]),
        Telling::Nothing,
    );
    assert_eq!(figures(&ended), [(0, 1)]);
    assert!(ended.leases.is_empty());
}

#[test]
fn an_operation_brings_back_one_slot_and_none_to_a_node_that_is_gone() {
    let mut state = placement(&[(3, 20, 5)]);
    let open = lease(&mut state, B, 0, 1, 4, 4);
    for lease in [None, Some(open)] {
        let after = come_back(&state, 1, lease);
        assert_eq!(try_to_come_back(&after, 1, lease), None, "{lease:?}");
        assert!(try_to_come_back(&after, 2, lease).is_some());
    }
    let mut closed = state.clone();
    closed.returns.close(NODE);
    assert_eq!(
        try_to_come_back(&closed, 1, None),
        None,
        "it was counted otherwise"
    );
    let mut other = state.clone();
    other.returns.close(NodeId(2));
    assert!(try_to_come_back(&other, 1, None).is_some(), "another node was");
    let removed = rules::remove_node(&state, "https://n0.example");
    assert_eq!(try_to_come_back(&removed, 1, Some(open)), None);
}

//! Users who go to a pool, to a node by its name, and records that come from elsewhere.

use foxhold_core::{NodeId, record::PoolName};
use foxhold_ports::assignments::Target;

use super::{A, B, NEW, figures, held, lease, limited, me, placement};
use crate::placement::{
    rules::{self, Draw, Holding, Holdings, Pick, Seeker, Wanted, Where},
    state::{LeaseId, Placement},
};

const URL: &str = "https://n0.example";
const NODE: NodeId = NodeId(1);

/// Load, capacity and what is released.
type Figures = (u64, u64, u64);
/// What is done to a placement before; what the writer holds then.
type Setup = fn(&mut Placement) -> Holdings;

fn pool(name: &str) -> Target {
    Target::Pool(PoolName::new(name))
}

fn go(target: &Target) -> Wanted<'_> {
    Wanted {
        place: Where::Rule(target),
        ..NEW
    }
}

fn exactly(node: NodeId) -> Wanted<'static> {
    Wanted {
        seeker: Seeker::Known,
        place: Where::Exactly(node),
    }
}

/// Two nodes of the default pool, one of another.
fn pools(nodes: &[Figures; 3]) -> Placement {
    let mut state = placement(nodes);
    state.nodes.get_mut(&NodeId(3)).unwrap().pool = PoolName::new("big");
    state
}

#[test]
fn nodes_of_other_pools_are_passed_over() {
    let nobody: Setup = |_| Holdings::new();
    type Row = (&'static str, [Figures; 3], &'static str, Setup, Pick);
    let table: [Row; 7] = [
        (
            "an emptier one",
            [(9, 10, 1), (8, 10, 1), (0, 10, 9)],
            "",
            nobody,
            Pick::Draw(NodeId(2), vec![]),
        ),
        (
            "a fuller one",
            [(0, 10, 9), (0, 10, 9), (9, 10, 1)],
            "big",
            nobody,
            Pick::Draw(NodeId(3), vec![]),
        ),
        (
            "released by its own pool alone",
            [(5, 10, 0), (6, 10, 0), (1, 10, 0)],
            "",
            nobody,
            Pick::Draw(NodeId(1), vec![(NodeId(1), 1), (NodeId(2), 1)]),
        ),
        (
            "a pool that is full beside an empty one",
            [(10, 10, 0), (10, 10, 0), (0, 10, 10)],
            "",
            nobody,
            Pick::Full,
        ),
        (
            "a pool without nodes",
            [(0, 10, 10), (0, 10, 10), (0, 10, 10)],
            "small",
            nobody,
            Pick::Full,
        ),
        (
            "own free slots there",
            [(10, 10, 0), (0, 1, 1), (0, 10, 5)],
            "",
            |state| Holdings::from([(lease(state, A, 0, 3, 5, 0), held(0, true))]),
            Pick::Draw(NodeId(2), vec![]),
        ),
        (
            "what others hold there is no reason to wait",
            [(10, 10, 0), (10, 10, 0), (0, 10, 5)],
            "",
            |state| {
                lease(state, B, 0, 3, 5, 0);
                Holdings::new()
            },
            Pick::Full,
        ),
    ];
    for (name, nodes, target, setup, expected) in table {
        let mut state = pools(&nodes);
        let held = setup(&mut state);
        assert_eq!(
            rules::pick(&state, A, &held, go(&pool(target))),
            expected,
            "{name}"
        );
    }
}

/// Load, capacity and what is released of the node; who holds slots of it; what a user by name is told, and a record from
/// elsewhere.
#[test]
fn a_named_node_takes_whom_it_has_room_for() {
    let nothing: Setup = |_| Holdings::new();
    let draw = |released: u64| Pick::Draw(NODE, vec![(NODE, released)]);
    type Row = (&'static str, Figures, Setup, Pick, Pick);
    let table: [Row; 10] = [
        (
            "released",
            (5, 100, 3),
            nothing,
            Pick::Draw(NODE, vec![]),
            Pick::Draw(NODE, vec![]),
        ),
        ("nothing released", (5, 100, 0), nothing, draw(10), draw(1)),
        (
            "in backoff",
            (5, 100, 0),
            |state| {
                state.figures(NODE, |figures| figures.backoff = true);
                Holdings::new()
            },
            draw(10),
            draw(1),
        ),
        (
            "downed",
            (5, 100, 0),
            |state| {
                state.figures(NODE, |figures| figures.downed = true);
                Holdings::new()
            },
            Pick::Full,
            draw(1),
        ),
        (
            "unhealthy",
            (5, 100, 3),
            |state| {
                state.figures(NODE, |figures| figures.unhealthy = true);
                Holdings::new()
            },
            Pick::Full,
            Pick::Draw(NODE, vec![]),
        ),
        ("full", (100, 100, 0), nothing, Pick::Full, Pick::Full),
        ("overfull", (101, 100, 0), nothing, Pick::Full, Pick::Full),
        (
            "all the rest is held by others",
            (5, 10, 0),
            |state| {
                lease(state, B, 0, 1, 5, 2);
                Holdings::new()
            },
            Pick::Others,
            Pick::Others,
        ),
        (
            "all the rest is spent by others",
            (5, 10, 0),
            |state| {
                lease(state, B, 0, 1, 5, 5);
                Holdings::new()
            },
            Pick::Full,
            Pick::Full,
        ),
        (
            "an own slot",
            (5, 10, 0),
            |state| Holdings::from([(lease(state, A, 0, 1, 5, 2), held(2, true))]),
            Pick::Spend(LeaseId([16; 16])),
            Pick::Spend(LeaseId([16; 16])),
        ),
    ];
    for (name, node, setup, by_name, from_elsewhere) in table {
        // The other one would be chosen by the rule.
        let mut state = placement(&[node, (0, 100, 50)]);
        let held = setup(&mut state);
        let target = Target::Node(URL.into());
        assert_eq!(rules::pick(&state, A, &held, go(&target)), by_name, "{name}");
        let picked = rules::pick(&state, A, &held, exactly(NODE));
        assert_eq!(picked, from_elsewhere, "{name}, from elsewhere");
    }
    let state = placement(&[(0, 10, 10)]);
    let unknown = Target::Node("https://gone.example".into());
    assert_eq!(rules::pick(&state, A, &Holdings::new(), go(&unknown)), Pick::Full);
    let gone = exactly(NodeId(9));
    assert_eq!(rules::pick(&state, A, &Holdings::new(), gone), Pick::Full);
}

/// What a lease would hold beyond it would have to go back at once.
#[test]
fn who_is_sent_to_a_node_that_takes_nobody_gets_a_lease_of_one_slot() {
    type Row = (&'static str, fn(&mut Placement), u64);
    let table: [Row; 4] = [
        ("serving", |_| {}, 4),
        ("in backoff", |state| state.figures(NODE, |f| f.backoff = true), 1),
        ("downed", |state| state.figures(NODE, |f| f.downed = true), 1),
        (
            "unhealthy",
            |state| state.figures(NODE, |f| f.unhealthy = true),
            1,
        ),
    ];
    for (name, setup, expected) in table {
        let mut state = placement(&[(5, 1000, 64)]);
        setup(&mut state);
        let lease = Draw {
            node: NODE,
            releases: &[],
            id: LeaseId([9; 16]),
            seeker: Seeker::Known,
        };
        let after = rules::draw(&state, me(A), &Holdings::new(), lease).unwrap();
        assert_eq!(after.leased(NODE), expected, "{name}");
        assert_eq!(figures(&after), [(5, 64 - expected)], "{name}");
    }
}

/// Who is a user elsewhere already is none of those that a service takes only so many of.
#[test]
fn records_from_elsewhere_come_whether_or_not_the_service_takes_users() {
    let state = limited(placement(&[(5, 10, 0)]), 0);
    let target = Target::Node(URL.into());
    assert_eq!(
        rules::pick(&state, A, &Holdings::new(), go(&target)),
        Pick::Closed
    );
    let Pick::Draw(node, releases) = rules::pick(&state, A, &Holdings::new(), exactly(NODE)) else {
        panic!("there is room");
    };
    let lease = Draw {
        node,
        releases: &releases,
        id: LeaseId([9; 16]),
        seeker: Seeker::Known,
    };
    let after = rules::draw(&state, me(A), &Holdings::new(), lease).unwrap();
    assert_eq!((figures(&after), after.leased(NODE)), (vec![(5, 0)], 1));
    // Its last slot goes back unspent: it is released from then on.
    let back = Holding {
        to_return: true,
        ..held(0, true)
    };
    let holdings = Holdings::from([(LeaseId([9; 16]), back)]);
    assert_eq!(figures(&rules::leave(&after, me(A), &holdings)), [(5, 1)]);
}

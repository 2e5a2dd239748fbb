//! The rules of placements by tables.

mod burial;
mod game;
mod limits;
mod named;
mod nodes;
mod pool;
mod reserved;
mod returning;
mod verdicts;

use std::collections::BTreeMap;

use foxhold_core::{
    NodeId,
    record::{Admission, NodeFigures, Service, ServiceKey, ServicePolicy},
};
use foxhold_ports::assignments::{NewNode, Target};

use super::{
    rules::{self, Draw, Holding, Holdings, Me, Pick, Seeker, Telling, Wanted, Where},
    state::{Lease, LeaseId, Placement, WriterId},
};

const REGION: &str = "eu";
const A: WriterId = WriterId([1; 16]);
const B: WriterId = WriterId([2; 16]);

/// A slot in the default pool for a new user.
const NEW: Wanted<'static> = Wanted {
    seeker: Seeker::New,
    place: Where::Rule(&Target::DEFAULT),
};
/// The same for one who has a record.
const KNOWN: Wanted<'static> = Wanted {
    seeker: Seeker::Known,
    ..NEW
};

fn me(id: WriterId) -> Me<'static> {
    Me {
        id,
        region: REGION,
        now: 1,
    }
}

fn service() -> Service {
    Service {
        key: ServiceKey("sync-1.5".into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: "scope".into(),
        token_lifetime_secs: 60,
        uid_ceiling: 1000,
        policy: ServicePolicy::default(),
    }
}

/// Nodes by load, capacity and what is released.
fn placement(nodes: &[(u64, u64, u64)]) -> Placement {
    let mut state = rules::put_service(&Placement::default(), service());
    for (number, (load, capacity, available)) in nodes.iter().enumerate() {
        let node = NewNode {
            service: ServiceKey("sync-1.5".into()),
            url: format!("https://n{number}.example"),
            node_type: None,
            pool: None,
            capacity: *capacity,
            available: *available,
        };
        state = rules::create_node(&state, node).unwrap();
        state.figures(NodeId(number as u64 + 1), |figures| figures.current_load = *load);
    }
    state
}

fn lease(state: &mut Placement, writer: WriterId, number: u8, node: u64, size: u64, spent: u64) -> LeaseId {
    let id = LeaseId([writer.0[0] * 16 + number; 16]);
    state.leases.add(Lease {
        id,
        writer,
        node: NodeId(node),
        size,
        spent,
        freed: 0,
    });
    id
}

fn figures(state: &Placement) -> Vec<(u64, u64)> {
    let figures = |figures: &NodeFigures| (figures.current_load, figures.available);
    state.nodes.values().map(|node| figures(&node.figures)).collect()
}

/// A lease to draw for a new user, on what is released.
fn on(node: NodeId, id: LeaseId) -> Draw<'static> {
    Draw {
        node,
        releases: &[],
        id,
        seeker: Seeker::New,
    }
}

/// The same placement, of a service that takes only so many users.
fn limited(mut state: Placement, users: u64) -> Placement {
    let service = state.service.as_mut().expect("there is a service");
    service.policy.admission = Admission::First(users);
    state
}

/// The check values of `tokenserver.md` 9, through a lease and its end.
#[test]
fn releases_are_those_of_every_other_store() {
    let mut state = placement(&[(99, 100, 0), (90, 100, 0), (80, 81, 0), (70, 71, 0), (60, 61, 0)]);
    state.figures(NodeId(4), |figures| figures.backoff = true);
    state.figures(NodeId(5), |figures| figures.downed = true);
    let Pick::Draw(node, releases) = rules::pick(&state, A, &Holdings::new(), NEW) else {
        panic!("there is room");
    };
    assert_eq!(node, NodeId(2));
    let id = LeaseId([9; 16]);
    let lease = Draw {
        releases: &releases,
        ..on(node, id)
    };
    let after = rules::draw(&state, me(A), &Holdings::new(), lease).unwrap();
    let held = Holdings::from([(id, held(1, true))]);
    let after = rules::tend(&after, me(A), &held, Telling::All);
    assert_eq!(figures(&after), [(99, 1), (91, 9), (80, 1), (70, 1), (60, 0)]);
    assert!(after.leases.is_empty());
    assert_eq!(after.leases.count(), 1, "its row stays for the next one");

    let full = placement(&[(10, 10, 0), (20, 20, 0), (5, 5, 0)]);
    assert_eq!(rules::pick(&full, A, &Holdings::new(), NEW), Pick::Full);
    let none = placement(&[]);
    assert_eq!(rules::pick(&none, A, &Holdings::new(), NEW), Pick::Full);
}

fn held(used: u64, settled: bool) -> Holding {
    Holding {
        used,
        settled,
        ..Holding::default()
    }
}

#[test]
fn blocks_are_a_sixteenth_of_what_is_left_and_within_bounds() {
    let table = [
        (1, 1),
        (15, 1),
        (31, 1),
        (32, 2),
        (160, 10),
        (1024, 64),
        (100_000, 64),
    ];
    for (available, size) in table {
        let state = placement(&[(0, 200_000, available)]);
        let id = LeaseId([9; 16]);
        let after = rules::draw(&state, me(A), &Holdings::new(), on(NodeId(1), id)).unwrap();
        let drawn: Vec<_> = after.of(A).map(|(_, lease)| lease.size).collect();
        assert_eq!(drawn, [size], "{available}");
        assert_eq!(figures(&after), [(0, available - size)], "{available}");
        assert!(after.writer(A).is_some(), "who holds a lease shows that it lives");
    }
    let none = placement(&[(0, 10, 0)]);
    let lease = on(NodeId(1), LeaseId([9; 16]));
    assert_eq!(rules::draw(&none, me(A), &Holdings::new(), lease), None);
}

#[test]
fn a_writer_chooses_among_what_it_can_reach() {
    type Row = (
        &'static str,
        &'static [(u64, u64, u64)],
        fn(&mut Placement) -> Holdings,
        Pick,
    );
    let table: [Row; 6] = [
        (
            "its own free slots count as available",
            &[(0, 10, 0), (5, 10, 5)],
            |state| Holdings::from([(lease(state, A, 0, 1, 4, 0), held(3, true))]),
            Pick::Spend(LeaseId([16; 16])),
        ),
        (
            "its spent ones as load",
            &[(0, 10, 0), (2, 10, 5)],
            |state| Holdings::from([(lease(state, A, 0, 1, 4, 0), held(3, true))]),
            Pick::Draw(NodeId(2), vec![]),
        ),
        (
            "what others have spent is load",
            &[(0, 10, 5), (2, 10, 5)],
            |state| {
                lease(state, B, 0, 1, 4, 3);
                Holdings::new()
            },
            Pick::Draw(NodeId(2), vec![]),
        ),
        (
            "a node whose free slots others hold is passed over",
            &[(0, 4, 0), (9, 10, 1)],
            |state| {
                lease(state, B, 0, 1, 4, 0);
                Holdings::new()
            },
            Pick::Draw(NodeId(2), vec![]),
        ),
        (
            "more is released beside what others hold, and no more than fits",
            &[(0, 20, 0)],
            |state| {
                lease(state, B, 0, 1, 19, 0);
                Holdings::new()
            },
            Pick::Draw(NodeId(1), vec![(NodeId(1), 1)]),
        ),
        (
            "what is left, others hold",
            &[(0, 4, 0), (5, 5, 0)],
            |state| {
                lease(state, B, 0, 1, 4, 3);
                Holdings::new()
            },
            Pick::Others,
        ),
    ];
    for (name, nodes, setup, expected) in table {
        let mut state = placement(nodes);
        let held = setup(&mut state);
        assert_eq!(rules::pick(&state, A, &held, NEW), expected, "{name}");
    }
    let mut spent = placement(&[(0, 4, 0)]);
    lease(&mut spent, B, 0, 1, 4, 4);
    assert_eq!(rules::pick(&spent, A, &Holdings::new(), NEW), Pick::Full);

    let mut own = placement(&[(0, 4, 0)]);
    let id = lease(&mut own, A, 0, 1, 4, 0);
    for (open, withheld, expected) in [(0, 0, Pick::Full), (1, 0, Pick::Others), (0, 1, Pick::Others)] {
        let holding = Holding {
            open,
            withheld,
            ..held(4 - withheld, open == 0)
        };
        let found = rules::pick(&own, A, &Holdings::from([(id, holding)]), NEW);
        assert_eq!(
            found, expected,
            "{open} in work or in doubt, {withheld} on their way back"
        );
    }
}

#[test]
fn a_lease_ends_by_its_holder_or_by_others_with_the_same_figures() {
    let mut state = placement(&[(3, 100, 40)]);
    let id = lease(&mut state, A, 0, 1, 10, 0);
    rules::renew(&mut state, me(A));
    let returning = Holding {
        to_return: true,
        ..held(4, true)
    };
    let returned = rules::tend(
        &state,
        me(A),
        &Holdings::from([(id, returning)]),
        Telling::Nothing,
    );
    assert_eq!(figures(&returned), [(7, 46)]);

    let in_work = Holding {
        settled: false,
        ..returning
    };
    let shrunk = rules::tend(&state, me(A), &Holdings::from([(id, in_work)]), Telling::Nothing);
    assert_eq!(figures(&shrunk), [(3, 46)], "slots in work stay leased");
    assert_eq!(shrunk.leased(NodeId(1)), 4);

    let sign = state.sign(A).unwrap();
    let counted = BTreeMap::from([(id, 4)]);
    let buried = rules::bury(&state, A, sign, &counted).unwrap();
    assert_eq!(figures(&buried), [(7, 46)]);
    assert!(buried.writers.is_empty() && buried.leases.is_empty());
    assert_eq!(
        rules::bury(&state, A, sign + 1, &counted),
        None,
        "it has shown a sign of life"
    );
    assert_eq!(
        rules::bury(&state, A, sign, &BTreeMap::new()),
        None,
        "a lease was not counted"
    );
    assert_eq!(
        rules::bury(&buried, A, sign, &counted),
        None,
        "it was done already"
    );
}

/// Restarts as they come in a rolling upgrade, and deaths: the rows stay those that were in use at once.
#[test]
fn the_rows_of_writers_that_went_are_used_by_those_that_come() {
    let mut state = placement(&[(0, 100_000, 90_000), (0, 100_000, 90_000)]);
    for restart in 1..50 {
        let id = WriterId([restart; 16]);
        for node in [1, 2] {
            let lease = LeaseId([restart * 2 + node; 16]);
            let node = NodeId(node.into());
            state = rules::draw(&state, me(id), &Holdings::new(), on(node, lease)).unwrap();
        }
        let settled = |lease: LeaseId| {
            (
                lease,
                Holding {
                    to_return: true,
                    ..held(1, true)
                },
            )
        };
        let holdings: Holdings = state.of(id).map(|(_, lease)| settled(lease.id)).collect();
        let gone = if restart % 2 == 0 {
            rules::leave(&state, me(id), &holdings)
        } else {
            let spent = holdings.keys().map(|lease| (*lease, 1)).collect();
            rules::bury(&state, id, state.sign(id).unwrap(), &spent).unwrap()
        };
        assert!(gone.leases.is_empty() && gone.writers.is_empty());
        assert_eq!((gone.leases.count(), gone.writers.count()), (2, 1));
        state = gone;
    }
}

/// Both choose the vacant row. Only one of the changes can be made, as both name the version they were decided on; the
/// other writer decides again.
#[test]
fn two_writers_at_one_vacant_row_end_up_in_two() {
    let mut state = placement(&[(0, 1000, 900)]);
    let ended = lease(&mut state, B, 0, 1, 1, 1);
    state = rules::tend(
        &state,
        me(B),
        &Holdings::from([(ended, held(1, true))]),
        Telling::All,
    );
    assert_eq!((state.leases.count(), state.leases.values().count()), (1, 0));
    let draw = |state: &Placement, id: WriterId, lease: u8| {
        let lease = on(NodeId(1), LeaseId([lease; 16]));
        rules::draw(state, me(id), &Holdings::new(), lease).unwrap()
    };
    let rows = |state: &Placement| -> Vec<_> {
        let leases = state.leases.iter();
        leases.map(|(row, lease)| (row.0, lease.writer)).collect()
    };
    let (one, other) = (draw(&state, A, 1), draw(&state, B, 2));
    assert_eq!((rows(&one), rows(&other)), (vec![(0, A)], vec![(0, B)]));
    assert_eq!(rows(&draw(&one, B, 3)), [(0, A), (1, B)]);
}

#[test]
fn signs_of_life_and_recalls_are_new_each_time_whatever_the_clock_says() {
    let mut state = placement(&[]);
    for now in [5, 5, 3, 9] {
        let before = state.sign(A);
        let me = Me { now, ..me(A) };
        rules::renew(&mut state, me);
        assert!(state.sign(A) > before);
        let before = state.recall.map(|recall| recall.at);
        state = rules::recall(&state, me);
        assert!(state.recall.map(|recall| recall.at) > before);
    }
}

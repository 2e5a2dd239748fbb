//! Services that take only so many users.

use foxhold_core::NodeId;

use super::{A, B, KNOWN, NEW, figures, held, lease, limited, me, on, placement};
use crate::placement::{
    rules::{self, Draw, Holding, Holdings, Pick, Seeker},
    state::{LeaseId, Placement},
};

/// What is said of new users; those that have a record are served as ever.
#[test]
fn a_service_takes_no_more_new_users_than_it_may() {
    type Setup = fn(&mut Placement) -> Holdings;
    let nobody: Setup = |_| Holdings::new();
    let draw = || Pick::Draw(NodeId(1), vec![]);
    let spend = || Pick::Spend(LeaseId([16; 16]));
    let table: [(&str, u64, u64, Setup, Pick, Pick); 11] = [
        ("the last one", 2, 3, nobody, draw(), draw()),
        ("as many as it may", 3, 3, nobody, Pick::Closed, draw()),
        ("more, since it was changed", 5, 3, nobody, Pick::Closed, draw()),
        ("none at all", 0, 0, nobody, Pick::Closed, draw()),
        (
            "own slots that were spent count",
            1,
            3,
            |state| Holdings::from([(lease(state, A, 0, 1, 4, 0), held(2, true))]),
            Pick::Closed,
            spend(),
        ),
        (
            "own free ones do not",
            1,
            3,
            |state| Holdings::from([(lease(state, A, 0, 1, 2, 0), held(1, true))]),
            spend(),
            spend(),
        ),
        (
            "nor those on their way back",
            1,
            3,
            |state| {
                let returning = Holding {
                    withheld: 4,
                    ..held(1, true)
                };
                Holdings::from([(lease(state, A, 0, 1, 5, 0), returning)])
            },
            draw(),
            draw(),
        ),
        (
            "what is in work may come back",
            1,
            3,
            |state| {
                let in_work = Holding {
                    open: 1,
                    ..held(2, false)
                };
                Holdings::from([(lease(state, A, 0, 1, 2, 0), in_work)])
            },
            Pick::Others,
            draw(),
        ),
        (
            "what others hold may be spent",
            1,
            3,
            |state| {
                lease(state, B, 0, 1, 2, 0);
                Holdings::new()
            },
            Pick::Others,
            draw(),
        ),
        (
            "but there is room beside that",
            1,
            4,
            |state| {
                lease(state, B, 0, 1, 2, 0);
                Holdings::new()
            },
            draw(),
            draw(),
        ),
        (
            "what others have spent, is",
            1,
            3,
            |state| {
                lease(state, B, 0, 1, 4, 2);
                Holdings::new()
            },
            Pick::Closed,
            draw(),
        ),
    ];
    for (name, load, limit, setup, new, known) in table {
        let mut state = limited(placement(&[(load, 100, 50)]), limit);
        let held = setup(&mut state);
        assert_eq!(rules::pick(&state, A, &held, NEW), new, "{name}");
        assert_eq!(rules::pick(&state, A, &held, KNOWN), known, "{name}");
    }
}

#[test]
fn no_more_slots_are_leased_than_new_users_are_taken() {
    let id = LeaseId([9; 16]);
    let table = [
        (1000, Seeker::New, Some(62)),
        (100, Seeker::New, Some(5)),
        (6, Seeker::New, Some(1)),
        (5, Seeker::New, None),
        (1000, Seeker::Known, Some(62)),
        (5, Seeker::Known, Some(1)),
        (0, Seeker::Known, Some(1)),
    ];
    for (limit, seeker, expected) in table {
        let mut state = limited(placement(&[(2, 100_000, 50_000)]), limit);
        lease(&mut state, B, 0, 1, 3, 0);
        let lease = Draw {
            seeker,
            ..on(NodeId(1), id)
        };
        let after = rules::draw(&state, me(A), &Holdings::new(), lease);
        let size = after.map(|after| after.of(A).map(|(_, lease)| lease.size).sum::<u64>());
        assert_eq!(size, expected, "{limit} {seeker:?}");
    }
}

/// All that may still be leased is held, on a node that is not the one for the next user.
#[test]
fn slots_held_elsewhere_go_back_before_the_last_users_come() {
    let mut state = limited(placement(&[(5, 10, 0), (0, 10, 10)]), 8);
    let old = lease(&mut state, A, 0, 1, 3, 0);
    let used = |to_return| {
        let holding = Holding {
            to_return,
            ..held(1, true)
        };
        Holdings::from([(old, holding)])
    };
    let node = NodeId(2);
    assert_eq!(
        rules::pick(&state, A, &used(false), NEW),
        Pick::Draw(node, vec![])
    );
    assert!(rules::hands_back_first(&state, Seeker::New));
    assert!(!rules::hands_back_first(&state, Seeker::Known));
    let lease = on(node, LeaseId([9; 16]));
    assert_eq!(rules::draw(&state, me(A), &used(false), lease), None);
    let after = rules::draw(&state, me(A), &used(true), lease).unwrap();
    assert_eq!(figures(&after), [(6, 2), (0, 9)]);
    assert_eq!((after.leased(NodeId(1)), after.leased(node)), (0, 1));
}

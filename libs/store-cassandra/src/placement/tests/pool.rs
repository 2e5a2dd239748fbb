//! What a pool takes from the states it learns.

use std::{sync::Arc, time::Instant};

use foxhold_core::{
    NodeId, OpId,
    record::{PoolName, ServiceKey},
};
use foxhold_ports::assignments::NodeChange;

use super::{A, B, KNOWN, NEW, figures, limited, me, on, placement, service};
use crate::placement::{
    pool::Pool,
    returns::Return,
    rules::{self, Me, Pick},
    state::{LeaseId, Placement, WriterId},
    times::LeaseTimes,
};

pub(super) fn pool() -> Pool {
    Pool::new(ServiceKey("sync-1.5".into()), A, LeaseTimes::default())
}

/// The next state after a change, as it was read now.
fn learn(pool: &Pool, mut state: Placement) -> Placement {
    state.version = Some(state.version.unwrap_or(0) + 1);
    pool.learn(state.clone(), Instant::now());
    state
}

fn renewed(state: &Placement, writer: WriterId, now: u64) -> Placement {
    let mut after = state.clone();
    rules::renew(&mut after, Me { now, ..me(writer) });
    after
}

fn sign(state: &Placement, writer: WriterId) -> u64 {
    state.sign(writer).unwrap()
}

#[test]
fn what_was_found_out_of_a_dead_writer_is_kept_until_it_lives_or_is_gone() {
    let pool = pool();
    let state = learn(&pool, renewed(&placement(&[(0, 10, 5)]), B, 1));
    let kept = pool.ledger(B, sign(&state, B));
    let state = learn(&pool, rules::recall(&state, me(A)));
    assert_eq!(pool.last_heard(B), Some(sign(&state, B)));
    assert!(
        Arc::ptr_eq(&kept, &pool.ledger(B, sign(&state, B))),
        "the placement changed, the writer did not"
    );

    let alive = learn(&pool, renewed(&state, B, 2));
    let anew = pool.ledger(B, sign(&alive, B));
    assert!(
        !Arc::ptr_eq(&kept, &anew),
        "it has gone on, and may have spent more"
    );

    let gone = rules::bury(&alive, B, sign(&alive, B), &Default::default()).unwrap();
    learn(&pool, gone);
    assert_eq!(pool.last_heard(B), None);
    assert!(!Arc::ptr_eq(&anew, &pool.ledger(B, sign(&alive, B))));
}

/// One task at a time works on a writer: it holds the ledger.
#[test]
fn a_writer_is_buried_by_one_task_at_a_time() {
    let pool = pool();
    let at_work = pool.ledger(B, 1).try_lock_owned().unwrap();
    assert!(pool.ledger(B, 1).try_lock_owned().is_err());
    assert!(pool.ledger(WriterId([3; 16]), 1).try_lock_owned().is_ok());
    drop(at_work);
    assert!(pool.ledger(B, 1).try_lock_owned().is_ok());
}

/// What this writer sends, and what comes of it.
fn send(pool: &Pool, before: &Placement, after: Placement) -> Placement {
    pool.sends(before, &after);
    learn(pool, after)
}

/// An administrator's change, a recall, the end of another's leases: the own row stands in all of them as it was, and
/// nobody else can see from it that this writer lives.
#[test]
fn only_a_new_sign_of_life_lets_a_writer_go_on_spending() {
    let mut own = renewed(&placement(&[(0, 10, 5)]), A, 1);
    rules::renew(&mut own, me(B));
    let pool = pool();
    let state = learn(&pool, own);
    let changes = [
        ("of an administrator", rules::put_service(&state, service())),
        ("a recall", rules::recall(&state, me(A))),
        (
            "a burial",
            rules::bury(&state, B, sign(&state, B), &Default::default()).unwrap(),
        ),
    ];
    let mut before = state;
    for (name, mut after) in changes {
        after.version = before.version;
        before = send(&pool, &before, after);
        assert!(!pool.may_spend(), "{name}");
    }
    let after = renewed(&before, A, 2);
    send(&pool, &before, after);
    assert!(pool.may_spend());
}

#[test]
fn the_others_wait_from_the_first_time_that_a_sign_was_sent() {
    let pool = pool();
    let before = learn(&pool, placement(&[]));
    let after = renewed(&before, A, 5);
    let first = pool.sends(&before, &after);
    assert_eq!(pool.sign_sent(), Some(first));
    // In doubt, and sent again while the clock stands still: the others may have seen the first one.
    pool.sends(&before, &after);
    assert_eq!(pool.sign_sent(), Some(first));
    let later = pool.sends(&before, &renewed(&before, A, 6));
    assert_eq!(pool.sign_sent(), Some(later));
}

#[test]
fn what_others_ask_for_is_handed_back_once_for_each_recall() {
    let pool = pool();
    let now = placement(&[(0, 1000, 900)]);
    let drawn = pool.draw(&now, me(A), on(NodeId(1), LeaseId([1; 16]))).unwrap();
    let mut state = learn(&pool, drawn);
    let leased = |state: &Placement| state.leased(NodeId(1));
    let size = leased(&state);
    assert!(size > 0);
    for (name, by, given_back) in [
        ("its own", A, false),
        ("another's", B, true),
        ("the same", B, false),
    ] {
        if name != "the same" {
            state = learn(&pool, rules::recall(&state, me(by)));
        }
        let after = pool.upkeep(&state, me(A), false);
        let left = after.as_ref().map_or(size, leased);
        assert_eq!(left == 0, given_back, "{name}");
        if given_back {
            let again = pool.draw(&after.unwrap(), me(A), on(NodeId(1), LeaseId([2; 16])));
            state = learn(&pool, again.unwrap());
        }
    }
}

/// Only what was written was asked: whoever is outbid asks again.
#[test]
fn the_others_are_asked_again_unless_they_were_asked_just_now() {
    let pool = pool();
    assert!(pool.is_time_to_recall() && pool.is_time_to_recall());
    pool.recalled();
    assert!(!pool.is_time_to_recall());
}

/// For the last users of a service a writer gives up what it holds on other nodes; from then on nobody is given it.
#[test]
fn what_goes_back_for_the_last_users_is_not_spent_meanwhile() {
    let pool = Arc::new(pool());
    let first = placement(&[(0, 100, 90)]);
    let drawn = pool.draw(&first, me(A), on(NodeId(1), LeaseId([1; 16]))).unwrap();
    pool.sends(&first, &drawn);
    let state = learn(&pool, drawn);
    let size = state.leased(NodeId(1));
    let slot = pool.take(NEW).expect("the lease has slots");
    slot.spent();

    // All that is left for new users is what this writer holds; the node takes nobody any more.
    let mut state = limited(state, size);
    state.figures(NodeId(1), |figures| figures.backoff = true);
    let new_node = foxhold_ports::assignments::NewNode {
        service: service().key,
        url: "https://other.example".into(),
        node_type: None,
        pool: None,
        capacity: 10,
        available: 10,
    };
    let state = learn(&pool, rules::create_node(&state, new_node).unwrap());
    assert_eq!(pool.pick(&state, NEW), Pick::Draw(NodeId(2), vec![]));
    let after = pool.draw(&state, me(A), on(NodeId(2), LeaseId([2; 16]))).unwrap();
    assert_eq!((after.leased(NodeId(1)), after.leased(NodeId(2))), (0, 1));
    assert!(pool.take(KNOWN).is_none(), "the slots are on their way back");
    let state = learn(&pool, after);
    assert_eq!(pool.pick(&state, NEW), Pick::Spend(LeaseId([2; 16])));
}

/// A slot came back that this writer had spent, in a write of whomever: it is none of the lease any more, and the next
/// user is given the next one.
#[test]
fn a_slot_that_came_back_is_not_among_those_that_were_spent() {
    let pool = Arc::new(pool());
    let first = placement(&[(0, 1000, 64)]);
    let drawn = pool.draw(&first, me(A), on(NodeId(1), LeaseId([1; 16]))).unwrap();
    pool.sends(&first, &drawn);
    let state = learn(&pool, drawn);
    assert_eq!(state.leased(NodeId(1)), 4);
    let numbers: Vec<_> = (0..3)
        .map(|_| {
            let slot = pool.take(NEW).expect("the lease has slots");
            let number = slot.id().number;
            slot.spent();
            number
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
    let slot = Return {
        node: NodeId(1),
        lease: Some(LeaseId([1; 16])),
        since: 0,
    };
    let mut after = state;
    assert!(rules::come_back(&mut after, OpId::from_bytes([1; 16]), &slot));
    let state = learn(&pool, after);
    assert_eq!((figures(&state), state.leased(NodeId(1))), (vec![(0, 61)], 3));
    let last = pool.take(NEW).expect("there is one left");
    assert_eq!(last.id().number, 3);
    last.spent();
    assert!(pool.take(NEW).is_none());
    let ended = pool
        .upkeep(&state, me(A), false)
        .expect("it is spent to the last slot");
    assert_eq!((figures(&ended), ended.leased(NodeId(1))), (vec![(3, 61)], 0));
}

/// An administrator changes a node: what this writer holds of it goes back in that very write, and what it holds of others
/// stays.
#[test]
fn what_is_held_of_a_node_goes_back_with_a_change_of_it() {
    let pool = Arc::new(pool());
    let first = placement(&[(0, 1000, 64), (500, 1000, 64)]);
    let drawn = pool.draw(&first, me(A), on(NodeId(1), LeaseId([1; 16]))).unwrap();
    let drawn = learn(&pool, drawn);
    let second = pool.draw(&drawn, me(A), on(NodeId(2), LeaseId([2; 16]))).unwrap();
    pool.sends(&drawn, &second);
    let state = learn(&pool, second);
    let in_work = pool.take(NEW).expect("the lease has slots");
    let after = pool.hand_back(&state, me(A), NodeId(1));
    assert_eq!((after.leased(NodeId(1)), after.leased(NodeId(2))), (1, 4));
    assert_eq!(figures(&after), [(0, 63), (500, 60)]);
    assert!(pool.take(NEW).is_none(), "nobody is given what goes back");
    in_work.spent();
    // That write was not made. The next round of upkeep hands back what was promised.
    let later = pool
        .upkeep(&state, me(A), false)
        .expect("there is something to do");
    assert_eq!((figures(&later)[0], later.leased(NodeId(1))), ((1, 63), 0));
}

/// Another process has put a node in another pool, or taken it out: what this writer holds of it goes back, once.
#[test]
fn what_is_held_of_a_node_goes_back_when_others_change_it() {
    let change = NodeChange::default;
    let changes = [
        (
            "pool",
            NodeChange {
                pool: Some(PoolName::new("other")),
                ..change()
            },
            true,
        ),
        (
            "unhealthy",
            NodeChange {
                unhealthy: Some(true),
                ..change()
            },
            true,
        ),
        (
            "more capacity",
            NodeChange {
                capacity: Some(2000),
                ..change()
            },
            false,
        ),
    ];
    for (name, change, goes_back) in changes {
        let pool = pool();
        let first = placement(&[(0, 1000, 64), (500, 1000, 64)]);
        let drawn = pool.draw(&first, me(A), on(NodeId(1), LeaseId([1; 16]))).unwrap();
        let drawn = learn(&pool, drawn);
        let second = pool.draw(&drawn, me(A), on(NodeId(2), LeaseId([2; 16]))).unwrap();
        let state = learn(&pool, second);
        let changed = rules::update_node(&state, "https://n0.example", &change).unwrap();
        let state = learn(&pool, changed);
        let after = pool.upkeep(&state, me(A), false).unwrap_or(state);
        let left = (after.leased(NodeId(1)), after.leased(NodeId(2)));
        assert_eq!(left, if goes_back { (0, 4) } else { (4, 4) }, "{name}");
    }
}

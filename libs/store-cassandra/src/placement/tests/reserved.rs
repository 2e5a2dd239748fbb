//! What a process knows of uids that are reserved.

use std::time::{Duration, Instant};

use foxhold_core::ServiceUid;

use super::{placement, pool::pool};
use crate::placement::{LeaseTimes, rules, state::Placement};

/// As it stands when all uids up to this one are reserved.
fn reserved(through: u64, version: u64) -> Placement {
    let state = placement(&[(0, 10, 10)]);
    let state = rules::reserve_uids(&state, ServiceUid::new(through).unwrap()).unwrap();
    Placement {
        version: Some(version),
        ..state
    }
}

/// Whoever finds a reservation, of whomever, has to wait until it is old enough, from when it was heard of first.
#[test]
fn a_reservation_is_as_old_as_it_is_known() {
    let pool = pool();
    assert_eq!(pool.reserved_since(1, false), None);
    pool.learn(reserved(40, 1), Instant::now());
    let first = pool.reserved_since(41, false).expect("it is known");
    assert_eq!(pool.reserved_since(42, false), None);
    pool.learn(reserved(40, 2), Instant::now());
    assert_eq!(
        pool.reserved_since(41, false),
        Some(first),
        "the same at another look"
    );
    assert_eq!(pool.reserved_since(7, false), Some(first));

    pool.learn(reserved(50, 3), Instant::now() - Duration::from_secs(60));
    let second = pool.reserved_since(51, false).expect("it is known");
    assert!(second >= first, "however old the look was that it stood in");
    assert_eq!(pool.reserved_since(51, true), None, "nobody has looked elsewhere");
    pool.reserved_everywhere(51);
    assert!(pool.reserved_since(51, true).is_some_and(|since| since >= second));
}

#[test]
fn what_is_out_of_reach_stays_so() {
    let pool = pool();
    pool.learn(reserved(40, 1), Instant::now());
    assert!(!pool.is_out_of_reach(40), "that it is written is not enough");
    pool.out_of_reach_below(41);
    pool.out_of_reach_below(7);
    assert!(pool.is_out_of_reach(40) && !pool.is_out_of_reach(41));
}

/// A writer may act on figures of that age, and then write for that long.
#[test]
fn patience_covers_what_a_writer_may_still_do() {
    let times = LeaseTimes::default();
    assert_eq!(times.patience(), times.figures_age_max + times.write_max);
    assert_eq!(times.patience(), Duration::from_secs(11));
}

//! Verdicts that are shared among those who were waiting.

use std::time::{Duration, Instant};

use foxhold_core::record::PoolName;
use foxhold_ports::assignments::Target;

use super::{KNOWN, NEW, pool::pool};
use crate::placement::{
    pool::Verdict,
    rules::{Wanted, Where},
};

/// A verdict on a new user may be about new users only.
#[test]
fn verdicts_are_shared_among_those_they_are_about() {
    let pool = pool();
    let before = Instant::now();
    pool.judge(before, NEW, Verdict::Closed);
    assert_eq!(pool.verdict_after(before, NEW), Some(Verdict::Closed));
    assert_eq!(pool.verdict_after(before, KNOWN), None);
    let later = before + Duration::from_nanos(1);
    assert_eq!(pool.verdict_after(later, NEW), None);
    let elsewhere = Target::Pool(PoolName::new("other"));
    let place = Where::Rule(&elsewhere);
    assert_eq!(pool.verdict_after(before, Wanted { place, ..NEW }), None);
}

/// Users of two pools who wait in turn do not make each other ask.
#[test]
fn a_verdict_stays_while_others_are_judged() {
    let (pool, now) = (pool(), Instant::now());
    let elsewhere = Target::Pool(PoolName::new("other"));
    let there = Wanted {
        place: Where::Rule(&elsewhere),
        ..NEW
    };
    pool.judge(now, NEW, Verdict::Full);
    pool.judge(now, there, Verdict::Others);
    pool.judge(now, KNOWN, Verdict::Release);
    let kept = [NEW, there, KNOWN].map(|wanted| pool.verdict_after(now, wanted));
    assert_eq!(kept, [Verdict::Full, Verdict::Others, Verdict::Release].map(Some));

    let later = now + Duration::from_nanos(1);
    pool.judge(later, NEW, Verdict::Closed);
    assert_eq!(pool.verdict_after(later, NEW), Some(Verdict::Closed));
    assert_eq!(pool.verdict_after(later, there), None);
}

#[test]
fn verdicts_take_up_only_so_much_room() {
    let (pool, now) = (pool(), Instant::now());
    let targets: Vec<_> = (0..1000)
        .map(|number| Target::Node(format!("https://{number}.example")))
        .collect();
    let wanted = |target| Wanted {
        place: Where::Rule(target),
        ..NEW
    };
    for target in &targets {
        pool.judge(now, wanted(target), Verdict::Full);
    }
    let mut kept = targets
        .iter()
        .map(|target| pool.verdict_after(now, wanted(target)).is_some());
    assert_eq!(kept.clone().filter(|kept| *kept).count(), 64);
    assert!(kept.nth_back(63).is_some_and(|kept| kept), "the last ones");
}

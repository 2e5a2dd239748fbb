//! How fast one instance of a caller has things signed (`security.md` C.7): so many a second, and some more at once. One
//! that was broken into cannot take the signer from the others, nor have it sign without end.
//!
//! An instance is known by the address it calls from, since all of a role and region share one identity. Orders that come
//! from within the process are not counted. GCRA: a time for each instance, when all that it ordered would have been due.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// From so many instances on those that rest are forgotten.
const INSTANCES_MANY: usize = 1024;

pub(super) struct CallerRates {
    /// Between two orders at the steady rate; none if there is no limit.
    interval: Duration,
    /// How far an instance may be ahead of that.
    ahead_max: Duration,
    due: Mutex<HashMap<IpAddr, Instant>>,
}

impl CallerRates {
    /// `per_second`: 0 for no limit.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self {
            interval,
            ahead_max: interval.saturating_mul(burst.saturating_sub(1)),
            due: Mutex::default(),
        }
    }

    /// Counts an order; whether the instance may have it.
    pub(super) fn admit(&self, from: IpAddr, now: Instant) -> bool {
        // Without a limit nothing is ahead. Of two orders at once the one that looked at the clock first may be counted
        // last, and would be a moment too early.
        if self.interval.is_zero() {
            return true;
        }
        let mut all = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= INSTANCES_MANY {
            all.retain(|_, due| *due > now);
        }
        let due = all.get(&from).map_or(now, |due| now.max(*due));
        if due.duration_since(now) > self.ahead_max {
            return false;
        }
        all.insert(from, due + self.interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn without_a_limit_no_order_is_too_early() {
        let (rates, now) = (CallerRates::new(0, 400), Instant::now());
        for later_ms in [5, 0, 3] {
            assert!(
                rates.admit(address(1), now + Duration::from_millis(later_ms)),
                "{later_ms}"
            );
        }
    }

    #[test]
    fn an_instance_has_its_rate_and_nobody_elses() {
        let (rates, start) = (CallerRates::new(2, 3), Instant::now());
        // After so many milliseconds, how many of ten orders are taken.
        let table = [
            ("the burst", 0, 3),
            ("too soon", 499, 0),
            ("one", 500, 1),
            ("two", 1500, 2),
            ("after a rest no more than the burst", 100_000, 3),
        ];
        for (name, millis, expected) in table {
            let now = start + Duration::from_millis(millis);
            let taken = (0..10).filter(|_| rates.admit(address(1), now)).count();
            assert_eq!(taken, expected, "{name}");
        }
        assert!(rates.admit(address(2), start), "another");
    }

    #[test]
    fn at_once_there_is_at_least_one() {
        for burst in [0, 1] {
            let (rates, now) = (CallerRates::new(1, burst), Instant::now());
            let taken = (0..10).filter(|_| rates.admit(address(1), now)).count();
            assert_eq!(taken, 1, "{burst}");
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let (rates, now) = (CallerRates::new(0, 0), Instant::now());
        assert!((0..1000).all(|_| rates.admit(address(1), now)));
    }

    #[test]
    fn those_that_rest_are_forgotten_and_the_others_are_not() {
        let (rates, start) = (CallerRates::new(1, 1), Instant::now());
        for number in 0..1024 {
            assert!(rates.admit(address(number), start));
        }
        assert!(!rates.admit(address(7), start));
        let later = start + Duration::from_secs(1);
        assert!(rates.admit(address(9999), later));
        assert_eq!(rates.due.lock().unwrap().len(), 1);
    }
}

//! When an instance that failed is tried again: after a pause that doubles with each failure in a row, up to a bound; sooner
//! where every instance has failed and a try costs next to nothing.

use std::time::{Duration, Instant};

/// How a failure came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// At once: nobody listens, the connection broke, or the instance says that it takes no calls.
    AtOnce,
    /// After a wait, which the next one to try it would have, too.
    Late,
}

/// What is remembered of an instance's failures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
    soonest: Option<Instant>,
}

impl Backoff {
    /// It answered: nothing is held against it.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It failed at `now`. Failures of calls that were under way together count once: it had no chance between them.
    pub(super) fn failed(&mut self, now: Instant, how: Failed, min: Duration, max: Duration) {
        if self.is_over(now) {
            let doubled = 2u32.saturating_pow(self.failures.min(16));
            let pause = min.saturating_mul(doubled).min(max);
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + pause);
            self.soonest = Some(match how {
                Failed::AtOnce => now + pause.min(min),
                Failed::Late => now + pause,
            });
        }
    }

    /// Whether it may be tried.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// When it may be tried again if no other instance is left; `None`: at once.
    pub(super) const fn soonest(&self) -> Option<Instant> {
        self.soonest
    }

    /// No other instance is left: it may be tried from [`Self::soonest`] on. Its failures still count, so that it is left
    /// alone as long as before if this try fails, too.
    pub(super) fn relent(&mut self, now: Instant) {
        if self.soonest.is_some_and(|soonest| soonest <= now) {
            self.until = self.soonest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(50);
    const MAX: Duration = Duration::from_millis(300);

    #[test]
    fn pauses_double_up_to_the_bound_and_an_answer_ends_them() {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        for expected_ms in [50, 100, 200, 300, 300] {
            backoff.failed(now, Failed::AtOnce, MIN, MAX);
            backoff.failed(now, Failed::Late, MIN, MAX);
            let pause = Duration::from_millis(expected_ms);
            assert!(
                !backoff.is_over(now + pause - Duration::from_millis(1)),
                "{expected_ms}"
            );
            now += pause;
            assert!(backoff.is_over(now), "{expected_ms}");
        }
        backoff.succeeded();
        assert!(backoff.until.is_none() && backoff.soonest().is_none());
    }

    #[test]
    fn where_nobody_else_is_left_it_is_tried_sooner_if_that_costs_nothing() {
        let table = [
            ("first", Failed::AtOnce, 0, MIN),
            ("later", Failed::AtOnce, 3, MIN),
            ("first, late", Failed::Late, 0, MIN),
            ("later, late", Failed::Late, 3, MAX),
        ];
        for (name, how, before, soonest) in table {
            let (mut now, mut backoff) = (Instant::now(), Backoff::default());
            for _ in 0..before {
                backoff.failed(now, how, MIN, MAX);
                now += MAX;
            }
            backoff.failed(now, how, MIN, MAX);
            assert_eq!(backoff.soonest(), Some(now + soonest), "{name}");
            let early = now + soonest - Duration::from_millis(1);
            backoff.relent(early);
            assert!(!backoff.is_over(early), "{name}");
            now += soonest;
            backoff.relent(now);
            assert!(backoff.is_over(now), "{name}");
            // It was tried, and failed: whoever waited for the same moment does not try it again.
            backoff.failed(now, how, MIN, MAX);
            backoff.relent(now);
            assert!(!backoff.is_over(now), "{name}");
        }
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.failed(now, Failed::Late, MIN, MAX);
            now += MAX;
        }
        assert!(backoff.is_over(now));
    }
}

//! When an instance that failed is tried again: after a pause that doubles with each failure in a row, up to a bound.

use std::time::{Duration, Instant};

/// What is remembered of an instance's failures.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// It answered: nothing is held against it.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It failed at `now`. Failures of calls that were under way together count once: it had no chance between them.
    pub(super) fn failed(&mut self, now: Instant, min: Duration, max: Duration) {
        if self.is_over(now) {
            let doubled = 2u32.saturating_pow(self.failures.min(16));
            self.failures = self.failures.saturating_add(1);
            self.until = Some(now + min.saturating_mul(doubled).min(max));
        }
    }

    /// Whether it may be tried.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// When it may be tried again; `None`: at once.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
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
            backoff.failed(now, MIN, MAX);
            backoff.failed(now, MIN, MAX);
            let pause = Duration::from_millis(expected_ms);
            assert!(
                !backoff.is_over(now + pause - Duration::from_millis(1)),
                "{expected_ms}"
            );
            now += pause;
            assert!(backoff.is_over(now), "{expected_ms}");
        }
        backoff.succeeded();
        assert!(backoff.until().is_none());
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.failed(now, MIN, MAX);
            now += MAX;
        }
        assert!(backoff.is_over(now));
    }
}

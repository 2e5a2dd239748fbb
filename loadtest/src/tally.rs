//! What a closed loop saw: answers, and how long each took.

use std::time::Duration;

/// The answers of one measurement.
#[derive(Debug)]
pub(crate) struct Tally {
    wall: Duration,
    latencies: Vec<Duration>,
}

impl Tally {
    /// `latencies` in any order, all within `wall`.
    #[must_use]
    pub(crate) fn new(mut latencies: Vec<Duration>, wall: Duration) -> Self {
        latencies.sort_unstable();
        Self { wall, latencies }
    }

    /// Answers.
    #[must_use]
    pub(crate) const fn count(&self) -> usize {
        self.latencies.len()
    }

    /// Answers in a second.
    #[must_use]
    pub(crate) fn per_sec(&self) -> f64 {
        self.count() as f64 / self.wall.as_secs_f64()
    }

    /// The latency that `percent` of the answers did not exceed.
    #[must_use]
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_and_of_none() {
        let of = |latencies: Vec<Duration>| Tally::new(latencies, Duration::from_secs(2));
        assert_eq!(of(Vec::new()).percentile(99), Duration::ZERO);
        let ten = of((1..=10).rev().map(Duration::from_millis).collect());
        assert_eq!(
            (ten.percentile(50), ten.percentile(99)),
            (Duration::from_millis(6), Duration::from_millis(10))
        );
        assert_eq!((ten.count(), ten.per_sec()), (10, 5.0));
    }
}

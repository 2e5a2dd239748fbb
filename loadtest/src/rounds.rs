//! Rounds: each contender is measured several times in turn, and the middle one counts, so that what else the machine
//! does falls on all of them alike.

use std::time::Duration;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// CPU time of the server for one request, in microseconds.
    pub cpu_us: f64,
    /// Requests answered in a second.
    pub per_sec: f64,
    /// Half of the answers took no longer.
    pub p50: Duration,
    /// All but one in a hundred took no longer.
    pub p99: Duration,
}

/// The sample with the middle CPU time.
#[must_use]
pub(crate) fn middle(mut samples: Vec<Sample>) -> Option<Sample> {
    samples.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    samples.get(samples.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_does_not_count() {
        let sample = |cpu_us| Sample {
            cpu_us,
            per_sec: 1.0,
            p50: Duration::ZERO,
            p99: Duration::ZERO,
        };
        let found = middle([40.0, 33.0, 900.0].map(sample).to_vec());
        assert_eq!(found.map(|sample| sample.cpu_us), Some(40.0));
        assert_eq!(middle(Vec::new()), None);
    }
}

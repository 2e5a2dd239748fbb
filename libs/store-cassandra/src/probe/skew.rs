//! How far the own clock is off, from what several nodes say. Pure.
//!
//! Must stay true: a slow answer proves nothing it does not prove, and one node whose clock is off does not make a process
//! doubt its own while others agree with it.

use std::{fmt, time::Duration};

use foxhold_core::Timestamp;

/// One node's clock beside the own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The own clock, half-way between question and answer.
    pub(super) own: Timestamp,
    /// The node's.
    pub(super) node: Timestamp,
    /// How far from half-way the node may have looked at its clock.
    pub(super) doubt: Duration,
}

impl Reading {
    /// By how many milliseconds the own clock is ahead at least; negative: behind.
    fn ahead(&self) -> i64 {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let at_least = |span: Duration| millis(span.saturating_sub(self.doubt));
        if self.own >= self.node {
            at_least(self.own.since(self.node))
        } else {
            -at_least(self.node.since(self.own))
        }
    }
}

/// How far the own clock is off the cluster's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    ahead_millis: i64,
}

impl ClockSkew {
    /// The median; of two in the middle, the one that speaks for the own clock. `None` without a reading.
    pub(super) fn of(readings: &[Reading]) -> Option<Self> {
        let mut all: Vec<i64> = readings.iter().map(Reading::ahead).collect();
        all.sort_unstable();
        let upper = all.get(all.len() / 2)?;
        let lower = all.get((all.len() - 1) / 2)?;
        let ahead_millis = *[lower, upper]
            .into_iter()
            .min_by_key(|ahead| ahead.unsigned_abs())?;
        Some(Self { ahead_millis })
    }

    /// Whether it is more than `most`.
    #[must_use]
    pub fn is_more_than(self, most: Duration) -> bool {
        u128::from(self.ahead_millis.unsigned_abs()) > most.as_millis()
    }
}

impl fmt::Display for ClockSkew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.ahead_millis < 0 { "behind" } else { "ahead" };
        write!(f, "{} ms {side}", self.ahead_millis.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u64 = 1_000_000_000;

    fn skew(readings: &[(i64, u64)]) -> Option<i64> {
        let readings: Vec<_> = readings
            .iter()
            .map(|(ahead, doubt)| Reading {
                own: Timestamp::from_millis(OWN),
                node: Timestamp::from_millis(OWN.checked_add_signed(-ahead).unwrap()),
                doubt: Duration::from_millis(*doubt),
            })
            .collect();
        ClockSkew::of(&readings).map(|skew| skew.ahead_millis)
    }

    #[test]
    fn the_median_of_what_is_certain_decides() {
        type Row = (&'static str, &'static [(i64, u64)], Option<i64>);
        let table: [Row; 9] = [
            ("nobody answers", &[], None),
            ("one is believed", &[(600_000, 1)], Some(599_999)),
            ("behind", &[(-700, 1), (-700, 1), (-701, 1)], Some(-699)),
            ("a slow answer proves nothing", &[(900, 1000)], Some(0)),
            ("one node is off", &[(0, 0), (600_000, 0), (2, 0)], Some(2)),
            (
                "one node is off the other way",
                &[(0, 0), (-600_000, 0), (2, 0)],
                Some(0),
            ),
            ("of two, one agrees", &[(600_000, 0), (3, 0)], Some(3)),
            ("of two, the nearer", &[(600_000, 0), (-800, 0)], Some(-800)),
            (
                "the own is off",
                &[(600_000, 0), (600_002, 0), (0, 0)],
                Some(600_000),
            ),
        ];
        for (name, readings, expected) in table {
            assert_eq!(skew(readings), expected, "{name}");
        }
    }

    #[test]
    fn half_a_second_is_not_more_than_half_a_second() {
        let most = Duration::from_millis(500);
        for (ahead_millis, more) in [(500, false), (501, true), (-500, false), (-501, true)] {
            assert_eq!(
                ClockSkew { ahead_millis }.is_more_than(most),
                more,
                "{ahead_millis}"
            );
        }
        assert_eq!(ClockSkew { ahead_millis: -7 }.to_string(), "7 ms behind");
    }
}

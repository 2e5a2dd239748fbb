//! What an audit has found, in numbers and a few examples. Uids may show in it, addresses never.

use std::collections::BTreeMap;

use super::{Finding, finding::Weight};

/// Examples kept of each finding.
pub const EXAMPLES_MAX: usize = 10;

/// How often something was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How often, repaired ones included.
    pub found: u64,
    /// How many of them were repaired.
    pub repaired: u64,
    /// Where, for the first ones: `uid …`, or a service with a node, a stripe or a uid.
    pub examples: Vec<String>,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    tallies: BTreeMap<Finding, Tally>,
    pub(super) rows: u64,
    pub(super) unsettled: u64,
}

impl Report {
    /// What was found; nothing that was not.
    pub fn findings(&self) -> impl Iterator<Item = (Finding, &Tally)> {
        self.tallies.iter().map(|(finding, tally)| (*finding, tally))
    }

    /// How often this was found, repaired ones included.
    #[must_use]
    pub fn found(&self, finding: Finding) -> u64 {
        self.tallies.get(&finding).map_or(0, |tally| tally.found)
    }

    /// Rows looked at.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// What kept changing while it was looked at: nothing is said about it. Another run may.
    #[must_use]
    pub const fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// Contradictions that are still there: all that were found and not repaired.
    #[must_use]
    pub fn contradictions_left(&self) -> u64 {
        let contradictions = self.tallies.iter();
        contradictions
            .filter(|(finding, _)| finding.weight() == Weight::Contradiction)
            .map(|(_, tally)| tally.found - tally.repaired)
            .sum()
    }

    pub(super) fn note(&mut self, finding: Finding, example: String, repaired: bool) {
        let tally = self.tallies.entry(finding).or_default();
        tally.found += 1;
        tally.repaired += u64::from(repaired);
        if tally.examples.len() < EXAMPLES_MAX {
            tally.examples.push(example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_contradictions_that_were_not_repaired_are_left() {
        let mut report = Report::default();
        report.note(Finding::UidTwice, "a".into(), false);
        report.note(Finding::ClaimWithoutAccount, "b".into(), true);
        report.note(Finding::ClaimWithoutAccount, "c".into(), false);
        report.note(Finding::SessionRanOut, "d".into(), false);
        assert_eq!(report.contradictions_left(), 2);
        assert_eq!(report.found(Finding::ClaimWithoutAccount), 2);
        assert_eq!(report.found(Finding::UidsNotHandedOut), 0);
        let names: Vec<_> = report.findings().map(|(finding, _)| finding).collect();
        assert_eq!(
            names,
            [
                Finding::ClaimWithoutAccount,
                Finding::SessionRanOut,
                Finding::UidTwice
            ]
        );
    }

    #[test]
    fn examples_are_few() {
        let mut report = Report::default();
        for number in 0..100 {
            report.note(Finding::UidTwice, number.to_string(), false);
        }
        let (_, tally) = report.findings().next().unwrap();
        assert_eq!((tally.found, tally.examples.len()), (100, EXAMPLES_MAX));
    }
}

//! What a pass came to (`tokenserver.md` 15).

use std::collections::BTreeMap;

use super::super::CallFailure;

/// Why a record was left for another pass without asking its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skipped {
    /// Its node is out of service, or not listed yet.
    NodeOut,
    /// Its node gave no answer several times in this pass.
    Silent,
    /// The user's active record has the same keys, and the node may keep data by keys: it may be the live data.
    SameKeys,
    /// Others changed the user's records at the same time, or have purged it.
    Overtaken,
}

impl Skipped {
    /// The word for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NodeOut => "node_out",
            Self::Silent => "silent",
            Self::SameKeys => "same_keys",
            Self::Overtaken => "overtaken",
        }
    }
}

/// Counts of a pass. Of a dry run: what it would come to, if all nodes answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Users.
    pub looked_at: u64,
    /// Records that were due.
    pub fetched: u64,
    /// Of them, those whose data was erased and that are forgotten.
    pub deleted: u64,
    /// Of them, those that are forgotten and had no data to be erased: the node is gone.
    pub forgotten: u64,
    /// Of them, those left alone.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Of them, those that failed.
    pub failed: BTreeMap<CallFailure, u64>,
    /// Places taken back whose users never came again: nothing was due there yet.
    pub taken_back: u64,
}

impl Tally {
    /// Records that were due and that nobody came to: the pass was halted at their user.
    #[must_use]
    pub fn not_come_to(&self) -> u64 {
        let done = self.deleted + self.forgotten;
        let skipped: u64 = self.skipped.values().sum();
        let failed: u64 = self.failed.values().sum();
        self.fetched.saturating_sub(done + skipped + failed)
    }

    /// Records that were due and are still there: all but those that are gone, by this pass or another.
    #[must_use]
    pub fn left(&self) -> u64 {
        let overtaken = self.skipped.get(&Skipped::Overtaken).copied().unwrap_or_default();
        self.fetched
            .saturating_sub(self.deleted + self.forgotten + overtaken)
    }

    /// What was added since it was like `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        fn added<K: Copy + Ord>(after: &BTreeMap<K, u64>, before: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
            let known = |of: &K| before.get(of).copied().unwrap_or_default();
            after.iter().map(|(of, all)| (*of, all - known(of))).collect()
        }
        Self {
            looked_at: self.looked_at - before.looked_at,
            fetched: self.fetched - before.fetched,
            deleted: self.deleted - before.deleted,
            forgotten: self.forgotten - before.forgotten,
            skipped: added(&self.skipped, &before.skipped),
            failed: added(&self.failed, &before.failed),
            taken_back: self.taken_back - before.taken_back,
        }
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        self.looked_at += other.looked_at;
        self.fetched += other.fetched;
        self.deleted += other.deleted;
        self.forgotten += other.forgotten;
        self.taken_back += other.taken_back;
        for (why, records) in &other.skipped {
            *self.skipped.entry(*why).or_default() += records;
        }
        for (why, records) in &other.failed {
            *self.failed.entry(*why).or_default() += records;
        }
    }

    pub(super) const fn gone(&mut self, with_data: bool) {
        if with_data {
            self.deleted += 1;
        } else {
            self.forgotten += 1;
        }
    }

    pub(super) fn skip(&mut self, why: Skipped) {
        *self.skipped.entry(why).or_default() += 1;
    }

    pub(super) fn fail(&mut self, why: CallFailure) {
        *self.failed.entry(why).or_default() += 1;
    }
}

//! What a purge came to: the job of the Token Server counts it, and so does whoever purges for an operator.

use super::{label, list};

/// What a page has added to a pass. Reasons are those of the lists of labels.
#[derive(Debug)]
pub struct Page<F, S> {
    /// Records that were due.
    pub fetched: u64,
    /// Of them, those that are gone.
    pub deleted: u64,
    /// Of them, those that failed, by the reason.
    pub failed: F,
    /// Of them, those that were left alone, by the reason.
    pub skipped: S,
}

impl<F, S> Page<F, S>
where
    F: IntoIterator<Item = (&'static str, u64)>,
    S: IntoIterator<Item = (&'static str, u64)>,
{
    /// Counts it for a service.
    pub fn count(self, service: &str) {
        if self.fetched == 0 {
            return;
        }
        let service = label::named(service);
        list::TOKEN_PURGE_FETCHED.of([service]).increment(self.fetched);
        list::TOKEN_PURGE_DELETED.of([service]).increment(self.deleted);
        for (why, records) in self.failed {
            list::TOKEN_PURGE_FAILED.of([service, why]).increment(records);
        }
        for (why, records) in self.skipped {
            list::TOKEN_PURGE_SKIPPED.of([service, why]).increment(records);
        }
    }
}

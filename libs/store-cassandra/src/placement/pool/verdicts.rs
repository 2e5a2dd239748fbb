//! Why there was no slot, for those who were waiting meanwhile: they need not ask the cluster the same each.
//!
//! Must stay true: a verdict is about users like these only, and about those only who were here before it was reached.

use std::{collections::VecDeque, time::Instant};

use foxhold_ports::assignments::Target;

use super::{Pool, Verdict};
use crate::placement::rules::{Seeker, Wanted, Where};

/// Kinds of users of a service that verdicts are kept of, at most. Those of others have to ask.
const KEPT_MAX: usize = 64;

/// The last verdict on users of each kind, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Verdicts(VecDeque<Kept>);

#[derive(Debug)]
struct Kept {
    seeker: Seeker,
    target: Target,
    /// When the look began that it is based on.
    at: Instant,
    verdict: Verdict,
}

impl Kept {
    fn is_about(&self, wanted: Wanted<'_>) -> bool {
        self.seeker == wanted.seeker && wanted.place == Where::Rule(&self.target)
    }
}

impl Pool {
    /// A verdict on one like this that was reached after `since`.
    pub(crate) fn verdict_after(&self, since: Instant, wanted: Wanted<'_>) -> Option<Verdict> {
        let inner = self.inner();
        let mut kept = inner.verdicts.0.iter();
        let found = kept.find(|kept| kept.is_about(wanted))?;
        (found.at >= since).then_some(found.verdict)
    }

    /// Lets those who were waiting share a verdict; `at` is when the read it is based on began.
    pub(crate) fn judge(&self, at: Instant, wanted: Wanted<'_>, verdict: Verdict) {
        // Records from elsewhere come one by one.
        let Where::Rule(target) = wanted.place else { return };
        let kept = &mut self.inner().verdicts.0;
        kept.retain(|kept| !kept.is_about(wanted));
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Kept {
            seeker: wanted.seeker,
            target: target.clone(),
            at,
            verdict,
        });
    }
}

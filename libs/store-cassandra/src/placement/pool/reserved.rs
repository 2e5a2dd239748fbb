//! Which uids this process knows to be out of everybody's reach, and since when.
//!
//! Called by `assignments::reserving`. A reservation stands in the placement (`uids_from`); but it is over only when nobody
//! works by an older placement any more. Must stay true: what is said to be over stays so, since nothing that is reserved
//! is ever handed out again.

use std::time::Instant;

use super::Pool;

#[derive(Debug, Default)]
pub(super) struct Reserved {
    /// The lowest uid that may be handed out by the newest placement, and since when that is known here.
    here: Option<(u64, Instant)>,
    /// The same, as every region was seen to know it.
    everywhere: Option<(u64, Instant)>,
    /// All below are out of reach.
    over_below: u64,
}

impl Reserved {
    pub(super) fn learn(&mut self, uids_from: u64, now: Instant) {
        raise(&mut self.here, uids_from, now);
    }
}

/// What was known before of a lower one says nothing of this one.
fn raise(known: &mut Option<(u64, Instant)>, from: u64, now: Instant) {
    if known.is_none_or(|(known, _)| known < from) {
        *known = Some((from, now));
    }
}

impl Pool {
    /// Whether all uids up to this one are known to be out of reach.
    pub(crate) fn is_out_of_reach(&self, uid: u64) -> bool {
        uid < self.inner().reserved.over_below
    }

    /// From here on all uids below are.
    pub(crate) fn out_of_reach_below(&self, from: u64) {
        let over = &mut self.inner().reserved.over_below;
        *over = from.max(*over);
    }

    /// Since when this process, or every region, has known that the uids below are reserved.
    pub(crate) fn reserved_since(&self, from: u64, everywhere: bool) -> Option<Instant> {
        let inner = self.inner();
        let known = if everywhere {
            inner.reserved.everywhere
        } else {
            inner.reserved.here
        };
        known.filter(|(known, _)| *known >= from).map(|(_, since)| since)
    }

    /// Every region knows by now that the uids below are reserved.
    pub(crate) fn reserved_everywhere(&self, from: u64) {
        raise(&mut self.inner().reserved.everywhere, from, Instant::now());
    }
}

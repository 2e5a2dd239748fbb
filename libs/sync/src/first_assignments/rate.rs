//! So many at once, and one more each while after: what a key has used up is the moment at which it has it all back.

use std::time::Duration;

use super::ledger::{Key, Ledger};

/// A rate. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    burst: u64,
    every: u64,
}

impl Rate {
    /// `burst` at once, then `count` in each `span`; never more, so one of them takes a fraction longer rather.
    pub(super) fn new(burst: u32, count: u32, span: Duration) -> Self {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self {
            burst: u64::from(burst.max(1)),
            every: span.div_ceil(u64::from(count.max(1))),
        }
    }

    /// When one more will be paid off, or how long it has to wait.
    fn one_more(self, paid_off_at: u64, now: u64) -> Result<u64, Duration> {
        let after = paid_off_at.max(now).saturating_add(self.every);
        let latest = now.saturating_add(self.burst.saturating_mul(self.every));
        if after <= latest {
            Ok(after)
        } else {
            Err(Duration::from_micros(after - latest))
        }
    }
}

/// One rate for each of many keys.
pub(super) struct Meter {
    rate: Rate,
    ledger: Ledger,
}

/// What one counted event was charged with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Debt {
    key: Key,
    at: u64,
    /// When it is paid off, with all that was counted before.
    until: u64,
}

impl Meter {
    pub(super) fn new(rate: Rate, keys_max: usize) -> Self {
        Self {
            rate,
            ledger: Ledger::new(keys_max),
        }
    }

    /// Goes on at another rate. What was charged is paid off when it was to be.
    pub(super) fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// What one more would be charged with, or how long it has to wait. Counts nothing.
    pub(super) fn judge(&mut self, key: Key, now: u64) -> Result<Debt, Duration> {
        self.ledger.forget_up_to(now);
        let until = self.rate.one_more(self.ledger.weight(key), now)?;
        Ok(Debt { key, at: now, until })
    }

    pub(super) fn charge(&mut self, debt: Debt) {
        self.ledger.set(debt.key, debt.until);
    }

    /// Takes back what of the debt cannot have been paid off yet. That may be a little less than the rest of it, if
    /// others were to be paid off first; it is never more, whichever of those were taken back as well.
    pub(super) fn give_back(&mut self, debt: Debt, now: u64) {
        if self.ledger.holds(debt.key) {
            let unpaid = self.rate.every.saturating_sub(now.saturating_sub(debt.at));
            let weight = self.ledger.weight(debt.key);
            self.ledger.set(debt.key, weight.saturating_sub(unpaid));
        }
    }

    pub(super) fn clear(&mut self) {
        self.ledger.clear();
    }

    /// Keys it remembers.
    pub(super) fn len(&self) -> usize {
        self.ledger.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn what_is_taken_back_late_frees_no_more_than_is_left_of_it() {
        let mut meter = Meter::new(Rate::new(2, 60, Duration::from_secs(3600)), 10);
        let key = Key::of(b'k', &[]);
        let mut take = |now: u64, back: Option<Debt>| {
            let debt = meter.judge(key, now * SECOND);
            if let Ok(debt) = debt {
                meter.charge(debt);
            }
            if let Some(back) = back {
                meter.give_back(back, now * SECOND);
            }
            debt.ok()
        };
        let first = take(0, None);
        // The second moves up in the place of the first, and is taken back when the third has come.
        let second = take(0, first);
        assert!(take(7, second).is_some());
        assert!(take(7, None).is_some());
        assert!(take(66, None).is_none());
        assert!(take(67, None).is_some());
    }
}

//! A clock that tests set and advance; it never moves by itself.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use foxhold_core::{Clock, Timestamp};

/// A clock moved by hand. Share it behind an `Arc`.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Standing at `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.as_millis()))
    }

    /// Puts it to `now`, also back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves it on by `span`, in whole milliseconds.
    pub fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

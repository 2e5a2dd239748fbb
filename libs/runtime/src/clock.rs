//! The wall clock of a process. The only place that reads it; everything else is handed a `foxhold_core::Clock`.

use std::time::{SystemTime, UNIX_EPOCH};

use foxhold_core::{Clock, Timestamp};

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the wall clock enters a process"
    )]
    fn now(&self) -> Timestamp {
        // A clock before 1970 reads as 1970: every expiry then lies in the future and nothing panics.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_1970_in_milliseconds() {
        let year_2020 = Timestamp::from_secs(1_577_836_800);
        assert!(SystemClock.now() > year_2020);
    }
}

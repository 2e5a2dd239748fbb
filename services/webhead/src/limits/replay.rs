//! Remembers signed requests, so that an exact repeat inside the window is refused (`accounts.md` (b), Replay).
//! Bounded: when it is full the oldest goes, counted, and never refuses what it does not know.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{Clock, Timestamp};
use foxhold_ports::limits::ReplayGuard;
use foxhold_runtime::metrics::{self, list};

/// A replay guard of one process.
pub struct LocalReplayGuard {
    clock: Arc<dyn Clock>,
    requests_max: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    until: HashMap<[u8; 16], Timestamp>,
    oldest_first: VecDeque<[u8; 16]>,
    dropped: u64,
}

impl LocalReplayGuard {
    /// Remembers up to `requests_max` requests, some 64 bytes each.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, requests_max: usize) -> Self {
        Self {
            clock,
            requests_max: requests_max.max(1),
            seen: Mutex::default(),
        }
    }

    /// Shows in the metrics how full it is.
    pub fn show(self: &Arc<Self>) {
        metrics::follow(self, |guard| {
            list::REPLAY_REMEMBERED
                .of([])
                .set(metrics::amount(guard.remembered() as u64));
            list::REPLAY_FORGOTTEN.of([]).absolute(guard.dropped());
        });
    }

    /// How many requests are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.oldest_first.len()
    }

    /// How many requests were forgotten before their time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).dropped
    }
}

impl Seen {
    fn is_over(&self, request: &[u8; 16], now: Timestamp) -> bool {
        self.until.get(request).is_none_or(|until| *until <= now)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.oldest_first.pop_front() {
            self.until.remove(&oldest);
        }
    }
}

#[async_trait]
impl ReplayGuard for LocalReplayGuard {
    async fn is_new(&self, request: [u8; 16], window: Duration) -> bool {
        let now = self.clock.now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen
            .oldest_first
            .front()
            .is_some_and(|oldest| seen.is_over(oldest, now))
        {
            seen.forget_oldest();
        }
        if !seen.is_over(&request, now) {
            return false;
        }
        if seen.until.insert(request, now.plus(window)).is_none() {
            seen.oldest_first.push_back(request);
        }
        if seen.oldest_first.len() > self.requests_max {
            seen.forget_oldest();
            seen.dropped += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::memory::ManualClock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_exact_repeat_is_refused_until_the_window_ends() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let guard = LocalReplayGuard::new(clock.clone(), 100);
        assert!(guard.is_new([1; 16], 15 * MINUTE).await);
        assert!(!guard.is_new([1; 16], 15 * MINUTE).await);
        assert!(guard.is_new([2; 16], 15 * MINUTE).await);
        clock.advance(15 * MINUTE);
        assert!(guard.is_new([1; 16], 15 * MINUTE).await);
        assert!(!guard.is_new([1; 16], 15 * MINUTE).await);
    }

    #[tokio::test]
    async fn a_full_replay_guard_forgets_the_oldest() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let guard = LocalReplayGuard::new(clock, 3);
        for n in 0..4 {
            assert!(guard.is_new([n; 16], MINUTE).await);
        }
        assert_eq!((guard.remembered(), guard.dropped()), (3, 1));
        assert!(!guard.is_new([3; 16], MINUTE).await);
        assert!(guard.is_new([0; 16], MINUTE).await);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_equal_requests_at_once_one_is_new() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let guard = Arc::new(LocalReplayGuard::new(clock, 100));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let guard = guard.clone();
                tokio::spawn(async move { guard.is_new([9; 16], MINUTE).await })
            })
            .collect();
        let mut new = 0;
        for task in tasks {
            new += usize::from(task.await.unwrap());
        }
        assert_eq!(new, 1);
    }
}

//! What goes on after its request was answered, or after its client has gone, and a process waits for before it ends.
//!
//! What must stay true: a process that ends does not cut such work off unseen ([`UnderWay`]). What waits for its time tries at
//! once then, and what is lost is in the log.

use std::{sync::Arc, time::Duration};

use foxhold_ports::follow_ups::Attempt;
use foxhold_runtime::{Begun, UnderWay};
use tokio::sync::Semaphore;

/// Pauses before the attempts at what could not be done at once.
pub(crate) const PAUSES: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1800),
];
/// How much waits at once.
const WAITING_MAX: usize = 4096;
/// How much is under way that is tried once.
const ONCE_MAX: usize = 256;

/// All such work of one process; clones speak of the same.
#[derive(Clone)]
pub struct FollowUps {
    under_way: UnderWay,
    waiting: Arc<Semaphore>,
    once: Arc<Semaphore>,
    pauses: Arc<[Duration]>,
}

impl Default for FollowUps {
    fn default() -> Self {
        Self::with(&PAUSES, UnderWay::default())
    }
}

impl FollowUps {
    fn with(pauses: &[Duration], under_way: UnderWay) -> Self {
        Self {
            under_way,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            once: Arc::new(Semaphore::new(ONCE_MAX)),
            pauses: pauses.into(),
        }
    }

    /// What else goes on in this process, and is waited for with it.
    #[must_use]
    pub const fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    /// Something begins that is to be waited for.
    #[must_use]
    pub fn begun(&self) -> Begun {
        self.under_way.begun()
    }

    /// The same work, waited for.
    pub fn tracked<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.under_way.tracked(work)
    }

    /// Returns when all of it has ended, or had its last moment.
    pub async fn ended(&self) {
        self.under_way.ended().await;
    }
}

impl foxhold_ports::FollowUps for FollowUps {
    fn keep_trying(&self, work: Box<dyn Attempt>) {
        let Ok(turn) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::error!("too much waits to be followed up: one change of an account is not");
            return;
        };
        let (mut begun, pauses) = (self.begun(), Arc::clone(&self.pauses));
        tokio::spawn(async move {
            for pause in pauses.iter() {
                let goes_on = begun.goes_on_after(tokio::time::sleep(*pause)).await;
                if work.is_done().await {
                    drop(turn);
                    return;
                }
                if !goes_on {
                    break;
                }
            }
            tracing::error!(
                "nobody was told of a change of an account: the store could not be asked about it"
            );
        });
    }

    fn try_once(&self, work: Box<dyn Attempt>) {
        let Ok(turn) = Arc::clone(&self.once).try_acquire_owned() else {
            tracing::warn!("too much is under way: what nobody waits for is left out");
            return;
        };
        tokio::spawn(self.tracked(async move {
            if !work.is_done().await {
                tracing::warn!("what nobody waits for could not be done");
            }
            drop(turn);
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use foxhold_ports::FollowUps as _;
    use tokio::sync::oneshot;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Is done at the attempt of that number.
    struct Nth(usize, Arc<AtomicUsize>);

    #[async_trait]
    impl Attempt for Nth {
        async fn is_done(&self) -> bool {
            self.1.fetch_add(1, Ordering::SeqCst) + 1 >= self.0
        }
    }

    fn tried(follow_ups: &FollowUps, done_at: usize) -> Arc<AtomicUsize> {
        let tries = Arc::<AtomicUsize>::default();
        follow_ups.keep_trying(Box::new(Nth(done_at, Arc::clone(&tries))));
        tries
    }

    async fn until(is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn work_is_tried_until_it_is_done_and_not_for_ever() {
        let follow_ups = FollowUps::with(&[Duration::ZERO; 4], UnderWay::lasting(HOUR));
        for (done_at, expected) in [(1, 1), (3, 3), (usize::MAX, 4)] {
            let tries = tried(&follow_ups, done_at);
            until(|| follow_ups.under_way.count() == 0).await;
            assert_eq!(tries.load(Ordering::SeqCst), expected, "done at {done_at}");
        }
    }

    #[tokio::test]
    async fn a_process_that_ends_tries_once_more_and_waits_for_what_is_under_way() {
        let follow_ups = FollowUps::with(&[HOUR, HOUR], UnderWay::lasting(HOUR));
        let tries = tried(&follow_ups, usize::MAX);
        let (end, ends) = oneshot::channel::<()>();
        let work = tokio::spawn(follow_ups.tracked(ends));
        tokio::task::yield_now().await;
        assert_eq!(tries.load(Ordering::SeqCst), 0, "it is not time yet");
        let of_the_end = follow_ups.clone();
        let ended = tokio::spawn(async move { of_the_end.ended().await });
        until(|| follow_ups.under_way.count() == 1).await;
        assert_eq!(tries.load(Ordering::SeqCst), 1, "not once for each pause");
        assert!(!ended.is_finished(), "something is under way");
        end.send(()).unwrap();
        work.await.unwrap().unwrap();
        ended.await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_tried_once_and_is_not_piled_up() {
        struct Stuck(Arc<AtomicUsize>, Arc<Semaphore>);

        #[async_trait]
        impl Attempt for Stuck {
            async fn is_done(&self) -> bool {
                self.0.fetch_add(1, Ordering::SeqCst);
                self.1.acquire().await.is_err()
            }
        }

        let follow_ups = FollowUps::with(&[], UnderWay::lasting(HOUR));
        let (tries, gate) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        for _ in 0..ONCE_MAX + 10 {
            follow_ups.try_once(Box::new(Stuck(Arc::clone(&tries), Arc::clone(&gate))));
        }
        until(|| tries.load(Ordering::SeqCst) == ONCE_MAX).await;
        gate.close();
        until(|| follow_ups.under_way.count() == 0).await;
        assert_eq!(tries.load(Ordering::SeqCst), ONCE_MAX);
        follow_ups.try_once(Box::new(Nth(2, Arc::clone(&tries))));
        until(|| follow_ups.under_way.count() == 0).await;
        assert_eq!(tries.load(Ordering::SeqCst), ONCE_MAX + 1, "once, done or not");
    }
}

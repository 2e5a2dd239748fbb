//! Work that goes on after its request was answered, and that a process waits for before it ends.
//!
//! What must stay true: a process that ends does not cut such work off unseen. What waits for its time is told that there is
//! none left, what is under way gets a moment, and only then the process goes; what is lost by that is in the log.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How long a process that ends waits for all of it together, once its last connection is closed.
const END_SPAN: Duration = Duration::from_secs(5);

/// All such work of one process; clones speak of the same.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// Whether the process ends. Each piece of work listens for as long as it lasts.
    ending: Arc<watch::Sender<bool>>,
    end_span: Duration,
}

impl Default for UnderWay {
    fn default() -> Self {
        Self::lasting(END_SPAN)
    }
}

/// One piece of work, for as long as this is kept.
pub struct Begun(watch::Receiver<bool>);

impl Begun {
    /// Waits. False at once if the process ends: then is the last time to try.
    pub async fn goes_on_after(&mut self, wait: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = wait => true,
            _ = self.0.wait_for(|is_ending| *is_ending) => false,
        }
    }
}

impl UnderWay {
    /// With another time for all of it at the end.
    #[must_use]
    pub fn lasting(end_span: Duration) -> Self {
        Self {
            ending: Arc::new(watch::Sender::new(false)),
            end_span,
        }
    }

    /// Something begins that is to be waited for.
    #[must_use]
    pub fn begun(&self) -> Begun {
        Begun(self.ending.subscribe())
    }

    /// The same work, waited for.
    pub fn tracked<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let begun = self.begun();
        async move {
            let output = work.await;
            drop(begun);
            output
        }
    }

    /// How much of it there is.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ending.receiver_count()
    }

    /// Returns when all of it has ended, or had its last moment.
    pub async fn ended(&self) {
        self.ending.send_replace(true);
        if tokio::time::timeout(self.end_span, self.ending.closed())
            .await
            .is_err()
        {
            tracing::error!(
                cut = self.count(),
                "what follows finished requests was cut off by the end of the process"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_process_that_ends_waits_for_what_was_begun() {
        let under_way = UnderWay::lasting(HOUR);
        let (end, ends) = oneshot::channel::<()>();
        let work = tokio::spawn(under_way.tracked(ends));
        let mut begun = under_way.begun();
        let waits = tokio::spawn(async move { begun.goes_on_after(std::future::pending()).await });
        assert_eq!(under_way.count(), 2);
        let of_the_end = under_way.clone();
        let ended = tokio::spawn(async move { of_the_end.ended().await });
        assert!(!waits.await.unwrap(), "it is told that there is no time left");
        assert!(!ended.is_finished(), "something is under way");
        end.send(()).unwrap();
        work.await.unwrap().unwrap();
        ended.await.unwrap();
        assert_eq!(under_way.count(), 0);
    }

    #[tokio::test]
    async fn what_has_time_goes_on() {
        let under_way = UnderWay::default();
        let mut begun = under_way.begun();
        assert!(begun.goes_on_after(std::future::ready(())).await);
    }

    #[tokio::test]
    async fn a_process_does_not_wait_for_ever() {
        let under_way = UnderWay::lasting(Duration::ZERO);
        let _never = under_way.begun();
        under_way.ended().await;
    }
}

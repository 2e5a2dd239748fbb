//! A retirement that found no record, carried out once more (`tokenserver.md` 12, "retire against allocate").
//!
//! Where a user has no record there is nothing to retire, and nothing in the store that a request could run into which
//! had its credential verified a moment before the account was gone: its record would stay active for good. So the same event
//! is applied again once every request that was in work then is over, on whatever webhead; it may be repeated. What this does
//! not reach is in `docs/refusals.md`: a token that is still valid, shown later still.

use std::{sync::Arc, time::Duration};

use foxhold_core::Deadline;
use foxhold_sync::events::{self, AccountEvent, Applied, Told};
use tokio::sync::Semaphore;

use super::super::TokenServer;

/// How many events wait for their second look; each is a user's name and a timer.
const WAITING_MAX: usize = 4096;
/// Added to the longest time that a request may take: writes end a little later than whoever waits for them.
const MARGIN: Duration = Duration::from_secs(10);

/// Those that wait.
pub(in crate::token_server) struct SecondLooks {
    after: After,
    waiting: Arc<Semaphore>,
}

/// When.
#[derive(Clone)]
pub(in crate::token_server) enum After {
    /// So much later.
    Span(Duration),
    /// When a test says so.
    #[cfg(test)]
    Word(Arc<tokio::sync::Notify>),
}

impl After {
    pub(in crate::token_server) async fn wait(self) {
        match self {
            Self::Span(span) => tokio::time::sleep(span).await,
            #[cfg(test)]
            Self::Word(word) => word.notified().await,
        }
    }
}

impl SecondLooks {
    /// For requests that take at most so long.
    pub(in crate::token_server) fn after_requests_of(budget: Duration) -> Self {
        Self {
            after: After::Span(budget + MARGIN),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// On a word.
    #[cfg(test)]
    pub(in crate::token_server) fn on(word: &Arc<tokio::sync::Notify>) -> Self {
        Self {
            after: After::Word(Arc::clone(word)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Looks again later, if the event is one that may have come too early.
    pub(in crate::token_server) fn plan(&self, server: &Arc<TokenServer>, told: Told) {
        if told.event != AccountEvent::Retire {
            return;
        }
        let Ok(turn) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::warn!("too many retired users wait for a second look: one has none");
            return;
        };
        let (server, after) = (Arc::clone(server), self.after.clone());
        let mut begun = server.follow_ups.begun();
        tokio::spawn(async move {
            // Where the process ends so do its requests: then is as good a time.
            begun.goes_on_after(after.wait()).await;
            let by = Deadline::after(server.budget);
            match events::apply(server.event_ports(), by, &told).await {
                Ok(Applied { changed: 0, .. }) => {}
                Ok(Applied { known, changed }) => {
                    tracing::info!(
                        known,
                        changed,
                        "retired a user whose record came behind the event"
                    );
                }
                Err(error) => tracing::warn!(%error, "no second look at a retired user"),
            }
            drop(turn);
        });
    }
}

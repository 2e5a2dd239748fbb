//! What the accounts of the same process tell (`tokenserver.md` section 10): the events of an accounts server, without the way
//! from one.
//!
//! Must stay true: whoever tells is not failed by what becomes of it here. An event that the store does not take is carried out
//! later, a bounded number of times; it may be repeated.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_accounts::{AccountEvent, AccountEvents};
use foxhold_core::{Deadline, Uid, record::UserKey};
use foxhold_runtime::metrics::list as metrics;
use foxhold_sync::events::{self, Applied, ApplyError, Told};
use tokio::sync::Semaphore;

use super::{
    TokenServer,
    events::{After, SecondLooks},
};
use crate::follow_ups::PAUSES;

/// How long the client that changed or deleted the account waits for this at most.
const FIRST_SPAN: Duration = Duration::from_secs(1);
/// How many events wait for a further attempt; each is a user's name and a timer.
const WAITING_MAX: usize = 4096;

/// Takes the events of the own accounts to the records of the own Token Server.
pub struct OwnAccounts {
    server: Arc<TokenServer>,
    /// Second half of the keys of accounts here.
    domain: String,
    second_looks: SecondLooks,
    further: Vec<After>,
    waiting: Arc<Semaphore>,
}

impl OwnAccounts {
    /// For accounts of this domain.
    #[must_use]
    pub fn new(server: Arc<TokenServer>, domain: String) -> Self {
        let second_looks = SecondLooks::after_requests_of(server.budget);
        let further = PAUSES.into_iter().map(After::Span).collect();
        Self::with(server, domain, second_looks, further)
    }

    pub(super) fn with(
        server: Arc<TokenServer>,
        domain: String,
        second_looks: SecondLooks,
        further: Vec<After>,
    ) -> Self {
        Self {
            server,
            domain,
            second_looks,
            further,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    fn told(&self, event: AccountEvent) -> Option<Told> {
        let user = |uid: Uid| UserKey(format!("{uid}@{}", self.domain));
        Some(match event {
            AccountEvent::PasswordSet { uid, generation } => Told {
                user: user(uid),
                event: events::AccountEvent::credentials_changed_at(generation.as_millis())?,
            },
            AccountEvent::Deleted { uid } => Told {
                user: user(uid),
                event: events::AccountEvent::Retire,
            },
        })
    }

    /// Tries again now and then, beside whatever else is done.
    fn carry_out_later(&self, told: Told) {
        let Ok(turn) = Arc::clone(&self.waiting).try_acquire_owned() else {
            tracing::error!("too many account events wait to be applied: one is dropped");
            return;
        };
        let (server, further) = (Arc::clone(&self.server), self.further.clone());
        let mut begun = server.follow_ups.begun();
        tokio::spawn(async move {
            for after in further {
                let goes_on = begun.goes_on_after(after.wait()).await;
                if applied(&server, server.budget, &told).await.is_ok() {
                    drop(turn);
                    return;
                }
                if !goes_on {
                    break;
                }
            }
            tracing::error!("an account event was given up");
        });
    }
}

#[async_trait]
impl AccountEvents for OwnAccounts {
    async fn tell(&self, event: AccountEvent) {
        let Some(told) = self.told(event) else {
            tracing::error!("an account has a password of a time that no store holds");
            return;
        };
        metrics::TOKEN_EVENTS_RECEIVED
            .of([told.event.kind()])
            .increment(1);
        let span = FIRST_SPAN.min(self.server.budget);
        if applied(&self.server, span, &told).await.is_err() {
            self.carry_out_later(told.clone());
        }
        self.second_looks.plan(&self.server, told);
    }
}

async fn applied(server: &TokenServer, span: Duration, told: &Told) -> Result<(), ApplyError> {
    match events::apply(server.event_ports(), Deadline::after(span), told).await {
        Ok(Applied { known, changed }) => {
            metrics::TOKEN_EVENTS_PROCESSED
                .of([told.event.kind()])
                .increment(1);
            tracing::info!(known, changed, "event of an own account applied");
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%error, "event of an own account not applied");
            Err(error)
        }
    }
}

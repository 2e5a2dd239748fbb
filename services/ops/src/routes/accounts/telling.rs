//! Telling the services of the deployment what an operator makes of an account, as they are told by the accounts themselves.
//!
//! Must stay true: a service that could not be told is told by whoever asks for the same again. A user who is gone is looked
//! at once more when every request that was in work then is over, on whatever webhead (`tokenserver.md` 12, "retire against
//! allocate"). A process that ends before looks at once, and waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use foxhold_core::{Deadline, Uid, record::Account};
use foxhold_runtime::config::REQUEST_MS_MAX;
use foxhold_sync::events::{self, AccountEvent, Applied, ApplyError, Told};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::AccountPorts;
use crate::{refused::Refused, router::OpsPorts, wire::Code};

/// Second looks at whom an operator deletes, one by one,
pub(in crate::routes) static DELETED: SecondLooks = SecondLooks::new();
/// and at whom a queue says to be deleted: told again from its beginning, it takes no turn from the others.
pub(in crate::routes) static REPORTED: SecondLooks = SecondLooks::new();

/// Second looks that wait; each is a user's name and a timer.
pub(in crate::routes) struct SecondLooks {
    turns: Semaphore,
    is_full: AtomicBool,
}

impl SecondLooks {
    const fn new() -> Self {
        Self {
            turns: Semaphore::const_new(16_384),
            is_full: AtomicBool::new(false),
        }
    }

    /// One more, unless too many wait: that is said of the first that has none.
    fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.turns.try_acquire().ok();
        let was_full = self.is_full.swap(turn.is_none(), Ordering::Relaxed);
        if turn.is_none() && !was_full {
            tracing::warn!("too many deleted users wait for a second look: there are some that have none");
        }
        turn
    }
}

/// When every request of now is over: what webheads are configured with is not known here, so the most that they can be; and a
/// little more, since writes end later than whoever waits for them.
const LOOK_AFTER: Duration = Duration::from_millis(REQUEST_MS_MAX + 10_000);

impl OpsPorts {
    /// What was signed for an account before it was disabled opens no service any more, also when it is enabled again.
    pub(super) async fn tell_if_disabled(
        &self,
        by: Deadline,
        ports: &AccountPorts,
        account: &Account,
    ) -> Result<(), Refused> {
        if account.disabled.is_none() {
            return Ok(());
        }
        let since = account.signed_since().as_millis();
        let event = AccountEvent::credentials_changed_at(since);
        let event = event.ok_or_else(|| Refused::new(Code::Internal, "a time that no store holds"))?;
        let told = Told {
            user: ports.user(account.uid),
            event,
        };
        let applied = events::apply(self.event_ports(), by, &told).await;
        applied.map(drop).map_err(not_told)
    }

    /// An account that is gone, also told to a service that gives the user a first record at this moment. Answers with the number of
    /// services that know the user.
    pub(super) async fn tell_of_the_end(
        self: &Arc<Self>,
        by: Deadline,
        ports: &AccountPorts,
        uid: Uid,
    ) -> Result<usize, Refused> {
        let told = Told {
            user: ports.user(uid),
            event: AccountEvent::Retire,
        };
        let applied = events::apply(self.event_ports(), by, &told).await;
        self.look_again(&DELETED, told);
        let applied = applied.map_err(end_not_told)?;
        Ok(applied.known)
    }

    /// Retires the user once more, later.
    pub(in crate::routes) fn look_again(self: &Arc<Self>, looks: &'static SecondLooks, told: Told) {
        let Some(turn) = looks.turn() else { return };
        let app = Arc::clone(self);
        let mut begun = self.under_way.begun();
        tokio::spawn(async move {
            // Better early than never. Where requests are of this process, they are over by then.
            begun.goes_on_after(tokio::time::sleep(LOOK_AFTER)).await;
            match events::apply(app.event_ports(), Deadline::after(app.limits.budget), &told).await {
                Ok(Applied { changed: 0, .. }) => {}
                Ok(Applied { known, changed }) => {
                    tracing::info!(
                        known,
                        changed,
                        "retired a user whose record came behind the deletion"
                    );
                }
                Err(error) => tracing::warn!(%error, "no second look at a deleted user"),
            }
            drop(turn);
        });
    }
}

/// Nobody else tells the services: whoever asks again does.
fn not_told(error: ApplyError) -> Refused {
    let refused = Refused::from(error);
    let detail = format!(
        "not every service was told which tokens count no more ({}); the same again tells them",
        refused.detail
    );
    Refused { detail, ..refused }
}

/// The address names nobody any more.
fn end_not_told(error: ApplyError) -> Refused {
    let refused = Refused::from(error);
    let detail = format!(
        "the account is gone, but not every service was told of it ({}); the same again, by its uid, tells them",
        refused.detail
    );
    Refused { detail, ..refused }
}

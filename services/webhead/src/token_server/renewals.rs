//! First renewals are written down while their clients have their tokens already.

use std::{sync::Arc, time::Duration};

use foxhold_core::Deadline;
use foxhold_sync::exchange::FirstRenewal;
use tokio::sync::Semaphore;

use super::TokenServer;

/// How many are written down at once. What finds no room is written down at the next renewal.
const AT_ONCE: usize = 64;
/// How long one may take: less than a process that ends waits for it.
const WRITE_MAX: Duration = Duration::from_secs(3);

/// Room for first renewals that are being written down.
pub struct RenewalWriter(Arc<Semaphore>);

impl Default for RenewalWriter {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl TokenServer {
    /// Returns at once.
    pub(super) fn write_down(self: &Arc<Self>, renewal: Option<FirstRenewal>) {
        let Some(renewal) = renewal else { return };
        let Ok(room) = Arc::clone(&self.renewals.0).try_acquire_owned() else {
            return;
        };
        let server = Arc::clone(self);
        tokio::spawn(self.follow_ups.tracked(async move {
            renewal
                .write_down(&server.ports, Deadline::after(WRITE_MAX))
                .await;
            drop(room);
        }));
    }
}

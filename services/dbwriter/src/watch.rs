//! Whether this dbwriter may write: the store answers, and the own clock agrees with the store's (`security.md` D.5).
//!
//! Must stay true: with a clock that is off nothing is written, not even what must exist at start; the process stays, says
//! so, and goes on by itself once the clock is set right.

use std::time::Duration;

use foxhold_core::{Clock, Deadline};
use foxhold_runtime::{
    Health,
    health::{Need, Part},
};

use crate::store::OpenStore;

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a look may take; another process may be writing the same file.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// How far the own clock may be off.
const SKEW_MAX: Duration = Duration::from_millis(500);

/// Keeps the health of the process up to date.
pub(crate) struct Watch {
    store: Part,
    clock: Option<Part>,
}

impl Watch {
    /// Registers what is looked at; it counts as failing until then.
    pub(crate) fn new(health: &Health, store: &OpenStore) -> Self {
        Self {
            store: health.part("store", Need::Required),
            clock: store.has_clocks().then(|| health.part("clock", Need::Vital)),
        }
    }

    /// Looks now and then until the store answers and the clock agrees.
    pub(crate) async fn until_fit(&self, store: &OpenStore, clock: &dyn Clock) {
        while !self.look(store, clock).await {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks now and then, for as long as it is polled.
    pub(crate) async fn keep(&self, store: &OpenStore, clock: &dyn Clock) {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.look(store, clock).await;
        }
    }

    /// Whether all is well.
    async fn look(&self, store: &OpenStore, clock: &dyn Clock) -> bool {
        let by = Deadline::after(LOOK_MAX);
        let (fault, fits) = tokio::join!(store.fault(by), self.clock_fits(store, by, clock));
        match &fault {
            None => self.store.works(),
            Some(reason) => self.store.fails(reason),
        }
        fault.is_none() && fits
    }

    /// Nothing changes while no clock can be read: then the store does not answer either.
    async fn clock_fits(&self, store: &OpenStore, by: Deadline, clock: &dyn Clock) -> bool {
        let Some(part) = &self.clock else { return true };
        match store.clock_skew(by, clock).await {
            Some(skew) if skew.is_more_than(SKEW_MAX) => {
                part.fails(&format!("it is {skew} of the cluster's clocks"));
                false
            }
            Some(_) => {
                part.works();
                true
            }
            None => false,
        }
    }
}

//! The services, read from the store and kept for a while: a returning user's exchange reads one row, its own.
//!
//! Only settings are kept here (pattern, scope, lifetime, policy). Users' records are read each time, so no state rule is ever
//! judged on something old. Must stay true: while the store answers, nobody is judged by settings that were changed more
//! than a second ago; while it does not, nobody waits long for settings that were known.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use foxhold_core::{Clock, Deadline, Timestamp};
use foxhold_ports::{AssignmentReader, Cause, ReadError, assignments::Catalogue};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How old settings may be before somebody reads them again. Meanwhile the others take those of twice this age.
const AGE_MAX: Duration = Duration::from_millis(500);
/// How old they may be while the store does not answer: whatever else it is asked fails then, too.
const AGE_MAX_IN_OUTAGE: Duration = Duration::from_secs(300);
/// How long a request that could take old settings waits for new ones.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the store may take to list the services. They lie all over it: one silent node can keep it so long.
const READ_MAX: Duration = Duration::from_secs(10);

type Services = Arc<Catalogue>;

/// Services with an age.
pub struct ServiceCache {
    shared: Arc<Shared>,
    /// Held by the one read under way.
    reading: Arc<Mutex<()>>,
}

struct Shared {
    reader: Arc<dyn AssignmentReader>,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Read>>,
    /// Somebody lost patience with the read under way.
    is_stalled: AtomicBool,
}

struct Read {
    services: Services,
    at: Timestamp,
}

impl ServiceCache {
    /// An empty cache; the first use fills it.
    #[must_use]
    pub fn new(reader: Arc<dyn AssignmentReader>, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                reader,
                clock,
                current: RwLock::new(None),
                is_stalled: AtomicBool::new(false),
            }),
            reading: Arc::default(),
        }
    }

    /// All services, at most a second old if the store answers.
    ///
    /// # Errors
    /// [`ReadError`] if the store does not answer and nothing usable is left.
    pub async fn all(&self, by: Deadline) -> Result<Services, ReadError> {
        if let Some(young) = self.shared.younger_than(AGE_MAX) {
            return Ok(young);
        }
        let Some(old) = self.shared.younger_than(AGE_MAX_IN_OUTAGE) else {
            let in_time = tokio::time::timeout_at(by.instant().into(), self.renewed());
            return in_time.await.map_err(|_| ReadError(Cause::Timeout))?;
        };
        let Ok(turn) = Arc::clone(&self.reading).try_lock_owned() else {
            return Ok(self.being_read(old).await);
        };
        let renewing = self.renew(turn);
        if self.shared.is_stalled.load(Ordering::Relaxed) {
            return Ok(old);
        }
        Ok(self.patiently(async { renewing.await.ok() }).await.unwrap_or(old))
    }

    /// All services as they were last read, however long ago that was, without asking anybody: for metrics.
    pub(super) fn known(&self) -> Option<Services> {
        let current = self.shared.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|read| read.services.clone())
    }

    /// Another reads already: what it replaces is good enough, if it is not too old.
    async fn being_read(&self, old: Services) -> Services {
        if self.shared.is_stalled.load(Ordering::Relaxed) {
            return old;
        }
        match self.shared.younger_than(2 * AGE_MAX) {
            Some(read) => read,
            None => self
                .patiently(async { Some(self.renewed().await) })
                .await
                .unwrap_or(old),
        }
    }

    /// What comes of waiting for new ones, if they come soon.
    async fn patiently(
        &self,
        renewing: impl Future<Output = Option<Result<Services, ReadError>>>,
    ) -> Option<Services> {
        match tokio::time::timeout(PATIENCE, renewing).await {
            Ok(renewed) => renewed?.ok(),
            Err(_) => {
                self.shared.is_stalled.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    async fn renewed(&self) -> Result<Services, ReadError> {
        let turn = Arc::clone(&self.reading).lock_owned().await;
        match self.shared.younger_than(AGE_MAX) {
            Some(young) => Ok(young),
            None => self.renew(turn).await.unwrap_or(Err(ReadError(Cause::Fault))),
        }
    }

    /// Goes on also when nobody waits any more.
    fn renew(&self, turn: OwnedMutexGuard<()>) -> tokio::task::JoinHandle<Result<Services, ReadError>> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let read = shared.read().await;
            drop(turn);
            read
        })
    }
}

impl Shared {
    async fn read(&self) -> Result<Services, ReadError> {
        // What is read may be as old as the question.
        let at = self.clock.now();
        let answer = self.reader.catalogue(Deadline::after(READ_MAX)).await;
        self.is_stalled.store(false, Ordering::Relaxed);
        let services = Arc::new(answer?);
        let read = Read {
            services: Arc::clone(&services),
            at,
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(read);
        Ok(services)
    }

    fn younger_than(&self, age_max: Duration) -> Option<Services> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        // A clock that stepped back makes the age unknown: read again.
        let is_young = |read: &&Read| read.at <= now && now.since(read.at) < age_max;
        current
            .as_ref()
            .filter(is_young)
            .map(|read| read.services.clone())
    }
}

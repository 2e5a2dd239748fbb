//! The services, read from the store and kept for a while: a returning user's exchange reads one row, its own.
//!
//! Only settings are kept here (pattern, scope, lifetime). Users' records are read each time, so no state rule is ever
//! judged on something old.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use foxhold_core::{Clock, Deadline, Timestamp, record::Service};
use foxhold_ports::{AssignmentReader, ReadError};
use tokio::sync::Mutex;

/// How old settings may be.
const AGE_MAX: Duration = Duration::from_secs(10);
/// How old they may be while the store does not answer: whatever else it is asked fails then, too.
const AGE_MAX_IN_OUTAGE: Duration = Duration::from_secs(300);

/// Services with an age.
pub struct ServiceCache {
    reader: Arc<dyn AssignmentReader>,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Read>>,
    /// Held by the one that reads.
    reading: Mutex<()>,
}

#[derive(Clone)]
struct Read {
    services: Arc<Vec<Service>>,
    at: Timestamp,
}

impl ServiceCache {
    /// An empty cache; the first use fills it.
    #[must_use]
    pub fn new(reader: Arc<dyn AssignmentReader>, clock: Arc<dyn Clock>) -> Self {
        Self {
            reader,
            clock,
            current: RwLock::new(None),
            reading: Mutex::new(()),
        }
    }

    /// All services, at most ten seconds old.
    ///
    /// # Errors
    /// [`ReadError`] if the store does not answer and nothing usable is left.
    pub async fn all(&self, by: Deadline) -> Result<Arc<Vec<Service>>, ReadError> {
        if let Some(read) = self.younger_than(AGE_MAX) {
            return Ok(read);
        }
        let Ok(_turn) = self.reading.try_lock() else {
            return self.wait(by).await;
        };
        self.read(by).await
    }

    /// Another reads already: what it replaces is good enough, if there is any.
    async fn wait(&self, by: Deadline) -> Result<Arc<Vec<Service>>, ReadError> {
        if let Some(read) = self.younger_than(2 * AGE_MAX) {
            return Ok(read);
        }
        let _turn = tokio::time::timeout_at(by.instant().into(), self.reading.lock())
            .await
            .map_err(|_| ReadError(foxhold_ports::Cause::Timeout))?;
        match self.younger_than(AGE_MAX) {
            Some(read) => Ok(read),
            None => self.read(by).await,
        }
    }

    async fn read(&self, by: Deadline) -> Result<Arc<Vec<Service>>, ReadError> {
        match self.reader.services(by).await {
            Ok(services) => {
                let services = Arc::new(services);
                let read = Read {
                    services: services.clone(),
                    at: self.clock.now(),
                };
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(read);
                Ok(services)
            }
            Err(error) => self.younger_than(AGE_MAX_IN_OUTAGE).ok_or(error),
        }
    }

    fn younger_than(&self, age_max: Duration) -> Option<Arc<Vec<Service>>> {
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

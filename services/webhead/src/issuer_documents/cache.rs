//! What domains said, for as long as it counts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foxhold_browserid::{Document, FetchError};
use foxhold_core::{Clock, Deadline, Timestamp};
use tokio::sync::OwnedMutexGuard;

/// Domains that are remembered.
const DOMAINS_MAX: usize = 1024;
/// The longest time for which a document counts, and that of one without a word about it: keys are rotated.
const AGE_MAX: Duration = Duration::from_secs(3600);
/// The shortest: an issuer that says "never" would be asked for each of its users.
const AGE_MIN: Duration = Duration::from_secs(60);
/// For how long it counts that a domain has none.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// For how long a domain that did not answer is left alone.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// How long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime(Duration);

impl Lifetime {
    /// Of a document: as `Cache-Control` says, within bounds.
    pub(super) fn of(cache_control: Option<&str>) -> Self {
        let directives = cache_control.unwrap_or_default().split(',').map(str::trim);
        let mut wanted = AGE_MAX;
        for directive in directives {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            if ["no-store", "no-cache"]
                .iter()
                .any(|no| name.eq_ignore_ascii_case(no))
            {
                wanted = Duration::ZERO;
            } else if name.eq_ignore_ascii_case("max-age")
                && let Ok(secs) = value.trim_matches('"').parse()
            {
                wanted = wanted.min(Duration::from_secs(secs));
            }
        }
        Self(wanted.clamp(AGE_MIN, AGE_MAX))
    }

    /// Of a domain's failure.
    pub(super) const fn of_failure(error: FetchError) -> Self {
        match error {
            FetchError::Forbidden | FetchError::Absent => Self(REFUSED_FOR),
            FetchError::Unavailable => Self(SILENT_FOR),
        }
    }

    /// Of what says nothing about the domain.
    pub(super) const NONE: Self = Self(Duration::ZERO);
}

/// What came of asking a domain.
pub(super) struct Answer {
    pub(super) said: Result<Document, FetchError>,
    pub(super) counts: Lifetime,
}

struct Kept {
    said: Result<Document, FetchError>,
    since: Timestamp,
    until: Timestamp,
}

/// What of a domain's answer is good enough.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Only one of the last minute.
    pub(super) fresh: bool,
    /// How many may wait while the domain is asked.
    pub(super) waiters_max: usize,
}

/// Held by the one that asks; each who waits for it has a reference.
type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

pub(super) struct Cache {
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<String, Slot>>,
}

impl Cache {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            slots: Mutex::default(),
        }
    }

    /// What the domain said, if that still counts and is fresh enough, or else what it says when asked. It is asked to the
    /// end, also when nobody waits any more.
    pub(super) async fn get(
        &self,
        by: Deadline,
        domain: &str,
        wanted: Wanted,
        ask: impl Future<Output = Answer> + Send + 'static,
    ) -> Result<Document, FetchError> {
        let slot = self.slot(domain);
        // The one that asks has a reference, and the table.
        if slot.try_lock().is_err() && Arc::strong_count(&slot) > wanted.waiters_max + 2 {
            return Err(FetchError::Unavailable);
        }
        let getting = async {
            let kept = slot.lock_owned().await;
            match kept.as_ref().filter(|kept| self.counts(kept, wanted.fresh)) {
                Some(kept) => kept.said.clone(),
                None => self.renew(kept, ask).await,
            }
        };
        let in_time = tokio::time::timeout_at(by.instant().into(), getting).await;
        in_time.unwrap_or(Err(FetchError::Unavailable))
    }

    async fn renew(
        &self,
        mut kept: OwnedMutexGuard<Option<Kept>>,
        ask: impl Future<Output = Answer> + Send + 'static,
    ) -> Result<Document, FetchError> {
        let clock = Arc::clone(&self.clock);
        let asking = tokio::spawn(async move {
            let since = clock.now();
            let answer = ask.await;
            if answer.counts != Lifetime::NONE {
                *kept = Some(Kept {
                    said: answer.said.clone(),
                    since,
                    until: since.plus(answer.counts.0),
                });
            }
            answer.said
        });
        asking.await.unwrap_or(Err(FetchError::Unavailable))
    }

    /// Not longer than any answer may count: else a clock that was set back would keep it.
    fn counts(&self, kept: &Kept, fresh: bool) -> bool {
        let now = self.clock.now();
        let is_young = !fresh || now.since(kept.since) < AGE_MIN;
        now < kept.until && now >= kept.since && is_young
    }

    fn slot(&self, domain: &str) -> Slot {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(domain) {
            return Arc::clone(slot);
        }
        if slots.len() >= DOMAINS_MAX {
            self.make_room(&mut slots);
        }
        Arc::clone(slots.entry(domain.to_owned()).or_default())
    }

    /// Forgets refusals, and what does not count any more; if there are documents alone, one of them. Never a domain that is
    /// being asked: there are no more of those than requests in work.
    fn make_room(&self, slots: &mut HashMap<String, Slot>) {
        let is_free = |slot: &Slot| Arc::strong_count(slot) == 1;
        slots.retain(|_, slot| {
            !is_free(slot)
                || slot.try_lock().is_ok_and(|kept| {
                    let kept = kept.as_ref();
                    kept.is_some_and(|kept| kept.said.is_ok() && self.counts(kept, false))
                })
        });
        if slots.len() >= DOMAINS_MAX
            && let Some(any) = slots.iter().find(|(_, slot)| is_free(slot))
        {
            let any = any.0.clone();
            slots.remove(&any);
        }
    }

    /// As one that asks the domain, until it is dropped.
    #[cfg(test)]
    pub(super) async fn hold(&self, domain: &str) -> impl Sized + use<> {
        self.slot(domain).lock_owned().await
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.slots().len()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

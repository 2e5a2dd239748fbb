//! Fairness within a shard: a user may have only a few writes in the shard's queue, the others wait outside, so that
//! one user's flood does not stand before everybody else (`storage.md` 15).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use foxhold_core::Deadline;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Writes of one user in the queue at once.
const QUEUED_MAX: usize = 4;

/// Who has writes in the queue. A user without any takes no memory.
#[derive(Default)]
pub(super) struct Turns {
    users: Mutex<HashMap<u64, Arc<Semaphore>>>,
}

/// A place in the queue, given back when dropped.
pub(super) struct Place<'t> {
    turns: &'t Turns,
    uid: u64,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for a place, first come first served; `None` when the deadline passes.
    pub(super) async fn take(&self, uid: u64, by: Deadline) -> Option<Place<'_>> {
        let places = {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            let places = users
                .entry(uid)
                .or_insert_with(|| Arc::new(Semaphore::new(QUEUED_MAX)));
            Arc::clone(places)
        };
        // Made before the wait: whoever gives up cleans up, too.
        let mut place = Place {
            turns: self,
            uid,
            permit: None,
        };
        let wait = tokio::time::timeout_at(by.instant().into(), places.acquire_owned());
        place.permit = Some(wait.await.ok()?.ok()?);
        Some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut users = self.turns.users.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        // Held by the map alone: nobody of this user is in the queue or waits. New ones come through the lock.
        if users
            .get(&self.uid)
            .is_some_and(|places| Arc::strong_count(places) == 1)
        {
            users.remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_user_has_a_few_places_and_leaves_nothing_behind() {
        let turns = Turns::default();
        let soon = || Deadline::after(Duration::from_secs(20));
        let mut places = Vec::new();
        for _ in 0..QUEUED_MAX {
            places.push(turns.take(1, soon()).await.unwrap());
        }
        assert!(
            turns
                .take(1, Deadline::after(Duration::from_millis(1)))
                .await
                .is_none()
        );
        assert!(turns.take(2, soon()).await.is_some());
        places.pop();
        assert!(turns.take(1, soon()).await.is_some());
        drop(places);
        assert!(turns.users.lock().unwrap().is_empty());
    }
}

//! One lock for each row in work: callers of one process take turns, instead of outbidding one another in rounds that the
//! cluster then has to run again. An aid to speed; correctness is the cluster's.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use foxhold_core::Deadline;
use foxhold_ports::{Cause, WriteError};
use tokio::sync::OwnedMutexGuard;

/// Callers that may wait for one row.
const WAITING_MAX: usize = 1024;

/// Locks by key.
#[derive(Debug)]
pub(crate) struct KeyedLocks<K> {
    locks: Arc<Mutex<HashMap<K, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    lock: Arc<tokio::sync::Mutex<()>>,
    users: usize,
}

/// Holds a key until it is dropped.
#[derive(Debug)]
pub(crate) struct KeyGuard<K: Eq + Hash> {
    turn: Option<OwnedMutexGuard<()>>,
    place: Place<K>,
}

/// A place in the queue for a key; gives it back however the wait ends.
#[derive(Debug)]
struct Place<K: Eq + Hash> {
    locks: Arc<Mutex<HashMap<K, Entry>>>,
    key: K,
}

impl<K> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self {
            locks: Arc::new(Mutex::new(HashMap::new())),
        }
    }
}

impl<K: Clone + Eq + Hash> KeyedLocks<K> {
    /// Waits for a turn.
    ///
    /// # Errors
    /// [`WriteError::NotDone`]: too many wait already, or the deadline came first.
    pub(crate) async fn turn(&self, key: &K, by: Deadline) -> Result<KeyGuard<K>, WriteError> {
        let (lock, place) = self.place(key)?;
        let turn = tokio::time::timeout_at(by.instant().into(), lock.lock_owned())
            .await
            .map_err(|_| WriteError::NotDone(Cause::Timeout))?;
        Ok(KeyGuard {
            turn: Some(turn),
            place,
        })
    }

    fn place(&self, key: &K) -> Result<(Arc<tokio::sync::Mutex<()>>, Place<K>), WriteError> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = locks.entry(key.clone()).or_insert_with(|| Entry {
            lock: Arc::default(),
            users: 0,
        });
        if entry.users >= WAITING_MAX {
            return Err(WriteError::NotDone(Cause::Overloaded));
        }
        entry.users += 1;
        let place = Place {
            locks: Arc::clone(&self.locks),
            key: key.clone(),
        };
        Ok((Arc::clone(&entry.lock), place))
    }
}

impl<K: Eq + Hash> Drop for KeyGuard<K> {
    fn drop(&mut self) {
        // The turn first: whoever comes next must find it free.
        self.turn = None;
        let _ = &self.place;
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = locks.get_mut(&self.key) {
            entry.users -= 1;
            if entry.users == 0 {
                locks.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_a_key_and_nothing_is_left_behind() {
        let locks = Arc::new(KeyedLocks::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (locks, inside) = (Arc::clone(&locks), Arc::clone(&inside));
            tasks.spawn(async move {
                let _turn = locks
                    .turn(&"a", Deadline::after(Duration::from_secs(60)))
                    .await
                    .unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            });
        }
        tasks.join_all().await;
        assert!(locks.locks.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_too_long_or_behind_too_many_is_sent_away() {
        let locks = KeyedLocks::default();
        let by = Deadline::after(Duration::from_secs(60));
        let turn = locks.turn(&1, by).await.unwrap();
        let late = locks.turn(&1, Deadline::after(Duration::ZERO)).await;
        assert_eq!(late.map(drop), Err(WriteError::NotDone(Cause::Timeout)));
        assert!(locks.turn(&2, by).await.is_ok(), "another key is free");
        let waiting: Vec<_> = (1..WAITING_MAX).map(|_| locks.place(&1).unwrap()).collect();
        let refused = locks.turn(&1, by).await;
        assert_eq!(refused.map(drop), Err(WriteError::NotDone(Cause::Overloaded)));
        drop((waiting, turn));
        assert!(locks.turn(&1, by).await.is_ok());
    }
}

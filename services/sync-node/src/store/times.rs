//! The times of a user and of all collections, kept in memory: most requests only ask whether anything is new
//! (`storage.md` 15).
//!
//! Must stay true: what is kept is what the last commit said. So a write closes its user's entry before its commit, and
//! opens it again after; in between, and for whoever began to read before, the database answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use foxhold_sync::storage::{CollectionName, Tick};

/// What a user's data was last modified at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// The user's time.
    pub user: Tick,
    /// Name and time of each collection, by name.
    pub collections: Vec<(String, Tick)>,
}

impl Times {
    /// A collection's time; zero when it does not exist.
    #[must_use]
    pub fn of(&self, name: &CollectionName) -> Tick {
        let found = self
            .collections
            .binary_search_by(|(other, _)| other.as_str().cmp(name.as_str()));
        found.map_or(Tick::ZERO, |at| self.collections[at].1)
    }
}

/// Names one read or one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

enum Entry {
    /// This read may fill the entry, if no write comes between.
    Filling(Ticket),
    Known(Arc<Times>),
    /// This write, the latest one begun, is not known to be over. If nobody waited for it any more, the entry stays
    /// like this until the user's next write.
    Writing(Ticket),
}

/// Users whose times are kept. More than this, and all are forgotten: they come back with their next request.
const USERS_MAX: usize = 50_000;

#[derive(Default)]
pub(super) struct KnownTimes {
    entries: Mutex<HashMap<u64, Entry>>,
    tickets: AtomicU64,
}

impl KnownTimes {
    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// What is known, or a ticket to fill it with what the database says.
    pub(super) fn get(&self, uid: u64) -> Result<Arc<Times>, Ticket> {
        let ticket = self.ticket();
        let mut entries = self.entries();
        match entries.get(&uid) {
            Some(Entry::Known(times)) => return Ok(Arc::clone(times)),
            Some(Entry::Writing(_)) => return Err(ticket),
            Some(Entry::Filling(_)) | None => {}
        }
        if entries.len() >= USERS_MAX {
            // An open write must not be forgotten: a read from before its commit could be kept after it.
            entries.retain(|_, entry| matches!(entry, Entry::Writing(_)));
        }
        entries.insert(uid, Entry::Filling(ticket));
        Err(ticket)
    }

    /// Keeps what a read found, unless a write or a later read has come between.
    pub(super) fn fill(&self, uid: u64, ticket: Ticket, times: &Arc<Times>) {
        let mut entries = self.entries();
        if let Some(entry @ Entry::Filling(_)) = entries.get_mut(&uid)
            && matches!(entry, Entry::Filling(waiting) if *waiting == ticket)
        {
            *entry = Entry::Known(Arc::clone(times));
        }
    }

    /// A write runs and will be committed: called by the writer, before the commit.
    pub(super) fn writing(&self, uid: u64, ticket: Ticket) {
        self.entries().insert(uid, Entry::Writing(ticket));
    }

    /// A write is over, committed or not.
    pub(super) fn written(&self, uid: u64, ticket: Ticket) {
        let mut entries = self.entries();
        if matches!(entries.get(&uid), Some(Entry::Writing(latest)) if *latest == ticket) {
            entries.remove(&uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(user: u64) -> Arc<Times> {
        Arc::new(Times {
            user: Tick::new(user),
            collections: Vec::new(),
        })
    }

    #[test]
    fn a_read_that_began_before_a_write_is_not_kept() {
        let known = KnownTimes::default();
        let before = known.get(1).unwrap_err();
        let write = known.ticket();
        known.writing(1, write);
        known.fill(1, before, &times(5));
        let during = known.get(1).unwrap_err();
        known.fill(1, during, &times(5));
        assert!(known.get(1).is_err());
        known.written(1, write);
        known.fill(1, during, &times(5));
        let after = known.get(1).unwrap_err();
        known.fill(1, after, &times(6));
        assert_eq!(known.get(1).unwrap().user, Tick::new(6));
    }

    #[test]
    fn an_earlier_write_does_not_open_what_a_later_one_has_closed() {
        let known = KnownTimes::default();
        let (first, second) = (known.ticket(), known.ticket());
        known.writing(1, first);
        known.writing(1, second);
        known.written(1, first);
        let read = known.get(1).unwrap_err();
        known.fill(1, read, &times(5));
        assert!(known.get(1).is_err());
        known.written(1, second);
        let read = known.get(1).unwrap_err();
        known.fill(1, read, &times(6));
        assert!(known.get(1).is_ok());
    }

    #[test]
    fn collections_are_found_by_name() {
        let collections = ["a", "c", "tabs"].map(|name| (name.to_owned(), Tick::new(name.len() as u64)));
        let times = Times {
            user: Tick::new(9),
            collections: collections.to_vec(),
        };
        let of = |name| times.of(&CollectionName::parse(name).unwrap());
        assert_eq!(
            (of("tabs"), of("a"), of("b")),
            (Tick::new(4), Tick::new(1), Tick::ZERO)
        );
    }
}

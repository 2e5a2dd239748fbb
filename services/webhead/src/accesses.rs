//! That a session is in use is noted while its client has its answer already.
//!
//! What must stay true: no call waits for that or fails by it, and of most calls nothing is noted; what finds no room, or
//! does not succeed, is lost until the session is due again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use foxhold_accounts::{SignedIn, access::is_due};
use foxhold_core::{Deadline, Timestamp, TokenId, record::Session};
use foxhold_ports::accounts::SessionAccess;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::App;

/// How many are noted at once.
const AT_ONCE: usize = 64;
/// How long one may take: less than a process that ends waits for it.
const WRITE_MAX: Duration = Duration::from_secs(3);
/// Sessions that are remembered: some megabytes. Where more are in use at once, the others wait until some of these are due:
/// to forget one early would be to write at its every call.
const REMEMBERED_MAX: usize = 262_144;
/// Between two looks for those that are due, where there is no room for another.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);

/// Which sessions this process has noted, and when; and room for those that are being noted.
pub struct AccessNotes {
    noted: Mutex<Noted>,
    remembered_max: usize,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Noted {
    at: HashMap<TokenId, Timestamp>,
    swept_at: Timestamp,
}

impl Noted {
    /// Whether another session finds room. Those that are due are forgotten for it.
    fn has_room(&mut self, remembered_max: usize, now: Timestamp) -> bool {
        if self.at.len() >= remembered_max && now.since(self.swept_at) >= SWEEP_PAUSE {
            self.swept_at = now;
            self.at.retain(|id, at| !is_due(*id, *at, now));
        }
        self.at.len() < remembered_max
    }
}

impl Default for AccessNotes {
    fn default() -> Self {
        Self::with(REMEMBERED_MAX, AT_ONCE)
    }
}

impl AccessNotes {
    fn with(remembered_max: usize, at_once: usize) -> Self {
        Self {
            noted: Mutex::default(),
            remembered_max,
            room: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Room to note the session, if it is to be noted now; then it counts as noted.
    fn turn(&self, session: &Session, now: Timestamp) -> Option<OwnedSemaphorePermit> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = noted.at.get(&session.id).copied();
        if !is_due(session.id, known.unwrap_or_default().max(session.created_at), now) {
            return None;
        }
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        if known.is_none() && !noted.has_room(self.remembered_max, now) {
            return None;
        }
        noted.at.insert(session.id, now);
        drop(noted);
        Some(room)
    }
}

impl App {
    /// Notes, now and then, that a session is in use. Returns at once.
    pub(crate) fn note_access(&self, signed_in: &SignedIn, now: Timestamp) {
        let session = &signed_in.session;
        let Some(room) = self.access_notes.turn(session, now) else {
            return;
        };
        let (accounts, uid) = (self.accounts.clone(), session.uid);
        let access = SessionAccess {
            session: session.id,
            at: now,
        };
        tokio::spawn(self.follow_ups.tracked(async move {
            let noted = accounts.note_access(Deadline::after(WRITE_MAX), uid, access);
            if let Err(error) = noted.await {
                tracing::debug!(%error, "that a session is in use was not noted");
            }
            drop(room);
        }));
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Secret, Uid, record::Verification};

    use super::*;

    const MADE: Timestamp = Timestamp::from_secs(1_700_000_000);
    /// After so long every session is due.
    const SPAN: Duration = Duration::from_secs(8 * 3600);

    fn session(n: u8) -> Session {
        Session {
            id: TokenId::from_bytes([n; 32]),
            key: Arc::new(Secret::new([n; 32])),
            uid: Uid::from_bytes([1; 16]),
            created_at: MADE,
            auth_at: MADE,
            verification: Verification::Verified,
            must_verify: false,
            generation: MADE,
            user_agent: String::new(),
        }
    }

    #[test]
    fn a_session_is_noted_once_in_a_span() {
        let notes = AccessNotes::default();
        let hours = |hours: u64| MADE.plus(Duration::from_secs(hours * 3600));
        let table = [
            ("new", 0, false),
            ("young", 5, false),
            ("old", 8, true),
            ("again", 8, false),
            ("soon after", 13, false),
            ("old again", 16, true),
        ];
        for (name, at, expected) in table {
            assert_eq!(notes.turn(&session(1), hours(at)).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn what_finds_no_room_is_noted_by_the_next_call() {
        let notes = AccessNotes::with(10, 1);
        let now = MADE.plus(SPAN);
        let room = notes.turn(&session(1), now).unwrap();
        assert!(notes.turn(&session(2), now).is_none());
        drop(room);
        assert!(notes.turn(&session(1), now).is_none(), "it is noted");
        assert!(notes.turn(&session(2), now).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_is_forgotten_early() {
        let notes = AccessNotes::with(4, 1);
        for round in 1..=3 {
            let now = MADE.plus(SPAN * round);
            for expected in [4, 0] {
                let noted = (0..50).filter(|n| notes.turn(&session(*n), now).is_some());
                assert_eq!(noted.count(), expected, "in round {round}");
            }
            assert_eq!(notes.noted.lock().unwrap().at.len(), 4);
        }
    }
}

//! When a session was last heard of (`security.md` D.2): noted now and then while it is used, so it is exact to some hours.

use std::{collections::HashMap, time::Duration};

use foxhold_core::{Deadline, OpId, Timestamp, TokenId, Uid};
use foxhold_ports::{Call, ReadError, WriteError, accounts::SessionAccess};

use crate::Accounts;

/// A session is noted anew when what is known of it is at least that old,
const PAUSE: Duration = Duration::from_secs(6 * 3600);
/// and up to this older, each session in its own way: those that were noted together are not for ever.
const SPREAD_MILLIS: u64 = 2 * 3600 * 1000;

/// Whether a session that was last known to be in use at `known` is to be noted.
#[must_use]
pub fn is_due(session: TokenId, known: Timestamp, now: Timestamp) -> bool {
    now.since(known) >= PAUSE + spread(session)
}

/// Of the end of the id, which is random; its beginning may name a region.
fn spread(session: TokenId) -> Duration {
    let end = session.as_bytes().iter().rev().take(4);
    let number = end.fold(0, |number, byte| (number << 8) | u64::from(*byte));
    Duration::from_millis(number % SPREAD_MILLIS)
}

/// What was noted of an account's sessions.
pub(crate) struct Accesses(HashMap<TokenId, Timestamp>);

impl Accesses {
    /// When a session was last heard of: what was noted, or what its record says, whichever is later.
    pub(crate) fn latest(&self, session: TokenId, recorded: Timestamp) -> Timestamp {
        self.0
            .get(&session)
            .map_or(recorded, |noted| recorded.max(*noted))
    }
}

impl Accounts {
    pub(crate) async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Accesses, ReadError> {
        let found = self.reader.accesses(by, uid).await?;
        let noted = found.into_iter().map(|access| (access.session, access.at));
        Ok(Accesses(noted.collect()))
    }

    /// Notes that a session is in use. Nothing depends on it: it is not tried again.
    ///
    /// # Errors
    /// [`WriteError`]: it is lost, perhaps.
    pub async fn note_access(&self, by: Deadline, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        let call = Call {
            op: OpId::new(access.at, &*self.random),
            deadline: by,
        };
        self.writer.note_access(&call, uid, access).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::MADE;

    #[test]
    fn a_session_is_due_after_some_hours_and_not_all_at_once() {
        let hours = |hours: u64| MADE.plus(Duration::from_secs(hours * 3600));
        let ids = (0..64_u8).map(|n| TokenId::from_bytes([n.wrapping_mul(37); 32]));
        let due_at = |at| ids.clone().filter(|id| is_due(*id, MADE, at)).count();
        assert_eq!(due_at(MADE.minus(PAUSE)), 0, "the clock went back");
        assert_eq!(due_at(hours(6).minus(Duration::from_millis(1))), 0);
        let half = due_at(hours(7));
        assert!((8..=56).contains(&half), "{half}");
        assert_eq!(due_at(hours(8)), 64);
    }

    #[test]
    fn the_later_of_note_and_record_counts() {
        let [one, other] = [1, 2].map(|n| TokenId::from_bytes([n; 32]));
        let later = MADE.plus(PAUSE);
        let accesses = Accesses(HashMap::from([(one, later)]));
        let table = [
            ("noted since", one, MADE, later),
            ("registered since", one, later.plus(PAUSE), later.plus(PAUSE)),
            ("never noted", other, MADE, MADE),
        ];
        for (name, session, recorded, expected) in table {
            assert_eq!(accesses.latest(session, recorded), expected, "{name}");
        }
    }
}

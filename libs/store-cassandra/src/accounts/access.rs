//! When sessions were in use: rows of their own, that no session needs and that bring none back.

use foxhold_core::{Timestamp, TokenId, Uid};
use foxhold_ports::{Call, WriteError, accounts::SessionAccess};
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::rows::{read_time, time};
use crate::CassandraStore;

/// As it is read.
#[derive(DeserializeRow)]
pub(super) struct AccessRow {
    session: Vec<u8>,
    accessed_at: CqlTimestamp,
}

impl AccessRow {
    pub(super) fn read(self) -> Option<SessionAccess> {
        Some(SessionAccess {
            session: TokenId::from_slice(&self.session)?,
            at: read_time(self.accessed_at)?,
        })
    }
}

/// `AccountWriter::note_access`. Nobody is asked whether there is such a session: a row without one is never looked at,
/// and expires.
pub(super) async fn note(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    access: SessionAccess,
) -> Result<(), WriteError> {
    let SessionAccess { session, at } = access;
    // A caller's clock that is ahead would keep every later note out, and outlive the account.
    let at = at.min(store.clock.now());
    let values = (uid.as_bytes(), session.as_bytes(), time(at), written_at(at));
    let statement = &store.accounts.writes.note_access;
    store.cql.write(call.deadline, statement, values).await
}

/// Removes what was noted of an account's sessions.
pub(super) async fn forget(store: &CassandraStore, call: &Call, uid: Uid) -> Result<(), WriteError> {
    let now = written_at(store.clock.now());
    let values = (call.op.write_timestamp().max(now), uid.as_bytes());
    let statement = &store.accounts.writes.forget_accesses;
    store.cql.write(call.deadline, statement, values).await
}

/// In microseconds: of two notes the later one stays, in whatever order they come.
fn written_at(at: Timestamp) -> i64 {
    time(at).0.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_use_is_written_later() {
        let at = Timestamp::from_millis;
        assert_eq!(written_at(at(1_700_000_000_123)), 1_700_000_000_123_000);
        assert!(written_at(at(2)) > written_at(at(1)));
        assert_eq!(written_at(at(u64::MAX)), i64::MAX);
    }

    #[test]
    fn a_row_that_makes_no_sense_is_no_access() {
        let row = |len, millis| AccessRow {
            session: vec![1; len],
            accessed_at: CqlTimestamp(millis),
        };
        let expected = SessionAccess {
            session: TokenId::from_bytes([1; 32]),
            at: Timestamp::from_millis(7),
        };
        assert_eq!(row(32, 7).read(), Some(expected));
        assert_eq!((row(31, 7).read(), row(32, -1).read()), (None, None));
    }
}

//! Sessions.

use std::sync::Arc;

use foxhold_core::{
    OpId, Secret, Timestamp, TokenId, Uid,
    record::{KeyFetch, Session},
};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};

use super::{read_time, secret, time, verification_number, verification_numbered};
use crate::accounts::operations::Operations;

/// Refreshes of a session that its rows name.
const REFRESHES_MAX: usize = 4;
/// Key-fetch tokens that a session's place in the list names: the newest, as most of the others are spent.
const KEY_FETCHES_MAX: usize = 8;

/// A session, from either of its tables.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct SessionRow {
    id: Vec<u8>,
    uid: Vec<u8>,
    key: Vec<u8>,
    created_at: CqlTimestamp,
    auth_at: CqlTimestamp,
    verification: i8,
    must_verify: bool,
    generation: CqlTimestamp,
    user_agent: String,
}

impl SessionRow {
    pub(in crate::accounts) fn read(self) -> Option<Session> {
        Some(Session {
            key: secret(self.key)?,
            id: TokenId::from_slice(&self.id)?,
            uid: Uid::from_slice(&self.uid)?,
            created_at: read_time(self.created_at)?,
            auth_at: read_time(self.auth_at)?,
            verification: verification_numbered(self.verification)?,
            must_verify: self.must_verify,
            generation: read_time(self.generation)?,
            user_agent: self.user_agent,
        })
    }
}

/// A session as it is written.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewSession<'a> {
    id: &'a [u8; 32],
    uid: &'a [u8; 16],
    key: &'a [u8; 32],
    created_at: CqlTimestamp,
    auth_at: CqlTimestamp,
    verification: i8,
    must_verify: bool,
    generation: CqlTimestamp,
    user_agent: &'a str,
    written_at: i64,
}

/// The same, in its account's list.
#[derive(SerializeRow)]
pub(in crate::accounts) struct ListedSession<'a> {
    #[scylla(flatten)]
    session: NewSession<'a>,
    key_fetches: Vec<&'a [u8; 32]>,
}

impl<'a> NewSession<'a> {
    pub(in crate::accounts) fn new(session: &'a Session, written_at: i64) -> Self {
        Self {
            id: session.id.as_bytes(),
            uid: session.uid.as_bytes(),
            key: session.key.expose(),
            created_at: time(session.created_at),
            auth_at: time(session.auth_at),
            verification: verification_number(session.verification),
            must_verify: session.must_verify,
            generation: time(session.generation),
            user_agent: &session.user_agent,
            written_at,
        }
    }

    pub(in crate::accounts) fn listed(self, key_fetches: &'a [KeyFetch]) -> ListedSession<'a> {
        ListedSession {
            session: self,
            key_fetches: key_fetches.iter().map(|token| token.id.as_bytes()).collect(),
        }
    }
}

/// A session that is there, as whoever refreshes it must know it.
pub(in crate::accounts) struct SessionToRefresh {
    pub(in crate::accounts) uid: Uid,
    key: Arc<Secret<32>>,
    created_at: Timestamp,
    auth_at: Timestamp,
    generation: Timestamp,
    user_agent: String,
    refreshed_by: Operations,
    pub(in crate::accounts) written_at: i64,
}

/// The same as it is read.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct SessionToRefreshRow {
    uid: Vec<u8>,
    key: Vec<u8>,
    created_at: CqlTimestamp,
    auth_at: CqlTimestamp,
    generation: CqlTimestamp,
    user_agent: String,
    refreshed_by: Option<Vec<u8>>,
    written_at: i64,
}

/// A refreshed session as it is written.
#[derive(SerializeRow)]
pub(in crate::accounts) struct RefreshedSession<'a> {
    #[scylla(flatten)]
    session: NewSession<'a>,
    refreshed_by: Vec<u8>,
}

impl SessionToRefreshRow {
    pub(in crate::accounts) fn read(self) -> Option<SessionToRefresh> {
        Some(SessionToRefresh {
            key: secret(self.key)?,
            uid: Uid::from_slice(&self.uid)?,
            created_at: read_time(self.created_at)?,
            auth_at: read_time(self.auth_at)?,
            generation: read_time(self.generation)?,
            user_agent: self.user_agent,
            refreshed_by: Operations::read(self.refreshed_by.as_deref())?,
            written_at: self.written_at,
        })
    }
}

impl SessionToRefresh {
    /// What is written anew of a session is told by `refreshed`, the rest stays. Of two that refreshed it at once the rows
    /// name one; if the other is repeated, it must not put the password's time or generation back.
    pub(in crate::accounts) fn merged(&self, refreshed: &Session) -> Session {
        Session {
            key: Arc::clone(&self.key),
            created_at: self.created_at,
            auth_at: self.auth_at.max(refreshed.auth_at),
            generation: self.generation.max(refreshed.generation),
            user_agent: self.user_agent.clone(),
            ..refreshed.clone()
        }
    }

    /// The row of the merged session; `None` if this operation has written it.
    pub(in crate::accounts) fn refreshed<'a>(
        &self,
        session: &'a Session,
        op: OpId,
    ) -> Option<RefreshedSession<'a>> {
        let is_new = self.refreshed_by.count_at(&op).is_none();
        is_new.then(|| RefreshedSession {
            session: NewSession::new(session, self.written_at.saturating_add(1)),
            refreshed_by: self.refreshed_by.with(op, REFRESHES_MAX).cell(),
        })
    }
}

/// A session's place in its account's list, as whoever refreshes it must know it.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct ListedSessionToRefresh {
    key_fetches: Option<Vec<Vec<u8>>>,
    refreshed_by: Option<Vec<u8>>,
    written_at: i64,
}

/// A refreshed session as it is listed.
#[derive(SerializeRow)]
pub(in crate::accounts) struct RefreshedListedSession<'a> {
    #[scylla(flatten)]
    session: NewSession<'a>,
    key_fetches: Vec<Vec<u8>>,
    refreshed_by: Vec<u8>,
}

impl ListedSessionToRefresh {
    /// Where the list lacks a session: as old as the session itself, so that whoever unlists that unlists this.
    pub(in crate::accounts) const fn missing(written_at: i64) -> Self {
        Self {
            key_fetches: None,
            refreshed_by: None,
            written_at,
        }
    }

    /// The row of the merged session with these key-fetch tokens beside those before; `None` if this operation has
    /// written it.
    pub(in crate::accounts) fn refreshed<'a>(
        self,
        session: &'a Session,
        key_fetches: &[KeyFetch],
        op: OpId,
    ) -> Option<RefreshedListedSession<'a>> {
        let refreshed_by = Operations::read(self.refreshed_by.as_deref()).unwrap_or_default();
        let mut tokens = self.key_fetches.unwrap_or_default();
        tokens.extend(key_fetches.iter().map(|token| token.id.as_bytes().to_vec()));
        let is_new = refreshed_by.count_at(&op).is_none();
        is_new.then(|| RefreshedListedSession {
            session: NewSession::new(session, self.written_at.saturating_add(1)),
            key_fetches: tokens.split_off(tokens.len().saturating_sub(KEY_FETCHES_MAX)),
            refreshed_by: refreshed_by.with(op, REFRESHES_MAX).cell(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> SessionRow {
        SessionRow {
            id: vec![1; 32],
            uid: vec![2; 16],
            key: vec![3; 32],
            created_at: CqlTimestamp(1_700_000_000_123),
            auth_at: CqlTimestamp(0),
            verification: 1,
            must_verify: true,
            generation: CqlTimestamp(7),
            user_agent: "Firefox".into(),
        }
    }

    #[test]
    fn a_session_reads_as_it_was_written() {
        let session = row().read().unwrap();
        let written = NewSession::new(&session, 42);
        assert_eq!(
            (written.id, written.uid, written.key),
            (&[1; 32], &[2; 16], &[3; 32])
        );
        assert_eq!(written.created_at, CqlTimestamp(1_700_000_000_123));
        assert_eq!(
            (written.auth_at, written.generation),
            (CqlTimestamp(0), CqlTimestamp(7))
        );
        assert_eq!((written.verification, written.must_verify), (1, true));
        assert_eq!((written.user_agent, written.written_at), ("Firefox", 42));
    }

    #[test]
    fn a_row_that_makes_no_sense_is_no_session() {
        type Damage = fn(&mut SessionRow);
        let table: [(&str, Damage); 5] = [
            ("a short id", |row| row.id.truncate(31)),
            ("a long uid", |row| row.uid.push(0)),
            ("no key", |row| row.key.clear()),
            ("a time before 1970", |row| row.auth_at = CqlTimestamp(-1)),
            ("an unknown verification", |row| row.verification = 5),
        ];
        for (name, damage) in table {
            let mut row = row();
            damage(&mut row);
            assert_eq!(row.read(), None, "{name}");
        }
    }

    fn to_refresh() -> SessionToRefresh {
        SessionToRefreshRow {
            uid: vec![2; 16],
            key: vec![3; 32],
            created_at: CqlTimestamp(5),
            auth_at: CqlTimestamp(0),
            generation: CqlTimestamp(6),
            user_agent: "Firefox".into(),
            refreshed_by: None,
            written_at: 41,
        }
        .read()
        .unwrap()
    }

    #[test]
    fn a_session_is_refreshed_once_by_an_operation_and_a_microsecond_later_than_it_was_written() {
        let (one, other) = (OpId::from_bytes([1; 16]), OpId::from_bytes([2; 16]));
        let mut session = row().read().unwrap();
        session.user_agent = "somebody else".into();
        let mut found = to_refresh();
        let merged = found.merged(&session);
        assert_eq!(merged.user_agent, "Firefox", "what is not given again stays");
        assert_eq!(
            (merged.created_at, merged.key.expose()),
            (Timestamp::from_millis(5), &[3; 32])
        );
        assert_eq!((merged.auth_at, merged.must_verify), (session.auth_at, true));

        let written = found.refreshed(&merged, one).unwrap();
        assert_eq!(
            (written.session.written_at, &written.refreshed_by[..]),
            (42, &[1; 16][..])
        );
        found.refreshed_by = Operations::read(Some(&written.refreshed_by)).unwrap();
        assert!(found.refreshed(&merged, one).is_none(), "again");
        assert!(found.refreshed(&merged, other).is_some());
    }

    #[test]
    fn a_refresh_never_puts_the_time_of_the_password_back() {
        let at = Timestamp::from_millis;
        let mut session = row().read().unwrap();
        let mut found = to_refresh();
        // Auth time and generation: as they are found, as they are given, and as they are then.
        let table = [
            ("newer", [1, 1], [2, 3], [2, 3]),
            ("repeated after a newer one", [2, 3], [1, 1], [2, 3]),
            ("each in part", [2, 1], [1, 3], [2, 3]),
        ];
        for (name, was, given, expected) in table {
            [found.auth_at, found.generation] = was.map(at);
            [session.auth_at, session.generation] = given.map(at);
            let merged = found.merged(&session);
            assert_eq!([merged.auth_at, merged.generation], expected.map(at), "{name}");
        }
    }

    #[test]
    fn a_list_names_the_newest_key_fetch_tokens_of_a_session() {
        let op = OpId::from_bytes([1; 16]);
        let session = row().read().unwrap();
        let token = |byte| KeyFetch {
            id: TokenId::from_bytes([byte; 32]),
            key: Arc::new(Secret::new([0; 32])),
            bundle: Arc::new(Secret::new([0; 96])),
            uid: session.uid,
            created_at: session.created_at,
            verification: session.verification,
            session: None,
            generation: session.generation,
        };
        let listed = |tokens: u8| ListedSessionToRefresh {
            key_fetches: Some((0..tokens).map(|byte| vec![byte; 32]).collect()),
            refreshed_by: None,
            written_at: 6,
        };
        let written = listed(8).refreshed(&session, &[token(99)], op).unwrap();
        let first = written.key_fetches.iter().map(|id| id[0]);
        assert_eq!(first.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 99]);
        assert_eq!(written.session.written_at, 7);
        let again = ListedSessionToRefresh {
            refreshed_by: Some(written.refreshed_by),
            ..listed(1)
        };
        assert!(again.refreshed(&session, &[token(99)], op).is_none());
        let missing = ListedSessionToRefresh::missing(6).refreshed(&session, &[], op);
        assert!(missing.is_some_and(|row| row.key_fetches.is_empty() && row.session.written_at == 7));
    }
}

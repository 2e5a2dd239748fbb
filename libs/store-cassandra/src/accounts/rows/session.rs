//! Sessions.

use foxhold_core::{
    TokenId, Uid,
    record::{KeyFetch, Session},
};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};

use super::{read_time, secret, time, verification_number, verification_numbered};

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
            ("an unknown verification", |row| row.verification = 2),
        ];
        for (name, damage) in table {
            let mut row = row();
            damage(&mut row);
            assert_eq!(row.read(), None, "{name}");
        }
    }
}

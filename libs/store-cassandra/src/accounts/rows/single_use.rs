//! Key-fetch tokens and authorization codes.

use foxhold_core::{
    ClientId, OpId, TokenId, Uid,
    record::{AuthorizationCode, KeyFetch},
};
use foxhold_ports::{openid::spent::SpentCode, outbox::put_at};
use scylla::{
    DeserializeRow, SerializeRow,
    value::{CqlTimestamp, MaybeUnset},
};

use super::{read_time, secret, time, verification_number, verification_numbered};
use crate::accounts::statements::NOBODY;

/// A key-fetch token. One that is spent has no secrets, and what is left of it may expire piece by piece.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct KeyFetchRow {
    id: Vec<u8>,
    uid: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    bundle: Option<Vec<u8>>,
    created_at: Option<CqlTimestamp>,
    verification: Option<i8>,
    session: Option<Vec<u8>>,
    generation: Option<CqlTimestamp>,
    spent_by: Option<Vec<u8>>,
}

/// A single-use token as a reader sees it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::accounts) enum SingleUse<T> {
    /// It can be spent.
    Unspent(T),
    /// It was.
    Spent,
}

impl KeyFetchRow {
    pub(in crate::accounts) fn read(self) -> Option<SingleUse<KeyFetch>> {
        let (key, bundle) = (self.key.map(secret), self.bundle.map(secret));
        if self.spent_by.as_deref() != Some(&NOBODY[..]) {
            return Some(SingleUse::Spent);
        }
        Some(SingleUse::Unspent(KeyFetch {
            id: TokenId::from_slice(&self.id)?,
            key: key??,
            bundle: bundle??,
            uid: Uid::from_slice(&self.uid?)?,
            created_at: read_time(self.created_at?)?,
            verification: verification_numbered(self.verification?)?,
            session: match self.session {
                Some(id) => Some(TokenId::from_slice(&id)?),
                None => None,
            },
            generation: read_time(self.generation?)?,
        }))
    }
}

/// A key-fetch token as it is written.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewKeyFetch<'a> {
    id: &'a [u8; 32],
    uid: &'a [u8; 16],
    key: &'a [u8; 32],
    bundle: &'a [u8; 96],
    created_at: CqlTimestamp,
    verification: i8,
    session: MaybeUnset<&'a [u8; 32]>,
    generation: CqlTimestamp,
    made_by: &'a [u8; 16],
}

impl<'a> NewKeyFetch<'a> {
    pub(in crate::accounts) fn new(token: &'a KeyFetch, op: &'a OpId) -> Self {
        Self {
            id: token.id.as_bytes(),
            uid: token.uid.as_bytes(),
            key: token.key.expose(),
            bundle: token.bundle.expose(),
            created_at: time(token.created_at),
            verification: verification_number(token.verification),
            session: MaybeUnset::from_option(token.session.as_ref().map(TokenId::as_bytes)),
            generation: time(token.generation),
            made_by: op.as_bytes(),
        }
    }
}

/// An authorization code.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct CodeRow {
    id: Vec<u8>,
    uid: Option<Vec<u8>>,
    client: Option<Vec<u8>>,
    scope: Option<String>,
    session: Option<Vec<u8>>,
    code_challenge: Option<String>,
    redirect_uri: Option<String>,
    nonce: Option<String>,
    keys_jwe: Option<String>,
    offline: Option<bool>,
    auth_at: Option<CqlTimestamp>,
    created_at: Option<CqlTimestamp>,
    generation: Option<CqlTimestamp>,
    spent_by: Option<Vec<u8>>,
}

impl CodeRow {
    pub(in crate::accounts) fn read(self) -> Option<SingleUse<AuthorizationCode>> {
        if self.spent_by.as_deref() != Some(&NOBODY[..]) {
            return Some(SingleUse::Spent);
        }
        self.code().map(SingleUse::Unspent)
    }

    /// What is left of one that was spent. `None` if it was not, or if what is left has begun to expire.
    pub(in crate::accounts) fn read_spent(self) -> Option<SpentCode> {
        let spent_by = self.spent_by.as_deref().filter(|op| *op != NOBODY)?;
        Some(SpentCode {
            spent_at: put_at(OpId::from_slice(spent_by)?),
            code: self.code()?,
        })
    }

    fn code(self) -> Option<AuthorizationCode> {
        Some(AuthorizationCode {
            id: TokenId::from_slice(&self.id)?,
            uid: Uid::from_slice(&self.uid?)?,
            client: ClientId::from_slice(&self.client?)?,
            scope: self.scope?,
            session: TokenId::from_slice(&self.session?)?,
            code_challenge: self.code_challenge?,
            redirect_uri: self.redirect_uri,
            nonce: self.nonce,
            keys_jwe: self.keys_jwe,
            offline: self.offline?,
            auth_at: read_time(self.auth_at?)?,
            created_at: read_time(self.created_at?)?,
            generation: read_time(self.generation?)?,
        })
    }
}

/// An authorization code as it is written.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewCode<'a> {
    id: &'a [u8; 32],
    uid: &'a [u8; 16],
    client: &'a [u8; 8],
    scope: &'a str,
    session: &'a [u8; 32],
    code_challenge: &'a str,
    redirect_uri: Option<&'a str>,
    nonce: Option<&'a str>,
    keys_jwe: Option<&'a str>,
    offline: bool,
    auth_at: CqlTimestamp,
    created_at: CqlTimestamp,
    generation: CqlTimestamp,
    made_by: &'a [u8; 16],
}

impl<'a> NewCode<'a> {
    pub(in crate::accounts) fn new(code: &'a AuthorizationCode, op: &'a OpId) -> Self {
        Self {
            id: code.id.as_bytes(),
            uid: code.uid.as_bytes(),
            client: code.client.as_bytes(),
            scope: &code.scope,
            session: code.session.as_bytes(),
            code_challenge: &code.code_challenge,
            redirect_uri: code.redirect_uri.as_deref(),
            nonce: code.nonce.as_deref(),
            keys_jwe: code.keys_jwe.as_deref(),
            offline: code.offline,
            auth_at: time(code.auth_at),
            created_at: time(code.created_at),
            generation: time(code.generation),
            made_by: op.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_fetch() -> KeyFetchRow {
        KeyFetchRow {
            id: vec![1; 32],
            uid: Some(vec![2; 16]),
            key: Some(vec![3; 32]),
            bundle: Some(vec![4; 96]),
            created_at: Some(CqlTimestamp(5)),
            verification: Some(2),
            session: Some(vec![7; 32]),
            generation: Some(CqlTimestamp(6)),
            spent_by: Some(NOBODY.to_vec()),
        }
    }

    fn code() -> CodeRow {
        CodeRow {
            id: vec![1; 32],
            uid: Some(vec![2; 16]),
            client: Some(vec![3; 8]),
            scope: Some("profile".into()),
            session: Some(vec![4; 32]),
            code_challenge: Some("challenge".into()),
            redirect_uri: Some("redirect".into()),
            nonce: Some("nonce".into()),
            keys_jwe: None,
            offline: Some(false),
            auth_at: Some(CqlTimestamp(5)),
            created_at: Some(CqlTimestamp(6)),
            generation: Some(CqlTimestamp(7)),
            spent_by: Some(NOBODY.to_vec()),
        }
    }

    #[test]
    fn a_token_reads_as_it_was_written() {
        let op = OpId::from_bytes([9; 16]);
        let Some(SingleUse::Unspent(token)) = key_fetch().read() else {
            panic!("it is unspent");
        };
        let written = NewKeyFetch::new(&token, &op);
        assert_eq!(
            (written.id, written.uid, written.key),
            (&[1; 32], &[2; 16], &[3; 32])
        );
        assert_eq!((written.bundle, written.verification), (&[4; 96], 2));
        assert!(matches!(written.session, MaybeUnset::Set(id) if *id == [7; 32]));
        assert_eq!(
            (written.created_at, written.generation),
            (CqlTimestamp(5), CqlTimestamp(6))
        );
        assert_eq!(written.made_by, op.as_bytes());

        let Some(SingleUse::Unspent(code)) = code().read() else {
            panic!("it is unspent");
        };
        let written = NewCode::new(&code, &op);
        assert_eq!(
            (written.id, written.uid, written.client),
            (&[1; 32], &[2; 16], &[3; 8])
        );
        assert_eq!((written.scope, written.session), ("profile", &[4; 32]));
        assert_eq!((written.code_challenge, written.keys_jwe), ("challenge", None));
        assert_eq!(
            (written.redirect_uri, written.nonce),
            (Some("redirect"), Some("nonce"))
        );
        assert_eq!(
            (written.auth_at, written.created_at),
            (CqlTimestamp(5), CqlTimestamp(6))
        );
        assert_eq!((written.generation, written.offline), (CqlTimestamp(7), false));
    }

    /// Nothing else of it is looked at: its secrets are gone, and the rest may have expired.
    #[test]
    fn what_is_spent_is_spent_whatever_is_left_of_it() {
        for spent_by in [None, Some(vec![9; 16])] {
            let mut row = key_fetch();
            (row.key, row.bundle, row.uid) = (None, None, None);
            row.spent_by = spent_by.clone();
            assert_eq!(row.read(), Some(SingleUse::Spent));
            let mut row = code();
            (row.uid, row.scope) = (None, None);
            row.spent_by = spent_by;
            assert_eq!(row.read(), Some(SingleUse::Spent));
        }
    }

    #[test]
    fn a_spent_code_is_known_as_long_as_all_of_it_is_there() {
        let spent = || CodeRow {
            spent_by: Some(vec![1; 16]),
            ..code()
        };
        let Some(SingleUse::Unspent(unspent)) = code().read() else {
            panic!("it is unspent");
        };
        let expected = SpentCode {
            code: unspent,
            spent_at: put_at(OpId::from_bytes([1; 16])),
        };
        assert_eq!(spent().read_spent(), Some(expected));
        assert_eq!(code().read_spent(), None, "it was not");
        let table = [
            CodeRow { uid: None, ..spent() },
            CodeRow {
                created_at: None,
                ..spent()
            },
            CodeRow {
                spent_by: None,
                ..spent()
            },
        ];
        assert!(table.into_iter().all(|row| row.read_spent().is_none()));
    }

    #[test]
    fn a_row_that_makes_no_sense_is_no_token() {
        let mut row = key_fetch();
        row.bundle = None;
        assert_eq!(row.read(), None);
        let mut row = key_fetch();
        row.session = Some(vec![7; 31]);
        assert_eq!(row.read(), None);
        let mut row = code();
        row.client = Some(vec![3; 7]);
        assert_eq!(row.read(), None);
    }
}

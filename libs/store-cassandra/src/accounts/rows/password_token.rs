//! Tokens of the password calls.

use foxhold_core::{
    OpId, TokenId, Uid,
    record::{PasswordToken, PasswordTokenKind},
};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};

use super::{SingleUse, read_time, secret, time};
use crate::accounts::{operations::Operations, statements::NOBODY};

/// As it stands in the table, for good.
const fn kind_number(kind: PasswordTokenKind) -> i8 {
    match kind {
        PasswordTokenKind::Change => 0,
        PasswordTokenKind::Forgot => 1,
        PasswordTokenKind::Reset => 2,
    }
}

/// The kind of this number.
pub(in crate::accounts) fn kind_numbered(number: i8) -> Option<PasswordTokenKind> {
    PasswordTokenKind::ALL
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
}

/// A password token. One that is spent has no secrets, and what is left of it may expire piece by piece: of one that was given
/// back only that nobody has spent it.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct PasswordTokenRow {
    id: Vec<u8>,
    uid: Option<Vec<u8>>,
    kind: Option<i8>,
    key: Option<Vec<u8>>,
    created_at: Option<CqlTimestamp>,
    generation: Option<CqlTimestamp>,
    missed_by: Option<Vec<u8>>,
    spent_by: Option<Vec<u8>>,
}

impl PasswordTokenRow {
    pub(in crate::accounts) fn read(self) -> Option<SingleUse<PasswordToken>> {
        let key = self.key.map(secret);
        if self.spent_by.as_deref() != Some(&NOBODY[..]) || self.uid.is_none() {
            return Some(SingleUse::Spent);
        }
        Some(SingleUse::Unspent(PasswordToken {
            id: TokenId::from_slice(&self.id)?,
            key: key??,
            kind: kind_numbered(self.kind?)?,
            uid: Uid::from_slice(&self.uid?)?,
            created_at: read_time(self.created_at?)?,
            generation: read_time(self.generation?)?,
            misses: Operations::read(self.missed_by.as_deref())?.count(),
        }))
    }
}

/// A password token as it is written.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewPasswordToken<'a> {
    id: &'a [u8; 32],
    uid: &'a [u8; 16],
    kind: i8,
    key: &'a [u8; 32],
    created_at: CqlTimestamp,
    generation: CqlTimestamp,
    missed_by: Vec<u8>,
    made_by: &'a [u8; 16],
}

impl<'a> NewPasswordToken<'a> {
    pub(in crate::accounts) fn new(token: &'a PasswordToken, op: &'a OpId) -> Self {
        Self {
            id: token.id.as_bytes(),
            uid: token.uid.as_bytes(),
            kind: kind_number(token.kind),
            key: token.key.expose(),
            created_at: time(token.created_at),
            generation: time(token.generation),
            missed_by: Operations::unnamed(token.misses).cell(),
            made_by: op.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> PasswordTokenRow {
        PasswordTokenRow {
            id: vec![1; 32],
            uid: Some(vec![2; 16]),
            kind: Some(1),
            key: Some(vec![3; 32]),
            created_at: Some(CqlTimestamp(4)),
            generation: Some(CqlTimestamp(5)),
            missed_by: Some(vec![6; 32]),
            spent_by: Some(NOBODY.to_vec()),
        }
    }

    #[test]
    fn a_token_reads_as_it_was_written() {
        let op = OpId::from_bytes([9; 16]);
        let Some(SingleUse::Unspent(token)) = row().read() else {
            panic!("it is unspent");
        };
        assert_eq!((token.kind, token.misses), (PasswordTokenKind::Forgot, 2));
        let written = NewPasswordToken::new(&token, &op);
        assert_eq!(
            (written.id, written.uid, written.key),
            (&[1; 32], &[2; 16], &[3; 32])
        );
        assert_eq!((written.kind, written.made_by), (1, op.as_bytes()));
        assert_eq!(
            (written.created_at, written.generation),
            (CqlTimestamp(4), CqlTimestamp(5))
        );
        assert_eq!(written.missed_by.len(), 32, "as many, by whomever");
    }

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for kind in PasswordTokenKind::ALL {
            assert_eq!(kind_numbered(kind_number(kind)), Some(kind));
        }
        assert_eq!(kind_numbered(3), None);
    }

    #[test]
    fn what_is_spent_is_spent_whatever_is_left_of_it() {
        for spent_by in [None, Some(vec![9; 16]), Some(NOBODY.to_vec())] {
            let mut row = row();
            (row.key, row.uid, row.kind, row.spent_by) = (None, None, None, spent_by);
            assert_eq!(row.read(), Some(SingleUse::Spent));
        }
    }

    #[test]
    fn a_row_that_makes_no_sense_is_no_token() {
        type Damage = fn(&mut PasswordTokenRow);
        let table: [(&str, Damage); 4] = [
            ("no key", |row| row.key = None),
            ("an unknown kind", |row| row.kind = Some(3)),
            ("a short uid", |row| row.uid = Some(vec![2; 15])),
            ("half an operation", |row| row.missed_by = Some(vec![6; 8])),
        ];
        for (name, damage) in table {
            let mut row = row();
            damage(&mut row);
            assert_eq!(row.read(), None, "{name}");
        }
    }
}

//! Refresh tokens that another has replaced.

use std::sync::Arc;

use foxhold_core::{ClientId, OpId, Secret, TokenId, Uid};
use foxhold_ports::{
    openid::spent::{ReplacedToken, Replacement},
    outbox::put_at,
};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};
use zeroize::Zeroizing;

use super::{read_time, time};

/// What is left of a replaced token; of one that was taken back, so that nothing may replace it, without what leads on.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct ReplacedTokenRow {
    id: Vec<u8>,
    uid: Vec<u8>,
    client: Option<Vec<u8>>,
    salt: Option<Vec<u8>>,
    made_at: Option<CqlTimestamp>,
    replaced_by: Vec<u8>,
}

impl ReplacedTokenRow {
    /// Whether another has replaced it.
    pub(in crate::accounts) const fn leads_on(&self) -> bool {
        self.salt.is_some()
    }

    pub(in crate::accounts) fn read(self) -> Option<ReplacedToken> {
        let salt = Zeroizing::new(self.salt?);
        Some(ReplacedToken {
            id: TokenId::from_slice(&self.id)?,
            uid: Uid::from_slice(&self.uid)?,
            client: ClientId::from_slice(&self.client?)?,
            made_at: read_time(self.made_at?)?,
            replaced_at: put_at(OpId::from_slice(&self.replaced_by)?),
            salt: Arc::new(Secret::from_slice(&salt)?),
        })
    }
}

/// The same as it is written.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewReplacedToken<'a> {
    id: &'a [u8; 32],
    uid: &'a [u8; 16],
    client: &'a [u8; 8],
    salt: &'a [u8; 32],
    made_at: CqlTimestamp,
    replaced_by: &'a [u8; 16],
}

impl<'a> NewReplacedToken<'a> {
    pub(in crate::accounts) fn new(replacement: &'a Replacement, op: &'a OpId) -> Self {
        Self {
            id: replacement.replaces.as_bytes(),
            uid: replacement.token.uid.as_bytes(),
            client: replacement.token.client.as_bytes(),
            salt: replacement.salt.expose(),
            made_at: time(replacement.token.created_at),
            replaced_by: op.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Timestamp, record::RefreshToken};

    use super::*;

    const MILLIS: u64 = 1_700_000_000_123;

    fn op() -> OpId {
        let mut bytes = [0x7f; 16];
        bytes[..6].copy_from_slice(&MILLIS.to_be_bytes()[2..]);
        OpId::from_bytes(bytes)
    }

    fn row() -> ReplacedTokenRow {
        ReplacedTokenRow {
            id: vec![1; 32],
            uid: vec![2; 16],
            client: Some(vec![3; 8]),
            salt: Some(vec![4; 32]),
            made_at: Some(CqlTimestamp(5)),
            replaced_by: op().as_bytes().to_vec(),
        }
    }

    #[test]
    fn what_is_left_reads_as_it_was_written() {
        let replacement = Replacement {
            replaces: TokenId::from_bytes([1; 32]),
            salt: Arc::new(Secret::new([4; 32])),
            token: RefreshToken {
                id: TokenId::from_bytes([9; 32]),
                uid: Uid::from_bytes([2; 16]),
                client: ClientId::from_bytes([3; 8]),
                scope: "openid".into(),
                session: None,
                created_at: Timestamp::from_millis(5),
                generation: Timestamp::from_millis(6),
            },
        };
        let op = op();
        let written = NewReplacedToken::new(&replacement, &op);
        assert_eq!(
            (written.id, written.uid, written.client),
            (&[1; 32], &[2; 16], &[3; 8])
        );
        assert_eq!((written.salt, written.made_at), (&[4; 32], CqlTimestamp(5)));
        assert_eq!(written.replaced_by, op.as_bytes());
        let expected = replacement.trace(Timestamp::from_millis(MILLIS));
        assert_eq!(row().read(), Some(expected));
    }

    #[test]
    fn a_row_that_makes_no_sense_is_none() {
        type Cut = fn(&mut ReplacedTokenRow);
        let table: [(&str, Cut); 6] = [
            ("id", |row| row.id.truncate(31)),
            ("client", |row| row.client = Some(vec![3; 7])),
            ("no client", |row| row.client = None),
            ("no time", |row| row.made_at = None),
            ("salt", |row| row.salt = Some(vec![4; 31])),
            ("operation", |row| row.replaced_by.truncate(15)),
        ];
        for (name, cut) in table {
            let mut row = row();
            cut(&mut row);
            assert!(row.leads_on(), "{name}");
            assert_eq!(row.read(), None, "{name}");
        }
    }

    #[test]
    fn what_was_taken_back_leads_nowhere() {
        let row = ReplacedTokenRow {
            client: None,
            salt: None,
            made_at: None,
            ..row()
        };
        assert!(!row.leads_on());
        assert_eq!(row.read(), None);
    }
}

//! Since when what hangs on an account counts. A new password ends what is older than it at once and wherever it stands,
//! since the account's own row says so; the sweep after it only clears away, and may die half-way.
//!
//! Must stay true: that an account is not there, or has no newer password, is said only by a serial read where another
//! region may know more.

use foxhold_core::{Deadline, Timestamp, Uid, record::RefreshToken};
use foxhold_ports::ReadError;
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::{
    read::sound,
    rows::{ACTIVE, read_time},
};
use crate::{CassandraReader, cql::Level};

/// What an account in use says of all that hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    verifier_set_at: Timestamp,
    /// The beginning of time, if the password was never reset.
    reset_at: Timestamp,
}

#[derive(DeserializeRow)]
struct ValidityRow {
    #[expect(dead_code, reason = "SELECT DISTINCT asks for the partition's key")]
    uid: Vec<u8>,
    state: Option<String>,
    verifier_set_at: Option<CqlTimestamp>,
    reset_at: Option<CqlTimestamp>,
}

impl Validity {
    /// Whether a key-fetch token or an authorization code of this generation is of use: one of the present password, or
    /// of one that is not known here yet.
    pub(super) fn admits(&self, generation: Timestamp) -> bool {
        generation >= self.verifier_set_at
    }

    /// Whether no newer password than of this generation can be known elsewhere, as far as a token of it shows.
    pub(super) fn knows(&self, generation: Timestamp) -> bool {
        self.verifier_set_at >= generation
    }

    /// Whether a password token is of the present password.
    pub(super) fn is_of(&self, generation: Timestamp) -> bool {
        generation == self.verifier_set_at
    }

    /// Whether a refresh token is of use. One that hangs on a session ends with it, by every new password.
    pub(super) fn admits_refresh_token(&self, token: &RefreshToken) -> bool {
        let since = match token.session {
            Some(_) => self.verifier_set_at,
            None => self.reset_at,
        };
        token.generation >= since
    }
}

impl ValidityRow {
    fn read(self) -> Result<Option<Validity>, ReadError> {
        if self.state.as_deref() != Some(ACTIVE) {
            return Ok(None);
        }
        Ok(Some(Validity {
            verifier_set_at: sound(self.verifier_set_at.and_then(read_time))?,
            reset_at: sound(self.reset_at.map_or(Some(Timestamp::default()), read_time))?,
        }))
    }
}

/// What a quorum of this region says; `None` if there is no account.
pub(super) async fn here(
    reader: &CassandraReader,
    by: Deadline,
    uid: Uid,
) -> Result<Option<Validity>, ReadError> {
    let statement = &reader.accounts.account_validity;
    let row: Option<ValidityRow> = reader.cql.row(by, statement, (uid.as_bytes(),)).await?;
    row.map_or(Ok(None), ValidityRow::read)
}

/// The same, and where there is no account or it is not `new_enough`, what stands after every decision.
pub(super) async fn surely(
    reader: &CassandraReader,
    by: Deadline,
    uid: Uid,
    new_enough: impl Fn(&Validity) -> bool,
) -> Result<Option<Validity>, ReadError> {
    let here = here(reader, by, uid).await?;
    if here.as_ref().is_some_and(new_enough) {
        return Ok(here);
    }
    let (statement, level) = (&reader.accounts.account_validity, Level::Deployment);
    let row: Option<ValidityRow> = reader
        .cql
        .serial_row(level, by, statement, (uid.as_bytes(),))
        .await?;
    row.map_or(Ok(None), ValidityRow::read)
}

#[cfg(test)]
mod tests {
    use foxhold_core::{ClientId, TokenId};

    use super::*;

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn what_is_older_than_the_password_is_of_no_use_but_for_refresh_tokens_without_a_session() {
        let validity = Validity {
            verifier_set_at: at(20),
            reset_at: at(10),
        };
        // Generation; key-fetch token or code, password token, refresh token with a session and without.
        let table = [
            (9, [false, false, false, false]),
            (10, [false, false, false, true]),
            (19, [false, false, false, true]),
            (20, [true, true, true, true]),
            (21, [true, false, true, true]),
        ];
        for (generation, expected) in table {
            let generation = at(generation);
            let refresh_token = |session| RefreshToken {
                id: TokenId::from_bytes([1; 32]),
                uid: Uid::from_bytes([2; 16]),
                client: ClientId::from_bytes([3; 8]),
                scope: String::new(),
                session,
                created_at: at(0),
                generation,
            };
            let session = Some(TokenId::from_bytes([4; 32]));
            let found = [
                validity.admits(generation),
                validity.is_of(generation),
                validity.admits_refresh_token(&refresh_token(session)),
                validity.admits_refresh_token(&refresh_token(None)),
            ];
            assert_eq!(found, expected, "{generation:?}");
        }
    }

    #[test]
    fn only_an_account_in_use_says_anything() {
        let row = |state: Option<&str>, verifier_set_at, reset_at| ValidityRow {
            uid: vec![],
            state: state.map(str::to_owned),
            verifier_set_at,
            reset_at,
        };
        let time = |millis| Some(CqlTimestamp(millis));
        let validity = |verifier_set_at, reset_at| {
            let [verifier_set_at, reset_at] = [verifier_set_at, reset_at].map(Timestamp::from_millis);
            Ok(Some(Validity {
                verifier_set_at,
                reset_at,
            }))
        };
        let table = [
            ("never reset", row(Some(ACTIVE), time(5), None), validity(5, 0)),
            ("reset", row(Some(ACTIVE), time(5), time(4)), validity(5, 4)),
            ("deleted", row(Some("deleting"), None, None), Ok(None)),
            ("operations alone", row(None, None, None), Ok(None)),
        ];
        for (name, row, expected) in table {
            assert_eq!(row.read(), expected, "{name}");
        }
        assert!(row(Some(ACTIVE), None, None).read().is_err(), "no password");
    }
}

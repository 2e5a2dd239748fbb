//! Tokens of the password calls: kept, missed, exchanged, spent. Decided, as all single-use tokens are, in the region whose
//! mark the id bears.
//!
//! Nobody lists them: a new password, or the end of the account, ends them by what the account's row says.

use foxhold_core::{
    OpId, TokenId, Uid,
    record::{KeyFetch, PASSWORD_TOKEN_MISSES_MAX, PasswordToken, PasswordTokenKind},
};
use foxhold_ports::{Call, ReadError, Refusal, WriteError};
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::{
    account_is_there, not_done,
    operations::Operations,
    read::sound,
    rows::{NewPasswordToken, kind_numbered, read_time},
    single_use,
    statements::NOBODY,
    together, validity,
};
use crate::{
    CassandraStore,
    cql::{AfterAStep, Doubts, Level, Outcome, Settled, decide_or_look, pause},
    fail_point,
};

/// What a writer has to know of a password token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) uid: Uid,
    pub(super) kind: PasswordTokenKind,
    pub(super) generation: foxhold_core::Timestamp,
    pub(super) missed_by: Operations,
}

/// What has become of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenState {
    /// It can be spent.
    Unspent(Use),
    /// This operation has spent it.
    SpentBy(OpId, Operations),
    /// It is not there, or nobody knows any more who has spent it.
    Gone,
}

#[derive(DeserializeRow)]
struct UseRow {
    uid: Option<Vec<u8>>,
    kind: Option<i8>,
    generation: Option<CqlTimestamp>,
    missed_by: Option<Vec<u8>>,
    spent_by: Option<Vec<u8>>,
}

impl UseRow {
    fn read(self) -> Option<TokenState> {
        let missed_by = Operations::read(self.missed_by.as_deref())?;
        Some(match self.spent_by.as_deref() {
            None => TokenState::Gone,
            // It was given back, and all but that has expired.
            Some(by) if *by == NOBODY && self.uid.is_none() => TokenState::Gone,
            Some(by) if *by == NOBODY => TokenState::Unspent(Use {
                uid: Uid::from_slice(&self.uid?)?,
                kind: kind_numbered(self.kind?)?,
                generation: read_time(self.generation?)?,
                missed_by,
            }),
            Some(by) => TokenState::SpentBy(OpId::from_slice(by)?, missed_by),
        })
    }
}

impl Use {
    /// Whether its account is there and has the password that it is of.
    async fn is_of_use(&self, store: &CassandraStore, call: &Call) -> Result<bool, ReadError> {
        let of = validity::surely(&store.reader, call.deadline, self.uid, |of| {
            of.knows(self.generation)
        });
        Ok(of.await?.is_some_and(|of| of.is_of(self.generation)))
    }
}

fn state(row: Option<UseRow>) -> Result<TokenState, ReadError> {
    row.map_or(Ok(TokenState::Gone), |row| sound(row.read()))
}

/// A token as a quorum has it, here or at home.
pub(super) async fn find(store: &CassandraStore, call: &Call, id: TokenId) -> Result<TokenState, ReadError> {
    let statement = &store.accounts.tokens.password_token_use;
    state(store.reader.token_row(call.deadline, statement, &id).await?)
}

/// A token as its region has decided about it.
async fn look(store: &CassandraStore, call: &Call, id: TokenId) -> Result<TokenState, ReadError> {
    let (regions, statement) = (store.cql.regions(), &store.accounts.tokens.password_token_use);
    let home = Level::Within(regions.home(&id));
    let row = store
        .cql
        .serial_row(home, call.deadline, statement, (id.as_bytes(),));
    state(row.await?)
}

/// `AccountWriter::put_password_token`. If the process dies between the two, nobody has their secrets.
pub(super) async fn put(
    store: &CassandraStore,
    call: &Call,
    token: &PasswordToken,
    key_fetch: Option<&KeyFetch>,
) -> Result<(), WriteError> {
    let is_of_another = key_fetch.is_some_and(|key_fetch| key_fetch.uid != token.uid);
    if is_of_another
        || !account_is_there(store, call.deadline, token.uid)
            .await
            .map_err(not_done)?
    {
        return Err(Refusal::UnknownAccount.into());
    }
    let (kept, key_fetch) = futures_util::join!(keep(store, call, token), async {
        match key_fetch {
            Some(key_fetch) => single_use::put_key_fetch(store, call, key_fetch).await,
            None => Ok(()),
        }
    });
    together(vec![kept, key_fetch])
}

async fn keep(store: &CassandraStore, call: &Call, token: &PasswordToken) -> Result<(), WriteError> {
    let row = NewPasswordToken::new(token, &call.op);
    single_use::put(store, call, single_use::password_tokens(store), token.id, row).await?;
    fail_point("password_token.kept");
    Ok(())
}

/// `AccountWriter::redeem_password_token`. The forgot token first: a reset token that is there is of whoever spent it.
pub(super) async fn redeem(
    store: &CassandraStore,
    call: &Call,
    forgot: TokenId,
    reset: &PasswordToken,
) -> Result<(), WriteError> {
    let _turn = store.accounts.spenders.turn(&forgot, call.deadline).await?;
    match find(store, call, forgot).await.map_err(not_done)? {
        TokenState::SpentBy(op, _) if op == call.op => {}
        TokenState::Unspent(found) => {
            let is_meant = found.kind == PasswordTokenKind::Forgot
                && reset.kind == PasswordTokenKind::Reset
                && reset.uid == found.uid;
            if !is_meant || !found.is_of_use(store, call).await.map_err(not_done)? {
                return Err(Refusal::TokenSpent.into());
            }
            single_use::spend(store, call, single_use::password_tokens(store), forgot).await?;
            fail_point("redeem.forgot_token_spent");
        }
        TokenState::SpentBy(..) | TokenState::Gone => return Err(Refusal::TokenSpent.into()),
    }
    keep(store, call, reset).await.after_a_step()
}

/// What a miss finds.
#[derive(Debug, PartialEq, Eq)]
enum Miss {
    /// It was counted, and then there were so many.
    Counted(u8),
    /// It makes these, if nobody else comes first.
    Makes(Operations),
    /// Nobody counts any more.
    TooLate,
}

/// `AccountWriter::miss_password_token`. Each on the condition of those before, so that of misses at the same time each
/// counts.
pub(super) async fn miss(store: &CassandraStore, call: &Call, id: TokenId) -> Result<u8, WriteError> {
    let by = call.deadline;
    let _turn = store.accounts.spenders.turn(&id, by).await?;
    let mut found = find(store, call, id).await.map_err(not_done)?;
    if let TokenState::Unspent(found) = &found
        && found.missed_by.count_at(&call.op).is_none()
        && !found.is_of_use(store, call).await.map_err(not_done)?
    {
        return Err(Refusal::TokenSpent.into());
    }
    let mut doubts = Doubts::default();
    loop {
        let missed_by = match judge_miss(&found, call.op) {
            Miss::Counted(count) => return Ok(count),
            Miss::TooLate => return Err(Refusal::TokenSpent.into()),
            Miss::Makes(missed_by) => missed_by,
        };
        let decided = count(store, call, id, &found, &missed_by);
        match doubts.weigh(decide_or_look(by, decided, || look(store, call, id)).await)? {
            Settled::Applied => return Ok(missed_by.count()),
            Settled::Look { view, doubt } => {
                doubts.note(doubt);
                found = view;
            }
        }
        pause(by, &*store.random).await;
    }
}

async fn count(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
    found: &TokenState,
    missed_by: &Operations,
) -> Result<Outcome, WriteError> {
    let (regions, tokens, by) = (store.cql.regions(), &store.accounts.tokens, call.deadline);
    let home = regions.home(&id);
    let was = match found {
        TokenState::Unspent(found) => found.missed_by.cell(),
        TokenState::SpentBy(..) | TokenState::Gone => Vec::new(),
    };
    let (id, cell) = (id.as_bytes(), missed_by.cell());
    if missed_by.count() < PASSWORD_TOKEN_MISSES_MAX {
        let values = (cell, id, was);
        return store
            .cql
            .decide_in(home, by, &tokens.miss_password_token, values)
            .await;
    }
    let values = (cell, call.op.as_bytes(), id, was);
    let statement = &tokens.miss_password_token_for_good;
    store.cql.decide_in(home, by, statement, values).await
}

fn judge_miss(found: &TokenState, op: OpId) -> Miss {
    let missed_by = match found {
        TokenState::Unspent(found) => &found.missed_by,
        TokenState::SpentBy(_, missed_by) => missed_by,
        TokenState::Gone => return Miss::TooLate,
    };
    match (missed_by.count_at(&op), found) {
        (Some(count), _) => Miss::Counted(count),
        (None, TokenState::Unspent(found)) if found.kind == PasswordTokenKind::Forgot => {
            Miss::Makes(missed_by.with(op, usize::from(PASSWORD_TOKEN_MISSES_MAX)))
        }
        (None, _) => Miss::TooLate,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Timestamp;

    use super::*;

    const OWN: OpId = OpId::from_bytes([1; 16]);
    const OTHER: OpId = OpId::from_bytes([2; 16]);

    fn missed(ops: &[OpId]) -> Operations {
        ops.iter().fold(Operations::default(), |all, op| all.with(*op, 3))
    }

    fn unspent(kind: PasswordTokenKind, ops: &[OpId]) -> TokenState {
        TokenState::Unspent(Use {
            uid: Uid::from_bytes([3; 16]),
            kind,
            generation: Timestamp::default(),
            missed_by: missed(ops),
        })
    }

    #[test]
    fn a_miss_counts_once_and_on_a_forgot_token_that_is_there() {
        use PasswordTokenKind::{Change, Forgot};
        let third = OpId::from_bytes([3; 16]);
        let spent = |ops: &[OpId]| TokenState::SpentBy(third, missed(ops));
        let table = [
            ("the first", unspent(Forgot, &[]), Miss::Makes(missed(&[OWN]))),
            (
                "the second",
                unspent(Forgot, &[OTHER]),
                Miss::Makes(missed(&[OTHER, OWN])),
            ),
            ("again", unspent(Forgot, &[OWN, OTHER]), Miss::Counted(1)),
            (
                "again, after the last",
                spent(&[OTHER, OWN, third]),
                Miss::Counted(2),
            ),
            ("after the last", spent(&[OTHER, OTHER, third]), Miss::TooLate),
            ("of another kind", unspent(Change, &[]), Miss::TooLate),
            ("of no token", TokenState::Gone, Miss::TooLate),
        ];
        for (name, found, expected) in table {
            assert_eq!(judge_miss(&found, OWN), expected, "{name}");
        }
    }

    #[test]
    fn a_row_says_what_has_become_of_its_token() {
        let row = |spent_by: Option<[u8; 16]>| UseRow {
            uid: Some(vec![3; 16]),
            kind: Some(1),
            generation: Some(CqlTimestamp(0)),
            missed_by: Some(Vec::new()),
            spent_by: spent_by.map(Vec::from),
        };
        let table = [
            (row(Some(NOBODY)), Some(unspent(PasswordTokenKind::Forgot, &[]))),
            (row(Some([2; 16])), Some(TokenState::SpentBy(OTHER, missed(&[])))),
            (row(None), Some(TokenState::Gone)),
            (
                UseRow {
                    uid: None,
                    kind: None,
                    generation: None,
                    missed_by: None,
                    ..row(Some(NOBODY))
                },
                Some(TokenState::Gone),
            ),
            (
                UseRow {
                    kind: None,
                    ..row(Some(NOBODY))
                },
                None,
            ),
        ];
        for (row, expected) in table {
            assert_eq!(row.read(), expected);
        }
    }
}

//! Refresh tokens that another replaces, and what is left of codes that were traded: `GrantWriter` and `GrantReader` beside
//! the grants themselves.
//!
//! Must stay true: the new token is written first, then the old one is marked with it, which decides, in the region whose
//! mark the old one's id bears; then the old one goes. So the token that a mark leads to was there, and of a process that
//! dies in between at most a token is left that nobody has. Whoever takes a token back puts a mark, too, that leads nowhere:
//! of the two marks one stands, so that nothing comes in the place of what is taken back at that moment.

use std::time::Duration;

use foxhold_core::{Deadline, OpId, TokenId, Uid};
use foxhold_ports::{
    AccountReader as _, Call, ReadError, Refusal, WriteError,
    openid::spent::{ReplacedToken, Replacement, SpentCode},
};
use scylla::DeserializeRow;

use super::{
    not_done,
    read::sound,
    refresh_token,
    rows::{CodeRow, NewReplacedToken, ReplacedTokenRow},
};
use crate::{
    CassandraReader, CassandraStore,
    cql::{AfterAStep as _, Level, Verdict, settle},
};

/// How long taking a token back waits for another region's word. One that is cut off must not keep the token alive here.
const FOREIGN_WAIT_MAX: Duration = Duration::from_secs(1);

/// `GrantReader::spent_code`
pub(crate) async fn spent_code(
    reader: &CassandraReader,
    by: Deadline,
    id: TokenId,
) -> Result<Option<SpentCode>, ReadError> {
    let row: Option<CodeRow> = reader.token_row(by, &reader.accounts.code, &id).await?;
    Ok(row.and_then(CodeRow::read_spent))
}

/// `GrantReader::replaced_token`
pub(crate) async fn find(
    reader: &CassandraReader,
    by: Deadline,
    id: TokenId,
) -> Result<Option<ReplacedToken>, ReadError> {
    let statement = &reader.accounts.replaced_token;
    let row: Option<ReplacedTokenRow> = reader.token_row(by, statement, &id).await?;
    let row = row.filter(ReplacedTokenRow::leads_on);
    row.map(|row| sound(row.read())).transpose()
}

/// Which operation has replaced a token, or taken it back.
#[derive(DeserializeRow)]
struct Mark {
    replaced_by: Option<Vec<u8>>,
}

impl Mark {
    fn is_by(&self, op: &OpId) -> bool {
        self.replaced_by.as_deref() == Some(&op.as_bytes()[..])
    }
}

/// `GrantWriter::replace_refresh_token`
pub(crate) async fn replace(
    store: &CassandraStore,
    call: &Call,
    replacement: &Replacement,
) -> Result<(), WriteError> {
    let (by, old) = (call.deadline, replacement.replaces);
    let _turn = store.accounts.spenders.turn(&old, by).await?;
    let statement = &store.accounts.tokens.replaced_token_mark;
    let mark: Option<Mark> = store
        .reader
        .token_row(by, statement, &old)
        .await
        .map_err(not_done)?;
    match mark {
        Some(mark) if mark.is_by(&call.op) => return end(store, call, old).await,
        Some(_) => return too_late(store, call, replacement).await,
        None => {}
    }
    let found = store.reader.refresh_token(by, old).await.map_err(not_done)?;
    if !found.is_some_and(|found| replacement.fits(&found)) {
        return Err(Refusal::TokenSpent.into());
    }
    refresh_token::put(store, call, &replacement.token).await?;
    match put_mark(store, call, replacement).await {
        Err(WriteError::Refused(_)) => too_late(store, call, replacement).await,
        Err(error) => Err(error).after_a_step(),
        Ok(()) => end(store, call, old).await,
    }
}

/// The old one goes. Until then its mark makes it worthless.
async fn end(store: &CassandraStore, call: &Call, old: TokenId) -> Result<(), WriteError> {
    refresh_token::remove(store, call, old).await.after_a_step()
}

/// Another operation was faster, or has taken the old one back: the token that was to replace it goes again, if it came to be
/// written. The old one goes as well, in case that operation came no further than its mark, which lasts only so long.
async fn too_late(store: &CassandraStore, call: &Call, replacement: &Replacement) -> Result<(), WriteError> {
    end(store, call, replacement.replaces).await?;
    end(store, call, replacement.token.id).await?;
    Err(Refusal::TokenSpent.into())
}

async fn put_mark(store: &CassandraStore, call: &Call, replacement: &Replacement) -> Result<(), WriteError> {
    let (id, regions) = (replacement.replaces, store.cql.regions());
    let (home, statement) = (regions.home(&id), &store.accounts.tokens.mark_replaced_token);
    let row = NewReplacedToken::new(replacement, &call.op);
    settle(
        call.deadline,
        &*store.random,
        || store.cql.decide_in(home, call.deadline, statement, row.clone()),
        || look(store, call.deadline, id),
        |mark| Ok(judge(mark.as_ref(), &call.op)),
    )
    .await
}

/// Sees to it that nothing replaces a token from now on. Done, too, if something has before: that is another token, and
/// whoever wants that to end has to ask for it.
pub(super) async fn bar(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
    uid: Uid,
) -> Result<(), WriteError> {
    let regions = store.cql.regions();
    let by = match regions.foreign_home(&id) {
        Some(_) => call.deadline.at_most(FOREIGN_WAIT_MAX),
        None => call.deadline,
    };
    let _turn = store.accounts.spenders.turn(&id, by).await?;
    let (home, statement) = (regions.home(&id), &store.accounts.tokens.bar_replacement);
    let values = (id.as_bytes(), uid.as_bytes(), call.op.as_bytes());
    settle(
        by,
        &*store.random,
        || store.cql.decide_in(home, by, statement, values),
        || look(store, by, id),
        |mark| Ok(judge_barring(mark.as_ref())),
    )
    .await
}

/// A token's mark as its region has decided about it.
async fn look(store: &CassandraStore, by: Deadline, id: TokenId) -> Result<Option<Mark>, ReadError> {
    let regions = store.cql.regions();
    let level = Level::Within(regions.home(&id));
    let statement = &store.accounts.tokens.replaced_token_mark;
    store.cql.serial_row(level, by, statement, (id.as_bytes(),)).await
}

fn judge(mark: Option<&Mark>, op: &OpId) -> Verdict {
    match mark {
        None => Verdict::Again,
        Some(mark) if mark.is_by(op) => Verdict::Done,
        Some(_) => Verdict::Refused(Refusal::TokenSpent),
    }
}

const fn judge_barring(mark: Option<&Mark>) -> Verdict {
    match mark {
        None => Verdict::Again,
        Some(_) => Verdict::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_who_has_replaced_the_token() {
        let own = OpId::from_bytes([1; 16]);
        let by = |op: u8| Mark {
            replaced_by: Some(vec![op; 16]),
        };
        let late = Verdict::Refused(Refusal::TokenSpent);
        for (name, mark, expected) in [
            ("nobody", None, Verdict::Again),
            ("this operation", Some(by(1)), Verdict::Done),
            ("another", Some(by(2)), late),
            ("one that is forgotten", Some(Mark { replaced_by: None }), late),
        ] {
            assert_eq!(judge(mark.as_ref(), &own), expected, "{name}");
        }
    }

    #[test]
    fn any_mark_bars_a_replacement() {
        assert_eq!(judge_barring(None), Verdict::Again);
        for replaced_by in [None, Some(vec![1; 16])] {
            assert_eq!(judge_barring(Some(&Mark { replaced_by })), Verdict::Done);
        }
    }
}

//! Refresh tokens that another replaces, and what is left of codes that were traded: `GrantWriter` and `GrantReader` beside
//! the grants themselves.
//!
//! Must stay true: the new token is written first, then the old one is marked with it, which decides, in the region whose
//! mark the old one's id bears; then the old one goes. So the token that a mark leads to was there, and of a process that
//! dies in between at most a token is left that nobody has.

use foxhold_core::{Deadline, OpId, TokenId};
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
    row.map(|row| sound(row.read())).transpose()
}

/// Which operation has replaced a token.
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
    refresh_token::delete(store, call, old).await.after_a_step()
}

/// Another operation was faster: the token that was to replace the old one goes again, if it came to be written. The old one
/// goes as well, in case that operation came no further than its mark, which lasts only so long.
async fn too_late(store: &CassandraStore, call: &Call, replacement: &Replacement) -> Result<(), WriteError> {
    end(store, call, replacement.replaces).await?;
    end(store, call, replacement.token.id).await?;
    Err(Refusal::TokenSpent.into())
}

async fn put_mark(store: &CassandraStore, call: &Call, replacement: &Replacement) -> Result<(), WriteError> {
    let (cql, by, regions) = (&store.cql, call.deadline, store.cql.regions());
    let (id, home) = (replacement.replaces, regions.home(&replacement.replaces));
    let statements = &store.accounts.tokens;
    let row = NewReplacedToken::new(replacement, &call.op);
    let look = || {
        let level = Level::Within(home);
        cql.serial_row(level, by, &statements.replaced_token_mark, (id.as_bytes(),))
    };
    settle(
        by,
        &*store.random,
        || cql.decide_in(home, by, &statements.mark_replaced_token, row.clone()),
        look,
        |mark: Option<Mark>| Ok(judge(mark.as_ref(), &call.op)),
    )
    .await
}

fn judge(mark: Option<&Mark>, op: &OpId) -> Verdict {
    match mark {
        None => Verdict::Again,
        Some(mark) if mark.is_by(op) => Verdict::Done,
        Some(_) => Verdict::Refused(Refusal::TokenSpent),
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
}

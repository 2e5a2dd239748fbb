//! Key-fetch tokens and authorization codes, and what password tokens have in common with them: spent once, decided by
//! conditional writes in the region whose mark the id bears. The row stays for as long as an operation may be repeated, and says which one has spent it.

use foxhold_core::{
    OpId, TokenId, Uid,
    record::{AuthorizationCode, KeyFetch},
};
use foxhold_ports::{Call, Cause, ReadError, Refusal, WriteError};
use scylla::{DeserializeRow, serialize::row::SerializeRow, value::CqlTimestamp};

use super::{
    account_is_there, not_done,
    read::sound,
    rows::{NewCode, NewKeyFetch, read_time},
    statements::NOBODY,
    validity,
};
use crate::{
    CassandraStore,
    cql::{Level, Read, RegionalConditional, Verdict, settle},
    fail_point,
};

/// What a writer has to know of a token.
#[derive(DeserializeRow)]
struct Trace {
    uid: Option<Vec<u8>>,
    generation: Option<CqlTimestamp>,
    made_by: Option<Vec<u8>>,
    spent_by: Option<Vec<u8>>,
}

impl Trace {
    fn is_unspent(&self) -> bool {
        self.spent_by.as_deref() == Some(&NOBODY[..])
    }

    fn was_spent_by(&self, op: &OpId) -> bool {
        self.spent_by.as_deref() == Some(&op.as_bytes()[..])
    }

    /// Whether its account is there, and has no newer password.
    async fn is_of_use(&self, store: &CassandraStore, call: &Call) -> Result<bool, ReadError> {
        let uid = sound(self.uid.as_deref().and_then(Uid::from_slice))?;
        let generation = sound(self.generation.and_then(read_time))?;
        let validity = validity::surely(&store.reader, call.deadline, uid, |_| true);
        Ok(validity.await?.is_some_and(|of| of.admits(generation)))
    }
}

/// The statements of one kind of token.
#[derive(Clone, Copy)]
pub(super) struct Kind<'a> {
    trace: &'a Read,
    put: &'a RegionalConditional,
    spend: &'a RegionalConditional,
}

fn key_fetches(store: &CassandraStore) -> Kind<'_> {
    let statements = &store.accounts.tokens;
    Kind {
        trace: &statements.key_fetch_trace,
        put: &statements.put_key_fetch,
        spend: &statements.spend_key_fetch,
    }
}

fn codes(store: &CassandraStore) -> Kind<'_> {
    let statements = &store.accounts.tokens;
    Kind {
        trace: &statements.code_trace,
        put: &statements.put_code,
        spend: &statements.spend_code,
    }
}

pub(super) fn password_tokens(store: &CassandraStore) -> Kind<'_> {
    let statements = &store.accounts.tokens;
    Kind {
        trace: &statements.password_token_trace,
        put: &statements.put_password_token,
        spend: &statements.spend_password_token,
    }
}

/// Password tokens, spent so that they can be given back.
pub(super) fn held_password_tokens(store: &CassandraStore) -> Kind<'_> {
    Kind {
        spend: &store.accounts.tokens.hold_password_token,
        ..password_tokens(store)
    }
}

/// Keeps a key-fetch token of a sign-in. Repeated after it was spent it stays spent.
pub(super) async fn put_key_fetch(
    store: &CassandraStore,
    call: &Call,
    token: &KeyFetch,
) -> Result<(), WriteError> {
    let row = NewKeyFetch::new(token, &call.op);
    put(store, call, key_fetches(store), token.id, row).await?;
    fail_point("sign_in.key_fetch_written");
    Ok(())
}

/// `AccountWriter::put_authorization_code`. The code of an account that is gone is gone with it.
pub(super) async fn put_code(
    store: &CassandraStore,
    call: &Call,
    code: &AuthorizationCode,
) -> Result<(), WriteError> {
    if !account_is_there(store, call.deadline, code.uid)
        .await
        .map_err(not_done)?
    {
        return Ok(());
    }
    put(store, call, codes(store), code.id, NewCode::new(code, &call.op)).await
}

/// `AccountWriter::consume_key_fetch`
pub(super) async fn consume_key_fetch(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
) -> Result<(), WriteError> {
    consume(store, call, key_fetches(store), id).await
}

/// `AccountWriter::consume_authorization_code`
pub(super) async fn consume_code(store: &CassandraStore, call: &Call, id: TokenId) -> Result<(), WriteError> {
    consume(store, call, codes(store), id).await
}

/// Spends a key-fetch token that nobody is to have.
pub(super) async fn void_key_fetch(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
) -> Result<(), WriteError> {
    void(store, call, key_fetches(store), id).await
}

/// Spends a key-fetch token of a condemned account.
pub(super) async fn void_of_condemned(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
) -> Result<(), WriteError> {
    void_what_is_dead(store, call, key_fetches(store), id).await
}

/// Spends a token that is dead without that. One of another region stays as it is: it is worth nothing, by its account or
/// its generation, and nobody shall wait for that region to have a new account or password. One that has nodes and no
/// quorum would be asked until the deadline.
pub(super) async fn void_what_is_dead(
    store: &CassandraStore,
    call: &Call,
    kind: Kind<'_>,
    id: TokenId,
) -> Result<(), WriteError> {
    if store.cql.regions().foreign_home(&id).is_some() {
        return Ok(());
    }
    void(store, call, kind, id).await
}

async fn void(store: &CassandraStore, call: &Call, kind: Kind<'_>, id: TokenId) -> Result<(), WriteError> {
    match spend(store, call, kind, id).await {
        Err(WriteError::Refused(_)) => Ok(()),
        answer => answer,
    }
}

/// Gives a password token back that this operation holds.
pub(super) async fn give_back(store: &CassandraStore, call: &Call, id: TokenId) -> Result<(), WriteError> {
    let (cql, by, regions) = (&store.cql, call.deadline, store.cql.regions());
    let (home, statement) = (regions.home(&id), &store.accounts.tokens.give_password_token_back);
    let values = (id.as_bytes(), call.op.as_bytes());
    settle(
        by,
        &*store.random,
        || cql.decide_in(home, by, statement, values),
        || look(store, call, password_tokens(store), &id),
        |trace| Ok(judge_giving_back(trace.as_ref(), &call.op)),
    )
    .await
}

/// The end of an account, or a new password, does not find its codes, nor the key-fetch tokens of sessions that ended before
/// it: so the account is asked.
async fn consume(store: &CassandraStore, call: &Call, kind: Kind<'_>, id: TokenId) -> Result<(), WriteError> {
    let by = call.deadline;
    let _turn = store.accounts.spenders.turn(&id, by).await?;
    let trace: Option<Trace> = store
        .reader
        .token_row(by, kind.trace, &id)
        .await
        .map_err(not_done)?;
    match trace {
        None => return Err(Refusal::TokenSpent.into()),
        Some(trace) if trace.is_unspent() => {
            if !trace.is_of_use(store, call).await.map_err(not_done)? {
                return Err(Refusal::TokenSpent.into());
            }
        }
        Some(trace) if trace.was_spent_by(&call.op) => return Ok(()),
        Some(_) => return Err(Refusal::TokenSpent.into()),
    }
    spend(store, call, kind, id).await?;
    fail_point("consume.spent");
    Ok(())
}

/// Spends a token, if nobody has.
pub(super) async fn spend(
    store: &CassandraStore,
    call: &Call,
    kind: Kind<'_>,
    id: TokenId,
) -> Result<(), WriteError> {
    let (cql, by, regions) = (&store.cql, call.deadline, store.cql.regions());
    let home = regions.home(&id);
    settle(
        by,
        &*store.random,
        || cql.decide_in(home, by, kind.spend, (call.op.as_bytes(), id.as_bytes())),
        || look(store, call, kind, &id),
        |trace| Ok(judge_spending(trace.as_ref(), &call.op)),
    )
    .await
}

/// Keeps a token under an id that nobody has used.
pub(super) async fn put(
    store: &CassandraStore,
    call: &Call,
    kind: Kind<'_>,
    id: TokenId,
    row: impl SerializeRow + Clone,
) -> Result<(), WriteError> {
    let (cql, by, regions) = (&store.cql, call.deadline, store.cql.regions());
    let home = regions.home(&id);
    settle(
        by,
        &*store.random,
        || cql.decide_in(home, by, kind.put, row.clone()),
        || look(store, call, kind, &id),
        |trace| judge_putting(trace.as_ref(), &call.op),
    )
    .await
}

/// A token as its region has decided about it.
async fn look(
    store: &CassandraStore,
    call: &Call,
    kind: Kind<'_>,
    id: &TokenId,
) -> Result<Option<Trace>, ReadError> {
    let regions = store.cql.regions();
    let home = Level::Within(regions.home(id));
    store
        .cql
        .serial_row(home, call.deadline, kind.trace, (id.as_bytes(),))
        .await
}

fn judge_spending(trace: Option<&Trace>, op: &OpId) -> Verdict {
    match trace {
        Some(trace) if trace.was_spent_by(op) => Verdict::Done,
        Some(trace) if trace.is_unspent() => Verdict::Again,
        _ => Verdict::Refused(Refusal::TokenSpent),
    }
}

/// Whoever else has spent it since, or nobody: it is not this operation's any more.
fn judge_giving_back(trace: Option<&Trace>, op: &OpId) -> Verdict {
    match trace {
        Some(trace) if trace.was_spent_by(op) => Verdict::Again,
        _ => Verdict::Done,
    }
}

/// Ids are random and long: one that is taken by another operation means a broken caller, not bad luck.
fn judge_putting(trace: Option<&Trace>, op: &OpId) -> Result<Verdict, WriteError> {
    match trace {
        None => Ok(Verdict::Again),
        Some(trace) if trace.made_by.as_deref() == Some(&op.as_bytes()[..]) => Ok(Verdict::Done),
        Some(_) => Err(WriteError::NotDone(Cause::Fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: OpId = OpId::from_bytes([1; 16]);
    const OTHER: OpId = OpId::from_bytes([2; 16]);

    fn trace(made_by: OpId, spent_by: Option<OpId>) -> Trace {
        Trace {
            uid: Some(vec![9; 16]),
            generation: Some(CqlTimestamp(8)),
            made_by: Some(made_by.as_bytes().to_vec()),
            spent_by: spent_by.map(|op| op.as_bytes().to_vec()),
        }
    }

    #[test]
    fn a_token_says_who_has_spent_it() {
        let spent = Verdict::Refused(Refusal::TokenSpent);
        let unspent = OpId::from_bytes(NOBODY);
        let table = [
            ("never was", None, spent),
            ("unspent", Some(trace(OTHER, Some(unspent))), Verdict::Again),
            ("by this operation", Some(trace(OTHER, Some(OWN))), Verdict::Done),
            ("by another", Some(trace(OTHER, Some(OTHER))), spent),
            ("long ago", Some(trace(OTHER, None)), spent),
        ];
        for (name, trace, expected) in table {
            assert_eq!(judge_spending(trace.as_ref(), &OWN), expected, "{name}");
        }
    }

    #[test]
    fn a_token_is_given_back_by_whoever_holds_it() {
        let table = [
            ("by this operation", Some(OWN), Verdict::Again),
            ("by another", Some(OTHER), Verdict::Done),
            ("by nobody", Some(OpId::from_bytes(NOBODY)), Verdict::Done),
        ];
        for (name, spent_by, expected) in table {
            let found = trace(OTHER, spent_by);
            assert_eq!(judge_giving_back(Some(&found), &OWN), expected, "{name}");
        }
        assert_eq!(judge_giving_back(None, &OWN), Verdict::Done, "expired");
    }

    #[test]
    fn a_token_says_who_has_made_it() {
        let taken = Err(WriteError::NotDone(Cause::Fault));
        let table = [
            ("nobody", None, Ok(Verdict::Again)),
            ("this operation", Some(trace(OWN, Some(OTHER))), Ok(Verdict::Done)),
            ("another", Some(trace(OTHER, None)), taken),
        ];
        for (name, trace, expected) in table {
            assert_eq!(judge_putting(trace.as_ref(), &OWN), expected, "{name}");
        }
    }
}

//! Giving the password again in a session.
//!
//! Sessions are plain rows, so nothing can be written on the condition that one is still there. Instead it is written
//! again, whole, with the timestamp it was written at and one microsecond. A sign-out deletes at that time or later,
//! whatever its clock says: it has read the same time, and adds one, too. Of a deletion and a write of the same time
//! Cassandra keeps the deletion. So a session that ends while it is refreshed has ended.
//!
//! Two that refresh a session at the same time write at the same time, and of each cell the greater value stays: the
//! later time of the password, the newer generation, the more careful answer to whether it counts as verified. Each of
//! the two has shown the password, so what they make together is theirs. One that is repeated finds itself in
//! `refreshed_by` and leaves what came after it.
//!
//! Must stay true: all cells of a row have one timestamp, else a deletion could leave some of them.

use foxhold_core::{
    TokenId,
    record::{KeyFetch, Session},
};
use foxhold_ports::{Call, ReadError, Refusal, WriteError};

use super::{
    not_done,
    read::sound,
    rows::{ListedSessionToRefresh, SessionToRefresh, SessionToRefreshRow},
    single_use,
    sweep::few_at_once,
    together,
};
use crate::{CassandraStore, fail_point};

/// `AccountWriter::refresh_session`
pub(super) async fn refresh(
    store: &CassandraStore,
    call: &Call,
    refreshed: &Session,
    key_fetches: &[KeyFetch],
) -> Result<(), WriteError> {
    if key_fetches.iter().any(|token| token.uid != refreshed.uid) {
        return Err(Refusal::UnknownAccount.into());
    }
    let _turn = store.accounts.sessions.turn(&refreshed.id, call.deadline).await?;
    let (found, listed) = futures_util::try_join!(
        find(store, call, refreshed.id),
        find_listed(store, call, refreshed)
    )
    .map_err(not_done)?;
    let Some(found) = found.filter(|found| found.uid == refreshed.uid) else {
        return Err(Refusal::TokenSpent.into());
    };
    // Where the list lacks it somebody may be ending it, from the list on: that deletion is later than this, too.
    let listed = listed.unwrap_or_else(|| ListedSessionToRefresh::missing(found.written_at));
    let merged = found.merged(refreshed);
    let tokens = key_fetches.iter();
    let tokens = tokens.map(|token| single_use::put_key_fetch(store, call, token));
    let (written, listed, mut tokens) = futures_util::join!(
        write(store, call, &found, &merged),
        list(store, call, listed, &merged, key_fetches),
        few_at_once(tokens.collect()),
    );
    tokens.extend([written, listed]);
    together(tokens)
}

async fn write(
    store: &CassandraStore,
    call: &Call,
    found: &SessionToRefresh,
    merged: &Session,
) -> Result<(), WriteError> {
    if let Some(row) = found.refreshed(merged, call.op) {
        let statement = &store.accounts.writes.refresh_session;
        store.cql.write(call.deadline, statement, row).await?;
        fail_point("refresh_session.written");
    }
    Ok(())
}

async fn list(
    store: &CassandraStore,
    call: &Call,
    listed: ListedSessionToRefresh,
    merged: &Session,
    key_fetches: &[KeyFetch],
) -> Result<(), WriteError> {
    if let Some(row) = listed.refreshed(merged, key_fetches, call.op) {
        let statement = &store.accounts.writes.refresh_listed_session;
        store.cql.write(call.deadline, statement, row).await?;
    }
    Ok(())
}

/// The session, here or at home.
async fn find(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
) -> Result<Option<SessionToRefresh>, ReadError> {
    let statement = &store.accounts.writes.session_to_refresh;
    let row: Option<SessionToRefreshRow> = store.reader.token_row(call.deadline, statement, &id).await?;
    row.map(|row| sound(row.read())).transpose()
}

async fn find_listed(
    store: &CassandraStore,
    call: &Call,
    session: &Session,
) -> Result<Option<ListedSessionToRefresh>, ReadError> {
    let statement = &store.accounts.writes.listed_session_to_refresh;
    let place = (session.uid.as_bytes(), session.id.as_bytes());
    store.cql.row(call.deadline, statement, place).await
}

//! Refresh tokens: immutable, in a table by id and in their account's list, as sessions are.

use foxhold_core::{TokenId, Uid, record::RefreshToken};
use foxhold_ports::{Call, WriteError};
use scylla::DeserializeRow;

use super::{
    account_is_there, after, not_done,
    read::sound,
    replaced_token,
    rows::NewRefreshToken,
    sweep::{self, Reach},
    together,
};
use crate::{CassandraStore, cql::AfterAStep};

/// `AccountWriter::put_refresh_token`. The token of an account that is gone is gone with it.
pub(super) async fn put(store: &CassandraStore, call: &Call, token: &RefreshToken) -> Result<(), WriteError> {
    if !account_is_there(store, call.deadline, token.uid)
        .await
        .map_err(not_done)?
    {
        return Ok(());
    }
    let (cql, writes, by) = (&store.cql, &store.accounts.writes, call.deadline);
    let row = NewRefreshToken::new(token, call.op.write_timestamp());
    let (listed, written) = futures_util::join!(
        cql.write(by, &writes.list_refresh_token, row.clone()),
        cql.write(by, &writes.put_refresh_token, row),
    );
    together(vec![listed, written])
}

/// What is to be known of a token to remove it.
#[derive(DeserializeRow)]
struct Written {
    uid: Vec<u8>,
    session: Option<Vec<u8>>,
    written_at: i64,
}

/// `AccountWriter::delete_refresh_token`. What hangs on no session may be about to be replaced: that is ruled out first. If
/// nobody can say so now, because that region is cut off, the token goes all the same, and the answer is unknown.
pub(super) async fn delete(store: &CassandraStore, call: &Call, id: TokenId) -> Result<(), WriteError> {
    let Some(found) = find(store, call, id).await? else {
        return Ok(());
    };
    let uid = sound(Uid::from_slice(&found.uid)).map_err(not_done)?;
    let barred = match found.session {
        Some(_) => Ok(()),
        None => replaced_token::bar(store, call, id, uid).await,
    };
    let removed = remove_found(store, call, id, (uid, found.written_at)).await;
    together(vec![barred, removed])
}

/// Removes a token of which is decided already what becomes of it.
pub(super) async fn remove(store: &CassandraStore, call: &Call, id: TokenId) -> Result<(), WriteError> {
    let Some(found) = find(store, call, id).await? else {
        return Ok(());
    };
    let uid = sound(Uid::from_slice(&found.uid)).map_err(not_done)?;
    remove_found(store, call, id, (uid, found.written_at)).await
}

async fn find(store: &CassandraStore, call: &Call, id: TokenId) -> Result<Option<Written>, WriteError> {
    let statement = &store.accounts.writes.refresh_token_written;
    let found = store.reader.token_row(call.deadline, statement, &id);
    found.await.map_err(not_done)
}

/// Its place in the list goes first: as long as the token is there, the same operation again finds whose it is.
async fn remove_found(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
    (uid, written): (Uid, i64),
) -> Result<(), WriteError> {
    let at = after(call.op.write_timestamp(), [written]);
    sweep::unlist_refresh_token(store, call, uid, id, at).await?;
    sweep::end_refresh_token(store, call, id, at, Reach::Home)
        .await
        .after_a_step()
}

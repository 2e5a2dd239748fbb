//! Refresh tokens: immutable, in a table by id and in their account's list, as sessions are.

use foxhold_core::{TokenId, Uid, record::RefreshToken};
use foxhold_ports::{Call, WriteError};

use super::{
    account_is_there, after, not_done,
    read::sound,
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

/// `AccountWriter::delete_refresh_token`. Its place in the list goes first: as long as the token is there, the same
/// operation again finds whose it is.
pub(super) async fn delete(store: &CassandraStore, call: &Call, id: TokenId) -> Result<(), WriteError> {
    let statement = &store.accounts.writes.refresh_token_written;
    let found: Option<(Vec<u8>, i64)> = store
        .reader
        .token_row(call.deadline, statement, &id)
        .await
        .map_err(not_done)?;
    let Some((uid, written)) = found else {
        return Ok(());
    };
    let uid = sound(Uid::from_slice(&uid)).map_err(not_done)?;
    let at = after(call.op.write_timestamp(), [written]);
    sweep::unlist_refresh_token(store, call, uid, id, at).await?;
    sweep::end_refresh_token(store, call, id, at, Reach::Home)
        .await
        .after_a_step()
}

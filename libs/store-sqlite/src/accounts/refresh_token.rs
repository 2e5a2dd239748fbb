//! Refresh tokens.

use foxhold_core::{ClientId, TokenId, Uid, record::RefreshToken};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::account;
use crate::{
    error::StoreError,
    row::{Columns, all, change, millis, one},
};

const SELECT: &str = "SELECT id, uid, client, scope, session, created_at_ms, generation_ms
    FROM refresh_tokens WHERE id = ?1";
const SELECT_OF: &str = "SELECT id, uid, client, scope, session, created_at_ms, generation_ms
    FROM refresh_tokens WHERE uid = ?1 ORDER BY created_at_ms, id";
const INSERT: &str =
    "INSERT INTO refresh_tokens (id, uid, client, scope, session, created_at_ms, generation_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DELETE: &str = "DELETE FROM refresh_tokens WHERE id = ?1";
const DELETE_OF_SESSION: &str = "DELETE FROM refresh_tokens WHERE uid = ?1 AND session = ?2";
const DELETE_OF_SESSIONS: &str = "DELETE FROM refresh_tokens WHERE uid = ?1 AND session IS NOT NULL";
const DELETE_OF: &str = "DELETE FROM refresh_tokens WHERE uid = ?1";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<RefreshToken>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

pub(crate) fn of_account(db: &Connection, uid: Uid) -> Result<Vec<RefreshToken>, StoreError> {
    all(db, SELECT_OF, [uid.as_bytes()], read)
}

/// `AccountWriter::put_refresh_token`. The token of an account that is gone is gone with it.
pub(crate) fn put(db: &Connection, token: &RefreshToken) -> Result<(), StoreError> {
    if !account::exists(db, token.uid)? {
        return Ok(());
    }
    let params = params![
        token.id.as_bytes(),
        token.uid.as_bytes(),
        token.client.as_bytes(),
        token.scope,
        token.session.as_ref().map(TokenId::as_bytes),
        millis(token.created_at)?,
        millis(token.generation)?,
    ];
    change(db, INSERT, params).map(drop)
}

/// `AccountWriter::delete_refresh_token`
pub(crate) fn delete(db: &Connection, id: TokenId) -> Result<(), StoreError> {
    change(db, DELETE, [id.as_bytes()]).map(drop)
}

pub(super) fn delete_of_session(db: &Connection, uid: Uid, session: TokenId) -> Result<(), StoreError> {
    change(db, DELETE_OF_SESSION, (uid.as_bytes(), session.as_bytes())).map(drop)
}

/// Those that hang on any session.
pub(super) fn delete_of_sessions(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF_SESSIONS, [uid.as_bytes()]).map(drop)
}

pub(super) fn delete_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF, [uid.as_bytes()]).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<RefreshToken, StoreError> {
    Ok(RefreshToken {
        id: row.token()?,
        uid: row.uid()?,
        client: row.get().map(ClientId::from_bytes)?,
        scope: row.get()?,
        session: row.get::<Option<_>>()?.map(TokenId::from_bytes),
        created_at: row.time()?,
        generation: row.time()?,
    })
}

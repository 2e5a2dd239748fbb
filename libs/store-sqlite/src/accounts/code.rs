//! Authorization codes: a row that is there is unspent. Whether it has expired is for the rules to say.

use foxhold_core::{ClientId, TokenId, Uid, record::AuthorizationCode};
use foxhold_ports::Refusal;
use foxhold_sqlite::rusqlite::{Connection, params};

use super::account;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, change, millis, one},
};

const SELECT: &str = "SELECT id, uid, client, scope, session, code_challenge, keys_jwe, offline, auth_at_ms,
    created_at_ms, generation_ms, redirect_uri, nonce FROM authorization_codes WHERE id = ?1";
const INSERT: &str =
    "INSERT INTO authorization_codes (id, uid, client, scope, session, code_challenge, keys_jwe,
    offline, auth_at_ms, created_at_ms, generation_ms, redirect_uri, nonce)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const DELETE: &str = "DELETE FROM authorization_codes WHERE id = ?1";
const DELETE_OF: &str = "DELETE FROM authorization_codes WHERE uid = ?1";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<AuthorizationCode>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

/// `AccountWriter::put_authorization_code`. The code of an account that is gone is gone with it.
pub(crate) fn put(db: &Connection, code: &AuthorizationCode) -> Result<(), StoreError> {
    if !account::exists(db, code.uid)? {
        return Ok(());
    }
    let params = params![
        code.id.as_bytes(),
        code.uid.as_bytes(),
        code.client.as_bytes(),
        code.scope,
        code.session.as_bytes(),
        code.code_challenge,
        code.keys_jwe,
        code.offline,
        millis(code.auth_at)?,
        millis(code.created_at)?,
        millis(code.generation)?,
        code.redirect_uri,
        code.nonce,
    ];
    change(db, INSERT, params).map(drop)
}

/// `AccountWriter::consume_authorization_code`
pub(crate) fn consume(db: &Connection, id: TokenId) -> Result<(), Stop> {
    match change(db, DELETE, [id.as_bytes()])? {
        0 => Err(Refusal::TokenSpent.into()),
        _ => Ok(()),
    }
}

pub(super) fn delete_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF, [uid.as_bytes()]).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<AuthorizationCode, StoreError> {
    Ok(AuthorizationCode {
        id: row.token()?,
        uid: row.uid()?,
        client: row.get().map(ClientId::from_bytes)?,
        scope: row.get()?,
        session: row.token()?,
        code_challenge: row.get()?,
        keys_jwe: row.get()?,
        offline: row.get()?,
        auth_at: row.time()?,
        created_at: row.time()?,
        generation: row.time()?,
        redirect_uri: row.get()?,
        nonce: row.get()?,
    })
}

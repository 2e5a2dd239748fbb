//! Authorization codes. One that was spent stays a while, so that it is known when it comes again. Whether one has expired
//! is for the rules to say.

use foxhold_core::{ClientId, Timestamp, TokenId, Uid, record::AuthorizationCode};
use foxhold_ports::{Refusal, openid::spent::SpentCode};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::account;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, change, millis, one},
};

const SELECT: &str = "SELECT id, uid, client, scope, session, code_challenge, keys_jwe, offline, auth_at_ms,
    created_at_ms, generation_ms, redirect_uri, nonce FROM authorization_codes
    WHERE id = ?1 AND spent_at_ms IS NULL";
const SELECT_SPENT: &str =
    "SELECT id, uid, client, scope, session, code_challenge, keys_jwe, offline, auth_at_ms,
    created_at_ms, generation_ms, redirect_uri, nonce, spent_at_ms FROM authorization_codes
    WHERE id = ?1 AND spent_at_ms IS NOT NULL";
const INSERT: &str =
    "INSERT INTO authorization_codes (id, uid, client, scope, session, code_challenge, keys_jwe,
    offline, auth_at_ms, created_at_ms, generation_ms, redirect_uri, nonce)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const SPEND: &str = "UPDATE authorization_codes SET spent_at_ms = ?2, keys_jwe = NULL
    WHERE id = ?1 AND spent_at_ms IS NULL";
const DELETE_UNSPENT_OF: &str = "DELETE FROM authorization_codes WHERE uid = ?1 AND spent_at_ms IS NULL";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<AuthorizationCode>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

pub(crate) fn find_spent(db: &Connection, id: TokenId) -> Result<Option<SpentCode>, StoreError> {
    one(db, SELECT_SPENT, [id.as_bytes()], |row| {
        Ok(SpentCode {
            code: read(row)?,
            spent_at: row.time()?,
        })
    })
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
pub(crate) fn consume(db: &Connection, id: TokenId, spent_at: Timestamp) -> Result<(), Stop> {
    match change(db, SPEND, params![id.as_bytes(), millis(spent_at)?])? {
        0 => Err(Refusal::TokenSpent.into()),
        _ => Ok(()),
    }
}

/// What was given for the spent ones may outlast a new password.
pub(super) fn delete_unspent_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_UNSPENT_OF, [uid.as_bytes()]).map(drop)
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

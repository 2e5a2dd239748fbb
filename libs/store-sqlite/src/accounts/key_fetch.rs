//! Key-fetch tokens: a row that is there is unspent.

use foxhold_core::{TokenId, Uid, record::KeyFetch};
use foxhold_ports::Refusal;
use foxhold_sqlite::rusqlite::{Connection, params};

use super::{verification_number, verification_numbered};
use crate::{
    error::{Stop, StoreError},
    row::{Columns, change, millis, one},
};

const SELECT: &str = "SELECT id, key, bundle, uid, created_at_ms, verification, session,
    generation_ms FROM key_fetches WHERE id = ?1";
const INSERT: &str =
    "INSERT INTO key_fetches (id, key, bundle, uid, created_at_ms, verification, session, generation_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE: &str = "DELETE FROM key_fetches WHERE id = ?1";
const DELETE_OF: &str = "DELETE FROM key_fetches WHERE uid = ?1";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<KeyFetch>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

pub(super) fn insert(db: &Connection, token: &KeyFetch) -> Result<(), StoreError> {
    let params = params![
        token.id.as_bytes(),
        token.key.expose(),
        token.bundle.expose(),
        token.uid.as_bytes(),
        millis(token.created_at)?,
        verification_number(token.verification),
        token.session.as_ref().map(TokenId::as_bytes),
        millis(token.generation)?,
    ];
    change(db, INSERT, params).map(drop)
}

/// `AccountWriter::consume_key_fetch`
pub(crate) fn consume(db: &Connection, id: TokenId) -> Result<(), Stop> {
    match change(db, DELETE, [id.as_bytes()])? {
        0 => Err(Refusal::TokenSpent.into()),
        _ => Ok(()),
    }
}

pub(super) fn delete_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF, [uid.as_bytes()]).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<KeyFetch, StoreError> {
    Ok(KeyFetch {
        id: row.token()?,
        key: row.secret()?,
        bundle: row.secret()?,
        uid: row.uid()?,
        created_at: row.time()?,
        verification: verification_numbered(row.get()?)?,
        session: row.get::<Option<[u8; 32]>>()?.map(TokenId::from_bytes),
        generation: row.time()?,
    })
}

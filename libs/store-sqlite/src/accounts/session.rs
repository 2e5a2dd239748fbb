//! Session rows: written once, but for what the password says when it is given again, and when they were in use.

use foxhold_core::{TokenId, Uid, record::Session};
use foxhold_ports::accounts::SessionAccess;
use foxhold_sqlite::rusqlite::{Connection, params};

use super::{verification_number, verification_numbered};
use crate::{
    error::StoreError,
    row::{Columns, all, change, millis, one},
};

const SELECT: &str =
    "SELECT id, key, uid, created_at_ms, auth_at_ms, verification, must_verify, generation_ms,
    user_agent FROM sessions WHERE id = ?1";
const SELECT_OF: &str =
    "SELECT id, key, uid, created_at_ms, auth_at_ms, verification, must_verify, generation_ms,
    user_agent FROM sessions WHERE uid = ?1 ORDER BY created_at_ms DESC, id";
const INSERT: &str =
    "INSERT INTO sessions (id, key, uid, created_at_ms, auth_at_ms, verification, must_verify,
    generation_ms, user_agent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const REFRESH: &str =
    "UPDATE sessions SET auth_at_ms = ?3, verification = ?4, must_verify = ?5, generation_ms = ?6
    WHERE id = ?1 AND uid = ?2";
const ACCESSES_OF: &str =
    "SELECT id, last_access_at_ms FROM sessions WHERE uid = ?1 AND last_access_at_ms IS NOT NULL";
const NOTE_ACCESS: &str = "UPDATE sessions SET last_access_at_ms = ?3 WHERE id = ?1 AND uid = ?2
    AND (last_access_at_ms IS NULL OR last_access_at_ms < ?3)";
const DELETE: &str = "DELETE FROM sessions WHERE id = ?1 AND uid = ?2";
const DELETE_OF: &str = "DELETE FROM sessions WHERE uid = ?1";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<Session>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

pub(crate) fn of_account(db: &Connection, uid: Uid) -> Result<Vec<Session>, StoreError> {
    all(db, SELECT_OF, [uid.as_bytes()], read)
}

pub(super) fn insert(db: &Connection, session: &Session) -> Result<(), StoreError> {
    let params = params![
        session.id.as_bytes(),
        session.key.expose(),
        session.uid.as_bytes(),
        millis(session.created_at)?,
        millis(session.auth_at)?,
        verification_number(session.verification),
        session.must_verify,
        millis(session.generation)?,
        session.user_agent,
    ];
    change(db, INSERT, params).map(drop)
}

/// Whether the account has the session; then it is refreshed.
pub(super) fn refresh(db: &Connection, session: &Session) -> Result<bool, StoreError> {
    let params = params![
        session.id.as_bytes(),
        session.uid.as_bytes(),
        millis(session.auth_at)?,
        verification_number(session.verification),
        session.must_verify,
        millis(session.generation)?,
    ];
    change(db, REFRESH, params).map(|changed| changed > 0)
}

pub(crate) fn accesses(db: &Connection, uid: Uid) -> Result<Vec<SessionAccess>, StoreError> {
    all(db, ACCESSES_OF, [uid.as_bytes()], |row| {
        Ok(SessionAccess {
            session: row.token()?,
            at: row.time()?,
        })
    })
}

/// `AccountWriter::note_access`
pub(crate) fn note_access(db: &Connection, uid: Uid, access: SessionAccess) -> Result<(), StoreError> {
    let params = params![access.session.as_bytes(), uid.as_bytes(), millis(access.at)?];
    change(db, NOTE_ACCESS, params).map(drop)
}

pub(super) fn delete(db: &Connection, uid: Uid, id: TokenId) -> Result<(), StoreError> {
    change(db, DELETE, (id.as_bytes(), uid.as_bytes())).map(drop)
}

pub(super) fn delete_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF, [uid.as_bytes()]).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.token()?,
        key: row.secret()?,
        uid: row.uid()?,
        created_at: row.time()?,
        auth_at: row.time()?,
        verification: verification_numbered(row.get()?)?,
        must_verify: row.get()?,
        generation: row.time()?,
        user_agent: row.get()?,
    })
}

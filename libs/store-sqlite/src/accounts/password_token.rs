//! Tokens of the password calls: a row that is there is unspent. Whether it has expired is for the rules to say; that it
//! is dead under a newer password is said here.

use foxhold_core::{
    TokenId, Uid,
    record::{KeyFetch, PASSWORD_TOKEN_MISSES_MAX, PasswordToken, PasswordTokenKind},
};
use foxhold_ports::Refusal;
use foxhold_sqlite::rusqlite::{Connection, params};

use super::{account, key_fetch};
use crate::{
    error::{Stop, StoreError},
    row::{Columns, change, millis, one},
};

const SELECT: &str = "SELECT t.id, t.key, t.kind, t.uid, t.created_at_ms, t.generation_ms, t.misses
    FROM password_tokens t JOIN accounts a ON a.uid = t.uid AND a.verifier_set_at_ms = t.generation_ms
    WHERE t.id = ?1";
const INSERT: &str = "INSERT INTO password_tokens (id, key, kind, uid, created_at_ms, generation_ms, misses)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const MISS: &str = "UPDATE password_tokens SET misses = ?2 WHERE id = ?1";
const DELETE: &str = "DELETE FROM password_tokens WHERE id = ?1";
const DELETE_OF: &str = "DELETE FROM password_tokens WHERE uid = ?1";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<PasswordToken>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

/// A token of a kind, or that it is spent.
pub(super) fn usable(db: &Connection, id: TokenId, kind: PasswordTokenKind) -> Result<PasswordToken, Stop> {
    let token = find(db, id)?.filter(|token| token.kind == kind);
    token.ok_or_else(|| Refusal::TokenSpent.into())
}

/// `AccountWriter::put_password_token`
pub(crate) fn put(db: &Connection, token: &PasswordToken, key_fetch: Option<&KeyFetch>) -> Result<(), Stop> {
    let foreign = key_fetch.is_some_and(|other| other.uid != token.uid);
    if foreign || !account::exists(db, token.uid)? {
        return Err(Refusal::UnknownAccount.into());
    }
    insert(db, token)?;
    if let Some(key_fetch) = key_fetch {
        key_fetch::insert(db, key_fetch)?;
    }
    Ok(())
}

/// `AccountWriter::miss_password_token`
pub(crate) fn miss(db: &Connection, id: TokenId) -> Result<u8, Stop> {
    let misses = usable(db, id, PasswordTokenKind::Forgot)?.misses + 1;
    if misses < PASSWORD_TOKEN_MISSES_MAX {
        change(db, MISS, (id.as_bytes(), misses))?;
    } else {
        delete(db, id)?;
    }
    Ok(misses)
}

/// `AccountWriter::redeem_password_token`
pub(crate) fn redeem(db: &Connection, forgot: TokenId, reset: &PasswordToken) -> Result<(), Stop> {
    let spent = usable(db, forgot, PasswordTokenKind::Forgot)?;
    if reset.uid != spent.uid || reset.kind != PasswordTokenKind::Reset {
        return Err(Refusal::TokenSpent.into());
    }
    delete(db, forgot)?;
    Ok(insert(db, reset)?)
}

fn insert(db: &Connection, token: &PasswordToken) -> Result<(), StoreError> {
    let params = params![
        token.id.as_bytes(),
        token.key.expose(),
        kind_number(token.kind),
        token.uid.as_bytes(),
        millis(token.created_at)?,
        millis(token.generation)?,
        token.misses,
    ];
    change(db, INSERT, params).map(drop)
}

pub(super) fn delete(db: &Connection, id: TokenId) -> Result<(), StoreError> {
    change(db, DELETE, [id.as_bytes()]).map(drop)
}

pub(super) fn delete_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF, [uid.as_bytes()]).map(drop)
}

/// The number a kind is stored under, for good.
const fn kind_number(kind: PasswordTokenKind) -> u8 {
    match kind {
        PasswordTokenKind::Change => 0,
        PasswordTokenKind::Forgot => 1,
        PasswordTokenKind::Reset => 2,
    }
}

fn kind_numbered(number: u8) -> Result<PasswordTokenKind, StoreError> {
    PasswordTokenKind::ALL
        .into_iter()
        .find(|kind| kind_number(*kind) == number)
        .ok_or(StoreError::Corrupt("a password token has an unknown kind"))
}

fn read(row: &mut Columns<'_>) -> Result<PasswordToken, StoreError> {
    Ok(PasswordToken {
        id: row.token()?,
        key: row.secret()?,
        kind: kind_numbered(row.get()?)?,
        uid: row.uid()?,
        created_at: row.time()?,
        generation: row.time()?,
        misses: row.get()?,
    })
}

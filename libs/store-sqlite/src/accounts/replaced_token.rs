//! Refresh tokens that another has replaced.

use foxhold_core::{ClientId, Timestamp, TokenId};
use foxhold_ports::{
    Refusal,
    openid::spent::{ReplacedToken, Replacement},
};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::refresh_token;
use crate::{
    error::{Stop, StoreError},
    row::{change, millis, one},
};

const SELECT: &str =
    "SELECT id, uid, client, salt, made_at_ms, replaced_at_ms FROM replaced_tokens WHERE id = ?1";
const INSERT: &str = "INSERT INTO replaced_tokens (id, uid, client, salt, made_at_ms, replaced_at_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<ReplacedToken>, StoreError> {
    one(db, SELECT, [id.as_bytes()], |row| {
        Ok(ReplacedToken {
            id: row.token()?,
            uid: row.uid()?,
            client: row.get().map(ClientId::from_bytes)?,
            salt: row.secret()?,
            made_at: row.time()?,
            replaced_at: row.time()?,
        })
    })
}

/// `GrantWriter::replace_refresh_token`
pub(crate) fn replace(
    db: &Connection,
    replacement: &Replacement,
    replaced_at: Timestamp,
) -> Result<(), Stop> {
    let old = refresh_token::find(db, replacement.replaces)?;
    if !old.is_some_and(|old| replacement.fits(&old)) {
        return Err(Refusal::TokenSpent.into());
    }
    refresh_token::delete(db, replacement.replaces)?;
    refresh_token::put(db, &replacement.token)?;
    insert(db, &replacement.trace(replaced_at))?;
    Ok(())
}

fn insert(db: &Connection, replaced: &ReplacedToken) -> Result<(), StoreError> {
    let params = params![
        replaced.id.as_bytes(),
        replaced.uid.as_bytes(),
        replaced.client.as_bytes(),
        replaced.salt.expose(),
        millis(replaced.made_at)?,
        millis(replaced.replaced_at)?,
    ];
    change(db, INSERT, params).map(drop)
}

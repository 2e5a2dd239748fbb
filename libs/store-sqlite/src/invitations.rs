//! Invitations: decided in one transaction with the account that is made with one.

use foxhold_core::{Timestamp, TokenId, Uid, record::Account};
use foxhold_ports::{
    Refusal,
    accounts::SignIn,
    invitations::{Invitation, InvitationTerms, InvitationUse, encoding, may_use_again},
};
use foxhold_sqlite::rusqlite::Connection;

use crate::{
    accounts::{self, account},
    error::{Stop, StoreError},
    row::{Columns, all, change, millis, one, unsigned},
};

const SELECT: &str = "SELECT id, terms, used_by, used_at_ms FROM invitations WHERE id = ?1";
const SELECT_AFTER: &str =
    "SELECT id, terms, used_by, used_at_ms FROM invitations WHERE id > ?1 ORDER BY id LIMIT ?2";
const INSERT: &str = "INSERT INTO invitations (id, terms) VALUES (?1, ?2)";
const DELETE: &str = "DELETE FROM invitations WHERE id = ?1";
const USE: &str = "UPDATE invitations SET used_by = ?2, used_at_ms = ?3 WHERE id = ?1";

pub(crate) fn find(db: &Connection, id: TokenId) -> Result<Option<Invitation>, StoreError> {
    one(db, SELECT, [id.as_bytes()], read)
}

pub(crate) fn page(
    db: &Connection,
    after: Option<TokenId>,
    limit: u32,
) -> Result<Vec<Invitation>, StoreError> {
    let after = after.map_or_else(Vec::new, |after| after.as_bytes().to_vec());
    all(db, SELECT_AFTER, (after, limit), read)
}

/// `InvitationWriter::put_invitation`
pub(crate) fn put(db: &Connection, id: TokenId, terms: &InvitationTerms) -> Result<(), Stop> {
    change(db, INSERT, (id.as_bytes(), encoding::encode(terms)))?;
    Ok(())
}

/// `InvitationWriter::delete_invitation`
pub(crate) fn delete(db: &Connection, id: TokenId) -> Result<(), Stop> {
    if find(db, id)?.is_some_and(|invitation| invitation.used.is_some()) {
        return Err(Refusal::Conflict.into());
    }
    change(db, DELETE, [id.as_bytes()])?;
    Ok(())
}

/// `InvitationWriter::create_invited_account`
pub(crate) fn create_account(
    db: &Connection,
    account: &Account,
    sign_in: &SignIn,
    id: TokenId,
    now: Timestamp,
) -> Result<(), Stop> {
    let found = find(db, id)?.filter(|invitation| invitation.terms.expires_at > now);
    let invitation = found.ok_or(Refusal::TokenSpent)?;
    if let Some(used) = invitation.used {
        let made = account::find(db, used.uid)?;
        if !may_use_again(made.as_ref(), &account.email_key) {
            return Err(Refusal::TokenSpent.into());
        }
    }
    accounts::create(db, account, sign_in)?;
    change(db, USE, (id.as_bytes(), account.uid.as_bytes(), millis(now)?))?;
    Ok(())
}

fn read(row: &mut Columns<'_>) -> Result<Invitation, StoreError> {
    let id = row.token()?;
    let terms = encoding::decode(row.blob()?).ok_or(StoreError::Corrupt("an invitation makes no sense"))?;
    let uid: Option<[u8; 16]> = row.get()?;
    let at: Option<i64> = row.get()?;
    let used = match (uid, at) {
        (Some(uid), Some(at)) => Some(InvitationUse {
            uid: Uid::from_bytes(uid),
            at: Timestamp::from_millis(unsigned(at)?),
        }),
        _ => None,
    };
    Ok(Invitation { id, terms, used })
}

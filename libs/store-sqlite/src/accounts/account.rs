//! Account rows.

use std::sync::Arc;

use foxhold_core::{
    Timestamp, Uid,
    record::{Account, Disabled, EmailKey},
};
use foxhold_ports::{Refusal, guards::encoding::encode_recovery_key};
use foxhold_sqlite::rusqlite::{Connection, params};

use crate::{
    codec,
    error::{Stop, StoreError},
    row::{Columns, change, millis, one, signed, unsigned},
};

const SELECT: &str = "SELECT uid, email, email_key, email_verified, credentials, code_nonce, created_at_ms,
    verifier_set_at_ms, keys_changed_at_ms, profile_changed_at_ms, locale, second_factor, recovery_key,
    disabled_at_ms, enabled_again, version FROM accounts WHERE uid = ?1";
const EXISTS: &str = "SELECT 1 FROM accounts WHERE uid = ?1";
const INSERT: &str = "INSERT INTO accounts (uid, email, email_key, email_verified, credentials, code_nonce,
    created_at_ms, verifier_set_at_ms, keys_changed_at_ms, profile_changed_at_ms, locale, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const VERIFY: &str = "UPDATE accounts SET email_verified = 1, version = version + 1
    WHERE uid = ?1 AND email_verified = 0";
const REPLACE: &str = "UPDATE accounts SET email_verified = ?2, credentials = ?3, code_nonce = ?4,
    verifier_set_at_ms = ?5, keys_changed_at_ms = ?6, recovery_key = ?7, version = ?8 WHERE uid = ?1";
/// Takes along what belongs to the account (`ON DELETE CASCADE`).
const DELETE: &str = "DELETE FROM accounts WHERE uid = ?1";

pub(crate) fn find(db: &Connection, uid: Uid) -> Result<Option<Account>, StoreError> {
    one(db, SELECT, [uid.as_bytes()], read)
}

pub(crate) fn exists(db: &Connection, uid: Uid) -> Result<bool, StoreError> {
    one(db, EXISTS, [uid.as_bytes()], |_| Ok(())).map(|found| found.is_some())
}

pub(super) fn insert(db: &Connection, account: &Account) -> Result<(), StoreError> {
    let credentials = codec::encode_credentials(&account.credentials);
    let params = params![
        account.uid.as_bytes(),
        account.email,
        account.email_key.as_str(),
        account.email_verified,
        credentials.as_slice(),
        account.code_nonce,
        millis(account.created_at)?,
        millis(account.verifier_set_at)?,
        millis(account.keys_changed_at)?,
        millis(account.profile_changed_at)?,
        account.locale,
        signed(account.version)?,
    ];
    change(db, INSERT, params).map(drop)
}

/// The account after a new password; address, second factor, creation and profile are not its business.
pub(super) fn replace(db: &Connection, account: &Account) -> Result<(), StoreError> {
    let credentials = codec::encode_credentials(&account.credentials);
    let recovery_key = account.recovery_key.as_deref().map(encode_recovery_key);
    let params = params![
        account.uid.as_bytes(),
        account.email_verified,
        credentials.as_slice(),
        account.code_nonce,
        millis(account.verifier_set_at)?,
        millis(account.keys_changed_at)?,
        recovery_key.as_ref().map(|cell| cell.as_slice()),
        signed(account.version)?,
    ];
    change(db, REPLACE, params).map(drop)
}

/// `AccountWriter::verify_email`
pub(crate) fn verify_email(db: &Connection, uid: Uid) -> Result<(), Stop> {
    if !exists(db, uid)? {
        return Err(Refusal::UnknownAccount.into());
    }
    change(db, VERIFY, [uid.as_bytes()])?;
    Ok(())
}

pub(super) fn delete(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE, [uid.as_bytes()]).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        uid: row.uid()?,
        email: row.get()?,
        email_key: EmailKey::from_normalized(row.get()?),
        email_verified: row.get()?,
        credentials: Arc::new(codec::decode_credentials(row.blob()?)?),
        code_nonce: row.get()?,
        created_at: row.time()?,
        verifier_set_at: row.time()?,
        keys_changed_at: row.time()?,
        profile_changed_at: row.time()?,
        locale: row.get()?,
        second_factor: row
            .optional_blob()?
            .map(codec::decode_second_factor)
            .transpose()?
            .map(Arc::new),
        recovery_key: row
            .optional_blob()?
            .map(codec::decode_recovery_key)
            .transpose()?
            .map(Arc::new),
        disabled: disabled(row)?,
        version: row.number()?,
    })
}

/// Two columns.
pub(super) fn disabled(row: &mut Columns<'_>) -> Result<Option<Disabled>, StoreError> {
    let at: Option<i64> = row.get()?;
    let is_over = row.get()?;
    let at = at.map(unsigned).transpose()?;
    Ok(at.map(|at| Disabled {
        at: Timestamp::from_millis(at),
        is_over,
    }))
}

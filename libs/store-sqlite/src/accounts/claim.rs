//! Who holds an address. Read together with the account, so that a claim and an account that disagree are noticed.

use foxhold_core::{
    Uid,
    record::{Account, EmailKey},
};
use foxhold_ports::Refusal;
use foxhold_sqlite::rusqlite::Connection;

use super::account;
use crate::{
    error::{Stop, StoreError},
    row::{change, one},
};

const ACTIVE: u8 = 1;

const SELECT: &str = "SELECT uid, state FROM email_claims WHERE email_key = ?1";
const PUT: &str = "INSERT INTO email_claims (email_key, uid, state) VALUES (?1, ?2, ?3)
    ON CONFLICT (email_key) DO UPDATE SET uid = excluded.uid, state = excluded.state";
const RELEASE: &str = "DELETE FROM email_claims WHERE email_key = ?1 AND uid = ?2";

/// The account that holds an address (`security.md` D.2, sanity check). A pending claim is no account.
pub(crate) fn holder(db: &Connection, key: &EmailKey) -> Result<Option<Account>, StoreError> {
    let claim = one(db, SELECT, [key.as_str()], |row| {
        Ok((row.uid()?, row.get::<u8>()?))
    })?;
    match claim {
        Some((uid, ACTIVE)) => match account::find(db, uid)? {
            Some(account) if account.email_key == *key => Ok(Some(account)),
            _ => Err(StoreError::Inconsistent(
                "an address and its account do not fit together",
            )),
        },
        _ => Ok(None),
    }
}

/// Whose account gives way to a new one: a holder's that does not keep the address.
///
/// Here the claim of an account becomes active in the transaction that makes the account, so one that is pending
/// belongs to nobody.
pub(super) fn holder_to_replace(db: &Connection, key: &EmailKey) -> Result<Option<Uid>, Stop> {
    match holder(db, key)? {
        Some(account) if account.keeps_address() => Err(Refusal::EmailTaken.into()),
        Some(account) => Ok(Some(account.uid)),
        None => Ok(None),
    }
}

/// Gives an address away, if it is still the account's.
pub(super) fn release(db: &Connection, key: &EmailKey, uid: Uid) -> Result<(), StoreError> {
    change(db, RELEASE, (key.as_str(), uid.as_bytes())).map(drop)
}

pub(super) fn put(db: &Connection, key: &EmailKey, uid: Uid) -> Result<(), StoreError> {
    change(db, PUT, (key.as_str(), uid.as_bytes(), ACTIVE)).map(drop)
}

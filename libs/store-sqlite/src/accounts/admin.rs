//! What operators do with accounts: all of them in the order of their uids, and disabling one.

use foxhold_core::{Uid, record::Disabled};
use foxhold_ports::{Refusal, account_admin::ListedAccount};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::account;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, all, change, millis, signed},
};

const SELECT_AFTER: &str = "SELECT uid, email, email_verified, created_at_ms, disabled_at_ms, enabled_again
    FROM accounts WHERE uid > ?1 ORDER BY uid LIMIT ?2";
const SET_DISABLED: &str =
    "UPDATE accounts SET disabled_at_ms = ?3, enabled_again = ?4, version = version + 1
    WHERE uid = ?1 AND version = ?2";

/// The next accounts after one.
pub(crate) fn page(
    db: &Connection,
    after: Option<Uid>,
    limit: usize,
) -> Result<Vec<ListedAccount>, StoreError> {
    let after = after.map_or_else(Vec::new, |after| after.as_bytes().to_vec());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    all(db, SELECT_AFTER, (after, limit), read)
}

/// `AccountAdmin::set_disabled`
pub(crate) fn set_disabled(db: &Connection, uid: Uid, based_on: u64, disabled: Disabled) -> Result<(), Stop> {
    let params = params![
        uid.as_bytes(),
        signed(based_on)?,
        millis(disabled.at)?,
        disabled.is_over
    ];
    if change(db, SET_DISABLED, params)? > 0 {
        Ok(())
    } else if account::exists(db, uid)? {
        Err(Refusal::Conflict.into())
    } else {
        Err(Refusal::UnknownAccount.into())
    }
}

fn read(row: &mut Columns<'_>) -> Result<ListedAccount, StoreError> {
    Ok(ListedAccount {
        uid: row.uid()?,
        email: row.get()?,
        email_verified: row.get()?,
        created_at: row.time()?,
        disabled: account::disabled(row)?,
    })
}

//! Guards of accounts: cells of the account's row, each replaced whole on the version that was read.

use foxhold_core::Uid;
use foxhold_ports::{Refusal, guards::Guard};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::account;
use crate::{
    error::Stop,
    row::{change, signed},
};

const SET_SECOND_FACTOR: &str =
    "UPDATE accounts SET second_factor = ?3, version = version + 1 WHERE uid = ?1 AND version = ?2";
const SET_RECOVERY_KEY: &str =
    "UPDATE accounts SET recovery_key = ?3, version = version + 1 WHERE uid = ?1 AND version = ?2";

/// `AccountGuards::set_second_factor`, `AccountGuards::set_recovery_key` and `AccountAdmin::delete_second_factor`
pub(crate) fn set(db: &Connection, uid: Uid, based_on: u64, guard: &Guard) -> Result<(), Stop> {
    let statement = match guard {
        Guard::SecondFactor(_) => SET_SECOND_FACTOR,
        Guard::RecoveryKey(_) => SET_RECOVERY_KEY,
    };
    let cell = guard.cell();
    let cell = cell.as_ref().map(|cell| cell.as_slice());
    let params = params![uid.as_bytes(), signed(based_on)?, cell];
    if change(db, statement, params)? > 0 {
        Ok(())
    } else if account::exists(db, uid)? {
        Err(Refusal::Conflict.into())
    } else {
        Err(Refusal::UnknownAccount.into())
    }
}

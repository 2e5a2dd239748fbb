//! Tables of accounts and what hangs on them: one module for each, with all its statements.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod claim;
pub(crate) mod code;
pub(crate) mod command;
pub(crate) mod device;
pub(crate) mod guard;
pub(crate) mod key_fetch;
pub(crate) mod password;
pub(crate) mod password_token;
pub(crate) mod refresh_token;
pub(crate) mod replaced_token;
pub(crate) mod session;

use foxhold_core::{TokenId, Uid, record::Account, record::Verification};
use foxhold_ports::{Refusal, accounts::SignIn};
use foxhold_sqlite::rusqlite::Connection;

use crate::error::{Stop, StoreError};

/// `AccountWriter::create_account`
pub(crate) fn create(db: &Connection, account: &Account, sign_in: &SignIn) -> Result<(), Stop> {
    let holder = claim::holder_to_replace(db, &account.email_key)?;
    check_owner(account.uid, sign_in)?;
    if let Some(uid) = holder {
        account::delete(db, uid)?;
    }
    claim::put(db, &account.email_key, account.uid)?;
    account::insert(db, account)?;
    insert_sign_in(db, sign_in)?;
    Ok(())
}

/// `AccountWriter::open_session`
pub(crate) fn open_session(db: &Connection, sign_in: &SignIn) -> Result<(), Stop> {
    if !account::exists(db, sign_in.session.uid)? {
        return Err(Refusal::UnknownAccount.into());
    }
    check_owner(sign_in.session.uid, sign_in)?;
    insert_sign_in(db, sign_in)?;
    Ok(())
}

/// `AccountWriter::close_session`
pub(crate) fn close_session(db: &Connection, uid: Uid, id: TokenId) -> Result<(), StoreError> {
    session::delete(db, uid, id)?;
    device::delete_of_session(db, uid, id)?;
    refresh_token::delete_of_session(db, uid, id)
}

/// A sign-in for another account than it comes with is one without its account.
fn check_owner(uid: Uid, sign_in: &SignIn) -> Result<(), Refusal> {
    let of_key_fetches = sign_in.key_fetches.iter().map(|token| token.uid);
    if of_key_fetches
        .chain([sign_in.session.uid])
        .all(|owner| owner == uid)
    {
        Ok(())
    } else {
        Err(Refusal::UnknownAccount)
    }
}

fn insert_sign_in(db: &Connection, sign_in: &SignIn) -> Result<(), StoreError> {
    session::insert(db, &sign_in.session)?;
    sign_in
        .key_fetches
        .iter()
        .try_for_each(|token| key_fetch::insert(db, token))
}

const fn verification_number(verification: Verification) -> u8 {
    match verification {
        Verification::Verified => 0,
        Verification::WithAccount => 1,
        Verification::AwaitsSecondFactor => 2,
        Verification::SecondFactor => 3,
        Verification::AwaitsConfirmation => 4,
    }
}

fn verification_numbered(number: u8) -> Result<Verification, StoreError> {
    match number {
        0 => Ok(Verification::Verified),
        1 => Ok(Verification::WithAccount),
        2 => Ok(Verification::AwaitsSecondFactor),
        3 => Ok(Verification::SecondFactor),
        4 => Ok(Verification::AwaitsConfirmation),
        _ => Err(StoreError::Corrupt("a verification has an unknown number")),
    }
}

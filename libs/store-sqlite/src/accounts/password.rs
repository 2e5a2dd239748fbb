//! New passwords, the end of an account, and re-authentication. Each looks first and writes after, in one transaction.

use foxhold_core::{
    Uid,
    record::{KeyFetch, PasswordUpdate, Session},
};
use foxhold_ports::{Refusal, accounts::SignIn};
use foxhold_sqlite::rusqlite::Connection;

use super::{
    account, check_owner, claim, code, device, insert_sign_in, key_fetch, password_token, refresh_token,
    session,
};
use crate::{
    error::{Stop, StoreError},
    openid,
};

/// `AccountWriter::set_password`
pub(crate) fn set(db: &Connection, update: &PasswordUpdate, sign_in: Option<&SignIn>) -> Result<(), Stop> {
    let uid = update.uid;
    let account = account::find(db, uid)?.ok_or(Refusal::UnknownAccount)?;
    if let Some(sign_in) = sign_in {
        check_owner(uid, sign_in)?;
    }
    let token = password_token::usable(db, update.spends, update.effect.wants())?;
    if token.uid != uid {
        return Err(Refusal::TokenSpent.into());
    }
    if account.version != update.based_on {
        return Err(Refusal::Conflict.into());
    }
    account::replace(db, &update.applied_to(&account))?;
    password_token::delete(db, update.spends)?;
    if update.effect.verifier_set_at().is_some() {
        end_all(db, uid, update.effect.ends_every_refresh_token())?;
    }
    if let Some(sign_in) = sign_in {
        insert_sign_in(db, sign_in)?;
    }
    Ok(())
}

/// Ends what a new password ends.
fn end_all(db: &Connection, uid: Uid, every_refresh_token: bool) -> Result<(), StoreError> {
    session::delete_of_account(db, uid)?;
    key_fetch::delete_of_account(db, uid)?;
    device::delete_of_account(db, uid)?;
    code::delete_unspent_of_account(db, uid)?;
    password_token::delete_of_account(db, uid)?;
    if every_refresh_token {
        openid::end_grants(db, uid)?;
        refresh_token::delete_of_account(db, uid)
    } else {
        refresh_token::delete_of_sessions(db, uid)
    }
}

/// `AccountWriter::delete_account`
pub(crate) fn delete_account(db: &Connection, uid: Uid, based_on: u64) -> Result<(), Stop> {
    let Some(account) = account::find(db, uid)? else {
        return Ok(());
    };
    if account.version != based_on {
        return Err(Refusal::Conflict.into());
    }
    claim::release(db, &account.email_key, uid)?;
    account::delete(db, uid)?;
    Ok(())
}

/// `AccountWriter::refresh_session`
pub(crate) fn refresh_session(
    db: &Connection,
    refreshed: &Session,
    key_fetches: &[KeyFetch],
) -> Result<(), Stop> {
    if key_fetches.iter().any(|token| token.uid != refreshed.uid) {
        return Err(Refusal::UnknownAccount.into());
    }
    if !session::refresh(db, refreshed)? {
        return Err(Refusal::TokenSpent.into());
    }
    key_fetches
        .iter()
        .try_for_each(|token| key_fetch::insert(db, token))?;
    Ok(())
}

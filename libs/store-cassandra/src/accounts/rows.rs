//! Rows of the accounts' tables: what goes in, by the names of the statements, and what comes out. Pure.
//!
//! Must stay true: what a record is written as reads as the same record; a row that makes no sense is `None`, never a
//! record made up for it; secrets that were read are wiped when dropped.

mod account;
mod device;
mod password_token;
mod refresh_token;
mod replaced_token;
mod session;
mod single_use;

use std::sync::Arc;

use foxhold_core::{Secret, Timestamp, record::Verification};
use scylla::value::CqlTimestamp;
use zeroize::Zeroizing;

pub(super) use account::{ACTIVE, AccountRow, ClaimRow, DELETING, Found, ListedRow, NewAccount, NewPassword};
pub(super) use device::{DeviceRow, NewDevice};
pub(super) use password_token::{NewPasswordToken, PasswordTokenRow, kind_numbered};
pub(super) use refresh_token::{NewRefreshToken, RefreshTokenRow};
pub(super) use replaced_token::{NewReplacedToken, ReplacedTokenRow};
pub(super) use session::{
    ListedSessionToRefresh, NewSession, SessionRow, SessionToRefresh, SessionToRefreshRow,
};
pub(super) use single_use::{CodeRow, KeyFetchRow, NewCode, NewKeyFetch, SingleUse};

/// As a `timestamp`. Times beyond Cassandra's are its last.
pub(super) fn time(at: Timestamp) -> CqlTimestamp {
    CqlTimestamp(i64::try_from(at.as_millis()).unwrap_or(i64::MAX))
}

pub(super) fn read_time(at: CqlTimestamp) -> Option<Timestamp> {
    u64::try_from(at.0).ok().map(Timestamp::from_millis)
}

const fn verification_number(verification: Verification) -> i8 {
    match verification {
        Verification::Verified => 0,
        Verification::WithAccount => 1,
        Verification::AwaitsSecondFactor => 2,
        Verification::SecondFactor => 3,
        Verification::AwaitsConfirmation => 4,
    }
}

const fn verification_numbered(number: i8) -> Option<Verification> {
    match number {
        0 => Some(Verification::Verified),
        1 => Some(Verification::WithAccount),
        2 => Some(Verification::AwaitsSecondFactor),
        3 => Some(Verification::SecondFactor),
        4 => Some(Verification::AwaitsConfirmation),
        _ => None,
    }
}

fn secret<const N: usize>(bytes: Vec<u8>) -> Option<Arc<Secret<N>>> {
    let bytes = Zeroizing::new(bytes);
    Secret::from_slice(&bytes).map(Arc::new)
}

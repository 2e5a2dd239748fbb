//! Claims and accounts.

use std::sync::Arc;

use foxhold_core::{
    OpId, Timestamp, Uid,
    record::{Account, Disabled, EmailKey, PasswordEffect, PasswordUpdate},
};
use foxhold_ports::{account_admin::ListedAccount, accounts::encoding, guards};
use scylla::{
    DeserializeRow, SerializeRow,
    value::{CqlTimestamp, MaybeUnset},
};
use zeroize::Zeroizing;

use super::{read_time, time};

/// A claim of an address.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct ClaimRow {
    pub(in crate::accounts) uid: Vec<u8>,
    pub(in crate::accounts) claim_id: Vec<u8>,
    pub(in crate::accounts) state: String,
    pub(in crate::accounts) claimed_at: CqlTimestamp,
}

/// An account's static columns.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct AccountRow {
    uid: Vec<u8>,
    state: Option<String>,
    email: Option<String>,
    email_key: Option<String>,
    email_verified: Option<bool>,
    credentials: Option<Vec<u8>>,
    code_nonce: Option<Vec<u8>>,
    created_at: Option<CqlTimestamp>,
    verifier_set_at: Option<CqlTimestamp>,
    keys_changed_at: Option<CqlTimestamp>,
    profile_changed_at: Option<CqlTimestamp>,
    locale: Option<String>,
    second_factor: Option<Vec<u8>>,
    recovery_key: Option<Vec<u8>>,
    disabled_at: Option<CqlTimestamp>,
    enabled_again: Option<bool>,
    version: Option<i64>,
}

/// What an account in use is written as.
pub(in crate::accounts) const ACTIVE: &str = "active";
/// What one is that is going, or that must not come to be.
pub(in crate::accounts) const DELETING: &str = "deleting";

/// What a row of `accounts` is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::accounts) enum Found {
    /// An account.
    Account(Box<Account>),
    /// What is left of one, or only operations.
    Nothing,
}

impl AccountRow {
    pub(in crate::accounts) fn read(self) -> Option<Found> {
        let cell = Zeroizing::new(self.credentials.unwrap_or_default());
        let second_factor = self.second_factor.map(Zeroizing::new);
        let recovery_key = self.recovery_key.map(Zeroizing::new);
        match self.state.as_deref() {
            Some(ACTIVE) => {}
            Some(DELETING) | None => return Some(Found::Nothing),
            Some(_) => return None,
        }
        Some(Found::Account(Box::new(Account {
            uid: Uid::from_slice(&self.uid)?,
            email: self.email?,
            email_key: EmailKey::from_normalized(self.email_key?),
            email_verified: self.email_verified?,
            credentials: Arc::new(encoding::decode(&cell)?),
            code_nonce: self.code_nonce?.try_into().ok()?,
            created_at: read_time(self.created_at?)?,
            verifier_set_at: read_time(self.verifier_set_at?)?,
            keys_changed_at: read_time(self.keys_changed_at?)?,
            profile_changed_at: read_time(self.profile_changed_at?)?,
            locale: self.locale,
            second_factor: guard(second_factor, guards::encoding::decode_second_factor)?,
            recovery_key: guard(recovery_key, guards::encoding::decode_recovery_key)?,
            disabled: disabled(self.disabled_at, self.enabled_again)?,
            version: u64::try_from(self.version?).ok()?,
        })))
    }
}

/// A cell that may be absent; `None` if it is damaged.
fn guard<T>(cell: Option<Zeroizing<Vec<u8>>>, decode: fn(&[u8]) -> Option<T>) -> Option<Option<Arc<T>>> {
    match cell {
        Some(cell) => decode(&cell).map(|guard| Some(Arc::new(guard))),
        None => Some(None),
    }
}

/// Two columns; `None` if they make no sense.
fn disabled(at: Option<CqlTimestamp>, enabled_again: Option<bool>) -> Option<Option<Disabled>> {
    let Some(at) = at else {
        return Some(None);
    };
    Some(Some(Disabled {
        at: read_time(at)?,
        is_over: enabled_again.unwrap_or_default(),
    }))
}

/// A partition of `accounts` on a page, without its secrets.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct ListedRow {
    pub(in crate::accounts) position: i64,
    uid: Vec<u8>,
    state: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    created_at: Option<CqlTimestamp>,
    disabled_at: Option<CqlTimestamp>,
    enabled_again: Option<bool>,
}

impl ListedRow {
    /// `Some(None)` for what is left of an account, or only operations; `None` if it makes no sense.
    pub(in crate::accounts) fn read(self) -> Option<Option<ListedAccount>> {
        match self.state.as_deref() {
            Some(ACTIVE) => {}
            Some(DELETING) | None => return Some(None),
            Some(_) => return None,
        }
        Some(Some(ListedAccount {
            uid: Uid::from_slice(&self.uid)?,
            email: self.email?,
            email_verified: self.email_verified?,
            created_at: read_time(self.created_at?)?,
            disabled: disabled(self.disabled_at, self.enabled_again)?,
        }))
    }
}

/// An account as it is written.
#[derive(SerializeRow)]
pub(in crate::accounts) struct NewAccount<'a> {
    uid: &'a [u8; 16],
    made_by: &'a [u8; 16],
    email: &'a str,
    email_key: &'a str,
    email_verified: bool,
    credentials: &'a [u8],
    code_nonce: &'a [u8; 16],
    created_at: CqlTimestamp,
    verifier_set_at: CqlTimestamp,
    keys_changed_at: CqlTimestamp,
    profile_changed_at: CqlTimestamp,
    locale: Option<&'a str>,
    version: i64,
}

/// The same, over a row that is there.
#[derive(SerializeRow)]
pub(in crate::accounts) struct AccountAgain<'a> {
    #[scylla(flatten)]
    account: NewAccount<'a>,
    was: i64,
}

impl<'a> NewAccount<'a> {
    pub(in crate::accounts) fn new(account: &'a Account, credentials: &'a [u8], op: &'a OpId) -> Self {
        Self {
            uid: account.uid.as_bytes(),
            made_by: op.as_bytes(),
            email: &account.email,
            email_key: account.email_key.as_str(),
            email_verified: account.email_verified,
            credentials,
            code_nonce: &account.code_nonce,
            created_at: time(account.created_at),
            verifier_set_at: time(account.verifier_set_at),
            keys_changed_at: time(account.keys_changed_at),
            profile_changed_at: time(account.profile_changed_at),
            locale: account.locale.as_deref(),
            version: i64::try_from(account.version).unwrap_or(i64::MAX),
        }
    }

    pub(in crate::accounts) const fn over(self, was: i64) -> AccountAgain<'a> {
        AccountAgain { account: self, was }
    }
}

/// What a new password writes into an account's row; what is not set stays as it is.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewPassword<'a> {
    uid: &'a [u8; 16],
    credentials: &'a [u8],
    verifier_set_at: MaybeUnset<CqlTimestamp>,
    reset_at: MaybeUnset<CqlTimestamp>,
    keys_changed_at: MaybeUnset<CqlTimestamp>,
    email_verified: MaybeUnset<bool>,
    code_nonce: MaybeUnset<&'a [u8; 16]>,
    /// Only ever removed.
    recovery_key: MaybeUnset<Option<&'a [u8]>>,
    version: i64,
    was: i64,
    generation: CqlTimestamp,
}

impl<'a> NewPassword<'a> {
    /// On an account of that version and generation.
    pub(in crate::accounts) fn new(
        update: &'a PasswordUpdate,
        credentials: &'a [u8],
        was: i64,
        generation: Timestamp,
    ) -> Self {
        let reset = match &update.effect {
            PasswordEffect::Upgrade | PasswordEffect::Change { .. } => None,
            PasswordEffect::Reset {
                at,
                keeps_keys,
                code_nonce,
            } => Some((time(*at), *keeps_keys, code_nonce)),
        };
        let keys_changed_at = reset.and_then(|(at, keeps_keys, _)| (!keeps_keys).then_some(at));
        Self {
            uid: update.uid.as_bytes(),
            credentials,
            verifier_set_at: MaybeUnset::from_option(update.effect.verifier_set_at().map(time)),
            reset_at: MaybeUnset::from_option(reset.map(|(at, ..)| at)),
            keys_changed_at: MaybeUnset::from_option(keys_changed_at),
            email_verified: MaybeUnset::from_option(reset.map(|_| true)),
            code_nonce: MaybeUnset::from_option(reset.map(|(_, _, code_nonce)| code_nonce)),
            recovery_key: MaybeUnset::from_option(reset.map(|_| None)),
            version: was + 1,
            was,
            generation: time(generation),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{
        Secret, TokenId,
        record::{Credentials, Verifier},
    };

    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            auth_salt: [1; 32],
            k_a: Secret::new([2; 32]),
            version_one: Verifier {
                verify_hash: Secret::new([3; 32]),
                wrap_wrap_kb: Secret::new([4; 32]),
            },
            version_two: None,
        }
    }

    fn row() -> AccountRow {
        AccountRow {
            uid: vec![5; 16],
            state: Some(ACTIVE.into()),
            email: Some("A@example.test".into()),
            email_key: Some("a@example.test".into()),
            email_verified: Some(false),
            credentials: Some(encoding::encode(&credentials()).to_vec()),
            code_nonce: Some(vec![6; 16]),
            created_at: Some(CqlTimestamp(7)),
            verifier_set_at: Some(CqlTimestamp(8)),
            keys_changed_at: Some(CqlTimestamp(9)),
            profile_changed_at: Some(CqlTimestamp(10)),
            locale: None,
            second_factor: None,
            recovery_key: None,
            disabled_at: None,
            enabled_again: None,
            version: Some(11),
        }
    }

    #[test]
    fn an_account_reads_as_it_was_written() {
        let Some(Found::Account(account)) = row().read() else {
            panic!("it is an account");
        };
        assert_eq!(*account.credentials, credentials());
        let op = OpId::from_bytes([12; 16]);
        let written = NewAccount::new(&account, b"cell", &op);
        assert_eq!((written.uid, written.made_by), (&[5; 16], op.as_bytes()));
        assert_eq!(
            (written.email, written.email_key),
            ("A@example.test", "a@example.test")
        );
        assert_eq!((written.email_verified, written.version), (false, 11));
        assert_eq!((written.code_nonce, written.locale), (&[6; 16], None));
        assert_eq!(
            (written.created_at, written.verifier_set_at),
            (CqlTimestamp(7), CqlTimestamp(8))
        );
        assert_eq!(
            (written.keys_changed_at, written.profile_changed_at),
            (CqlTimestamp(9), CqlTimestamp(10))
        );
        assert_eq!(written.over(3).was, 3);
    }

    #[test]
    fn whether_it_is_disabled_stands_in_two_columns() {
        let at = |millis| Some(CqlTimestamp(millis));
        let disabled = |is_over| {
            let at = Timestamp::from_millis(9);
            Some(Some(Disabled { at, is_over }))
        };
        let table = [
            (None, None, Some(None)),
            (None, Some(true), Some(None)),
            (at(9), None, disabled(false)),
            (at(9), Some(false), disabled(false)),
            (at(9), Some(true), disabled(true)),
            (at(-1), Some(true), None),
        ];
        for (disabled_at, enabled_again, expected) in table {
            assert_eq!(
                super::disabled(disabled_at, enabled_again),
                expected,
                "{enabled_again:?}"
            );
        }
    }

    fn set<T>(value: MaybeUnset<T>) -> Option<T> {
        match value {
            MaybeUnset::Set(value) => Some(value),
            MaybeUnset::Unset => None,
        }
    }

    #[test]
    fn a_new_password_writes_what_its_effect_says_and_leaves_the_rest() {
        let at = Timestamp::from_millis(9);
        let reset = |keeps_keys| PasswordEffect::Reset {
            at,
            keeps_keys,
            code_nonce: [6; 16],
        };
        // When the verifier, the last reset and the keys were set, whether the address is verified, the nonce of codes.
        let table = [
            (PasswordEffect::Upgrade, None, None, None, None, None),
            (PasswordEffect::Change { at }, Some(9), None, None, None, None),
            (reset(true), Some(9), Some(9), None, Some(true), Some([6; 16])),
            (reset(false), Some(9), Some(9), Some(9), Some(true), Some([6; 16])),
        ];
        for (effect, verifier_set_at, reset_at, keys_changed_at, email_verified, code_nonce) in table {
            let update = PasswordUpdate {
                uid: Uid::from_bytes([5; 16]),
                based_on: 3,
                spends: TokenId::from_bytes([7; 32]),
                credentials: Arc::new(credentials()),
                effect: effect.clone(),
            };
            let written = NewPassword::new(&update, b"cell", 3, Timestamp::from_millis(8));
            let times = [written.verifier_set_at, written.reset_at, written.keys_changed_at];
            let expected = [verifier_set_at, reset_at, keys_changed_at];
            assert_eq!(
                times.map(set),
                expected.map(|time| time.map(CqlTimestamp)),
                "{effect:?}"
            );
            assert_eq!(set(written.email_verified), email_verified, "{effect:?}");
            assert_eq!(set(written.code_nonce).copied(), code_nonce, "{effect:?}");
            let removed = code_nonce.map(|_| None);
            assert_eq!(set(written.recovery_key), removed, "{effect:?}");
            assert_eq!((written.uid, written.credentials), (&[5; 16], &b"cell"[..]));
            assert_eq!(
                (written.version, written.was, written.generation),
                (4, 3, CqlTimestamp(8))
            );
        }
    }

    #[test]
    fn what_is_left_of_an_account_is_none() {
        for state in [None, Some(DELETING.to_owned())] {
            let mut row = row();
            (row.state, row.credentials, row.email) = (state, None, None);
            assert_eq!(row.read(), Some(Found::Nothing));
        }
    }

    #[test]
    fn a_row_that_makes_no_sense_is_no_account() {
        type Damage = fn(&mut AccountRow);
        let table: [(&str, Damage); 7] = [
            ("an unknown state", |row| row.state = Some("asleep".into())),
            ("no secrets", |row| row.credentials = None),
            ("half a cell of secrets", |row| {
                row.credentials.as_mut().unwrap().truncate(50);
            }),
            ("half a second factor", |row| row.second_factor = Some(vec![1; 9])),
            ("no recovery key, and its cell", |row| {
                row.recovery_key = Some(vec![])
            }),
            ("no address", |row| row.email_key = None),
            ("a version below zero", |row| row.version = Some(-1)),
        ];
        for (name, damage) in table {
            let mut row = row();
            damage(&mut row);
            assert_eq!(row.read(), None, "{name}");
        }
    }
}

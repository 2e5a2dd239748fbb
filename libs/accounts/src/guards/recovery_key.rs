//! /recoveryKey: what brings kB back after a reset (`accounts.md` (k)). Sealed by the client; nothing here opens it.

use std::{sync::Arc, time::Duration};

use foxhold_core::record::{Account, RECOVERY_DATA_LEN_MAX, RecoveryKey};
use foxhold_crypto::mac::{same, sha256};
use foxhold_ports::{guards::Guard, limits::Action};

use super::Decision;
use crate::{AccountError, Accounts, Caller, SignedIn, field, mail::GuardNews, password::PasswordAccess};

/// How long ago the password may have been given when a key is made.
const AUTH_AGE_MAX: Duration = Duration::from_secs(15 * 60);
/// Longest hint, in characters.
const HINT_LEN_MAX: usize = 254;

/// What a client calls a recovery key by. Who has it has the key.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKeyId([u8; 32]);

impl RecoveryKeyId {
    /// From its text form, at most 32 hex digits.
    ///
    /// # Errors
    /// [`AccountError`]: 107.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let is_id = field::is_recovery_key_id(text) && text.len().is_multiple_of(2);
        field::check("recoveryKeyId", is_id)?;
        let digits = text.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.map(byte).collect();
        let bytes = bytes.ok_or(AccountError::BadParameter("recoveryKeyId"))?;
        Ok(Self(sha256(&[&bytes])))
    }

    /// The account's key, if it is this one. Constant time.
    ///
    /// # Errors
    /// [`AccountError`]: 158 if there is none, 159 if it is another one.
    fn find<'a>(&self, key: Option<&'a Arc<RecoveryKey>>) -> Result<&'a Arc<RecoveryKey>, AccountError> {
        let key = key.ok_or(AccountError::UnknownRecoveryKey)?;
        if same(&key.id_hash, &self.0) {
            Ok(key)
        } else {
            Err(AccountError::WrongRecoveryKey)
        }
    }

    /// The same, of an enabled one.
    ///
    /// # Errors
    /// [`AccountError`]: 158, 159.
    pub(crate) fn find_enabled<'a>(
        &self,
        account: &'a Account,
    ) -> Result<&'a Arc<RecoveryKey>, AccountError> {
        self.find(enabled(account))
    }
}

fn enabled(account: &Account) -> Option<&Arc<RecoveryKey>> {
    account.recovery_key.as_ref().filter(|key| key.enabled)
}

/// A key that a client has made.
pub struct NewRecoveryKey {
    /// Its id.
    pub id: RecoveryKeyId,
    /// `recoveryData`.
    pub data: String,
    /// Whether its owner has it already.
    pub enabled: bool,
    /// Whether it takes the place of an enabled one.
    pub replace: bool,
}

impl Accounts {
    /// POST /recoveryKey.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 138, 161, 164, 165, 201.
    pub async fn create_recovery_key(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        new: NewRecoveryKey,
    ) -> Result<(), AccountError> {
        signed_in.require_verified()?;
        let (now, auth_at) = (self.now(), signed_in.session.auth_at);
        if now.since(auth_at) > AUTH_AGE_MAX {
            return Err(AccountError::StaleAuth { auth_at });
        }
        let is_data = (1..=RECOVERY_DATA_LEN_MAX).contains(&new.data.len())
            && new.data.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        field::check("recoveryData", is_data)?;
        let key = Arc::new(RecoveryKey {
            id_hash: new.id.0,
            data: new.data,
            enabled: new.enabled,
            hint: None,
            created_at: now,
        });
        let had_one = self
            .decide_guard(caller, signed_in, |account| {
                let had_one = enabled(account).is_some();
                if had_one && !new.replace {
                    return Err(AccountError::RecoveryKeyExists);
                }
                Ok(put(Arc::clone(&key), had_one))
            })
            .await?;
        let news = match (had_one, key.enabled) {
            (true, true) => GuardNews::RecoveryKeyReplaced,
            (false, true) => GuardNews::RecoveryKeyAdded,
            // None counts until the other one is shown.
            (true, false) => GuardNews::RecoveryKeyRemoved,
            (false, false) => return Ok(()),
        };
        self.send_guard_mail(&signed_in.account, news).await;
        Ok(())
    }

    /// POST /recoveryKey/verify: its owner shows to have it. Right again when it was right before.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 114, 138, 158, 159, 165, 201.
    pub async fn verify_recovery_key(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        id: &RecoveryKeyId,
    ) -> Result<(), AccountError> {
        signed_in.require_verified()?;
        let keys = caller.keys_of(signed_in.account.uid);
        self.reserve(&[Action::GetRecoveryKey], keys).await?;
        let judged = self
            .decide_guard(caller, signed_in, |account| {
                let key = id.find(account.recovery_key.as_ref())?;
                if key.enabled {
                    return Ok(Decision::Keep(false));
                }
                let key = RecoveryKey {
                    enabled: true,
                    ..RecoveryKey::clone(key)
                };
                Ok(put(Arc::new(key), true))
            })
            .await;
        if !matches!(judged, Err(AccountError::WrongRecoveryKey)) {
            self.give_back(&[Action::GetRecoveryKey], keys).await;
        }
        if judged? {
            self.send_guard_mail(&signed_in.account, GuardNews::RecoveryKeyAdded)
                .await;
        }
        Ok(())
    }

    /// POST /recoveryKey/exists by address. An unknown address has none.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114, 201.
    pub async fn recovery_key_exists_by_email(
        &self,
        caller: &Caller,
        email: &str,
    ) -> Result<bool, AccountError> {
        let found = self.asked_for(caller, email, Action::RecoveryKeyExists).await?;
        Ok(found.is_some_and(|account| recovery_key_exists(&account)))
    }

    /// GET /recoveryKey/{id}, with a reset token, which is not spent: what the key opens.
    ///
    /// # Errors
    /// [`AccountError`]: 114, 158, 159.
    pub async fn recovery_data(
        &self,
        caller: &Caller,
        access: &PasswordAccess,
        id: &RecoveryKeyId,
    ) -> Result<String, AccountError> {
        let key = self.present_recovery_key(caller, &access.account, id).await?;
        Ok(key.data.clone())
    }

    /// The account's enabled key, if it is this one. Another one counts as a guess.
    ///
    /// # Errors
    /// [`AccountError`]: 114, 158, 159.
    pub(crate) async fn present_recovery_key<'a>(
        &self,
        caller: &Caller,
        account: &'a Account,
        id: &RecoveryKeyId,
    ) -> Result<&'a Arc<RecoveryKey>, AccountError> {
        let keys = caller.keys_of(account.uid);
        self.reserve(&[Action::GetRecoveryKey], keys).await?;
        let found = id.find_enabled(account);
        if !matches!(found, Err(AccountError::WrongRecoveryKey)) {
            self.give_back(&[Action::GetRecoveryKey], keys).await;
        }
        found
    }

    /// DELETE /recoveryKey. Done, too, if there is none.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 138, 165, 201.
    pub async fn delete_recovery_key(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
    ) -> Result<(), AccountError> {
        signed_in.require_verified()?;
        let had_one = self
            .decide_guard(caller, signed_in, |account| match &account.recovery_key {
                None => Ok(Decision::Keep(false)),
                Some(key) => Ok(Decision::Put(Guard::RecoveryKey(None), key.enabled)),
            })
            .await?;
        if had_one {
            self.send_guard_mail(&signed_in.account, GuardNews::RecoveryKeyRemoved)
                .await;
        }
        Ok(())
    }

    /// POST /recoveryKey/hint: where the key is kept; an empty text clears it.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 138, 158, 165, 201.
    pub async fn set_recovery_hint(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        hint: &str,
    ) -> Result<(), AccountError> {
        signed_in.require_verified()?;
        field::check("hint", is_hint(hint))?;
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.decide_guard(caller, signed_in, |account| {
            let key = account.recovery_key.as_deref();
            let key = key.ok_or(AccountError::UnknownRecoveryKey)?;
            let key = RecoveryKey {
                hint: hint.clone(),
                ..key.clone()
            };
            Ok(put(Arc::new(key), ()))
        })
        .await
    }
}

/// Whether the account has an enabled key.
#[must_use]
pub fn recovery_key_exists(account: &Account) -> bool {
    enabled(account).is_some()
}

/// GET /recoveryKey/hint.
///
/// # Errors
/// [`AccountError`]: 158.
pub fn recovery_hint(account: &Account) -> Result<Option<&str>, AccountError> {
    let key = account.recovery_key.as_deref();
    Ok(key.ok_or(AccountError::UnknownRecoveryKey)?.hint.as_deref())
}

fn put<T>(key: Arc<RecoveryKey>, told: T) -> Decision<T> {
    Decision::Put(Guard::RecoveryKey(Some(key)), told)
}

fn is_hint(text: &str) -> bool {
    text.chars().count() <= HINT_LEN_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::account;

    fn with_key(id: &str, enabled: bool) -> Account {
        let mut account = account(true);
        account.recovery_key = Some(Arc::new(RecoveryKey {
            id_hash: RecoveryKeyId::parse(id).ok().unwrap().0,
            data: "sealed".into(),
            enabled,
            hint: None,
            created_at: account.created_at,
        }));
        account
    }

    const ID: &str = "07c78d9d5b185d059ab32e8ef4305b88";

    #[test]
    fn a_key_is_found_by_its_id() {
        let found = |account: &Account, id: &str| {
            let found = RecoveryKeyId::parse(id).and_then(|id| id.find_enabled(account).cloned());
            found.err().map(|error| error.code().number())
        };
        let table = [
            ("its id", with_key(ID, true), ID, None),
            ("another", with_key("ab", true), ID, Some(159)),
            ("a beginning", with_key(ID, true), &ID[..30], Some(159)),
            ("not enabled", with_key(ID, false), ID, Some(158)),
            ("none", account(true), ID, Some(158)),
            ("half a byte", with_key(ID, true), &ID[..31], Some(107)),
            ("upper case", with_key(ID, true), "07C7", Some(107)),
            ("nothing", with_key(ID, true), "", Some(107)),
        ];
        for (name, account, id, expected) in table {
            assert_eq!(found(&account, id), expected, "{name}");
        }
    }

    #[test]
    fn hints_are_one_line_that_is_not_too_long() {
        for (text, expected) in [
            (String::new(), true),
            ("unter der Fußmatte".into(), true),
            ("ß".repeat(254), true),
            ("ß".repeat(255), false),
            ("a\nb".into(), false),
            ("a\u{7f}".into(), false),
        ] {
            assert_eq!(is_hint(&text), expected, "{text:?}");
        }
    }
}

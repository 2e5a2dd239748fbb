//! Tokens of the password calls, and what a new password does (`accounts.md` (a) Tokens, (c) Accounts and Password).
//!
//! Must stay true: no Debug here shows a salt, a key or a nonce.

use std::{fmt, sync::Arc};

use super::{Account, Credentials};
use crate::{Secret, Timestamp, TokenId, Uid};

/// How many wrong codes spend a forgot token.
pub const PASSWORD_TOKEN_MISSES_MAX: u8 = 3;

/// What a password token is good for. How long is a rule of the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PasswordTokenKind {
    /// `passwordChangeToken`: the old password was right.
    Change,
    /// `passwordForgotToken`: a code was mailed.
    Forgot,
    /// `accountResetToken`: the mailed code was right.
    Reset,
}

impl PasswordTokenKind {
    /// Every kind, for translations and tests that walk them all.
    pub const ALL: [Self; 3] = [Self::Change, Self::Forgot, Self::Reset];
}

/// A token of the password calls: spent once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordToken {
    /// The Hawk id.
    pub id: TokenId,
    /// The Hawk key.
    pub key: Arc<Secret<32>>,
    /// What it is good for.
    pub kind: PasswordTokenKind,
    /// Whose password.
    pub uid: Uid,
    /// When it was made.
    pub created_at: Timestamp,
    /// `verifier_set_at` of the account when it was made: a token from before a new password is dead.
    pub generation: Timestamp,
    /// Wrong codes so far; only a forgot token has any.
    pub misses: u8,
}

impl PasswordToken {
    /// Whether it is the account's, and of the password the account has now.
    #[must_use]
    pub fn is_of(&self, account: &Account) -> bool {
        self.uid == account.uid && self.generation == account.verifier_set_at
    }
}

/// What a new password does beside replacing the secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordEffect {
    /// The new password fits a verifier the account has already: only the second verifier is new. Nothing ends.
    Upgrade,
    /// kB stays. Sessions, devices, key-fetch and password tokens, authorization codes and the refresh tokens that hang
    /// on a session are dead; refresh tokens without a session stay.
    Change {
        /// The account's new `verifier_set_at`; later than the one before.
        at: Timestamp,
    },
    /// As a change, and refresh tokens without a session end, too; the address counts as verified, codes mailed before
    /// are void, and the recovery key is gone, used or not.
    Reset {
        /// The account's new `verifier_set_at`; later than the one before.
        at: Timestamp,
        /// Whether kB, and so `keys_changed_at`, stays: only where a recovery key brought it back.
        keeps_keys: bool,
        /// The account's new `code_nonce`.
        code_nonce: [u8; 16],
    },
}

impl PasswordEffect {
    /// The kind of token that is spent for it.
    #[must_use]
    pub const fn wants(&self) -> PasswordTokenKind {
        match self {
            Self::Upgrade | Self::Change { .. } => PasswordTokenKind::Change,
            Self::Reset { .. } => PasswordTokenKind::Reset,
        }
    }

    /// Whether refresh tokens without a session end with those that hang on one.
    #[must_use]
    pub const fn ends_every_refresh_token(&self) -> bool {
        matches!(self, Self::Reset { .. })
    }

    /// The account's new `verifier_set_at`: `None` if it stays, and with it all that is signed in.
    #[must_use]
    pub const fn verifier_set_at(&self) -> Option<Timestamp> {
        match self {
            Self::Upgrade => None,
            Self::Change { at } | Self::Reset { at, .. } => Some(*at),
        }
    }
}

impl fmt::Debug for PasswordEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade => f.write_str("Upgrade"),
            Self::Change { at } => f.debug_struct("Change").field("at", at).finish(),
            Self::Reset { at, keeps_keys, .. } => f
                .debug_struct("Reset")
                .field("at", at)
                .field("keeps_keys", keeps_keys)
                .finish_non_exhaustive(),
        }
    }
}

/// A new password, as it was decided on an account that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordUpdate {
    /// Whose.
    pub uid: Uid,
    /// `version` of the account it was decided on.
    pub based_on: u64,
    /// The change or reset token it is done with.
    pub spends: TokenId,
    /// All secrets from now on.
    pub credentials: Arc<Credentials>,
    /// What else happens.
    pub effect: PasswordEffect,
}

impl PasswordUpdate {
    /// The account as it is afterwards.
    #[must_use]
    pub fn applied_to(&self, account: &Account) -> Account {
        let mut after = Account {
            credentials: Arc::clone(&self.credentials),
            verifier_set_at: self.effect.verifier_set_at().unwrap_or(account.verifier_set_at),
            version: account.version + 1,
            ..account.clone()
        };
        if let PasswordEffect::Reset {
            at,
            keeps_keys,
            code_nonce,
        } = &self.effect
        {
            after.email_verified = true;
            after.code_nonce = *code_nonce;
            after.recovery_key = None;
            if !keeps_keys {
                after.keys_changed_at = *at;
            }
        }
        after
    }
}

impl fmt::Debug for PasswordUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordUpdate")
            .field("uid", &self.uid)
            .field("based_on", &self.based_on)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EmailKey, RecoveryKey, SecondFactor, Verifier};

    const BEFORE: Timestamp = Timestamp::from_secs(1);
    const AT: Timestamp = Timestamp::from_secs(2);

    fn credentials(byte: u8) -> Arc<Credentials> {
        Arc::new(Credentials {
            auth_salt: [byte; 32],
            k_a: Secret::new([byte; 32]),
            version_one: Verifier {
                verify_hash: Secret::new([byte; 32]),
                wrap_wrap_kb: Secret::new([byte; 32]),
            },
            version_two: None,
        })
    }

    fn recovery_key() -> Arc<RecoveryKey> {
        Arc::new(RecoveryKey {
            id_hash: [177; 32],
            data: "sealed".into(),
            enabled: true,
            hint: None,
            created_at: BEFORE,
        })
    }

    fn account() -> Account {
        Account {
            uid: Uid::from_bytes([1; 16]),
            email: "a@example.test".into(),
            email_key: EmailKey::from_normalized("a@example.test".into()),
            email_verified: false,
            credentials: credentials(170),
            code_nonce: [171; 16],
            created_at: BEFORE,
            verifier_set_at: BEFORE,
            keys_changed_at: BEFORE,
            profile_changed_at: BEFORE,
            locale: None,
            second_factor: Some(Arc::new(SecondFactor {
                secret: Arc::new(Secret::new([176; 20])),
                enabled: true,
                last_step: None,
                backup_codes: Vec::new(),
            })),
            recovery_key: Some(recovery_key()),
            disabled: None,
            version: 7,
        }
    }

    fn update(effect: PasswordEffect) -> PasswordUpdate {
        PasswordUpdate {
            uid: account().uid,
            based_on: 7,
            spends: TokenId::from_bytes([172; 32]),
            credentials: credentials(173),
            effect,
        }
    }

    const fn reset(keeps_keys: bool) -> PasswordEffect {
        PasswordEffect::Reset {
            at: AT,
            keeps_keys,
            code_nonce: [174; 16],
        }
    }

    #[test]
    fn what_an_account_is_after_a_new_password() {
        // Effect; when verifier and keys were set, whether the address is verified, and the nonce of codes. Only a reset
        // takes the recovery key, and none the second factor.
        let table = [
            (PasswordEffect::Upgrade, BEFORE, BEFORE, false, [171; 16]),
            (PasswordEffect::Change { at: AT }, AT, BEFORE, false, [171; 16]),
            (reset(true), AT, BEFORE, true, [174; 16]),
            (reset(false), AT, AT, true, [174; 16]),
        ];
        for (effect, verifier_set_at, keys_changed_at, email_verified, code_nonce) in table {
            let after = update(effect.clone()).applied_to(&account());
            let is_reset = matches!(effect, PasswordEffect::Reset { .. });
            let expected = Account {
                recovery_key: (!is_reset).then(recovery_key),
                credentials: credentials(173),
                verifier_set_at,
                keys_changed_at,
                email_verified,
                code_nonce,
                version: 8,
                ..account()
            };
            assert!(after == expected, "{effect:?}");
        }
    }

    #[test]
    fn a_token_is_dead_under_any_other_password_and_for_anybody_else() {
        let account = account();
        let token = PasswordToken {
            id: TokenId::from_bytes([1; 32]),
            key: Arc::new(Secret::new([175; 32])),
            kind: PasswordTokenKind::Change,
            uid: account.uid,
            created_at: AT,
            generation: BEFORE,
            misses: 0,
        };
        assert!(token.is_of(&account));
        for verifier_set_at in [AT, Timestamp::from_secs(0)] {
            let other = Account {
                verifier_set_at,
                ..account.clone()
            };
            assert!(!token.is_of(&other));
        }
        let uid = Uid::from_bytes([2; 16]);
        assert!(!token.is_of(&Account { uid, ..account }));
        assert!(!format!("{token:?}").contains("175"));
    }

    #[test]
    fn debug_shows_no_secrets() {
        let shown = format!("{:?}", update(reset(false)));
        assert!(shown.contains("keeps_keys: false"), "{shown}");
        for byte in 170..=175 {
            assert!(!shown.contains(&byte.to_string()), "{shown}");
        }
    }
}

//! The password calls (`accounts.md` (c), Password and Accounts): changing a password, and resetting an account whose
//! password is forgotten. Each goes by a token that is spent once.
//!
//! What must stay true: a token of a former password is dead, nothing but success spends one (a wrong code too many aside),
//! and what follows a new password follows it even if the store's answer is lost. So whoever calls
//! [`Accounts::set_password`] lets it end, also when the client has gone.

mod change;
pub(crate) mod forgot;
mod otp;
mod reset;
mod update;

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    Deadline, Timestamp, TokenId,
    record::{Account, PasswordToken, PasswordTokenKind},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};

pub use change::{ChangeStarted, FinishRequest, StartRequest};
pub use forgot::{CODE_LEN, Forgotten, ForgottenStatus};
pub use otp::OtpVerified;
pub use reset::ResetRequest;
pub use update::{NewPasswordMade, Renewed};

use crate::{AccountError, Accounts};

/// A password token that is good, and its account.
#[derive(Debug, Clone)]
pub struct PasswordAccess {
    /// The token's record.
    pub token: PasswordToken,
    /// Its account.
    pub account: Account,
}

/// What clients call a token of this kind.
#[must_use]
pub const fn token_kind(kind: PasswordTokenKind) -> TokenKind {
    match kind {
        PasswordTokenKind::Change => TokenKind::PasswordChange,
        PasswordTokenKind::Forgot => TokenKind::PasswordForgot,
        PasswordTokenKind::Reset => TokenKind::AccountReset,
    }
}

/// How long a token of this kind is good.
pub(crate) const fn life_of(kind: PasswordTokenKind) -> Duration {
    match kind {
        PasswordTokenKind::Change | PasswordTokenKind::Reset => Duration::from_secs(15 * 60),
        PasswordTokenKind::Forgot => Duration::from_secs(60 * 60),
    }
}

/// How long a token is good from now on; nothing once it has run out.
fn ttl_of(token: &PasswordToken, now: Timestamp) -> Duration {
    life_of(token.kind).saturating_sub(now.since(token.created_at))
}

/// The record of a token for this account, as it is now.
pub(crate) fn record_of(
    account: &Account,
    kind: PasswordTokenKind,
    keys: TokenKeys,
    created_at: Timestamp,
) -> PasswordToken {
    PasswordToken {
        id: keys.id,
        key: Arc::new(keys.key),
        kind,
        uid: account.uid,
        created_at,
        generation: account.verifier_set_at,
        misses: 0,
    }
}

impl Accounts {
    /// The password token of a Hawk id, with its account. `None` if there is none, if it is of another kind, spent or run
    /// out, or if the account or its password has gone over it, or the account is disabled.
    ///
    /// # Errors
    /// Only if the store cannot be asked.
    pub async fn password_access(
        &self,
        by: Deadline,
        kind: PasswordTokenKind,
        id: TokenId,
    ) -> Result<Option<PasswordAccess>, AccountError> {
        let found = self.reader.password_token(by, id).await?;
        let Some(token) = found.filter(|token| token.kind == kind) else {
            return Ok(None);
        };
        let Some(account) = self.reader.account(by, token.uid).await? else {
            return Ok(None);
        };
        let good = token.is_of(&account) && !account.is_disabled() && !ttl_of(&token, self.now()).is_zero();
        Ok(good.then_some(PasswordAccess { token, account }))
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Secret;

    use super::*;
    use crate::fixtures::{MADE, account};

    #[test]
    fn how_long_tokens_live() {
        let minute = Duration::from_secs(60);
        for (kind, minutes) in [
            (PasswordTokenKind::Change, 15),
            (PasswordTokenKind::Forgot, 60),
            (PasswordTokenKind::Reset, 15),
        ] {
            let keys = TokenKeys::derive(token_kind(kind), &Secret::new([1; 32]));
            let token = record_of(&account(true), kind, keys, MADE);
            let left = |after: Duration| ttl_of(&token, MADE.plus(after));
            assert_eq!(left(Duration::ZERO), minutes * minute, "{kind:?}");
            assert_eq!(left(minutes * minute - minute), minute, "{kind:?}");
            assert_eq!(left(minutes * minute), Duration::ZERO, "{kind:?}");
            assert_eq!(left(10_000 * minute), Duration::ZERO, "{kind:?}");
            let before = ttl_of(&token, MADE.minus(minute));
            assert_eq!(before, minutes * minute, "{kind:?}, the clock went back");
        }
    }
}

//! POST /account/reset: a new password by whoever reads the account's mail. Everything else of the account that knew the
//! old one ends, and kB with it.

use std::sync::Arc;

use foxhold_core::{
    random,
    record::{Account, PasswordEffect},
};

use super::{
    PasswordAccess, Renewed,
    update::{Decision, NewPasswordMade, Wanted},
};
use crate::{
    AccountError, Accounts, Caller,
    credentials::{self, NewPassword},
    field,
    guards::RecoveryKeyId,
    mail::PasswordNews,
};

/// The new password.
pub struct ResetRequest {
    /// With version 2 the client has chosen a new kB; without, it is random.
    pub password: NewPassword,
    /// The recovery key that brought kB back.
    pub recovery_key: Option<RecoveryKeyId>,
    /// Whether a session is wanted.
    pub session: bool,
    /// Whether a key-fetch token is wanted with it.
    pub keys: bool,
}

impl ResetRequest {
    /// Whether the fields go together (`accounts.md` (c), Reset).
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108.
    fn check(&self) -> Result<(), AccountError> {
        let wraps = self.password.wrap_kb.is_some();
        let fits = match &self.recovery_key {
            Some(_) => wraps,
            // A kB of the client's own goes with both verifiers.
            None => wraps == self.password.version_two.is_some(),
        };
        field::check("wrapKb", fits)?;
        self.password.check()?;
        if self.keys && !self.session {
            return Err(AccountError::MissingParameter("sessionToken"));
        }
        Ok(())
    }
}

impl Accounts {
    /// Makes the new password and sets it. The address counts as verified: its mail was read.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 110, 114, 158, 159, 165, 201. None of them spends the token.
    pub async fn reset_account(
        &self,
        caller: &Caller,
        access: PasswordAccess,
        request: ResetRequest,
    ) -> Result<Option<Renewed>, AccountError> {
        let made = self.make_reset(caller, access, request).await?;
        self.set_password(caller, made).await
    }

    /// Makes the new password: what costs, and writes nothing. It ends with its client.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 114, 158, 159, 201.
    pub async fn make_reset(
        &self,
        caller: &Caller,
        access: PasswordAccess,
        request: ResetRequest,
    ) -> Result<NewPasswordMade, AccountError> {
        request.check()?;
        let key_id = request.recovery_key.clone();
        if let Some(id) = &key_id {
            self.present_recovery_key(caller, &access.account, id).await?;
        }
        let k_a = credentials::copy(&access.account.credentials.k_a);
        let made = self.make_credentials(caller, request.password, k_a).await?;
        let new_credentials = Arc::new(made.credentials);
        let wanted = Wanted {
            session: request.session,
            verification: None,
            wrap_kbs: request.keys.then_some(made.wrap_kbs),
        };
        let random = Arc::clone(&self.random);
        let decide = move |account: &Account, at| {
            // The key goes with this decision, so it has to be there still.
            key_id.as_ref().map(|id| id.find_enabled(account)).transpose()?;
            Ok(Decision {
                credentials: Arc::clone(&new_credentials),
                effect: PasswordEffect::Reset {
                    at,
                    keeps_keys: key_id.is_some(),
                    code_nonce: random::bytes(&*random),
                },
                news: Some(if key_id.is_some() {
                    PasswordNews::ResetWithRecoveryKey
                } else {
                    PasswordNews::Reset
                }),
            })
        };
        Ok(NewPasswordMade {
            access,
            wanted,
            decide: Box::new(decide),
        })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Secret;

    use super::*;
    use crate::credentials::NewVersionTwo;

    #[test]
    fn which_bodies_go_together() {
        let salt = "identity.mozilla.com/picl/v1/quickStretchV2:c2dc400c9cc1a93dd3cd3af1b05ebd60";
        let check = |wraps: bool, two: bool, key: Option<&str>, session: bool, keys: bool| {
            let secret = |byte| Secret::new([byte; 32]);
            let request = ResetRequest {
                password: NewPassword {
                    auth_pw: secret(1),
                    wrap_kb: wraps.then(|| secret(2)),
                    version_two: two.then(|| NewVersionTwo {
                        auth_pw: secret(3),
                        wrap_kb: secret(4),
                        client_salt: salt.to_owned(),
                    }),
                },
                recovery_key: key.map(|id| RecoveryKeyId::parse(id).ok().unwrap()),
                session,
                keys,
            };
            request.check().err().map(|error| error.code().number())
        };
        let key = Some("07c78d9d5b185d059ab32e8ef4305b88");
        let table = [
            ("only a password", check(false, false, None, false, false), None),
            ("with a session", check(false, false, None, true, true), None),
            (
                "a kB of the client's",
                check(true, true, None, false, false),
                None,
            ),
            (
                "keys without a session",
                check(false, false, None, false, true),
                Some(108),
            ),
            (
                "a kB for one verifier",
                check(true, false, None, false, false),
                Some(107),
            ),
            (
                "two verifiers without a kB",
                check(false, true, None, false, false),
                Some(107),
            ),
            (
                "a key without a kB",
                check(false, false, key, false, false),
                Some(107),
            ),
            (
                "a key, two verifiers, no kB",
                check(false, true, key, false, false),
                Some(107),
            ),
            ("a key", check(true, false, key, false, false), None),
            ("a key, two verifiers", check(true, true, key, true, true), None),
        ];
        for (name, refused, expected) in table {
            assert_eq!(refused, expected, "{name}");
        }
    }
}

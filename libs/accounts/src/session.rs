//! Sessions: which are valid, what they say of themselves, how they end (`accounts.md` (a) Tokens, (c) Sessions).

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    Deadline, Secret, Timestamp, TokenId, Uid,
    record::{Account, Device, KeyFetch, Session, Verification},
};
use foxhold_crypto::token::{KeyBundle, TokenKind};
use foxhold_ports::accounts::SignIn;

use crate::{AccountError, Accounts, Caller};

/// A session without a device ends after this.
const LIFE_WITHOUT_DEVICE: Duration = Duration::from_secs(28 * 24 * 60 * 60);

/// A valid session and its account.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// Its account.
    pub account: Account,
}

/// Whether a session is the account's, not older than its password, and the account is not disabled. Password changes and
/// resets end sessions by this rule alone, so none of them can be missed (`security.md` D.2).
#[must_use]
pub fn is_of(session: &Session, account: &Account) -> bool {
    is_left(session, account) && !account.is_disabled()
}

/// Whether a session is the account's and not older than its password: one that counts, or will when the account is enabled
/// again.
#[must_use]
pub fn is_left(session: &Session, account: &Account) -> bool {
    session.uid == account.uid && session.generation >= account.verifier_set_at
}

/// Whether a session of an account with these devices has not run out.
#[must_use]
pub fn lasts(session: &Session, devices: &[Device], now: Timestamp) -> bool {
    now.since(session.created_at) <= LIFE_WITHOUT_DEVICE
        || devices.iter().any(|device| device.session == session.id)
}

impl SignedIn {
    /// Whether the session counts as verified.
    #[must_use]
    pub const fn session_verified(&self) -> bool {
        self.session.verification.holds(self.account.email_verified)
    }

    /// What clients call `verified`: address and session, where the session must be; the address alone, else.
    #[must_use]
    pub const fn verified(&self) -> bool {
        self.account.email_verified && (self.session_verified() || !self.session.must_verify)
    }

    /// Refuses a session that is not verified.
    ///
    /// # Errors
    /// [`AccountError::UnverifiedSession`].
    pub const fn require_verified(&self) -> Result<(), AccountError> {
        if self.account.email_verified && self.session_verified() {
            Ok(())
        } else {
            Err(AccountError::UnverifiedSession)
        }
    }

    /// Whether a code of the second factor is still to be given in the session.
    #[must_use]
    pub const fn awaits_second_factor(&self) -> bool {
        matches!(self.session.verification, Verification::AwaitsSecondFactor)
    }

    /// Whether the code of a mail is still to be given that confirms the sign-in.
    #[must_use]
    pub const fn awaits_confirmation(&self) -> bool {
        matches!(self.session.verification, Verification::AwaitsConfirmation)
    }

    /// Refuses a session that waits for its second factor or its confirmation: whoever has the password alone must not end
    /// what the owner has open. One that waits for the first mail is let through, as clients expect.
    ///
    /// # Errors
    /// [`AccountError::UnverifiedSession`].
    pub const fn require_not_waiting(&self) -> Result<(), AccountError> {
        if self.session.verification.waits() {
            Err(AccountError::UnverifiedSession)
        } else {
            Ok(())
        }
    }
}

/// A new session and its key-fetch tokens, with what only the client gets.
pub(crate) struct Opening {
    pub(crate) sign_in: SignIn,
    pub(crate) session_token: Secret<32>,
    pub(crate) key_fetch_tokens: Vec<Secret<32>>,
}

impl Accounts {
    /// The session of a Hawk id, with its account: two reads. `None` if there is no such session, if it has run out,
    /// or if the account or its password has gone over it.
    ///
    /// # Errors
    /// Only if the store cannot be asked; that is never a `None`.
    pub async fn signed_in(&self, by: Deadline, id: TokenId) -> Result<Option<SignedIn>, AccountError> {
        let Some(session) = self.reader.session(by, id).await? else {
            return Ok(None);
        };
        let Some(account) = self.reader.account(by, session.uid).await? else {
            return Ok(None);
        };
        if !is_of(&session, &account) || self.has_run_out(by, &session).await? {
            return Ok(None);
        }
        Ok(Some(SignedIn { session, account }))
    }

    async fn has_run_out(&self, by: Deadline, session: &Session) -> Result<bool, AccountError> {
        // Young ones cost no look at the devices.
        if self.lasts(session, &[]) {
            return Ok(false);
        }
        let devices = self.reader.devices(by, session.uid).await?;
        Ok(!self.lasts(session, &devices))
    }

    /// Whether a session of an account with these devices has not run out.
    pub(crate) fn lasts(&self, session: &Session, devices: &[Device]) -> bool {
        lasts(session, devices, self.now())
    }

    /// POST /session/destroy: the session, or another one of the same account by its id. Its device and refresh tokens
    /// go with it.
    ///
    /// # Errors
    /// [`AccountError`] if it was not done, or is not known to be.
    pub async fn destroy_session(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        other: Option<TokenId>,
    ) -> Result<(), AccountError> {
        let uid = signed_in.account.uid;
        let id = match other {
            Some(other) if other != signed_in.session.id => {
                signed_in.require_not_waiting()?;
                let found = self.reader.session(caller.deadline, other).await?;
                found
                    .filter(|session| session.uid == uid)
                    .ok_or(AccountError::BadToken)?
                    .id
            }
            _ => signed_in.session.id,
        };
        self.close_session(caller, uid, id).await
    }

    pub(crate) async fn close_session(
        &self,
        caller: &Caller,
        uid: Uid,
        id: TokenId,
    ) -> Result<(), AccountError> {
        self.write(caller, |call| async move {
            self.writer.close_session(&call, uid, id).await
        })
        .await?;
        Ok(())
    }

    /// Draws a session for an account and, for each wrapKb, a key-fetch token with the bundle sealed in.
    ///
    /// # Errors
    /// [`AccountError`]: 999 if there is no randomness.
    pub(crate) fn open_for(
        &self,
        caller: &Caller,
        account: &Account,
        wrap_kbs: Option<&[Secret<32>]>,
        now: Timestamp,
    ) -> Result<Opening, AccountError> {
        self.open_as(caller, account, verification_of(account), wrap_kbs, now)
    }

    /// The same, verified in that way.
    ///
    /// # Errors
    /// [`AccountError`]: 999 if there is no randomness.
    pub(crate) fn open_as(
        &self,
        caller: &Caller,
        account: &Account,
        verification: Verification,
        wrap_kbs: Option<&[Secret<32>]>,
        now: Timestamp,
    ) -> Result<Opening, AccountError> {
        let minted = self.mint(TokenKind::Session)?;
        let session = Session {
            id: minted.keys.id,
            key: Arc::new(minted.keys.key),
            uid: account.uid,
            created_at: now,
            auth_at: now,
            verification,
            must_verify: wrap_kbs.is_some() || verification.waits(),
            generation: account.verifier_set_at,
            user_agent: caller.user_agent.clone(),
        };
        let drawn = wrap_kbs
            .unwrap_or_default()
            .iter()
            .map(|wrap_kb| self.draw_key_fetch(account, Some(&session), wrap_kb, now))
            .collect::<Result<Vec<_>, AccountError>>()?;
        let (key_fetch_tokens, key_fetches) = drawn.into_iter().unzip();
        let sign_in = SignIn { session, key_fetches };
        Ok(Opening {
            sign_in,
            session_token: minted.token,
            key_fetch_tokens,
        })
    }

    /// Draws a key-fetch token for an account, with the bundle sealed in. The token is for the client only. It counts as
    /// verified as the session does that it is drawn for.
    ///
    /// # Errors
    /// [`AccountError`]: 999 if there is no randomness.
    pub(crate) fn draw_key_fetch(
        &self,
        account: &Account,
        session: Option<&Session>,
        wrap_kb: &Secret<32>,
        now: Timestamp,
    ) -> Result<(Secret<32>, KeyFetch), AccountError> {
        let minted = self.mint(TokenKind::KeyFetch)?;
        let bundle = KeyBundle::seal(&minted.keys.bundle_key, &account.credentials.k_a, wrap_kb);
        let key_fetch = KeyFetch {
            id: minted.keys.id,
            key: Arc::new(minted.keys.key),
            bundle: Arc::new(Secret::new(*bundle.as_bytes())),
            uid: account.uid,
            created_at: now,
            verification: session.map_or_else(|| verification_of(account), |session| session.verification),
            session: session
                .filter(|session| session.verification.waits())
                .map(|session| session.id),
            generation: account.verifier_set_at,
        };
        Ok((minted.token, key_fetch))
    }
}

/// How what is opened by a password now counts as verified.
pub(crate) fn verification_of(account: &Account) -> Verification {
    if account.enabled_second_factor().is_some() {
        Verification::AwaitsSecondFactor
    } else if account.email_verified {
        Verification::Verified
    } else {
        Verification::WithAccount
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::Disabled;

    use super::*;
    use crate::fixtures::{MADE, account, session, signed_in};

    #[test]
    fn what_counts_as_verified() {
        use Verification::{AwaitsConfirmation, AwaitsSecondFactor, SecondFactor, Verified, WithAccount};
        let table = [
            (false, WithAccount, true, false, false),
            (true, WithAccount, true, true, true),
            (true, Verified, true, true, true),
            (true, Verified, false, true, true),
            (true, AwaitsSecondFactor, true, false, false),
            (true, AwaitsConfirmation, true, false, false),
            (true, SecondFactor, true, true, true),
            // A session that was verified by itself does not verify the address.
            (false, Verified, true, false, true),
        ];
        for (email_verified, verification, must_verify, verified, session_verified) in table {
            let mut signed_in = signed_in(email_verified, verification);
            signed_in.session.must_verify = must_verify;
            let row = (email_verified, verification, must_verify);
            assert_eq!(signed_in.verified(), verified, "{row:?}");
            assert_eq!(signed_in.session_verified(), session_verified, "{row:?}");
            assert_eq!(signed_in.require_verified().is_ok(), verified, "{row:?}");
            let awaits = matches!(verification, AwaitsSecondFactor | AwaitsConfirmation);
            assert_eq!(signed_in.require_not_waiting().is_err(), awaits, "{row:?}");
        }
    }

    #[test]
    fn a_newer_password_ends_older_sessions_and_no_others() {
        let session = session(1, Verification::Verified);
        let mut account = account(true);
        assert!(is_of(&session, &account));
        account.verifier_set_at = MADE.plus(Duration::from_millis(1));
        assert!(!is_of(&session, &account));
        account.verifier_set_at = MADE.minus(Duration::from_millis(1));
        assert!(is_of(&session, &account));
        account.uid = Uid::from_bytes([0; 16]);
        assert!(!is_of(&session, &account), "another account's");
    }

    #[test]
    fn the_sessions_of_a_disabled_account_count_again_once_it_is_enabled() {
        let session = session(1, Verification::Verified);
        let mut account = account(true);
        for (is_over, expected) in [(false, false), (true, true)] {
            let at = MADE.plus(Duration::from_secs(9));
            account.disabled = Some(Disabled { at, is_over });
            assert_eq!(is_of(&session, &account), expected);
            assert!(is_left(&session, &account));
            assert_eq!(account.signed_since(), at);
        }
        account.disabled = Some(Disabled {
            at: MADE.minus(Duration::from_secs(9)),
            is_over: true,
        });
        assert_eq!(account.signed_since(), MADE, "the password is newer");
    }
}

//! What guards an account beside its password (`accounts.md` (c) TOTP, (k)): the second factor, its backup codes, and the
//! recovery key. Each is decided on the account as it was read, and decided anew where that has changed meanwhile.
//!
//! Must stay true: a step or a backup code is used up by a write before the session counts as verified by it. So whoever
//! calls what changes a guard lets it end, also when the client has gone.

mod backup_codes;
mod recovery_key;
mod second_factor;

pub use backup_codes::{BACKUP_CODES, FoldedCode};
pub use recovery_key::{NewRecoveryKey, RecoveryKeyId, recovery_hint, recovery_key_exists};
pub use second_factor::TotpVerified;

use foxhold_core::{
    Uid,
    record::{Account, Session, Verification},
};
use foxhold_ports::{Refusal, guards::Guard, limits::LimitKeys};

use crate::{
    AccountError, Accounts, Caller, SignedIn, mail::AccountNews, reauth::later_than, session::is_of,
    write::WriteFailure,
};

/// How often a guard is decided anew because something else of the account has changed meanwhile: all backup codes of an
/// account may be used at once.
const ROUNDS: usize = 12;

/// What was decided, and what is told of it.
enum Decision<T> {
    /// Everything stays.
    Keep(T),
    /// This is put in the place of what was.
    Put(Guard, T),
}

impl SignedIn {
    /// Whether a second factor was given in the session.
    #[must_use]
    pub fn has_second_factor(&self) -> bool {
        self.session.verification == Verification::SecondFactor
    }

    /// Refuses a session that is not verified by a second factor.
    ///
    /// # Errors
    /// [`AccountError::UnverifiedSession`].
    pub(crate) fn require_second_factor(&self) -> Result<(), AccountError> {
        self.require_verified()?;
        if self.has_second_factor() {
            Ok(())
        } else {
            Err(AccountError::UnverifiedSession)
        }
    }
}

impl Caller {
    /// Limit keys of a call about an account.
    pub(crate) const fn keys_of(&self, uid: Uid) -> LimitKeys<'static> {
        LimitKeys {
            ip: self.ip,
            email: None,
            uid: Some(uid),
        }
    }
}

impl Accounts {
    /// Decides, and writes what was decided. `decide` is given the account as it is.
    ///
    /// # Errors
    /// What `decide` refuses, and [`AccountError`]: 110, 165, 201.
    async fn decide_guard<T: Send>(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        decide: impl Fn(&Account) -> Result<Decision<T>, AccountError> + Send + Sync,
    ) -> Result<T, AccountError> {
        let mut account = signed_in.account.clone();
        for _ in 0..ROUNDS {
            let (guard, told) = match decide(&account)? {
                Decision::Keep(told) => return Ok(told),
                Decision::Put(guard, told) => (guard, told),
            };
            match self.put_guard(caller, &account, &guard).await {
                Ok(()) => return Ok(told),
                Err(WriteFailure::Refused(Refusal::Conflict)) => {
                    account = self.account_of_session(caller, &signed_in.session).await?;
                }
                Err(failure) => {
                    return Err(failure.telling(Refusal::UnknownAccount, || AccountError::BadToken));
                }
            }
        }
        Err(AccountError::StoreConflict)
    }

    async fn put_guard(&self, caller: &Caller, account: &Account, guard: &Guard) -> Result<(), WriteFailure> {
        let (uid, based_on) = (account.uid, account.version);
        self.write(caller, |call| {
            let guard = guard.clone();
            async move {
                match guard {
                    Guard::SecondFactor(factor) => {
                        self.guards.set_second_factor(&call, uid, based_on, factor).await
                    }
                    Guard::RecoveryKey(key) => self.guards.set_recovery_key(&call, uid, based_on, key).await,
                }
            }
        })
        .await
    }

    /// The session's account as it is now, if the session is still good.
    async fn account_of_session(&self, caller: &Caller, session: &Session) -> Result<Account, AccountError> {
        let account = self.reader.account(caller.deadline, session.uid).await?;
        account
            .filter(|account| is_of(session, account))
            .ok_or(AccountError::BadToken)
    }

    /// Marks the session as one in which a second factor was given. It was used up before. A sign-in that has waited for it
    /// counts from now on.
    async fn mark_second_factor(&self, caller: &Caller, signed_in: &SignedIn) -> Result<(), AccountError> {
        let session = &signed_in.session;
        let marked = Session {
            verification: Verification::SecondFactor,
            ..session.clone()
        };
        let at = later_than(session, self.now());
        self.write_at(caller, at, |call| {
            let marked = marked.clone();
            async move { self.writer.refresh_session(&call, marked, Vec::new()).await }
        })
        .await?;
        if session.verification.waits() {
            self.send_notice(&signed_in.account, AccountNews::NewDeviceLogin)
                .await;
        }
        Ok(())
    }
}

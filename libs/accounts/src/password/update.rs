//! Setting a new password: one intent on the account it was decided on, and what follows it.

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use foxhold_core::{
    Secret, Timestamp,
    record::{Account, Credentials, PasswordEffect, PasswordToken, PasswordUpdate, Verification},
};
use foxhold_ports::{
    Refusal,
    follow_ups::Attempt,
    limits::{Action, LimitKeys},
};

use super::PasswordAccess;
use crate::{
    AccountError, AccountEvent, Accounts, Caller, SignedIn,
    login::SECOND_FACTOR,
    mail::PasswordNews,
    session::{Opening, verification_of},
    write::WriteFailure,
};

/// How often a new password is decided anew because something else of the account has changed meanwhile.
const ROUNDS: usize = 3;

/// A session that came with a new password.
pub struct Renewed {
    /// Session and account.
    pub signed_in: SignedIn,
    /// For the client.
    pub session_token: Secret<32>,
    /// Of the first verifier, if keys were asked for.
    pub key_fetch_token: Option<Secret<32>>,
    /// Of the second one, if one was sent and keys were asked for.
    pub key_fetch_token_version_two: Option<Secret<32>>,
    /// How the session can be verified, if it waits for a second factor.
    pub verification_method: Option<String>,
}

impl Renewed {
    fn of(opening: Opening, account: Account) -> Self {
        let mut tokens = opening.key_fetch_tokens.into_iter();
        let signed_in = SignedIn {
            session: opening.sign_in.session,
            account,
        };
        Self {
            verification_method: signed_in.awaits_second_factor().then(|| SECOND_FACTOR.to_owned()),
            signed_in,
            session_token: opening.session_token,
            key_fetch_token: tokens.next(),
            key_fetch_token_version_two: tokens.next(),
        }
    }
}

/// A new password that is made and not set yet: all the stretching is done. What is left must not be broken off.
pub struct NewPasswordMade {
    pub(super) access: PasswordAccess,
    pub(super) wanted: Wanted,
    pub(super) decide: Decide,
}

/// What a new password is to an account, whose verifier would be set at that time.
pub(super) type Decide = Box<dyn Fn(&Account, Timestamp) -> Result<Decision, AccountError> + Send + Sync>;

/// What a client wants beside the new password.
pub(super) struct Wanted {
    /// A session.
    pub(super) session: bool,
    /// How the session counts as verified, if not as one that a password opens.
    pub(super) verification: Option<Verification>,
    /// What key-fetch tokens are to be made of, if they are wanted.
    pub(super) wrap_kbs: Option<Vec<Secret<32>>>,
}

/// What a new password is to an account.
pub(super) struct Decision {
    pub(super) credentials: Arc<Credentials>,
    pub(super) effect: PasswordEffect,
    /// What its owner is told.
    pub(super) news: Option<PasswordNews>,
}

impl Decision {
    /// Nothing that anybody has to know.
    pub(super) const fn quiet(credentials: Arc<Credentials>) -> Self {
        Self {
            credentials,
            effect: PasswordEffect::Upgrade,
            news: None,
        }
    }
}

impl Accounts {
    /// Sets a password that was made: puts the intent, decided again where the account's version has moved on. Whoever calls
    /// this lets it end, also when the client has gone.
    ///
    /// # Errors
    /// What the decision refuses, and [`AccountError`]: 110, 165, 201.
    pub async fn set_password(
        &self,
        caller: &Caller,
        made: NewPasswordMade,
    ) -> Result<Option<Renewed>, AccountError> {
        let NewPasswordMade {
            access: PasswordAccess { token, mut account },
            wanted,
            decide,
        } = made;
        for _ in 0..ROUNDS {
            let now = self.now();
            let decision = decide(&account, later_than(&account, now))?;
            let update = PasswordUpdate {
                uid: account.uid,
                based_on: account.version,
                spends: token.id,
                credentials: decision.credentials,
                effect: decision.effect,
            };
            let after = update.applied_to(&account);
            let opening = self.opening(caller, &after, &wanted, now)?;
            let news = decision.news;
            match self.put(caller, &update, opening.as_ref(), (&after, news)).await {
                Ok(()) => {
                    self.follow(caller.ip, &after, news).await;
                    return Ok(opening.map(|opening| Renewed::of(opening, after)));
                }
                Err(WriteFailure::Refused(Refusal::Conflict)) => {
                    account = self.account_of(caller, &token).await?;
                }
                Err(failure) => {
                    return Err(failure.telling(Refusal::UnknownAccount, || AccountError::BadToken));
                }
            }
        }
        Err(AccountError::StoreConflict)
    }

    fn opening(
        &self,
        caller: &Caller,
        account: &Account,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<Opening>, AccountError> {
        let verification = wanted.verification.unwrap_or_else(|| verification_of(account));
        let open = || self.open_as(caller, account, verification, wanted.wrap_kbs.as_deref(), now);
        wanted.session.then(open).transpose()
    }

    /// Puts the intent once. If its outcome stays unknown the account tells: what is done has to be followed by all that
    /// follows it, and the client can be told.
    async fn put(
        &self,
        caller: &Caller,
        update: &PasswordUpdate,
        opening: Option<&Opening>,
        (after, news): (&Account, Option<PasswordNews>),
    ) -> Result<(), WriteFailure> {
        let outcome = self
            .write(caller, |call| {
                let update = update.clone();
                let sign_in = opening.map(|opening| opening.sign_in.clone());
                async move { self.writer.set_password(&call, update, sign_in).await }
            })
            .await;
        let is_unknown = matches!(outcome, Err(WriteFailure::Unknown));
        if !is_unknown || update.effect.verifier_set_at().is_none() {
            return outcome;
        }
        match self.look_again(update.uid).await {
            Some(Some(found)) if is_that(&found, after) => Ok(()),
            Some(_) => outcome,
            None => {
                self.follow_ups.keep_trying(Box::new(Perhaps {
                    accounts: self.clone(),
                    ip: caller.ip,
                    after: after.clone(),
                    news,
                }));
                outcome
            }
        }
    }

    /// The token's account as it is now, if the token is still good for it.
    async fn account_of(&self, caller: &Caller, token: &PasswordToken) -> Result<Account, AccountError> {
        let account = self.reader.account(caller.deadline, token.uid).await?;
        account
            .filter(|account| token.is_of(account) && !account.is_disabled())
            .ok_or(AccountError::BadToken)
    }

    /// Whoever has reset the account reads its mail: what others have guessed shuts them out no longer.
    async fn lift_blocks(&self, ip: Option<IpAddr>, account: &Account) {
        let keys = LimitKeys {
            ip,
            email: Some(account.email_key.as_str()),
            uid: Some(account.uid),
        };
        for action in [
            Action::AccountLogin,
            Action::PasswordCheckFailed,
            Action::PasswordChange,
            Action::AccountDestroy,
            Action::VerifySessionCode,
            Action::MailSignInTo,
        ] {
            self.limits.clear(action, keys).await;
        }
    }

    /// All that follows a new password.
    async fn follow(&self, ip: Option<IpAddr>, account: &Account, news: Option<PasswordNews>) {
        let Some(news) = news else { return };
        if matches!(news, PasswordNews::Reset | PasswordNews::ResetWithRecoveryKey) {
            self.lift_blocks(ip, account).await;
        }
        // The owner first: who listens may be slow.
        self.send_password_mail(account, news).await;
        let event = AccountEvent::PasswordSet {
            uid: account.uid,
            generation: account.verifier_set_at,
        };
        self.events.tell(event).await;
    }
}

/// Whether the account has got this new password.
fn is_that(found: &Account, after: &Account) -> bool {
    found.verifier_set_at == after.verifier_set_at && found.credentials == after.credentials
}

/// A new password that may have been set: the store could not be asked.
struct Perhaps {
    accounts: Accounts,
    ip: Option<IpAddr>,
    after: Account,
    news: Option<PasswordNews>,
}

#[async_trait]
impl Attempt for Perhaps {
    async fn is_done(&self) -> bool {
        let Some(found) = self.accounts.look_again(self.after.uid).await else {
            return false;
        };
        if found.is_some_and(|found| is_that(&found, &self.after)) {
            self.accounts.follow(self.ip, &self.after, self.news).await;
        }
        true
    }
}

/// When a new verifier is set: later than the present one, also where the clocks of two webheads disagree.
fn later_than(account: &Account, now: Timestamp) -> Timestamp {
    now.max(account.signed_since().plus(std::time::Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fixtures::{MADE, account};

    #[test]
    fn a_new_verifier_is_later_than_the_one_before() {
        let millis = Duration::from_millis;
        let table = [
            ("as usual", MADE.plus(millis(5)), MADE.plus(millis(5))),
            ("at once", MADE, MADE.plus(millis(1))),
            ("clock behind", MADE.minus(millis(5)), MADE.plus(millis(1))),
        ];
        for (name, now, expected) in table {
            assert_eq!(later_than(&account(true), now), expected, "{name}");
        }
    }
}

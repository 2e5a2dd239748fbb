//! Whether a password is an account's. An unknown address costs the same stretching as a known one, so that the time tells
//! nothing (`security.md` B.4); an attempt is counted before it is made and taken back if it was no wrong guess (B.1).

use foxhold_core::{Secret, Uid, random, record::Account};
use foxhold_ports::limits::{Action, LimitKeys};

use crate::{
    AccountError, Accounts, Address, Caller, SignedIn,
    credentials::{self, Opened},
};

/// A password that somebody gives.
pub(crate) struct Guess<'a> {
    /// The address as typed.
    pub(crate) address: &'a Address,
    /// `authPW` of either version.
    pub(crate) auth_pw: Secret<32>,
    /// In a session the address has to be its account's; any other is as good as unknown.
    pub(crate) signed_in: Option<&'a SignedIn>,
    /// Where a wrong one counts, beside the count of all wrong ones.
    pub(crate) counted: &'a [Action],
}

impl Guess<'_> {
    fn uid(&self) -> Option<Uid> {
        self.signed_in.map(|signed_in| signed_in.account.uid)
    }

    /// In a session a guess counts for the account alone: what strangers guess at its address shuts nobody out who is signed
    /// in.
    fn keys<'a>(&'a self, caller: &Caller) -> LimitKeys<'a> {
        let keys = caller.limit_keys(self.address);
        match self.uid() {
            None => keys,
            uid => LimitKeys {
                uid,
                email: None,
                ..keys
            },
        }
    }

    fn actions(&self) -> Vec<Action> {
        let all = [self.counted, &[Action::PasswordCheckFailed]];
        all.concat()
    }
}

impl Accounts {
    /// The account, and what the password opened.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 103, 114, 120, 125, 201.
    pub(crate) async fn check_password(
        &self,
        caller: &Caller,
        guess: Guess<'_>,
    ) -> Result<(Account, Opened), AccountError> {
        let (actions, keys) = (guess.actions(), guess.keys(caller));
        self.reserve(&actions, keys).await?;
        let checked = self.open(caller, &guess).await;
        // An attempt that was right, or that could not be judged for want of a store or a slot, is nobody's guess.
        if checked.as_ref().is_err_and(is_wrong_guess) {
            self.keep(&actions, keys).await;
        } else {
            self.give_back(&actions, keys).await;
        }
        checked
    }

    async fn open(&self, caller: &Caller, guess: &Guess<'_>) -> Result<(Account, Opened), AccountError> {
        let address = guess.address;
        let found = self
            .reader
            .account_by_email(caller.deadline, address.key())
            .await?;
        let account = found.filter(|account| guess.uid().is_none_or(|uid| uid == account.uid));
        let salt = account.as_ref().map_or_else(
            || random::bytes(&*self.random),
            |account| account.credentials.auth_salt,
        );
        let stretched = self
            .stretcher
            .stretch(caller.deadline, credentials::copy(&guess.auth_pw), salt)
            .await?;
        let Some(account) = account else {
            return Err(AccountError::UnknownAccount {
                email: Some(address.as_typed().to_owned()),
            });
        };
        match credentials::open(&account.credentials, &stretched) {
            // Told to whoever knows the password, and to nobody else.
            Some(_) if account.is_disabled() => Err(AccountError::AccountDisabled),
            Some(opened) => Ok((account, opened)),
            // The stored spelling is the salt of version 1: a client that used another one tries again with it.
            None if account.email != address.as_typed() => {
                Err(AccountError::EmailCase { email: account.email })
            }
            None => Err(AccountError::WrongPassword {
                email: address.as_typed().to_owned(),
            }),
        }
    }
}

const fn is_wrong_guess(error: &AccountError) -> bool {
    matches!(
        error,
        AccountError::UnknownAccount { .. }
            | AccountError::WrongPassword { .. }
            | AccountError::EmailCase { .. }
    )
}

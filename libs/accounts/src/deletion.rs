//! POST /account/destroy: an account goes for good, by whoever knows its password. Its address is free from then on.

use async_trait::async_trait;
use foxhold_core::{Secret, Uid, record::Account};
use foxhold_ports::{Refusal, follow_ups::Attempt, limits::Action};

use crate::{
    AccountError, AccountEvent, Accounts, Address, Caller, SignedIn, password_check::Guess,
    write::WriteFailure,
};

/// How often a deletion is put again because something else of the account has changed meanwhile.
const ROUNDS: usize = 3;

/// The password of the account that is to go.
pub struct DeletionRequest {
    /// The address as typed, or in the stored spelling.
    pub email: String,
    /// `authPW` of either version.
    pub auth_pw: Secret<32>,
}

/// An account whose password was given to have it deleted.
pub struct Doomed {
    address: Address,
    account: Account,
}

impl Accounts {
    /// Checks the password, and deletes the account.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 103, 107, 114, 120, 165, 201.
    pub async fn destroy_account(
        &self,
        caller: &Caller,
        signed_in: Option<&SignedIn>,
        request: DeletionRequest,
    ) -> Result<(), AccountError> {
        let doomed = self.check_deletion(caller, signed_in, request).await?;
        self.delete(caller, doomed).await
    }

    /// Checks the password: what costs, and writes nothing. It ends with its client.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 103, 107, 114, 120, 201.
    pub async fn check_deletion(
        &self,
        caller: &Caller,
        signed_in: Option<&SignedIn>,
        request: DeletionRequest,
    ) -> Result<Doomed, AccountError> {
        let address = Address::parse(&request.email)?;
        let guess = Guess {
            address: &address,
            auth_pw: request.auth_pw,
            signed_in,
            counted: &[Action::AccountDestroy, Action::AccountDestroyFailed],
        };
        let (account, _) = self.check_password(caller, guess).await?;
        Ok(Doomed { address, account })
    }

    /// Deletes an account, also one whose address was never verified. Whoever calls this lets it end, also when the client
    /// has gone: others have to be told.
    ///
    /// # Errors
    /// [`AccountError`]: 103, 165, 201.
    pub async fn delete(&self, caller: &Caller, doomed: Doomed) -> Result<(), AccountError> {
        let Doomed { address, account } = doomed;
        let uid = account.uid;
        self.remove(caller, &address, account).await?;
        self.events.tell(AccountEvent::Deleted { uid }).await;
        Ok(())
    }

    /// The password was checked on one version of the account. On a later one it counts as long as it is still the password.
    async fn remove(
        &self,
        caller: &Caller,
        address: &Address,
        mut account: Account,
    ) -> Result<(), AccountError> {
        let checked_under = account.verifier_set_at;
        for _ in 0..ROUNDS {
            match self.put_deletion(caller, account.uid, account.version).await {
                Ok(()) => return Ok(()),
                Err(WriteFailure::Refused(Refusal::Conflict)) => {}
                Err(failure) => return Err(failure.into()),
            }
            let Some(found) = self.reader.account(caller.deadline, account.uid).await? else {
                return Ok(());
            };
            if found.is_disabled() {
                return Err(AccountError::AccountDisabled);
            }
            if found.verifier_set_at != checked_under {
                return Err(AccountError::WrongPassword {
                    email: address.as_typed().to_owned(),
                });
            }
            account = found;
        }
        Err(AccountError::StoreConflict)
    }

    async fn put_deletion(&self, caller: &Caller, uid: Uid, based_on: u64) -> Result<(), WriteFailure> {
        let outcome = self
            .write(caller, |call| async move {
                self.writer.delete_account(&call, uid, based_on).await
            })
            .await;
        if !matches!(outcome, Err(WriteFailure::Unknown)) {
            return outcome;
        }
        match self.look_again(uid).await {
            Some(None) => Ok(()),
            Some(Some(_)) => outcome,
            None => {
                let accounts = self.clone();
                self.follow_ups.keep_trying(Box::new(Perhaps { accounts, uid }));
                outcome
            }
        }
    }
}

/// A deletion that may have been done: the store could not be asked.
struct Perhaps {
    accounts: Accounts,
    uid: Uid,
}

#[async_trait]
impl Attempt for Perhaps {
    async fn is_done(&self) -> bool {
        let uid = self.uid;
        let Some(found) = self.accounts.look_again(uid).await else {
            return false;
        };
        if found.is_none() {
            self.accounts.events.tell(AccountEvent::Deleted { uid }).await;
        }
        true
    }
}

//! Questions about an account that need no password: does it exist, which password version has it
//! (`accounts.md` (c), Accounts).

use foxhold_core::{Uid, record::Account};
use foxhold_ports::limits::Action;

use crate::{AccountError, Accounts, Address, Caller};

/// What a client has to know before it stretches a password.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialsStatus {
    /// The whole salt of version 2; absent if the account has version 1 only, and should be upgraded.
    pub client_salt: Option<String>,
}

impl Accounts {
    /// GET /account/status by uid. Firefox deletes its account on `false`, so a store that cannot be asked is an error.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub async fn exists(&self, caller: &Caller, uid: Uid) -> Result<bool, AccountError> {
        Ok(self.reader.account(caller.deadline, uid).await?.is_some())
    }

    /// POST /account/status by address.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114, 201.
    pub async fn exists_by_email(&self, caller: &Caller, email: &str) -> Result<bool, AccountError> {
        let found = self.asked_for(caller, email, Action::AccountStatusCheck).await?;
        Ok(found.is_some())
    }

    /// POST /account/credentials/status.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 107, 114, 201.
    pub async fn credentials_status(
        &self,
        caller: &Caller,
        email: &str,
    ) -> Result<CredentialsStatus, AccountError> {
        let account = self
            .asked_for(caller, email, Action::GetCredentialsStatus)
            .await?;
        let account = account.ok_or_else(|| AccountError::UnknownAccount {
            email: Some(email.to_owned()),
        })?;
        let client_salt = account
            .credentials
            .version_two
            .as_ref()
            .map(|two| two.client_salt.clone());
        Ok(CredentialsStatus { client_salt })
    }

    /// The account that somebody without a password asks for. One that is not there counts as a guess of its own: the
    /// answers tell who has an account.
    pub(crate) async fn asked_for(
        &self,
        caller: &Caller,
        email: &str,
        action: Action,
    ) -> Result<Option<Account>, AccountError> {
        let address = Address::parse(email)?;
        let keys = caller.limit_keys(&address);
        self.reserve(&[action, Action::AccountStatusCheckFailed], keys)
            .await?;
        let found = self.reader.account_by_email(caller.deadline, address.key()).await;
        let failed = [Action::AccountStatusCheckFailed];
        match found {
            Ok(None) => self.keep(&failed, keys).await,
            _ => self.give_back(&failed, keys).await,
        }
        self.keep(&[action], keys).await;
        Ok(found?)
    }
}

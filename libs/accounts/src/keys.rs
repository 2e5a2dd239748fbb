//! GET /account/keys: a key-fetch token is spent for the bundle that was sealed when it was made.

use std::sync::Arc;

use foxhold_core::{
    Deadline, Secret, TokenId,
    record::{Account, KeyFetch, Session, Verification},
};

use crate::{AccountError, Accounts, Caller, session::is_of};

/// A key-fetch token that is not spent, and its account.
#[derive(Debug, Clone)]
pub struct KeyFetchAccess {
    /// The token's record.
    pub key_fetch: KeyFetch,
    /// Its account.
    pub account: Account,
}

impl Accounts {
    /// The key-fetch token of a Hawk id, with its account. `None` if there is none, or if the account or its password
    /// has gone over it.
    ///
    /// # Errors
    /// Only if the store cannot be asked.
    pub async fn key_fetch_access(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<KeyFetchAccess>, AccountError> {
        let Some(key_fetch) = self.reader.key_fetch(by, id).await? else {
            return Ok(None);
        };
        let Some(account) = self.reader.account(by, key_fetch.uid).await? else {
            return Ok(None);
        };
        let valid = key_fetch.generation >= account.verifier_set_at && !account.is_disabled();
        Ok(valid.then_some(KeyFetchAccess { key_fetch, account }))
    }

    /// Spends the token for its bundle. Of any number of parallel calls one gets it.
    ///
    /// # Errors
    /// [`AccountError`]: 104 (and the token is kept), 110, 201.
    pub async fn fetch_keys(
        &self,
        caller: &Caller,
        access: &KeyFetchAccess,
    ) -> Result<Arc<Secret<96>>, AccountError> {
        let KeyFetchAccess { key_fetch, account } = access;
        if !account.email_verified || !self.is_verified(caller.deadline, access).await? {
            return Err(AccountError::UnverifiedAccount);
        }
        let id = key_fetch.id;
        self.write(caller, |call| async move {
            self.writer.consume_key_fetch(&call, id).await
        })
        .await?;
        Ok(Arc::clone(&key_fetch.bundle))
    }

    /// Whether the token is verified: by itself, or since its session was given what both waited for.
    async fn is_verified(&self, by: Deadline, access: &KeyFetchAccess) -> Result<bool, AccountError> {
        let KeyFetchAccess { key_fetch, account } = access;
        let Some(id) = key_fetch.session else {
            return Ok(key_fetch.verification.holds(account.email_verified));
        };
        let session = self.reader.session(by, id).await?;
        let given = |session: &Session| is_of(session, account) && is_given(key_fetch, session, account);
        Ok(session.as_ref().is_some_and(given))
    }
}

/// Whether its session was given what a token waits for.
const fn is_given(key_fetch: &KeyFetch, session: &Session, account: &Account) -> bool {
    match key_fetch.verification {
        Verification::AwaitsSecondFactor => matches!(session.verification, Verification::SecondFactor),
        _ => session.verification.holds(account.email_verified),
    }
}

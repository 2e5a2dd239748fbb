//! POST /account/scoped-key-data: what a client needs beside kB to make the keys of its scopes (`accounts.md` (e)).

use foxhold_core::{ClientId, Timestamp};

use crate::{
    AccountError, Accounts, SignedIn,
    oauth::{Scopes, is_key_bearing},
};

/// Of one key-bearing scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedKeyData {
    /// The scope.
    pub identifier: String,
    /// First part of the key's id: must not change until the keys do.
    pub key_rotation_timestamp: Timestamp,
}

impl Accounts {
    /// The key-bearing ones among the scopes that a client asks for and may have.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 162, 163, 164.
    pub fn scoped_key_data(
        &self,
        signed_in: &SignedIn,
        client: ClientId,
        scope: &str,
    ) -> Result<Vec<ScopedKeyData>, AccountError> {
        let scopes = Scopes::parse(scope).ok_or(AccountError::BadParameter("scope"))?;
        self.settings.clients.find(client)?.check_scopes(&scopes)?;
        let changed_at = signed_in.account.keys_changed_at;
        // A password given before the keys changed is no password to the new ones.
        if signed_in.session.auth_at < changed_at {
            return Err(AccountError::StaleAuth {
                auth_at: signed_in.session.auth_at,
            });
        }
        let of_keys = scopes.iter().filter(|scope| is_key_bearing(scope));
        Ok(of_keys
            .map(|scope| ScopedKeyData {
                identifier: scope.to_owned(),
                key_rotation_timestamp: changed_at,
            })
            .collect())
    }
}

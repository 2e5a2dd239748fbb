//! Signing access tokens, whatever the grant.

use std::time::Duration;

use foxhold_core::{
    ClientId, Secret, SecretText, Timestamp, random,
    record::{Account, RefreshToken},
};
use foxhold_ports::signer::AccessTokenOrder;

use super::{Client, Scopes};
use crate::{AccountError, Accounts, Caller};

/// Of a token whose client asked for no lifetime (Firefox, for `profile`).
const LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest one; a client that asks for more gets this.
const LIFETIME_MAX: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Answer of the token endpoint.
pub struct Granted {
    /// A compact JWT.
    pub access_token: SecretText,
    /// Its scopes.
    pub scope: String,
    /// How long it lives, in seconds.
    pub expires_in_secs: u64,
    /// When the password was given; absent on a refresh.
    pub auth_at: Option<Timestamp>,
    /// If the code was for offline access.
    pub refresh_token: Option<Secret<32>>,
    /// Verbatim, if the page gave it.
    pub keys_jwe: Option<String>,
}

impl Accounts {
    /// Has an access token signed. Nothing of it is stored.
    pub(super) async fn sign_access_token(
        &self,
        caller: &Caller,
        account: &Account,
        client: &Client,
        scopes: &Scopes,
        ttl_secs: Option<u64>,
    ) -> Result<Granted, AccountError> {
        let lifetime_secs = lifetime_secs(ttl_secs)?;
        let order = AccessTokenOrder {
            uid: account.uid,
            client: client.id,
            audience: audience(scopes, client.id, &self.settings.token_server_url),
            scope: scopes.to_string(),
            lifetime_secs,
            jti: random::bytes(&*self.random),
            generation: account.signed_since(),
            profile_changed_at: account.profile_changed_at,
        };
        let access_token = self.signer.sign_access_token(caller.deadline, &order).await?;
        Ok(Granted {
            access_token,
            scope: order.scope,
            expires_in_secs: lifetime_secs,
            auth_at: None,
            refresh_token: None,
            keys_jwe: None,
        })
    }

    /// Stores a refresh token.
    pub(super) async fn store_refresh_token(
        &self,
        caller: &Caller,
        record: RefreshToken,
    ) -> Result<(), AccountError> {
        self.write(caller, |call| {
            let record = record.clone();
            async move { self.writer.put_refresh_token(&call, record).await }
        })
        .await?;
        Ok(())
    }
}

/// Tokens for sync are for the Token Server; all others are for the client itself.
fn audience(scopes: &Scopes, client: ClientId, token_server_url: &str) -> String {
    if scopes.has_key_bearing() {
        token_server_url.to_owned()
    } else {
        client.to_string()
    }
}

fn lifetime_secs(wanted_secs: Option<u64>) -> Result<u64, AccountError> {
    match wanted_secs {
        None => Ok(LIFETIME_DEFAULT.as_secs()),
        Some(0) => Err(AccountError::BadParameter("ttl")),
        Some(secs) => Ok(secs.min(LIFETIME_MAX.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::OLDSYNC;

    #[test]
    fn lifetimes() {
        for (wanted, expected) in [
            (None, Some(86_400)),
            (Some(21_600), Some(21_600)),
            (Some(u64::MAX), Some(1_209_600)),
            (Some(0), None),
        ] {
            assert_eq!(lifetime_secs(wanted).ok(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn tokens_for_sync_are_for_the_token_server() {
        let client = ClientId::from_bytes([0xab; 8]);
        let url = "https://token.example.test";
        assert_eq!(audience(&Scopes::of(&["profile", OLDSYNC]), client, url), url);
        assert_eq!(
            audience(&Scopes::of(&["profile"]), client, url),
            "abababababababab"
        );
    }
}

//! Clients that an operator has registered (`accounts.md` (k), Registered clients): finding one, and whether who asks is
//! it. The built-in ones are looked up first and are not kept anywhere.

use std::sync::Arc;

use foxhold_core::{
    ClientId, Deadline, Secret,
    record::{Account, ClientKind, RegisteredClient},
};
use foxhold_crypto::mac::{same, sha256};
use foxhold_ports::{
    ClientRegistry, GrantReader, GrantWriter, IdTokenSigner,
    limits::{Action, LimitKeys},
};

use super::{Client, Scopes};
use crate::{AccountError, Accounts, Caller};

/// What the OpenID provider works with beside the accounts.
#[derive(Clone)]
pub struct OpenIdPorts {
    /// Reads registered clients.
    pub registry: Arc<dyn ClientRegistry>,
    /// Reads what users have agreed to.
    pub grant_reader: Arc<dyn GrantReader>,
    /// Writes it.
    pub grant_writer: Arc<dyn GrantWriter>,
    /// Signs ID tokens.
    pub signer: Arc<dyn IdTokenSigner>,
    /// The public root URL: what answers to browsers name as `iss`.
    pub issuer: String,
}

/// Who asks at the token endpoint, as it says itself.
pub struct ClientLogin {
    /// Its id.
    pub client: ClientId,
    /// Its secret, if it shows one.
    pub secret: Option<Secret<32>>,
}

impl Client {
    /// A registered client, as the rules take it. It never trades sessions.
    fn of(registered: RegisteredClient) -> Result<Self, AccountError> {
        Ok(Self {
            id: registered.id,
            name: registered.name.clone(),
            trusted: registered.switches.trusted,
            may_use_fxa_credentials: false,
            scopes: Scopes::parse(&registered.scope).ok_or(AccountError::Internal)?,
            redirect_uris: registered.redirect_uris.clone(),
            image_uri: registered.image_uri.clone(),
            registered: Some(Arc::new(registered)),
        })
    }
}

impl Accounts {
    /// The client of an id: a built-in one, or one that is registered and not disabled.
    ///
    /// # Errors
    /// [`AccountError`]: 162, 201.
    pub async fn client(&self, by: Deadline, id: ClientId) -> Result<Client, AccountError> {
        if let Ok(client) = self.settings.clients.find(id) {
            return Ok(client.clone());
        }
        let found = self.openid.registry.client(by, id).await?;
        let enabled = found.filter(|client| !client.switches.disabled);
        Client::of(enabled.ok_or(AccountError::UnknownClient { client: id })?)
    }

    /// The registered client that asks, if it is who it says: a confidential one by its secret, a public one without.
    /// Wrong secrets count by client and address; a right one does not.
    ///
    /// # Errors
    /// [`AccountError`]: 114, 162, 171, 201.
    pub async fn authenticated_client(
        &self,
        caller: &Caller,
        login: &ClientLogin,
    ) -> Result<Arc<RegisteredClient>, AccountError> {
        let name = login.client.to_string();
        let keys = LimitKeys {
            ip: caller.ip,
            email: Some(&name),
            uid: None,
        };
        let actions = [Action::ClientSecretFailed];
        self.reserve(&actions, keys).await?;
        let judged = self.judge_client(caller, login).await;
        // What is wrong stays counted; what could not be judged does not.
        if !matches!(&judged, Err(AccountError::BadClientSecret)) {
            self.give_back(&actions, keys).await;
        }
        judged
    }

    async fn judge_client(
        &self,
        caller: &Caller,
        login: &ClientLogin,
    ) -> Result<Arc<RegisteredClient>, AccountError> {
        let client = self.client(caller.deadline, login.client).await?;
        // Those that browsers bring speak the other dialect.
        let registered = client
            .registered
            .ok_or(AccountError::UnknownClient { client: login.client })?;
        let is_it = match (registered.kind, &login.secret) {
            (ClientKind::Public, None) => true,
            (ClientKind::Confidential, Some(secret)) => knows_secret(&registered, secret),
            (ClientKind::Public, Some(_)) | (ClientKind::Confidential, None) => false,
        };
        if is_it {
            Ok(registered)
        } else {
            Err(AccountError::BadClientSecret)
        }
    }
}

fn knows_secret(client: &RegisteredClient, secret: &Secret<32>) -> bool {
    let shown = sha256(&[secret.expose()]);
    // All of them, whichever fits.
    client
        .secrets
        .iter()
        .fold(false, |known, kept| known | same(&kept.hash, &shown))
}

/// Whether a client is for this account: listed by uid, or by the domain of its verified address.
pub(super) fn is_for(client: &RegisteredClient, account: &Account) -> bool {
    let (uid, email) = (account.uid.to_string(), account.email_key.as_str());
    let domain = email.rsplit_once('@').map(|(_, domain)| domain);
    let by_domain = |whom: &String| account.email_verified && domain == Some(whom.as_str());
    client.allowed.is_empty() || client.allowed.iter().any(|whom| *whom == uid || by_domain(whom))
}

#[cfg(test)]
pub(super) mod tests {
    use foxhold_core::{
        Timestamp,
        record::{ClientSecret, ClientSwitches},
    };

    use super::*;
    use crate::fixtures::{UID, account};

    pub(crate) fn registered(kind: ClientKind) -> RegisteredClient {
        let secret = |byte: u8| ClientSecret {
            hash: sha256(&[&[byte; 32]]),
            created_at: Timestamp::from_secs(1),
        };
        RegisteredClient {
            id: ClientId::from_bytes([9; 8]),
            name: "Notes".into(),
            image_uri: None,
            kind,
            secrets: vec![secret(1), secret(2)],
            redirect_uris: vec!["https://notes.example.test/cb".into()],
            post_logout_redirect_uris: vec![],
            scope: "openid profile email offline_access".into(),
            switches: ClientSwitches::default(),
            allowed: vec![],
            created_at: Timestamp::from_secs(1),
            version: 1,
        }
    }

    #[test]
    fn both_secrets_are_good_and_no_other() {
        let client = registered(ClientKind::Confidential);
        for (byte, expected) in [(1, true), (2, true), (3, false)] {
            assert_eq!(
                knows_secret(&client, &Secret::new([byte; 32])),
                expected,
                "{byte}"
            );
        }
    }

    #[test]
    fn whom_a_client_is_for() {
        let table: [(&[&str], bool, bool); 6] = [
            (&[], true, true),
            (&["example.test"], true, true),
            (&["example.test"], false, false),
            (&["test"], true, false),
            (&["other.test", "abababababababababababababababab"], false, true),
            (&["00000000000000000000000000000000"], true, false),
        ];
        for (allowed, verified, expected) in table {
            let mut client = registered(ClientKind::Public);
            client.allowed = allowed.iter().map(|&whom| whom.to_owned()).collect();
            let account = account(verified);
            assert_eq!(account.uid, UID);
            assert_eq!(is_for(&client, &account), expected, "{allowed:?}, {verified}");
        }
    }
}

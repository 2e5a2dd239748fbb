//! GET /account/attached_clients: all that is signed in to an account, in one list. A session and its device are one
//! entry; a refresh token is one of its own unless it hangs on a session that is listed.

use std::collections::HashMap;

use foxhold_core::{
    ClientId, Deadline, DeviceId, Timestamp, TokenId,
    record::{Device, Grant, RefreshToken, Session},
};

use crate::{
    AccountError, Accounts, Caller, SignedIn, access::Accesses, oauth, session, user_agent::UserAgent,
};

/// One client of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedClient {
    /// OAuth client, of a refresh token.
    pub client: Option<ClientId>,
    /// Its device.
    pub device: Option<DeviceId>,
    /// Its session.
    pub session: Option<TokenId>,
    /// Its refresh token's SHA-256.
    pub refresh_token: Option<TokenId>,
    /// Whether it is the one that asks.
    pub is_current_session: bool,
    /// Type of the device.
    pub device_type: Option<String>,
    /// Name of the device, or what its browser is.
    pub name: Option<String>,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it was last heard of, as far as that is known.
    pub last_access_at: Timestamp,
    /// Granted scopes, of a refresh token.
    pub scope: Option<String>,
    /// Browser, in words.
    pub user_agent: String,
    /// Its system.
    pub os: Option<&'static str>,
}

impl Accounts {
    /// All clients of the account, the session that asks first.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub async fn attached_clients(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
    ) -> Result<Vec<AttachedClient>, AccountError> {
        let (by, uid) = (caller.deadline, signed_in.account.uid);
        let mut sessions = self.reader.sessions(by, uid).await?;
        let devices = self.reader.devices(by, uid).await?;
        sessions
            .retain(|session| session::is_of(session, &signed_in.account) && self.lasts(session, &devices));
        let mut tokens = self.reader.refresh_tokens(by, uid).await?;
        tokens.retain(|token| oauth::is_current(token, &signed_in.account));
        let name_of = |client| {
            self.settings
                .clients
                .find(client)
                .ok()
                .map(|client| client.name.clone())
        };
        let grants = self.standing_grants(by, &signed_in.account).await?;
        // A grant is one entry, whatever tokens hang on it.
        tokens.retain(|token| grants.iter().all(|grant| grant.client != token.client));
        let accesses = self.accesses(by, uid).await?;
        let mut clients = merged(signed_in.session.id, sessions, devices, tokens, name_of);
        for client in &mut clients {
            client.heard_of_by(&accesses);
        }
        for grant in grants {
            clients.extend(self.of_grant(by, grant).await?);
        }
        Ok(clients)
    }

    /// `None` = its client was removed, and the grant with it.
    async fn of_grant(&self, by: Deadline, grant: Grant) -> Result<Option<AttachedClient>, AccountError> {
        let found = self.openid.registry.client(by, grant.client).await?;
        Ok(found.map(|registered| AttachedClient {
            client: Some(grant.client),
            device: None,
            session: None,
            refresh_token: None,
            is_current_session: false,
            device_type: None,
            name: Some(registered.name),
            created_at: grant.since,
            last_access_at: grant.agreed_at,
            scope: Some(grant.scope),
            user_agent: String::new(),
            os: None,
        }))
    }
}

impl AttachedClient {
    fn heard_of_by(&mut self, accesses: &Accesses) {
        if let Some(session) = self.session {
            self.last_access_at = accesses.latest(session, self.last_access_at);
        }
    }
}

fn merged(
    current: TokenId,
    sessions: Vec<Session>,
    devices: Vec<Device>,
    tokens: Vec<RefreshToken>,
    name_of: impl Fn(ClientId) -> Option<String>,
) -> Vec<AttachedClient> {
    let mut by_session: HashMap<TokenId, Device> = devices
        .into_iter()
        .map(|device| (device.session, device))
        .collect();
    let listed: Vec<TokenId> = sessions.iter().map(|session| session.id).collect();
    let of_sessions = sessions.into_iter().map(|session| {
        let device = by_session.remove(&session.id);
        of_session(current, session, device)
    });
    let mut clients: Vec<_> = of_sessions.collect();
    let on_its_own = |token: &RefreshToken| token.session.is_none_or(|session| !listed.contains(&session));
    clients.extend(
        tokens
            .into_iter()
            .filter(on_its_own)
            .map(|token| of_refresh_token(token, &name_of)),
    );
    clients.sort_by_key(|client| !client.is_current_session);
    clients
}

fn of_session(current: TokenId, session: Session, device: Option<Device>) -> AttachedClient {
    let agent = UserAgent::parse(&session.user_agent);
    let last_access_at = device.as_ref().map_or(session.created_at, |device| {
        device.last_access_at.max(session.created_at)
    });
    AttachedClient {
        client: None,
        device: device.as_ref().map(|device| device.id),
        session: Some(session.id),
        refresh_token: None,
        is_current_session: session.id == current,
        device_type: device.as_ref().map(|device| device.kind.clone()),
        name: device.map(|device| device.name).or_else(|| agent.to_name()),
        created_at: session.created_at,
        last_access_at,
        scope: None,
        user_agent: agent.browser.unwrap_or_default(),
        os: agent.os,
    }
}

fn of_refresh_token(token: RefreshToken, name_of: &impl Fn(ClientId) -> Option<String>) -> AttachedClient {
    AttachedClient {
        client: Some(token.client),
        device: None,
        session: None,
        refresh_token: Some(token.id),
        is_current_session: false,
        device_type: None,
        name: name_of(token.client),
        created_at: token.created_at,
        last_access_at: token.created_at,
        scope: Some(token.scope),
        user_agent: String::new(),
        os: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use foxhold_core::record::Verification;

    use super::*;
    use crate::fixtures::{MADE, UID, session};

    fn token(n: u8, session: Option<u8>) -> RefreshToken {
        RefreshToken {
            id: TokenId::from_bytes([n; 32]),
            uid: UID,
            client: ClientId::from_bytes([n; 8]),
            scope: "profile".into(),
            session: session.map(|session| TokenId::from_bytes([session; 32])),
            created_at: MADE,
            generation: MADE,
        }
    }

    #[test]
    fn each_client_is_listed_once_and_the_asking_one_first() {
        let sessions = vec![
            session(1, Verification::Verified),
            session(2, Verification::Verified),
        ];
        let device = Device {
            id: DeviceId::from_bytes([9; 16]),
            uid: UID,
            session: TokenId::from_bytes([1; 32]),
            name: "Laptop".into(),
            kind: "desktop".into(),
            created_at: MADE,
            last_access_at: MADE.plus(std::time::Duration::from_secs(5)),
            push: None,
            available_commands: BTreeMap::new(),
        };
        let tokens = vec![token(3, Some(1)), token(4, None), token(5, Some(0xff))];
        let current = TokenId::from_bytes([2; 32]);
        let name_of = |_| Some("App".to_owned());
        let clients = merged(current, sessions, vec![device], tokens, name_of);
        let names: Vec<_> = clients
            .iter()
            .map(|client| client.name.as_deref().unwrap_or(""))
            .collect();
        assert_eq!(names, ["Firefox 153, Linux", "Laptop", "App", "App"]);
        assert!(clients[0].is_current_session && !clients[1].is_current_session);
        assert_eq!(
            clients[1].last_access_at,
            MADE.plus(std::time::Duration::from_secs(5))
        );
        assert!(clients[2].session.is_none() && clients[2].refresh_token.is_some());
    }
}

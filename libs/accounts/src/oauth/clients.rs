//! OAuth clients: the built-in ones are public, trusted and need PKCE (`accounts.md` (e), Clients).

use std::sync::Arc;

use foxhold_core::{ClientId, record::RegisteredClient};

use super::{OLDSYNC, Scopes, THUNDERBIRD_SYNC};
use crate::AccountError;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// What people know it by.
    pub name: String,
    /// No consent is asked for.
    pub trusted: bool,
    /// May trade a session for an access token.
    pub may_use_fxa_credentials: bool,
    /// The most it can be granted.
    pub scopes: Scopes,
    /// Where a code may be sent; the first one is the usual one.
    pub redirect_uris: Vec<String>,
    /// Its picture.
    pub image_uri: Option<String>,
    /// What its operator has set, of one that is registered; `None` = it is built in.
    pub registered: Option<Arc<RegisteredClient>>,
}

impl Client {
    /// Refuses scopes that the client may not have.
    ///
    /// # Errors
    /// [`AccountError::ScopesNotAllowed`] with those scopes.
    pub fn check_scopes(&self, wanted: &Scopes) -> Result<(), AccountError> {
        let missing = self.scopes.missing(wanted);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(AccountError::ScopesNotAllowed {
                scopes: missing.join(" "),
            })
        }
    }

    /// The redirect URI to use: the one asked for if it is the client's, the usual one if none was asked for.
    ///
    /// # Errors
    /// [`AccountError::BadRedirect`].
    pub fn redirect_uri(&self, wanted: Option<&str>) -> Result<&str, AccountError> {
        let found = match wanted {
            Some(wanted) => self.redirect_uris.iter().find(|uri| *uri == wanted),
            None => self.redirect_uris.first(),
        };
        found.map(String::as_str).ok_or(AccountError::BadRedirect)
    }
}

/// All clients of the deployment.
#[derive(Debug, Clone, Default)]
pub struct Clients(Vec<Client>);

const WEB_CHANNEL: &str = "urn:ietf:wg:oauth:2.0:oob:oauth-redirect-webchannel";
const OUT_OF_BAND: &str = "urn:ietf:wg:oauth:2.0:oob";
const SESSION: &str = "https://identity.mozilla.com/tokens/session";

const DESKTOP: [u8; 8] = [0x58, 0x82, 0x38, 0x6c, 0x6d, 0x80, 0x17, 0x76];
const THUNDERBIRD: [u8; 8] = [0x82, 0x69, 0xba, 0xcd, 0x7b, 0xbc, 0x7f, 0x80];
const ANDROID: [u8; 8] = [0xa2, 0x27, 0x0f, 0x72, 0x7f, 0x45, 0xf6, 0x48];
const IOS: [u8; 8] = [0x1b, 0x1a, 0x3e, 0x44, 0xc5, 0x4f, 0xbb, 0x58];
const REFERENCE_BROWSER: [u8; 8] = [0x3c, 0x49, 0x43, 0x0b, 0x43, 0xdf, 0xba, 0x77];
const PAGE: [u8; 8] = [0xea, 0x3c, 0xa9, 0x69, 0xf8, 0xc6, 0xbb, 0x0d];

impl Clients {
    /// The built-in clients. `content_url` is the root of the pages, without trailing slash.
    #[must_use]
    pub fn built_in(content_url: &str) -> Self {
        let client = |id: [u8; 8], name: &str, scopes: &[&str], redirect_uris: Vec<String>| Client {
            id: ClientId::from_bytes(id),
            name: name.to_owned(),
            trusted: true,
            may_use_fxa_credentials: true,
            scopes: Scopes::of(scopes),
            redirect_uris,
            image_uri: None,
            registered: None,
        };
        let in_browser = || vec![WEB_CHANNEL.to_owned(), OUT_OF_BAND.to_owned()];
        let mobile = |id: [u8; 8], name: &str| {
            let success = format!("{content_url}/oauth/success/{}", ClientId::from_bytes(id));
            client(id, name, &["profile", OLDSYNC, SESSION], vec![success])
        };
        Self(vec![
            client(
                DESKTOP,
                "Firefox",
                &["profile", "profile:write", OLDSYNC],
                in_browser(),
            ),
            client(
                THUNDERBIRD,
                "Thunderbird",
                &["profile", "profile:write", THUNDERBIRD_SYNC],
                in_browser(),
            ),
            mobile(ANDROID, "Firefox for Android"),
            mobile(IOS, "Firefox for iOS"),
            mobile(REFERENCE_BROWSER, "Reference Browser"),
            client(
                PAGE,
                "Account settings",
                &["profile", "profile:write", "clients:write"],
                vec![OUT_OF_BAND.to_owned()],
            ),
        ])
    }

    /// The client of an id.
    ///
    /// # Errors
    /// [`AccountError::UnknownClient`].
    pub fn find(&self, id: ClientId) -> Result<&Client, AccountError> {
        self.0
            .iter()
            .find(|client| client.id == id)
            .ok_or(AccountError::UnknownClient { client: id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_clients_are_those_of_the_contract() {
        let clients = Clients::built_in("http://localhost:9000");
        let table = [
            ("5882386c6d801776", WEB_CHANNEL, OLDSYNC),
            ("8269bacd7bbc7f80", WEB_CHANNEL, THUNDERBIRD_SYNC),
            (
                "a2270f727f45f648",
                "http://localhost:9000/oauth/success/a2270f727f45f648",
                OLDSYNC,
            ),
            (
                "1b1a3e44c54fbb58",
                "http://localhost:9000/oauth/success/1b1a3e44c54fbb58",
                SESSION,
            ),
            (
                "3c49430b43dfba77",
                "http://localhost:9000/oauth/success/3c49430b43dfba77",
                SESSION,
            ),
            ("ea3ca969f8c6bb0d", OUT_OF_BAND, "clients:write"),
        ];
        for (id, redirect, scope) in table {
            let client = clients.find(id.parse().unwrap()).unwrap();
            assert_eq!(client.redirect_uri(None).unwrap(), redirect, "{id}");
            assert!(client.redirect_uri(Some(redirect)).is_ok(), "{id}");
            assert!(
                client.check_scopes(&Scopes::of(&["profile:uid", scope])).is_ok(),
                "{id}"
            );
            assert!(
                client.redirect_uri(Some("https://evil.example/")).is_err(),
                "{id}"
            );
        }
        assert!(clients.find(ClientId::from_bytes([0; 8])).is_err());
    }

    #[test]
    fn scopes_that_are_too_much_are_named() {
        let clients = Clients::built_in("http://localhost:9000");
        let desktop = clients.find(ClientId::from_bytes(DESKTOP)).unwrap();
        let wanted = Scopes::parse("profile clients:write https://identity.example.test/apps/notes").unwrap();
        match desktop.check_scopes(&wanted) {
            Err(AccountError::ScopesNotAllowed { scopes }) => {
                assert_eq!(scopes, "clients:write https://identity.example.test/apps/notes");
            }
            other => panic!("{other:?}"),
        }
    }
}

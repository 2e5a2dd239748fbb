//! An accounts server of which only the key exists: it signs access tokens and tells what becomes of its accounts. So a
//! test has as many users as it wants, without a password stretched or a mail read for any of them; webheads verify all
//! of it as they do for any foreign accounts server whose keys an operator has put into files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::{
    person::{OLDSYNC, now_secs},
    test_key::TestKey,
};

/// The second half of its users' keys.
pub const DOMAIN: &str = "accounts.test";
const ISSUER: &str = "https://accounts.test";
/// What the token server is called there.
const CLIENT: &str = "token-server";
const KID: &str = "now";

/// The server.
#[derive(Debug)]
pub struct AccountsElsewhere {
    key: TestKey,
    key_file: PathBuf,
}

/// What a user of it brings to the token exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access token.
    pub token: String,
    /// `X-KeyID`.
    pub key_id: String,
}

/// What a credential says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The account.
    pub uid: &'a str,
    /// When its credentials changed last, in ms.
    pub generation: u64,
    /// When its sync key changed last, in ms.
    pub keys_changed_at: u64,
    /// The fingerprint of its sync key.
    pub client_state: [u8; 16],
}

/// What can become of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is gone.
    Deleted,
    /// Its password changed, at this time in ms.
    PasswordChanged(u64),
}

impl AccountsElsewhere {
    /// Puts its public key where webheads will find it, below `work`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(work: &Path) -> Result<Self> {
        let key = TestKey::new()?;
        let mut public = key.public();
        public["kid"] = json!(KID);
        let key_file = work.join("accounts-elsewhere.jwk");
        fs::write(&key_file, public.to_string())?;
        Ok(Self { key, key_file })
    }

    /// What a webhead has to be told to take its tokens and its events. It then takes no tokens of its own accounts.
    #[must_use]
    pub fn configuration(&self) -> String {
        let (users, keys) = (self.configuration_of_users(), &self.key_file);
        format!(
            "{users}[account_events]\nissuer = \"{ISSUER}\"\naudience = \"{CLIENT}\"\nkey_files = [{keys:?}]\n"
        )
    }

    /// What a box has to be told to take its tokens.
    #[must_use]
    pub fn configuration_of_users(&self) -> String {
        let keys = &self.key_file;
        format!(
            "[foreign_oauth]\nserver_url = \"{ISSUER}/v1\"\ndomain = \"{DOMAIN}\"\nissuer = \"{ISSUER}\"\n\
             key_files = [{keys:?}]\nverify_remotely = false\n"
        )
    }

    /// A credential that is good for an hour.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn credential(&self, says: &Claims<'_>) -> Result<Credential> {
        let now = now_secs();
        let claims = json!({
            "iss": ISSUER,
            "sub": says.uid,
            "client_id": "5882386c6d801776",
            "scope": OLDSYNC,
            "iat": now,
            "exp": now + 3600,
            "fxa-generation": says.generation,
        });
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": KID});
        let state = BASE64_URL_SAFE_NO_PAD.encode(says.client_state);
        Ok(Credential {
            token: self.key.sign(&header, &claims)?,
            key_id: format!("{}-{state}", says.keys_changed_at),
        })
    }

    /// A token that tells the token server of an event, for `POST /1.0/webhooks/fxa/events`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn event(&self, uid: &str, event: Event) -> Result<String> {
        let (kind, payload) = match event {
            Event::Deleted => ("delete-user", json!({})),
            Event::PasswordChanged(at) => ("password-change", json!({ "changeTime": at })),
        };
        let mut claims =
            json!({"iss": ISSUER, "sub": uid, "aud": CLIENT, "iat": now_secs(), "jti": "1", "events": {}});
        claims["events"][format!("https://schemas.accounts.firefox.com/event/{kind}")] = payload;
        let header = json!({"alg": "RS256", "typ": "secevent+jwt", "kid": KID});
        self.key.sign(&header, &claims)
    }
}

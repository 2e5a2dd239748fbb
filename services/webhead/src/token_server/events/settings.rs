//! The table `[account_events]` of a webhead's configuration, and what is left of it once it is checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use foxhold_core::record::policy::is_issuer;
use foxhold_crypto::rsa_key::{KeySet, NamedKey};
use foxhold_outbound::{Reach, Target};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The accounts server whose events are taken. Without the table nobody can tell of any over HTTP.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEventsSettings {
    /// `iss` of its tokens, byte for byte.
    pub issuer: String,
    /// `aud` of its tokens: the client id that we have there.
    pub audience: String,
    /// Second half of its users' keys; that of the users with access tokens when absent.
    pub domain: Option<String>,
    /// Files with its public keys, a JWK or a key set in each.
    #[serde(default)]
    pub key_files: Vec<PathBuf>,
    /// Where its key set is fetched, if it is not in files.
    pub jwks_url: Option<String>,
}

/// A table by which no event could be taken. Names the key and the fix.
#[derive(Debug, Error)]
pub enum AccountEventsError {
    /// An empty text.
    #[error(
        "`account_events.{0}`: empty\nfix: as the tokens of the accounts server have it, or no table at all"
    )]
    Empty(&'static str),
    /// No domain.
    #[error("`account_events.domain`: {0:?} is no domain in lower case\nfix: as in accounts.example.com")]
    Domain(String),
    /// Whose users they are is not said.
    #[error(
        "`account_events.domain`: missing\nfix: the second half of that server's users' names, as in accounts.example.com"
    )]
    NoDomain,
    /// Nobody else may end the own accounts' users.
    #[error("`account_events.domain`: {0:?} is the own domain\nfix: that of the other accounts server")]
    OwnDomain(String),
    /// No keys, or keys from two places.
    #[error("`account_events`: give either `key_files` or `jwks_url`")]
    Keys,
    /// Nothing can be fetched there.
    #[error("`account_events.jwks_url`: {0:?} is no URL\nfix: as in https://oauth.example.com/v1/jwks")]
    JwksUrl(String),
    /// A file cannot be read.
    #[error("`account_events.key_files`: reading {}", path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file without a key that could verify an event.
    #[error("`account_events.key_files`: {} holds no key in JWK form for RS256", .0.display())]
    NoKey(PathBuf),
}

/// The accounts server, as its events are verified.
#[derive(Debug, Clone)]
pub struct AccountEvents {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(in crate::token_server) domain: Option<String>,
    pub(super) keys: EventKeys,
}

impl AccountEvents {
    /// The same, of that server's users for sure: those of the server that access tokens come from, if it names no others.
    ///
    /// # Errors
    /// [`AccountEventsError`]: they would be nobody's, or the own accounts'.
    pub fn about_others(mut self, own: &str, tokens_of: Option<&str>) -> Result<Self, AccountEventsError> {
        let domain = self.domain.or_else(|| tokens_of.map(str::to_owned));
        let domain = domain.ok_or(AccountEventsError::NoDomain)?;
        if domain == own {
            return Err(AccountEventsError::OwnDomain(domain));
        }
        self.domain = Some(domain);
        Ok(self)
    }
}

/// Where its keys are.
#[derive(Debug, Clone)]
pub(super) enum EventKeys {
    Fixed(Vec<NamedKey>),
    Published(Uri),
}

impl AccountEventsSettings {
    /// Checks everything, and reads the keys.
    ///
    /// # Errors
    /// [`AccountEventsError`] names the key.
    pub fn prepare(&self) -> Result<AccountEvents, AccountEventsError> {
        for (key, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if text.is_empty() {
                return Err(AccountEventsError::Empty(key));
            }
        }
        if let Some(domain) = self.domain.as_ref().filter(|domain| !is_issuer(domain)) {
            return Err(AccountEventsError::Domain(domain.clone()));
        }
        let keys = match (&self.jwks_url, self.key_files.is_empty()) {
            (Some(url), true) => EventKeys::Published(key_set_uri(url)?),
            (None, false) => EventKeys::Fixed(self.fixed_keys()?),
            (Some(_), false) | (None, true) => return Err(AccountEventsError::Keys),
        };
        Ok(AccountEvents {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            domain: self.domain.clone(),
            keys,
        })
    }

    fn fixed_keys(&self) -> Result<Vec<NamedKey>, AccountEventsError> {
        let read: Result<Vec<_>, _> = self.key_files.iter().map(|path| read_keys(path)).collect();
        Ok(read?.concat())
    }
}

fn key_set_uri(url: &str) -> Result<Uri, AccountEventsError> {
    let uri = url.parse().ok();
    let usable = uri.filter(|uri| Target::of(uri, Reach::Configured).is_ok());
    usable.ok_or_else(|| AccountEventsError::JwksUrl(url.to_owned()))
}

fn read_keys(path: &Path) -> Result<Vec<NamedKey>, AccountEventsError> {
    let json = fs::read(path).map_err(|source| AccountEventsError::KeyFile {
        path: path.to_owned(),
        source,
    })?;
    let keys = match KeySet::from_jwks(&json) {
        Ok(set) => set.keys().to_vec(),
        Err(_) => NamedKey::from_jwk(&json).into_iter().collect(),
    };
    if keys.is_empty() {
        return Err(AccountEventsError::NoKey(path.to_owned()));
    }
    Ok(keys)
}

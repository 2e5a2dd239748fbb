//! The table `[foreign_oauth]` of a webhead's configuration, and what is left of it once it is checked.

use std::{
    io,
    path::{Path, PathBuf},
};

use foxhold_core::record::policy::is_issuer;
use foxhold_crypto::rsa_key::{NamedKey, RsaKeyError};
use foxhold_outbound::{Reach, Target};
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Another accounts server, whose access tokens the Token Server takes in place of those of the own accounts.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignOauthSettings {
    /// Where its OAuth calls are, ending in `/v1`. Plain http only inside one's own network: tokens are sent there.
    pub server_url: String,
    /// Second half of its users' keys, the same as in their BrowserID certificates. Users are known by it: never change it.
    /// When absent, the server is asked at `/config` beside `/v1`, and until it answers nobody gets a token.
    pub domain: Option<String>,
    /// What tokens must name as `iss`; not looked at when absent.
    pub issuer: Option<String>,
    /// Files with its public keys, a JWK in each, the key in use first. Without any they are fetched from
    /// `{server_url}/jwks`.
    #[serde(default)]
    pub key_files: Vec<PathBuf>,
    /// Whether it is asked, at `{server_url}/verify`, about tokens that are no JWT by RS256. Else those are refused.
    #[serde(default = "yes")]
    pub verify_remotely: bool,
    /// The most tokens it is asked about at once. Whoever brings another is told to come back.
    #[serde(default = "verifying_max")]
    pub verifying_max: usize,
}

const fn yes() -> bool {
    true
}

const fn verifying_max() -> usize {
    64
}

/// Settings that cannot be. Names the key and the fix.
#[derive(Debug, Error)]
pub enum ForeignOauthError {
    /// Nothing can be asked there.
    #[error(
        "`foreign_oauth.server_url`: {0:?} is no URL that ends in /v1\nfix: as in https://oauth.example.com/v1"
    )]
    ServerUrl(String),
    /// No domain.
    #[error("`foreign_oauth.domain`: {0:?} is no domain in lower case\nfix: as in accounts.example.com")]
    Domain(String),
    /// Two servers would speak for the same users.
    #[error(
        "`foreign_oauth.domain`: {0:?} is the domain of the own accounts\n\
         fix: the other server's domain, or no table at all"
    )]
    OwnDomain(String),
    /// A key cannot be read.
    #[error("`foreign_oauth.key_files`: reading {}", path.display())]
    KeyFile {
        /// Of which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key that is none.
    #[error("`foreign_oauth.key_files`: {} holds no key in JWK form for RS256", path.display())]
    Key {
        /// Of which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: RsaKeyError,
    },
    /// None, or too many.
    #[error("`foreign_oauth.verifying_max`: between 1 and 1024")]
    VerifyingMax,
}

/// The other server, as its tokens are verified.
#[derive(Debug, Clone)]
pub struct ForeignOauth {
    pub(crate) server_url: String,
    pub(crate) jwks: Uri,
    pub(crate) verify: Uri,
    /// Where it says what domain its users have.
    pub(crate) config: Uri,
    /// None: it is asked.
    pub(crate) domain: Option<String>,
    pub(crate) issuer: Option<String>,
    /// None: they are fetched.
    pub(crate) keys: Vec<NamedKey>,
    /// The most tokens it is asked about at once; absent: none at all.
    pub(crate) verifying_max: Option<usize>,
}

impl ForeignOauthSettings {
    /// Checks everything, and reads the keys. `own_domain` is that of the accounts served here.
    ///
    /// # Errors
    /// [`ForeignOauthError`] names the key.
    pub fn prepare(&self, own_domain: &str) -> Result<ForeignOauth, ForeignOauthError> {
        let Calls {
            server_url,
            jwks,
            verify,
            config,
        } = self.calls()?;
        if let Some(domain) = &self.domain {
            if !is_issuer(domain) {
                return Err(ForeignOauthError::Domain(domain.clone()));
            }
            if domain == own_domain {
                return Err(ForeignOauthError::OwnDomain(domain.clone()));
            }
        }
        if !(1..=1024).contains(&self.verifying_max) {
            return Err(ForeignOauthError::VerifyingMax);
        }
        Ok(ForeignOauth {
            server_url,
            jwks,
            verify,
            config,
            domain: self.domain.clone(),
            issuer: self.issuer.clone(),
            keys: self.keys()?,
            verifying_max: self.verify_remotely.then_some(self.verifying_max),
        })
    }

    fn keys(&self) -> Result<Vec<NamedKey>, ForeignOauthError> {
        self.key_files.iter().map(|path| read_key(path)).collect()
    }

    fn calls(&self) -> Result<Calls, ForeignOauthError> {
        let root = self.server_url.trim_end_matches('/');
        let calls = Calls::below(root);
        calls.ok_or_else(|| ForeignOauthError::ServerUrl(self.server_url.clone()))
    }
}

/// The root of its calls, and those that are used.
struct Calls {
    server_url: String,
    jwks: Uri,
    verify: Uri,
    config: Uri,
}

impl Calls {
    fn below(root: &str) -> Option<Self> {
        let call = |root: &str, path: &str| {
            let uri: Uri = format!("{root}{path}").parse().ok()?;
            let is_usable = uri.path().ends_with(path)
                && uri.query().is_none()
                && Target::of(&uri, Reach::Configured).is_ok();
            is_usable.then_some(uri)
        };
        // Beside the versions of its interface.
        let server = root.strip_suffix("/v1")?;
        Some(Self {
            jwks: call(server, "/v1/jwks")?,
            verify: call(server, "/v1/verify")?,
            config: call(server, "/config")?,
            server_url: root.to_owned(),
        })
    }
}

fn read_key(path: &Path) -> Result<NamedKey, ForeignOauthError> {
    let json = std::fs::read(path).map_err(|source| ForeignOauthError::KeyFile {
        path: path.to_owned(),
        source,
    })?;
    NamedKey::from_jwk(&json).map_err(|source| ForeignOauthError::Key {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;

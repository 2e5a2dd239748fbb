//! What a domain publishes at `/.well-known/browserid` (`accounts.md` (d)), and the port it comes through.

use async_trait::async_trait;
use foxhold_core::Deadline;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{PublicKey, domain, json};

/// An issuer has its current key, its previous one, perhaps its next. All may be tried, and DSA is slow.
const KEYS_MAX: usize = 4;

/// Why bytes are no support document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// More than [`Document::LEN_MAX`] bytes.
    #[error("a support document that is too long")]
    TooLong,
    /// Not a document that vouches for anybody or refers to one that does.
    #[error("not a support document")]
    Malformed,
}

/// Why there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FetchError {
    /// It may not be fetched: an address that is not public, no TLS, a redirect, an answer that is too long
    /// (`security.md` E.2).
    #[error("the issuer may not be asked")]
    Forbidden,
    /// The domain answered that it has none.
    #[error("the domain has no support document")]
    Absent,
    /// Nobody answered in time, or the answer was an error or garbage. Says nothing about the domain.
    #[error("the issuer did not answer")]
    Unavailable,
}

impl From<DocumentError> for FetchError {
    /// Garbage is an outage, not a verdict (`tokenserver.md` section 4).
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::TooLong => Self::Forbidden,
            DocumentError::Malformed => Self::Unavailable,
        }
    }
}

/// Gets support documents: from the web, from a cache, or, for the own domain, from the key set at hand.
#[async_trait]
pub trait SupportDocuments: Send + Sync {
    /// The document of `domain`, a name in lower-case A-labels that an unverified credential chose. Delegations are
    /// followed by the caller.
    ///
    /// # Errors
    /// [`FetchError`].
    async fn fetch(&self, by: Deadline, domain: &str) -> Result<Document, FetchError>;
}

/// A key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerKey {
    /// What certificates call it by.
    pub kid: Option<String>,
    /// The key.
    pub key: PublicKey,
}

/// What a domain says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// It vouches for its users with these keys, the current one first; never empty.
    Keys(Vec<IssuerKey>),
    /// Another domain vouches for its users.
    Authority(String),
    /// It wants to vouch for nobody.
    Disabled,
}

impl Document {
    /// The longest document that is looked at, in bytes (`security.md` E.2). Who fetches reads no further.
    pub const LEN_MAX: usize = 64 * 1024;

    /// From the bytes of an answer. Keys that are of no use here are left out.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > Self::LEN_MAX {
            return Err(DocumentError::TooLong);
        }
        let members = json::object(bytes).ok_or(DocumentError::Malformed)?;
        match members.get("disabled") {
            Some(Value::Bool(true)) => return Ok(Self::Disabled),
            None | Some(Value::Bool(false)) => {}
            Some(_) => return Err(DocumentError::Malformed),
        }
        if let Some(authority) = members.get("authority") {
            let name = authority.as_str().filter(|name| domain::is_domain(name));
            let name = name.ok_or(DocumentError::Malformed)?;
            return Ok(Self::Authority(name.to_owned()));
        }
        let is_path = |name| {
            let path = members.get(name).and_then(Value::as_str);
            path.is_some_and(|path| path.starts_with('/'))
        };
        let keys = keys(&members)?;
        // Every verifier asks for both paths, though only browsers ever went there.
        if !is_path("authentication") || !is_path("provisioning") || keys.is_empty() {
            return Err(DocumentError::Malformed);
        }
        Ok(Self::Keys(keys))
    }
}

/// The one of `public-key`, then those of `keys`.
fn keys(members: &Map<String, Value>) -> Result<Vec<IssuerKey>, DocumentError> {
    let listed = match members.get("keys") {
        None => &[],
        Some(Value::Array(listed)) if listed.len() <= KEYS_MAX => listed.as_slice(),
        Some(_) => return Err(DocumentError::Malformed),
    };
    let mut keys: Vec<IssuerKey> = Vec::new();
    for value in members.get("public-key").into_iter().chain(listed) {
        if let Some(key) = value.as_object().and_then(issuer_key)
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn issuer_key(members: &Map<String, Value>) -> Option<IssuerKey> {
    Some(IssuerKey {
        kid: members.get("kid").and_then(Value::as_str).map(str::to_owned),
        key: PublicKey::from_members(members).ok()?,
    })
}

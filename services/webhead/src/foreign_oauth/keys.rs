//! Where the other server's keys come from. [`KeySetCache`](crate::key_set::KeySetCache) decides when it is asked, and
//! keeps the keys; here is one question.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};
use foxhold_crypto::rsa_key::{KeySet, NamedKey};
use foxhold_outbound::{Outbound, Reach};
use foxhold_ports::{
    Cause, PublicKeySource,
    signer::{PublicKey, SignError},
};
use http::{StatusCode, Uri};

use super::cause;

/// The longest key set that is read.
const LEN_MAX: usize = 64 * 1024;
/// A server has its current key, its previous one, perhaps its next. All may be tried for one token.
const KEYS_MAX: usize = 16;

/// Keys that an operator has written down.
pub(crate) struct FixedKeys(Vec<PublicKey>);

impl FixedKeys {
    pub(crate) fn new(keys: &[NamedKey]) -> Self {
        Self(keys.iter().map(published).collect())
    }
}

#[async_trait]
impl PublicKeySource for FixedKeys {
    async fn public_keys(&self, _by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        Ok(self.0.clone())
    }
}

/// The server's key set (RFC 7517 section 5).
pub(crate) struct PublishedKeys {
    pub(crate) uri: Uri,
    pub(crate) outbound: Arc<Outbound>,
}

#[async_trait]
impl PublicKeySource for PublishedKeys {
    async fn public_keys(&self, by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        let fetched = self.fetch(by).await;
        fetched.map_err(|(cause, reason)| {
            tracing::warn!(reason, "no keys from the other accounts server");
            SignError::NotDone(cause)
        })
    }
}

impl PublishedKeys {
    async fn fetch(&self, by: Deadline) -> Result<Vec<PublicKey>, (Cause, String)> {
        let answer = self.outbound.get(by, &self.uri, Reach::Configured, LEN_MAX).await;
        let answer = answer.map_err(|error| (cause(&error), error.to_string()))?;
        if answer.status != StatusCode::OK {
            let cause = if answer.status.is_server_error() {
                Cause::Unavailable
            } else {
                Cause::Fault
            };
            return Err((cause, format!("status {}", answer.status.as_u16())));
        }
        let faulty = |reason: &str| (Cause::Fault, reason.to_owned());
        let keys = KeySet::from_jwks(&answer.body).map_err(|_| faulty("no key set"))?;
        match keys.keys().len() {
            // It may hold keys of other kinds. That none is of use is no answer about any token.
            0 => Err(faulty("no key for RS256 in the set")),
            1..=KEYS_MAX => Ok(keys.keys().iter().map(published).collect()),
            _ => Err(faulty("too many keys in the set")),
        }
    }
}

fn published(named: &NamedKey) -> PublicKey {
    PublicKey {
        kid: named.kid.clone(),
        n: named.key.modulus().to_vec(),
        e: named.key.exponent().to_vec(),
        // Nobody here asks how old it is.
        created_at: Timestamp::from_secs(0),
        retires_at: None,
    }
}

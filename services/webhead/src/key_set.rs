//! The published keys of the own identity provider, as this process knows them.
//!
//! Used by everything that verifies an access token and by the JWKS document. The keysigner is asked in the background
//! and seldom: while it is away, what was fetched before keeps working. Before anything was fetched, and for a token
//! that names a key we could not ask for, the answer is "cannot know", never "invalid".

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, Timestamp, record::Generation};
use foxhold_crypto::{
    access_token::{self, AccessToken, AccessTokenError},
    jws::JwsError,
    rsa_key::{KeySet, NamedKey, RsaPublicKey},
};
use foxhold_ports::{Cause, PublicKeySource, signer::SignError};
use foxhold_sync::credential::{TokenVerifier, VerifiedToken, VerifyError};
use thiserror::Error;
use tokio::sync::Mutex;

/// A set older than this is fetched anew in the background; it goes on being used meanwhile.
const REFRESH_AFTER: Duration = Duration::from_secs(300);
/// At most one fetch in this time, whoever asks and whatever key ids tokens name.
const FETCH_PAUSE: Duration = Duration::from_secs(5);
/// How long a fetch in the background may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The source answered something that is no key set.
const FAULT: SignError = SignError::NotDone(Cause::Fault);

/// A token that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CheckError {
    /// The token does not hold.
    #[error(transparent)]
    Refused(#[from] AccessTokenError),
    /// The keys it would verify under cannot be had: says nothing about the token.
    #[error("the published keys cannot be had")]
    NoKeys(#[source] SignError),
}

/// The cache. One per process, shared behind an `Arc`.
pub struct KeySetCache(Arc<Shared>);

struct Shared {
    source: Arc<dyn PublicKeySource>,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Fetched>>,
    /// Held by the one that fetches. What it guards is the last attempt: when, and how it ended.
    attempt: Mutex<Option<Attempt>>,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Timestamp,
    failure: Option<SignError>,
}

impl Attempt {
    /// Whether it is too early for another.
    fn was_just_before(self, now: Timestamp) -> bool {
        now >= self.at && now.since(self.at) < FETCH_PAUSE
    }
}

impl KeySetCache {
    /// An empty cache; the first use fills it.
    #[must_use]
    pub fn new(source: Arc<dyn PublicKeySource>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            source,
            clock,
            current: RwLock::new(None),
            attempt: Mutex::new(None),
        }))
    }

    /// The published keys, the current one first. Must be called inside the runtime.
    ///
    /// # Errors
    /// Why there are none, if none were ever fetched.
    pub async fn keys(&self, by: Deadline) -> Result<Arc<KeySet>, SignError> {
        let Some(fetched) = self.0.fetched() else {
            self.0.fetch(by, None).await?;
            return self.0.fetched().map(|fetched| fetched.keys).ok_or(FAULT);
        };
        let now = self.0.clock.now();
        // A clock that stepped back makes the age unknown.
        if now < fetched.at || now.since(fetched.at) >= REFRESH_AFTER {
            self.refresh_in_background();
        }
        Ok(fetched.keys)
    }

    /// Checks an access token's signature, type and times. A key id we do not know makes us ask once more.
    ///
    /// # Errors
    /// [`CheckError`]
    pub async fn check(&self, by: Deadline, token: &str) -> Result<AccessToken, CheckError> {
        let keys = self.keys(by).await.map_err(CheckError::NoKeys)?;
        let now = self.0.clock.now();
        match access_token::check(token, &keys, now) {
            Err(AccessTokenError::Jws(JwsError::UnknownKey)) => {
                self.0.fetch(by, Some(&keys)).await.map_err(CheckError::NoKeys)?;
                let keys = self.keys(by).await.map_err(CheckError::NoKeys)?;
                Ok(access_token::check(token, &keys, now)?)
            }
            other => Ok(other?),
        }
    }

    /// Whether the keys can be asked for at present; asks, if nobody has just done so.
    ///
    /// # Errors
    /// How the last attempt failed.
    pub async fn probe(&self, by: Deadline) -> Result<(), SignError> {
        let fetched = self.0.fetched();
        self.0
            .fetch(by, fetched.as_ref().map(|fetched| &fetched.keys))
            .await
    }

    /// Fetches without anybody waiting; nothing, if a fetch is under way or ended a moment ago.
    fn refresh_in_background(&self) {
        let shared = self.0.clone();
        let may_ask = shared
            .attempt
            .try_lock()
            .is_ok_and(|attempt| !attempt.is_some_and(|last| last.was_just_before(shared.clock.now())));
        if !may_ask {
            return;
        }
        tokio::spawn(async move {
            let Some(fetched) = shared.fetched() else { return };
            if let Err(error) = shared
                .fetch(Deadline::after(FETCH_TIMEOUT), Some(&fetched.keys))
                .await
            {
                tracing::warn!(%error, "the published keys could not be refreshed, using those fetched before");
            }
        });
    }
}

impl Shared {
    fn fetched(&self) -> Option<Fetched> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks the source, one caller at a time and not too often. `known` is the set the caller finds wanting: whoever
    /// waited while another fetched a new one has it.
    async fn fetch(&self, by: Deadline, known: Option<&Arc<KeySet>>) -> Result<(), SignError> {
        let waiting = tokio::time::timeout_at(by.instant().into(), self.attempt.lock());
        let mut attempt = waiting.await.map_err(|_| SignError::NotDone(Cause::Timeout))?;
        let has_newer = match (self.fetched(), known) {
            (Some(fetched), Some(known)) => !Arc::ptr_eq(&fetched.keys, known),
            (fetched, None) => fetched.is_some(),
            (None, Some(_)) => false,
        };
        if has_newer {
            return Ok(());
        }
        let now = self.clock.now();
        if let Some(last) = attempt.filter(|last| last.was_just_before(now)) {
            return last.failure.map_or(Ok(()), Err);
        }
        let outcome = self.ask(by).await;
        *attempt = Some(Attempt {
            at: now,
            failure: outcome.as_ref().err().copied(),
        });
        let keys = Arc::new(outcome?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Fetched { keys, at: now });
        Ok(())
    }

    async fn ask(&self, by: Deadline) -> Result<KeySet, SignError> {
        let published = self.source.public_keys(by).await?;
        let named = published.into_iter().map(|key| {
            let public = RsaPublicKey::new(&key.n, &key.e).map_err(|_| FAULT)?;
            Ok(NamedKey {
                kid: key.kid,
                key: public,
            })
        });
        let keys: Vec<NamedKey> = named.collect::<Result<_, SignError>>()?;
        // An empty set would make every token invalid: that is a fault, not an answer.
        if keys.is_empty() {
            Err(FAULT)
        } else {
            Ok(KeySet::new(keys))
        }
    }
}

#[async_trait]
impl TokenVerifier for KeySetCache {
    async fn verify(&self, by: Deadline, token: &str) -> Result<VerifiedToken, VerifyError> {
        let token = self.check(by, token).await.map_err(refusal)?;
        // The store's columns are signed: what does not fit is no generation.
        let generation = token.generation.map_or(0, Timestamp::as_millis);
        if generation > Generation::RETIRED.0 {
            return Err(VerifyError::Generation);
        }
        Ok(VerifiedToken {
            fxa_uid: token.subject,
            scope: token.scope,
            generation: Generation(generation),
        })
    }
}

fn refusal(error: CheckError) -> VerifyError {
    match error {
        CheckError::NoKeys(SignError::NotDone(cause)) => VerifyError::Unavailable(cause),
        CheckError::NoKeys(SignError::Refused | SignError::NoNodeSecret) => {
            VerifyError::Unavailable(Cause::Fault)
        }
        CheckError::Refused(AccessTokenError::Generation) => VerifyError::Generation,
        CheckError::Refused(AccessTokenError::Claims) => VerifyError::Invalid("claims"),
        CheckError::Refused(AccessTokenError::Expired) => VerifyError::Invalid("expired"),
        CheckError::Refused(AccessTokenError::NotYetValid) => VerifyError::Invalid("of the future"),
        CheckError::Refused(AccessTokenError::Jws(error)) => VerifyError::Invalid(match error {
            JwsError::Malformed => "not a JWT",
            JwsError::Header => "header not allowed",
            JwsError::Type => "wrong type",
            JwsError::UnknownKey => "unknown key",
            JwsError::Signature => "wrong signature",
        }),
    }
}

#[cfg(test)]
pub(crate) mod signing;
#[cfg(test)]
mod tests;

//! The published keys of an identity provider, as this process knows them: those of the own one, or of another whose
//! users the Token Server has.
//!
//! Used by everything that verifies an access token and by the JWKS document. The source (the keysigner, or the other
//! provider's server) is asked in the background and seldom: while it is away, what was fetched before keeps working.
//! Before anything was fetched, and for a token that names a key we could not ask for, the answer is "cannot know",
//! never "invalid"; but what no key could make good is refused without any. A fetch once begun goes to its end, also when
//! nobody waits any more: else callers who leave early could have a slow source asked again and again.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, Timestamp, record::Generation};
use foxhold_crypto::{
    access_token::{self, AccessToken, AccessTokenError},
    jws::{self, Form, JwsError},
    rsa_key::{KeySet, NamedKey, RsaPublicKey},
};
use foxhold_ports::{
    Cause, PublicKeySource,
    signer::{PublicKey, SignError},
};
use foxhold_sync::{
    credential::{TokenVerifier, VerifiedToken, VerifyError},
    reason::Reason,
};
use thiserror::Error;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

/// A set older than this is fetched anew in the background; it goes on being used meanwhile.
const REFRESH_AFTER: Duration = Duration::from_secs(300);
/// At most one fetch in this time, whoever asks and whatever key ids tokens name.
const FETCH_PAUSE: Duration = Duration::from_secs(5);
/// The same while there are no keys at all, as when a process starts before its keysigner: nobody can be served then.
const FIRST_FETCH_PAUSE: Duration = Duration::from_millis(250);
/// How long a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How many may wait for a key that is not in the set at hand. Anybody can invent names of keys; while the source is slow,
/// the others are told to come back.
const WAITERS_MAX: usize = 16;

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
    attempt: Arc<Mutex<Option<Attempt>>>,
    /// For those who find a key missing.
    waiters: Semaphore,
}

#[derive(Clone)]
struct Fetched {
    keys: Arc<KeySet>,
    /// The same with all that is published of them.
    published: Arc<[PublicKey]>,
    at: Timestamp,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Timestamp,
    failure: Option<SignError>,
}

impl Attempt {
    /// Whether it is too early for another.
    fn was_just_before(self, now: Timestamp, pause: Duration) -> bool {
        now >= self.at && now.since(self.at) < pause
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
            attempt: Arc::default(),
            waiters: Semaphore::new(WAITERS_MAX),
        }))
    }

    /// The published keys, the current one first. Must be called inside the runtime.
    ///
    /// # Errors
    /// Why there are none, if none were ever fetched.
    pub async fn keys(&self, by: Deadline) -> Result<Arc<KeySet>, SignError> {
        self.known(by).await.map(|fetched| fetched.keys)
    }

    /// The same with all that is published of them.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn published(&self, by: Deadline) -> Result<Arc<[PublicKey]>, SignError> {
        self.known(by).await.map(|fetched| fetched.published)
    }

    async fn known(&self, by: Deadline) -> Result<Fetched, SignError> {
        let Some(fetched) = self.0.fetched() else {
            self.0.fetch(by, None).await?;
            return self.0.fetched().ok_or(FAULT);
        };
        let now = self.0.clock.now();
        // A clock that stepped back makes the age unknown.
        if now < fetched.at || now.since(fetched.at) >= REFRESH_AFTER {
            self.refresh_in_background();
        }
        Ok(fetched)
    }

    /// The published keys, asked for now, if nobody has just done so: for whoever finds one missing in `known`.
    ///
    /// # Errors
    /// Why they cannot be had; also if too many wait for them.
    pub async fn renewed(&self, by: Deadline, known: &Arc<KeySet>) -> Result<Arc<KeySet>, SignError> {
        let Ok(_waiter) = self.0.waiters.try_acquire() else {
            return Err(SignError::NotDone(Cause::Overloaded));
        };
        self.0.fetch(by, Some(known)).await?;
        self.keys(by).await
    }

    /// Checks an access token's signature, type and times. A key id we do not know makes us ask once more.
    ///
    /// # Errors
    /// [`CheckError`]
    pub async fn check(&self, by: Deadline, token: &str) -> Result<AccessToken, CheckError> {
        if self.0.fetched().is_none() {
            refuse_without_keys(token)?;
        }
        let keys = self.keys(by).await.map_err(CheckError::NoKeys)?;
        let now = self.0.clock.now();
        match access_token::check(token, &keys, now) {
            Err(AccessTokenError::Jws(JwsError::UnknownKey)) => {
                let keys = self.renewed(by, &keys).await.map_err(CheckError::NoKeys)?;
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
        let may_ask = shared.attempt.try_lock().is_ok_and(|attempt| {
            !attempt.is_some_and(|last| last.was_just_before(shared.clock.now(), FETCH_PAUSE))
        });
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
    async fn fetch(self: &Arc<Self>, by: Deadline, known: Option<&Arc<KeySet>>) -> Result<(), SignError> {
        let turn = Arc::clone(&self.attempt).lock_owned();
        let attempt = in_time(by, turn).await?;
        let has_newer = match (self.fetched(), known) {
            (Some(fetched), Some(known)) => !Arc::ptr_eq(&fetched.keys, known),
            (fetched, None) => fetched.is_some(),
            (None, Some(_)) => false,
        };
        if has_newer {
            return Ok(());
        }
        let now = self.clock.now();
        let pause = if self.fetched().is_some() {
            FETCH_PAUSE
        } else {
            FIRST_FETCH_PAUSE
        };
        if let Some(last) = attempt.filter(|last| last.was_just_before(now, pause)) {
            return last.failure.map_or(Ok(()), Err);
        }
        let asking = tokio::spawn(Arc::clone(self).renew(attempt, now));
        in_time(by, asking).await?.unwrap_or(Err(FAULT))
    }

    /// Asks to the end, and keeps what comes of it. It is as old as the question; the pause begins with the answer.
    async fn renew(
        self: Arc<Self>,
        mut attempt: OwnedMutexGuard<Option<Attempt>>,
        asked_at: Timestamp,
    ) -> Result<(), SignError> {
        let by = Deadline::after(FETCH_TIMEOUT);
        let outcome = in_time(by, self.ask(by)).await.flatten();
        *attempt = Some(Attempt {
            at: self.clock.now(),
            failure: outcome.as_ref().err().copied(),
        });
        let (keys, published) = outcome?;
        let fetched = Fetched {
            keys: Arc::new(keys),
            published: published.into(),
            at: asked_at,
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
        Ok(())
    }

    async fn ask(&self, by: Deadline) -> Result<(KeySet, Vec<PublicKey>), SignError> {
        let published = self.source.public_keys(by).await?;
        let named = published.iter().map(|key| {
            let public = RsaPublicKey::new(&key.n, &key.e).map_err(|_| FAULT)?;
            Ok(NamedKey {
                kid: key.kid.clone(),
                key: public,
            })
        });
        let keys: Vec<NamedKey> = named.collect::<Result<_, SignError>>()?;
        // An empty set would make every token invalid: that is a fault, not an answer.
        if keys.is_empty() {
            Err(FAULT)
        } else {
            Ok((KeySet::new(keys), published))
        }
    }
}

/// Refuses what is no access token under any key. That none of the keys made the signature is not known here.
fn refuse_without_keys(token: &str) -> Result<(), AccessTokenError> {
    match jws::verify(token, access_token::TYPE, &KeySet::new(Vec::new())) {
        Ok(_) | Err(JwsError::UnknownKey | JwsError::Signature) => Ok(()),
        Err(error @ (JwsError::Malformed | JwsError::Header | JwsError::Type)) => Err(error.into()),
    }
}

/// What comes before the deadline.
async fn in_time<T>(by: Deadline, wanted: impl Future<Output = T>) -> Result<T, SignError> {
    let waiting = tokio::time::timeout_at(by.instant().into(), wanted);
    waiting.await.map_err(|_| SignError::NotDone(Cause::Timeout))
}

/// Tokens of the own accounts. All of them are signed (docs/adr/0007), and nothing about them is stored: there is nowhere
/// to look an opaque one up. So whatever is no JWT is refused, without asking anybody and whether there are keys or not.
#[async_trait]
impl TokenVerifier for KeySetCache {
    async fn verify(
        &self,
        by: Deadline,
        _from: Option<IpAddr>,
        token: &str,
    ) -> Result<VerifiedToken, VerifyError> {
        if jws::form(token) == Form::Opaque {
            return Err(VerifyError::Invalid(Reason::TokenNotJwt));
        }
        self.check(by, token).await.map_err(refusal).and_then(verified)
    }
}

/// What the Token Server learns from a token that holds.
pub(crate) fn verified(token: AccessToken) -> Result<VerifiedToken, VerifyError> {
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

/// The same in the words of the exchange.
pub(crate) fn refusal(error: CheckError) -> VerifyError {
    match error {
        CheckError::NoKeys(SignError::NotDone(cause)) => VerifyError::Unavailable(cause),
        CheckError::NoKeys(SignError::Refused | SignError::UnfitKey | SignError::NoNodeSecret) => {
            VerifyError::Unavailable(Cause::Fault)
        }
        CheckError::Refused(AccessTokenError::Generation) => VerifyError::Generation,
        CheckError::Refused(AccessTokenError::Claims) => VerifyError::Invalid(Reason::TokenClaims),
        CheckError::Refused(AccessTokenError::Expired) => VerifyError::Invalid(Reason::TokenExpired),
        CheckError::Refused(AccessTokenError::NotYetValid) => VerifyError::Invalid(Reason::TokenNotYetValid),
        CheckError::Refused(AccessTokenError::Jws(error)) => VerifyError::Invalid(match error {
            JwsError::Malformed => Reason::TokenNotJwt,
            JwsError::Header => Reason::TokenHeader,
            JwsError::Type => Reason::TokenType,
            JwsError::UnknownKey => Reason::TokenUnknownKey,
            JwsError::Signature => Reason::TokenSignature,
        }),
    }
}

#[cfg(test)]
pub(crate) mod signing;
#[cfg(test)]
mod tests;

//! The support documents of BrowserID issuers: the own one from the key set at hand, others from
//! `https://<domain>/.well-known/browserid`, kept for a while.
//!
//! Domains come from credentials that nobody has verified yet. Must stay true: what is remembered and what is asked at
//! once is bounded; one domain is asked by one request at a time, and no more than so many wait for it; that a domain did
//! not answer is never remembered as a verdict.

mod cache;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_browserid::{Document, FetchError, IssuerKey, PublicKey, SupportDocuments};
use foxhold_core::{Clock, Deadline};
use foxhold_crypto::rsa_key::KeySet;
use foxhold_outbound::{Answer, Outbound, OutboundError, Reach};
use http::{StatusCode, Uri};
use tokio::sync::Semaphore;

use self::cache::{Cache, Lifetime, Wanted};
use crate::key_set::KeySetCache;

/// How long one may take (`security.md` E.2 allows ten seconds; the client waits as long for everything).
const FETCH_MAX: Duration = Duration::from_secs(5);
/// How many are fetched at once, of all domains.
const FETCHES_MAX: usize = 16;
/// How many requests wait for the answer of one domain that a stranger named, and of one that the operator did. The others
/// are told to come back.
const WAITERS_MAX: Waiters = Waiters {
    of_named: 32,
    of_configured: 512,
};

struct Waiters {
    of_named: usize,
    of_configured: usize,
}

/// Gets and keeps support documents.
pub struct IssuerDocuments {
    own: OwnDomain,
    /// The own keys as a document, and of which set: they are wanted for every bundle, and seldom change.
    own_document: Mutex<Option<(Arc<KeySet>, Document)>>,
    asker: Arc<Asker>,
    cache: Cache,
}

/// The domain of the own identity provider.
pub struct OwnDomain {
    /// Its name, second half of its users' keys.
    pub domain: String,
    /// Its keys.
    pub keys: Arc<KeySetCache>,
}

/// Fetches documents of others.
struct Asker {
    configured: BTreeMap<String, Uri>,
    outbound: Arc<Outbound>,
    /// For domains that strangers name.
    fetches: Semaphore,
    /// For configured ones, so that strangers cannot keep them waiting.
    reserved: Semaphore,
}

impl IssuerDocuments {
    /// Knows nothing yet. The documents of `configured` domains are read from the URLs given for them, wherever those
    /// lead; all others only from where the public can reach them.
    #[must_use]
    pub fn new(
        own: OwnDomain,
        configured: BTreeMap<String, Uri>,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let asker = Asker {
            configured,
            outbound,
            fetches: Semaphore::new(FETCHES_MAX),
            reserved: Semaphore::new(FETCHES_MAX),
        };
        Self {
            own,
            own_document: Mutex::default(),
            asker: Arc::new(asker),
            cache: Cache::new(clock),
        }
    }

    /// The domain whose users only its own keys speak for.
    #[must_use]
    pub fn own_domain(&self) -> &str {
        &self.own.domain
    }

    /// The same, but not from before the last minute: for whoever finds that a key is missing.
    #[must_use]
    pub const fn fresh(&self) -> Fresh<'_> {
        Fresh(self)
    }

    async fn get(&self, by: Deadline, domain: &str, fresh: bool) -> Result<Document, FetchError> {
        if domain == self.own.domain {
            return self.own_document(by, fresh).await;
        }
        let (asker, name) = (Arc::clone(&self.asker), domain.to_owned());
        let wanted = Wanted {
            fresh,
            waiters_max: if asker.configured.contains_key(domain) {
                WAITERS_MAX.of_configured
            } else {
                WAITERS_MAX.of_named
            },
        };
        let ask = async move { asker.ask(&name).await };
        self.cache.get(by, domain, wanted, ask).await
    }

    async fn own_document(&self, by: Deadline, fresh: bool) -> Result<Document, FetchError> {
        let unavailable = |_| FetchError::Unavailable;
        let mut keys = self.own.keys.keys(by).await.map_err(unavailable)?;
        if fresh {
            keys = self.own.keys.renewed(by, &keys).await.map_err(unavailable)?;
        }
        let mut last = self.own_document.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, document)) if Arc::ptr_eq(of, &keys) => Ok(document.clone()),
            _ => {
                let document = as_document(&keys);
                *last = Some((keys, document.clone()));
                Ok(document)
            }
        }
    }
}

/// A key set as an issuer's document.
fn as_document(keys: &KeySet) -> Document {
    let keys = keys.keys().iter().filter_map(|named| {
        let key = PublicKey::from_json(named.to_jwk().as_bytes()).ok()?;
        Some(IssuerKey {
            kid: Some(named.kid.clone()),
            key,
        })
    });
    Document::Keys(keys.collect())
}

#[async_trait]
impl SupportDocuments for IssuerDocuments {
    async fn fetch(&self, by: Deadline, domain: &str) -> Result<Document, FetchError> {
        self.get(by, domain, false).await
    }
}

/// Documents of the last minute.
pub struct Fresh<'a>(&'a IssuerDocuments);

#[async_trait]
impl SupportDocuments for Fresh<'_> {
    async fn fetch(&self, by: Deadline, domain: &str) -> Result<Document, FetchError> {
        self.0.get(by, domain, true).await
    }
}

impl Asker {
    async fn ask(&self, domain: &str) -> cache::Answer {
        let configured = self.configured.get(domain);
        let turns = match configured {
            Some(_) => &self.reserved,
            None => &self.fetches,
        };
        // Whoever names more domains at once than this is not waited for; that says nothing about the domain.
        let Ok(_turn) = turns.try_acquire() else {
            return cache::Answer {
                said: Err(FetchError::Unavailable),
                counts: Lifetime::NONE,
            };
        };
        match self.fetch(domain, configured).await {
            Ok((document, counts)) => cache::Answer {
                said: Ok(document),
                counts,
            },
            Err(error) => cache::Answer {
                said: Err(error),
                counts: Lifetime::of_failure(error),
            },
        }
    }

    async fn fetch(
        &self,
        domain: &str,
        configured: Option<&Uri>,
    ) -> Result<(Document, Lifetime), FetchError> {
        let (uri, reach) = match configured {
            Some(uri) => (uri.clone(), Reach::Configured),
            None => (well_known(domain)?, Reach::Public),
        };
        let by = Deadline::after(FETCH_MAX);
        let answer = self.outbound.get(by, &uri, reach, Document::LEN_MAX).await;
        judge(&answer.map_err(|error| failed(&error))?)
    }
}

fn well_known(domain: &str) -> Result<Uri, FetchError> {
    let uri = format!("https://{domain}/.well-known/browserid");
    uri.parse().map_err(|_| FetchError::Forbidden)
}

fn judge(answer: &Answer) -> Result<(Document, Lifetime), FetchError> {
    match answer.status {
        StatusCode::OK => {
            let document = Document::parse(&answer.body)?;
            Ok((document, Lifetime::of(answer.cache_control.as_deref())))
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Absent),
        status if status.is_redirection() => Err(FetchError::Forbidden),
        _ => Err(FetchError::Unavailable),
    }
}

const fn failed(error: &OutboundError) -> FetchError {
    match error {
        OutboundError::Target(_)
        | OutboundError::Forbidden
        | OutboundError::TooLong
        | OutboundError::Encoded => FetchError::Forbidden,
        // Somebody on the way can cause the last two: no verdict about the domain.
        OutboundError::NoAnswer | OutboundError::Identity | OutboundError::Senseless => {
            FetchError::Unavailable
        }
    }
}

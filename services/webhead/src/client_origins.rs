//! Which pages of other programs may read what token endpoint, userinfo and revocation answer: those at the origins of
//! public clients' redirect URIs (`accounts.md` (k), CORS). The registry is asked at most once a minute.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use foxhold_core::{
    Clock, Deadline, Timestamp,
    record::{ClientKind, RegisteredClient},
};
use foxhold_ports::ClientRegistry;
use url::Url;

/// How long what was read is good.
const FRESH: Duration = Duration::from_secs(60);
/// How long reading may take.
const READ_MAX: Duration = Duration::from_secs(5);
/// The calls that pages of other programs make.
const PATHS: [&str; 3] = ["/v1/token", "/v1/userinfo", "/v1/destroy"];

/// The origins, as they were last read.
pub struct ClientOrigins {
    registry: Arc<dyn ClientRegistry>,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<(Timestamp, Arc<[String]>)>>,
}

impl ClientOrigins {
    /// Nothing is read before it is asked for.
    #[must_use]
    pub fn new(registry: Arc<dyn ClientRegistry>, clock: Arc<dyn Clock>) -> Self {
        Self {
            registry,
            clock,
            known: RwLock::new(None),
        }
    }

    /// Whether a page at `origin` may read the answer of a call. While the registry is away, what was known before counts.
    pub(crate) async fn may_read(&self, path: &str, origin: &str) -> bool {
        PATHS.contains(&path) && self.origins().await.iter().any(|known| known == origin)
    }

    async fn origins(&self) -> Arc<[String]> {
        let now = self.clock.now();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_fresh = |at: Timestamp| now >= at && now.since(at) < FRESH;
        if let Some((at, origins)) = &known
            && is_fresh(*at)
        {
            return Arc::clone(origins);
        }
        match self.registry.clients(Deadline::after(READ_MAX)).await {
            Ok(clients) => {
                let origins: Arc<[String]> = clients.iter().flat_map(origins_of).collect();
                *self.known.write().unwrap_or_else(PoisonError::into_inner) =
                    Some((now, Arc::clone(&origins)));
                origins
            }
            Err(_) => known.map(|(_, origins)| origins).unwrap_or_default(),
        }
    }
}

fn origins_of(client: &RegisteredClient) -> Vec<String> {
    if client.kind != ClientKind::Public || client.switches.disabled {
        return Vec::new();
    }
    let urls = client.redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok());
    let origins = urls.map(|url| url.origin().ascii_serialization());
    origins.filter(|origin| origin != "null").collect()
}

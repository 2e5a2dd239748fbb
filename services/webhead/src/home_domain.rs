//! The domain of the users with access tokens, second half of their names: configured, or what their accounts server says
//! of itself (`{oauth}/config`, `tokenserver.md` section 8, OAuth 6).
//!
//! Users are known by it, so it never changes while the process runs: what the server says later is compared, and another
//! answer is refused and told in the log. Must stay true: until it is known nobody is told anything about a token; the
//! server is asked by one request at a time, and not too often.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use foxhold_core::{Clock, Deadline, Timestamp, record::policy::is_issuer};
use foxhold_outbound::{Outbound, Reach};
use foxhold_ports::Cause;
use http::{StatusCode, Uri};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::foreign_oauth;

/// The longest answer that is read.
const LEN_MAX: usize = 16 * 1024;
/// How long it may take.
const ASKING_MAX: Duration = Duration::from_secs(5);
/// Between two questions while the domain is not known.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two once it is.
const COMPARE_AFTER: Duration = Duration::from_secs(600);

/// The domain, or how to find it.
pub struct HomeDomain {
    known: OnceLock<String>,
    asker: Option<Asker>,
}

struct Asker {
    uri: Uri,
    /// Of the accounts served here: two servers would speak for the same users.
    own: String,
    outbound: Arc<Outbound>,
    clock: Arc<dyn Clock>,
    /// Held by the one that asks: when that was last done, and how it failed.
    last: Mutex<Option<(Timestamp, Cause)>>,
}

/// Of what the server says, what is used.
#[derive(Deserialize)]
struct ServerConfig {
    browserid: BrowserId,
}

#[derive(Deserialize)]
struct BrowserId {
    issuer: String,
}

impl HomeDomain {
    /// As the operator says.
    #[must_use]
    pub fn configured(domain: impl Into<String>) -> Self {
        Self {
            known: OnceLock::from(domain.into()),
            asker: None,
        }
    }

    /// As the server at `uri` says, once it is asked. `own` is the domain of the accounts served here.
    #[must_use]
    pub fn discovered(uri: Uri, own: &str, outbound: Arc<Outbound>, clock: Arc<dyn Clock>) -> Self {
        Self {
            known: OnceLock::new(),
            asker: Some(Asker {
                uri,
                own: own.to_owned(),
                outbound,
                clock,
                last: Mutex::default(),
            }),
        }
    }

    /// Whether it is not the operator who says.
    #[must_use]
    pub const fn is_discovered(&self) -> bool {
        self.asker.is_some()
    }

    /// The domain, if it is known.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        self.known.get().map(String::as_str)
    }

    /// The domain; asks for it, if it is not known and nobody has just done so.
    ///
    /// # Errors
    /// Why it is not known: an outage, whoever asks.
    pub async fn get(&self, by: Deadline) -> Result<&str, Cause> {
        match (self.known.get(), &self.asker) {
            (Some(known), _) => Ok(known),
            (None, Some(asker)) => {
                let learning = tokio::time::timeout_at(by.instant().into(), self.learn(asker));
                learning.await.unwrap_or(Err(Cause::Timeout))
            }
            (None, None) => Err(Cause::Fault),
        }
    }

    async fn learn(&self, asker: &Asker) -> Result<&str, Cause> {
        let mut last = asker.last.lock().await;
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let now = asker.clock.now();
        if let Some((_, cause)) = last.filter(|(at, _)| is_within(*at, now, PAUSE)) {
            return Err(cause);
        }
        // Also if nobody waits for the answer any more.
        *last = Some((now, Cause::Timeout));
        match asker.ask().await {
            Ok(domain) => {
                tracing::info!(
                    domain,
                    "the other accounts server names this domain: write it into `foreign_oauth.domain` to keep it"
                );
                Ok(self.known.get_or_init(|| domain))
            }
            Err((cause, reason)) => {
                tracing::warn!(
                    reason,
                    "the other accounts server did not tell the domain of its users"
                );
                *last = Some((now, cause));
                Err(cause)
            }
        }
    }

    /// Asks again, if that was not done lately, and tells the operator if the answer has changed. Or learns it at last.
    pub async fn compare(&self, by: Deadline) {
        let Some(asker) = &self.asker else { return };
        let Some(known) = self.known.get() else {
            // What keeps it from being known is in the log.
            let _ = self.get(by).await;
            return;
        };
        // Somebody else asks just now.
        let Ok(mut last) = asker.last.try_lock() else {
            return;
        };
        let now = asker.clock.now();
        if last.is_some_and(|(at, _)| is_within(at, now, COMPARE_AFTER)) {
            return;
        }
        *last = Some((now, Cause::Timeout));
        match asker.ask().await {
            Ok(domain) if domain == *known => {}
            Ok(domain) => tracing::error!(
                domain,
                known,
                "the other accounts server names another domain than before: refused, every user would be a new one"
            ),
            Err((_, reason)) => {
                tracing::warn!(
                    reason,
                    "the other accounts server did not tell the domain of its users"
                );
            }
        }
    }
}

impl Asker {
    async fn ask(&self) -> Result<String, (Cause, String)> {
        let by = Deadline::after(ASKING_MAX);
        let answer = self.outbound.get(by, &self.uri, Reach::Configured, LEN_MAX).await;
        let answer = answer.map_err(|error| (foreign_oauth::cause(&error), error.to_string()))?;
        if answer.status != StatusCode::OK {
            let cause = if answer.status.is_server_error() {
                Cause::Unavailable
            } else {
                Cause::Fault
            };
            return Err((cause, format!("status {}", answer.status.as_u16())));
        }
        let faulty = |reason: &str| (Cause::Fault, reason.to_owned());
        let config: ServerConfig = serde_json::from_slice(&answer.body)
            .map_err(|_| faulty("no `browserid.issuer` in the answer"))?;
        let domain = config.browserid.issuer;
        if !is_issuer(&domain) {
            return Err(faulty("`browserid.issuer` is no domain in lower case"));
        }
        if domain == self.own {
            return Err(faulty("`browserid.issuer` is the domain of the own accounts"));
        }
        Ok(domain)
    }
}

/// A clock that stepped back makes the age unknown.
fn is_within(at: Timestamp, now: Timestamp, span: Duration) -> bool {
    at <= now && now.since(at) < span
}

#[cfg(test)]
mod tests;

//! The table `[browserid]` of the configuration, and a verifier of bundles that others run, in place of the one built in
//! (`tokenserver.md` section 8).
//!
//! Must stay true: an answer with status 200 that is one of a verifier is a verdict, all else an outage; whose word counts
//! for whom is decided here; and neither the verifier's slowness nor one client's garbage keeps the others waiting.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_browserid::{AnswerError, question, read_answer};
use foxhold_core::{Clock, Deadline, record::ServicePolicy};
use foxhold_outbound::{Answer, Content, Outbound, Reach, Target};
use foxhold_ports::Cause;
use foxhold_sync::credential::{AssertionError, AssertionVerifier, VerifiedAssertion};
use http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{expectations, refused, taken};
use crate::{foreign_oauth, home_domain::HomeDomain, turns::Turns};

/// The longest answer that is read.
const LEN_MAX: usize = 16 * 1024;
/// How long it may take; the request's own deadline is mostly nearer.
const ASKING_MAX: Duration = Duration::from_secs(30);

/// BrowserID: whether there are certificates for the own users, and who verifies bundles, if it is not done here.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrowserIdSettings {
    /// Whether `POST /v1/certificate/sign` signs, and `/.well-known/browserid` tells the keys. What the Token Server takes
    /// is each service's own setting.
    pub certificates: bool,
    /// Where the verifier is asked: version 2 of its interface, ending in `/v2`. Plain http only inside one's own network:
    /// who answers there can be any user.
    pub verifier_url: Option<String>,
    /// The most bundles it is asked about at once. Whoever brings another is told to come back.
    pub verifying_max: usize,
}

impl Default for BrowserIdSettings {
    fn default() -> Self {
        Self {
            certificates: true,
            verifier_url: None,
            verifying_max: 64,
        }
    }
}

/// Settings that cannot be. Names the key and the fix.
#[derive(Debug, Error)]
pub enum BrowserIdError {
    /// Nothing can be asked there.
    #[error(
        "`browserid.verifier_url`: {0:?} is no URL that ends in /v2\nfix: as in https://verifier.example.com/v2"
    )]
    Url(String),
    /// None, or too many.
    #[error("`browserid.verifying_max`: between 1 and 1024")]
    VerifyingMax,
    /// Keys that nobody would look at.
    #[error(
        "`browserid.verifier_url` and `issuer_documents`: the verifier reads documents by itself\n\
         fix: leave out one of the two"
    )]
    Documents,
}

/// The verifier, as it is asked.
#[derive(Debug, Clone)]
pub struct RemoteVerifier {
    pub(super) uri: Uri,
    pub(super) verifying_max: usize,
}

impl BrowserIdSettings {
    /// Checks everything; gives the verifier, if there is one. `has_documents`: whether the configuration says where
    /// documents of issuers are.
    ///
    /// # Errors
    /// [`BrowserIdError`] names the key.
    pub fn prepare(&self, has_documents: bool) -> Result<Option<RemoteVerifier>, BrowserIdError> {
        let Some(url) = &self.verifier_url else {
            return Ok(None);
        };
        let uri: Option<Uri> = url.parse().ok();
        let is_usable = |uri: &Uri| {
            uri.path().ends_with("/v2") && uri.query().is_none() && Target::of(uri, Reach::Configured).is_ok()
        };
        let uri = uri.filter(is_usable);
        let uri = uri.ok_or_else(|| BrowserIdError::Url(url.clone()))?;
        if !(1..=1024).contains(&self.verifying_max) {
            return Err(BrowserIdError::VerifyingMax);
        }
        if has_documents {
            return Err(BrowserIdError::Documents);
        }
        Ok(Some(RemoteVerifier {
            uri,
            verifying_max: self.verifying_max,
        }))
    }
}

/// Has bundles verified for one audience.
pub struct RemoteAssertions {
    audience: String,
    own_domain: String,
    home: Arc<HomeDomain>,
    uri: Uri,
    outbound: Arc<Outbound>,
    turns: Turns,
    clock: Arc<dyn Clock>,
}

/// For whom bundles are verified.
pub struct Audience {
    /// The Token Server's origin, as clients write it.
    pub origin: String,
    /// The domain of the accounts served here.
    pub own_domain: String,
    /// The domain of the users with access tokens.
    pub home: Arc<HomeDomain>,
}

/// No verdict: what it was, for the exchange and for logs.
struct Outage(Cause, String);

impl RemoteAssertions {
    /// Has asked for nothing yet.
    #[must_use]
    pub fn new(
        verifier: &RemoteVerifier,
        audience: Audience,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            audience: audience.origin,
            own_domain: audience.own_domain,
            home: audience.home,
            uri: verifier.uri.clone(),
            outbound,
            turns: Turns::new(verifier.verifying_max),
            clock,
        }
    }

    async fn ask(&self, by: Deadline, question: Vec<u8>) -> Result<Answer, Outage> {
        let content = Content {
            media_type: "application/json",
            bytes: question,
        };
        let asking = self
            .outbound
            .post(by, &self.uri, Reach::Configured, content, LEN_MAX);
        let answer = asking.await;
        let answer = answer.map_err(|error| Outage(foreign_oauth::cause(&error), error.to_string()))?;
        let status = answer.status;
        match status {
            StatusCode::OK => Ok(answer),
            StatusCode::TOO_MANY_REQUESTS => Err(outage(Cause::Overloaded, status)),
            _ if status.is_server_error() => Err(outage(Cause::Unavailable, status)),
            _ => Err(outage(Cause::Fault, status)),
        }
    }
}

fn outage(cause: Cause, status: StatusCode) -> Outage {
    Outage(cause, format!("status {}", status.as_u16()))
}

#[async_trait]
impl AssertionVerifier for RemoteAssertions {
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        bundle: &str,
        policy: &ServicePolicy,
    ) -> Result<VerifiedAssertion, AssertionError> {
        let expected = expectations(&self.audience, policy, &*self.clock);
        let question = question(bundle, &expected).map_err(refused)?;
        let home = self.home.get(by).await.map_err(AssertionError::Unavailable)?;
        let Some(_turn) = self.turns.take(from) else {
            return Err(AssertionError::Unavailable(Cause::Overloaded));
        };
        let answered = self.ask(by.at_most(ASKING_MAX), question).await;
        let said = answered.and_then(|answer| match read_answer(&answer.body, &expected) {
            Ok(identity) => Ok(Ok(identity)),
            Err(AnswerError::Refused(error)) => Ok(Err(error)),
            Err(AnswerError::Unusable) => Err(Outage(Cause::Fault, "unusable answer".to_owned())),
        });
        match said {
            Ok(Ok(identity)) => taken(identity, [&self.own_domain, home]),
            Ok(Err(error)) => Err(refused(error)),
            Err(Outage(cause, reason)) => {
                tracing::warn!(reason, "the BrowserID verifier gave no verdict");
                Err(AssertionError::Unavailable(cause))
            }
        }
    }
}

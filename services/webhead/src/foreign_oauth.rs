//! Access tokens of another accounts server, for a Token Server whose users have their accounts there (`tokenserver.md`
//! section 8, OAuth).
//!
//! A JWT by RS256 is verified here: under keys from files, or else those of the server's key set. About anything else the
//! server is asked, if the operator wants that. Must stay true: nobody but the configured server is asked, whatever a token
//! says; what cannot be a good token costs no question; and the server's silence and its nonsense say nothing about a token.

pub(crate) mod keys;
mod remote;
mod settings;
#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline};
use foxhold_crypto::jws::{self, Form};
use foxhold_outbound::{Outbound, OutboundError};
use foxhold_ports::{Cause, PublicKeySource};
use foxhold_sync::{
    credential::{TokenVerifier, VerifiedToken, VerifyError},
    reason::Reason,
};

pub use self::settings::{ForeignOauth, ForeignOauthError, ForeignOauthSettings};
use self::{
    keys::{FixedKeys, PublishedKeys},
    remote::RemoteVerifier,
};
use crate::{
    home_domain::HomeDomain,
    key_set::{self, KeySetCache},
    token_server::{KeysOf, dated},
};

/// Verifies the tokens of one server.
pub struct ForeignTokens {
    keys: KeySetCache,
    /// What tokens must name as `iss`, where it matters.
    issuer: Option<String>,
    remote: Option<RemoteVerifier>,
}

impl ForeignOauth {
    /// The domain of its users: configured, or to be asked for. `own` is that of the accounts served here.
    #[must_use]
    pub fn home(&self, own: &str, outbound: &Arc<Outbound>, clock: &Arc<dyn Clock>) -> HomeDomain {
        match &self.domain {
            Some(domain) => HomeDomain::configured(domain),
            None => HomeDomain::discovered(self.config.clone(), own, Arc::clone(outbound), Arc::clone(clock)),
        }
    }
}

impl ForeignTokens {
    /// Has asked for nothing yet.
    #[must_use]
    pub fn new(
        server: &ForeignOauth,
        home: &Arc<HomeDomain>,
        outbound: Arc<Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let source: Arc<dyn PublicKeySource> = if server.keys.is_empty() {
            let published = PublishedKeys {
                uri: server.jwks.clone(),
                outbound: Arc::clone(&outbound),
            };
            dated(Arc::new(published), KeysOf::ForeignOauth, Arc::clone(&clock))
        } else {
            Arc::new(FixedKeys::new(&server.keys))
        };
        Self {
            keys: KeySetCache::new(source, clock),
            issuer: server.issuer.clone(),
            remote: server
                .verifying_max
                .map(|turns| RemoteVerifier::new(server, Arc::clone(home), outbound, turns)),
        }
    }

    async fn verify_here(&self, by: Deadline, token: &str) -> Result<VerifiedToken, VerifyError> {
        let checked = self.keys.check(by, token).await;
        let token = checked.map_err(key_set::refusal)?;
        if self.issuer.is_some() && token.issuer != self.issuer {
            return Err(VerifyError::Invalid(Reason::TokenIssuer));
        }
        key_set::verified(token)
    }

    /// The server's word; `otherwise` is the reason for a refusal where it is not asked.
    async fn ask(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        token: &str,
        otherwise: Reason,
    ) -> Result<VerifiedToken, VerifyError> {
        match &self.remote {
            Some(remote) => remote.verify(by, from, token).await,
            None => Err(VerifyError::Invalid(otherwise)),
        }
    }
}

#[async_trait]
impl TokenVerifier for ForeignTokens {
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        token: &str,
    ) -> Result<VerifiedToken, VerifyError> {
        match jws::form(token) {
            Form::Jws => self.verify_here(by, token).await,
            Form::Opaque => self.ask(by, from, token, Reason::TokenNotJwt).await,
            // A key of a kind that is of no use here; the server has it.
            Form::OtherAlgorithm => self.ask(by, from, token, Reason::TokenAlgorithm).await,
        }
    }
}

/// What kept the server from answering. Whoever is on the way can cause any of it.
pub(crate) const fn cause(error: &OutboundError) -> Cause {
    match error {
        OutboundError::NoAnswer => Cause::Unavailable,
        OutboundError::Target(_)
        | OutboundError::Forbidden
        | OutboundError::Identity
        | OutboundError::TooLong
        | OutboundError::Encoded
        | OutboundError::Senseless => Cause::Fault,
    }
}

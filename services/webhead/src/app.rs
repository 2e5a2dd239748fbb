//! What the webhead is made of. The single box builds it from adapters of its own process, a fleet from remote ones;
//! the routes are the same.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{
    AccountError, Accounts,
    oauth::{PresentedToken, Scopes},
    profile::Bearer,
};
use foxhold_core::{Deadline, ErrorCode, Uid};
use foxhold_crypto::access_token::AccessToken;
use foxhold_ports::{Cause, signer::SignError};
use foxhold_runtime::Health;
use http::{HeaderMap, header};

use crate::{
    accesses::AccessNotes,
    client_address::ClientAddresses,
    client_origins::ClientOrigins,
    error::ApiError,
    follow_ups::FollowUps,
    hawk::HawkRules,
    key_set::{CheckError, KeySetCache},
    limits::live::CurrentLimits,
    token_server::TokenServer,
};

/// The webhead.
pub struct App {
    /// Account rules with their ports.
    pub accounts: Accounts,
    /// Public keys, shared with the Token Server.
    pub keys: Arc<KeySetCache>,
    /// How signed requests are checked.
    pub hawk: HawkRules,
    /// How a client's address is found.
    pub addresses: ClientAddresses,
    /// Which pages of other programs may read answers.
    pub client_origins: ClientOrigins,
    /// Where the world sees us.
    pub site: Site,
    /// Second half of user keys, as other servers know our users.
    pub domain: String,
    /// Whether BrowserID certificates are signed, and the keys told that they verify under.
    pub certificates: bool,
    /// How long a request may take that no layer has given a deadline.
    pub budget: Duration,
    /// Requests in work at once.
    pub in_work_max: usize,
    /// Whether `GET /__error__` answers with a deliberate 500.
    pub error_endpoint: bool,
    /// What goes on without its request.
    pub follow_ups: FollowUps,
    /// Which sessions were noted to be in use.
    pub access_notes: AccessNotes,
    /// Health of the process.
    pub health: Health,
    /// The Token Server, if it is served on the same listener.
    pub token_server: Option<Arc<TokenServer>>,
    /// The limits in force, if they can be changed.
    pub limits: Option<CurrentLimits>,
}

/// Where the world sees us: public addresses, without trailing slash, and what goes with them.
#[derive(Debug, Clone)]
pub struct Site {
    /// Root of pages and API: the issuer of tokens.
    pub public_url: String,
    /// Root of the Token Server.
    pub token_server_url: String,
    /// Whether answers carry Strict-Transport-Security.
    pub hsts: bool,
    /// Origins whose pages may read answers.
    pub allowed_origins: Vec<String>,
}

impl App {
    /// Checks the access token of a request: ours and in time. Whose it is, and whether it still counts, is for the rules.
    pub(crate) async fn bearer(&self, by: Deadline, headers: &HeaderMap) -> Result<PresentedToken, ApiError> {
        let refused = || ApiError::new(ErrorCode::BadToken);
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = value.and_then(bearer_token).ok_or_else(refused)?;
        self.presented_token(by, token).await?.ok_or_else(refused)
    }

    /// What an access token says; `None` if it is none of ours, or not in time.
    pub(crate) async fn presented_token(
        &self,
        by: Deadline,
        token: &str,
    ) -> Result<Option<PresentedToken>, ApiError> {
        match self.keys.check(by, token).await {
            Ok(token) => Ok(self.ours(token)),
            Err(CheckError::Refused(_)) => Ok(None),
            Err(CheckError::NoKeys(error)) => Err(no_keys(error).into()),
        }
    }

    fn ours(&self, token: AccessToken) -> Option<PresentedToken> {
        let is_ours = token.issuer.as_deref() == Some(self.site.public_url.as_str());
        let uid: Uid = token.subject.parse().ok()?;
        let presented = PresentedToken {
            bearer: Bearer {
                uid,
                scopes: Scopes::parse(&token.scope)?,
                generation: token.generation?,
            },
            client: token.client_id?.parse().ok()?,
            issued: token.issued?,
            expires: token.expires,
            jti: token.jti?,
        };
        is_ours.then_some(presented)
    }
}

/// There are no keys to check a token with: that says nothing about the token.
pub(crate) const fn no_keys(error: SignError) -> AccountError {
    let cause = match error {
        SignError::NotDone(cause) => cause,
        SignError::Refused | SignError::UnfitKey | SignError::NoNodeSecret => Cause::Fault,
    };
    AccountError::from_cause(cause, "keysigner", "getPublicKeys")
}

/// What stands behind `Bearer`.
pub(crate) fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

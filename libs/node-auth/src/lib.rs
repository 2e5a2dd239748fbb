//! What a service node needs to know its users (`storage.md` 3, `tokenserver.md` 6): the token says who, Hawk proves
//! that the sender holds its key. Called once for each request of a node, ours or anybody's.
//!
//! Must stay true: whatever fails, the client learns only 401; [`AuthFailure`] is for metrics. Pure: the caller brings
//! the time and compares nothing itself.

mod name;

use std::time::Duration;

use foxhold_core::{ServiceUid, Timestamp};
use foxhold_crypto::{
    hawk::{Header, Request, Target},
    node_secret::NodeSecrets,
    node_token::{self, NodeTokenError, VerifiedNodeToken},
};
use thiserror::Error;

pub use name::{NodeName, NodeNameError};

/// The rules of one node.
pub struct NodeAuth {
    /// Every URL under which users know this node. At least one, else nobody is let in.
    pub names: Vec<NodeName>,
    /// The secrets that tokens for this node may be signed with.
    pub secrets: NodeSecrets,
    /// How far the Hawk time may lie from the clock, either way.
    pub skew_max: Duration,
    /// How long after its end a token still serves requests that are marked [`SignedRequest::serves_expired`].
    pub expired_grace: Duration,
    /// Take host and port under the MAC from the `Host` header instead of the node's name. Off unless a proxy in
    /// front is known to check that header.
    pub trust_host: bool,
}

impl NodeAuth {
    /// With the usual bounds: 52 weeks of skew, 2 hours of grace, `Host` not trusted.
    #[must_use]
    pub const fn new(names: Vec<NodeName>, secrets: NodeSecrets) -> Self {
        Self {
            names,
            secrets,
            skew_max: Duration::from_secs(52 * 7 * 86_400),
            expired_grace: Duration::from_secs(7200),
            trust_host: false,
        }
    }
}

/// A request as far as its sender has signed it.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// As on the request line.
    pub method: &'a str,
    /// As on the request line, with the node's own path prefix.
    pub path_and_query: &'a str,
    /// The value of `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// The value of `Host`; looked at only with [`NodeAuth::trust_host`].
    pub host: Option<&'a str>,
    /// The user whose data the path names.
    pub uid: u64,
    /// Whether a token may be a little past its end: only for the request with which clients ask whether there is
    /// anything new.
    pub serves_expired: bool,
}

/// Who sent a request.
pub struct NodeUser<'a> {
    /// The user's number on this node, which is the path's.
    pub uid: ServiceUid,
    /// For logs, where the token names it.
    pub hashed_fxa_uid: Option<String>,
    /// For logs, where the token names it.
    pub hashed_device_id: Option<String>,
    /// The id of the keys the user's data is encrypted with, where the token names it. A change of it may be counted;
    /// it is no ground for a refusal.
    pub fxa_kid: Option<String>,
    /// Whether the token had ended and was let in for its grace.
    pub token_expired: bool,
    /// How far the client's clock is from ours.
    pub skew: Duration,
    header: Header<'a>,
}

impl NodeUser<'_> {
    /// Holds the payload hash, if the client signed one, against the body.
    ///
    /// # Errors
    /// [`AuthFailure::Hash`].
    pub fn check_payload(&self, content_type: &str, body: &[u8]) -> Result<(), AuthFailure> {
        if self.header.payload_matches(content_type, body) {
            Ok(())
        } else {
            Err(AuthFailure::Hash)
        }
    }
}

/// Which check failed. For metrics and logs, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum AuthFailure {
    /// No Hawk header, or a malformed one.
    #[error("no usable Hawk header")]
    Header,
    /// The token is no token, or lacks what every token says.
    #[error("unreadable token")]
    Decode,
    /// None of the node's secrets signed the token.
    #[error("token of another secret")]
    Signature,
    /// The token has ended, or the Hawk time is out of all reason.
    #[error("token or signature out of time")]
    Expired,
    /// The token is for another node.
    #[error("token of another node")]
    Node,
    /// The token is for another user than the path.
    #[error("token of another user")]
    Uid,
    /// The sender does not hold the token's key, or signed another request.
    #[error("wrong MAC")]
    Mac,
    /// The body is not the one that was signed.
    #[error("wrong payload hash")]
    Hash,
}

impl AuthFailure {
    /// The word for it as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Decode => "decode",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::Node => "node",
            Self::Uid => "uid",
            Self::Mac => "mac",
            Self::Hash => "hash",
        }
    }
}

impl NodeAuth {
    /// Checks everything that can be checked before the body has come.
    ///
    /// # Errors
    /// [`AuthFailure`]; each is 401 on the wire.
    pub fn check<'a>(
        &self,
        request: &SignedRequest<'a>,
        now: Timestamp,
    ) -> Result<NodeUser<'a>, AuthFailure> {
        let header = Header::parse(request.authorization.ok_or(AuthFailure::Header)?);
        let header = header.map_err(|_| AuthFailure::Header)?;
        let token = node_token::verify(header.id(), &self.secrets).map_err(|error| match error {
            NodeTokenError::Malformed | NodeTokenError::WrongPayload => AuthFailure::Decode,
            NodeTokenError::WrongSignature => AuthFailure::Signature,
        })?;
        let token_expired = self.check_expiry(token.expires, request.serves_expired, now)?;
        let name = self
            .names
            .iter()
            .find(|name| name.is(&token.node))
            .ok_or(AuthFailure::Node)?;
        if token.uid.get() != request.uid {
            return Err(AuthFailure::Uid);
        }
        self.check_mac(&header, &token, name.target(), request)?;
        let skew = skew(Timestamp::from_secs(header.ts_secs()), now);
        if skew > self.skew_max {
            return Err(AuthFailure::Expired);
        }
        Ok(NodeUser {
            uid: token.uid,
            hashed_fxa_uid: token.hashed_fxa_uid,
            hashed_device_id: token.hashed_device_id,
            fxa_kid: token.fxa_kid,
            token_expired,
            skew,
            header,
        })
    }

    /// Whether the token has ended but is let in.
    fn check_expiry(
        &self,
        expires: Timestamp,
        serves_expired: bool,
        now: Timestamp,
    ) -> Result<bool, AuthFailure> {
        if expires > now {
            Ok(false)
        } else if serves_expired && expires.plus(self.expired_grace) > now {
            Ok(true)
        } else {
            Err(AuthFailure::Expired)
        }
    }

    fn check_mac(
        &self,
        header: &Header<'_>,
        token: &VerifiedNodeToken,
        target: &Target,
        request: &SignedRequest<'_>,
    ) -> Result<(), AuthFailure> {
        let named = if self.trust_host {
            request.host.and_then(|host| name::read_host(host, target))
        } else {
            None
        };
        let (host, port) = named.unwrap_or((&target.host, target.port));
        let signed = Request {
            method: request.method,
            path_and_query: request.path_and_query,
            host,
            port,
        };
        let right = header.is_signed_by(token.key.expose().as_bytes(), &signed);
        if right { Ok(()) } else { Err(AuthFailure::Mac) }
    }
}

fn skew(a: Timestamp, b: Timestamp) -> Duration {
    a.since(b).max(b.since(a))
}

#[cfg(test)]
mod tests;

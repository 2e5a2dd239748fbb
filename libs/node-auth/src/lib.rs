//! What a service node needs to know its users (`storage.md` 3, `tokenserver.md` 6): the token says who, Hawk proves
//! that the sender holds its key. Called once for each request of a node, ours or anybody's; it knows no store, no
//! accounts, no web framework and no runtime. `docs/nodes.md` says the same for other languages.
//!
//! Must stay true: whatever fails, the client learns only 401; [`AuthFailure`] is for metrics. Pure: the caller brings
//! the time and compares nothing itself.
//!
//! # A node
//!
//! One [`NodeAuth`] for the life of the process, [`NodeAuth::check`] for each request before its body is read, and
//! [`NodeUser::check_payload`] when it has come:
//!
//! ```
//! use foxhold_node_auth::{AuthFailure, NodeAuth, NodeName, NodeSecrets, SignedRequest, Timestamp};
//! use http::{Request, Response, StatusCode, header};
//!
//! /// `GET` and `PUT {node}/notes/1.0/{uid}`, the pattern of the service being `{node}/notes/1.0/{uid}`.
//! fn answer(node: &NodeAuth, request: &Request<Vec<u8>>, now: Timestamp) -> Response<String> {
//!     let uid = request.uri().path().strip_prefix("/notes/1.0/").and_then(|uid| uid.parse().ok());
//!     let (status, body) = match uid {
//!         None => (StatusCode::NOT_FOUND, String::new()),
//!         Some(uid) => match greet(node, request, uid, now) {
//!             Ok(text) => (StatusCode::OK, text),
//!             // One answer for all: which check failed is for whoever runs the node.
//!             Err(why) => {
//!                 eprintln!("refused: {why} ({})", why.label());
//!                 (StatusCode::UNAUTHORIZED, String::new())
//!             }
//!         },
//!     };
//!     let mut response = Response::new(body);
//!     *response.status_mut() = status;
//!     response
//! }
//!
//! fn greet(
//!     node: &NodeAuth,
//!     request: &Request<Vec<u8>>,
//!     uid: u64,
//!     now: Timestamp,
//! ) -> Result<String, AuthFailure> {
//!     let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
//!     let signed = SignedRequest {
//!         method: request.method().as_str(),
//!         // As on the request line: a path that a router has taken apart or unescaped is another one.
//!         path_and_query: request.uri().path_and_query().map_or("/", |path| path.as_str()),
//!         authorization: request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes()),
//!         host: text(header::HOST),
//!         uid,
//!         serves_expired: false,
//!     };
//!     let user = node.check(&signed, now)?;
//!     user.check_payload(text(header::CONTENT_TYPE).unwrap_or_default(), request.body())?;
//!     Ok(format!("hello, {}", user.uid.get()))
//! }
//!
//! // At the start: under which URL users know the node, and the list of secrets it shares with the signer.
//! let secrets = NodeSecrets::of_list("the older secret\nthe newer secret\n").expect("a secret");
//! let name = NodeName::parse("https://notes-1.example.org").expect("a URL");
//! let node = NodeAuth::new(vec![name], secrets);
//!
//! // In place of a client: its token, and a request signed with the token's key.
//! # use foxhold_crypto::{hawk, node_secret::NodeSecret, node_token::{NodeTokenClaims, mint}};
//! # let now = Timestamp::from_secs(1_800_000_000);
//! # let claims = NodeTokenClaims {
//! #     node: "https://notes-1.example.org".into(),
//! #     fxa_kid: String::new(), fxa_uid: String::new(), hashed_device_id: String::new(),
//! #     hashed_fxa_uid: String::new(), expires_secs: now.as_secs() + 3600,
//! #     uid: foxhold_core::ServiceUid::new(42).expect("a uid"), salt: [1, 2, 3],
//! # };
//! # let token = mint(&claims, &NodeSecret::new(foxhold_core::SecretText::new("the newer secret".into())));
//! # let sent = |path: &str| {
//! #     let credentials = hawk::Credentials { id: &token.token, key: token.key.expose().as_bytes() };
//! #     let asked = hawk::Request { method: "GET", path_and_query: path, host: "notes-1.example.org", port: 443 };
//! #     let header = hawk::sign(&credentials, &asked, now.as_secs(), "n1", None);
//! #     Request::get(path).header(header::AUTHORIZATION, header).body(Vec::new()).expect("a request")
//! # };
//! assert_eq!(answer(&node, &sent("/notes/1.0/42"), now).body(), "hello, 42");
//! // Another user's data, with the same token:
//! assert_eq!(answer(&node, &sent("/notes/1.0/43"), now).status(), StatusCode::UNAUTHORIZED);
//!
//! // When the file of secrets has changed; requests under way are not disturbed.
//! node.replace_secrets(NodeSecrets::of_list("a third secret").expect("a secret"));
//! assert_eq!(answer(&node, &sent("/notes/1.0/42"), now).status(), StatusCode::UNAUTHORIZED);
//! ```
//!
//! # What is the node's own
//!
//! - The clock: right to a minute, or tokens end too early or too late.
//! - Reading the secrets' file again every few seconds, and [`NodeAuth::replace_secrets`] when it has changed: that is how
//!   secrets are rotated and tokens revoked.
//! - Replays: a captured request is good until its token ends. Over TLS nobody captures one; a node for which that is not
//!   enough remembers the nonces.

mod name;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use foxhold_crypto::{
    hawk::{Header, Request, Target},
    node_token::{self, NodeTokenError, VerifiedNodeToken},
};
use thiserror::Error;

pub use foxhold_core::{SecretText, ServiceUid, Timestamp};
pub use foxhold_crypto::node_secret::{NodeSecret, NodeSecrets};
pub use name::{NodeName, NodeNameError};

/// The rules of one node.
pub struct NodeAuth {
    /// Every URL under which users know this node. At least one, else nobody is let in.
    pub names: Vec<NodeName>,
    /// How far the Hawk time may lie from the clock, either way.
    pub skew_max: Duration,
    /// How long after its end a token still serves requests that are marked [`SignedRequest::serves_expired`].
    pub expired_grace: Duration,
    /// Take host and port under the MAC from the `Host` header instead of the node's name. Off unless a proxy in
    /// front is known to check that header.
    pub trust_host: bool,
    // Swapped whole, so that a check sees the secrets of one moment.
    secrets: RwLock<Arc<NodeSecrets>>,
}

impl NodeAuth {
    /// For the node known as `names`, which takes tokens that any of `secrets` signed. With the usual bounds: 52 weeks of
    /// skew, 2 hours of grace, `Host` not trusted.
    #[must_use]
    pub fn new(names: Vec<NodeName>, secrets: NodeSecrets) -> Self {
        Self {
            names,
            skew_max: Duration::from_secs(52 * 7 * 86_400),
            expired_grace: Duration::from_secs(7200),
            trust_host: false,
            secrets: RwLock::new(Arc::new(secrets)),
        }
    }

    /// Takes other secrets, from the next check on: tokens of secrets that are no longer among them are refused.
    pub fn replace_secrets(&self, secrets: NodeSecrets) {
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(secrets);
    }

    fn secrets(&self) -> Arc<NodeSecrets> {
        Arc::clone(&self.secrets.read().unwrap_or_else(PoisonError::into_inner))
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
    /// The account, where the token names it: the same for all services. It is personal; keep it out of logs.
    pub fxa_uid: Option<String>,
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
        let token = node_token::verify(header.id(), &self.secrets()).map_err(|error| match error {
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
            fxa_uid: token.fxa_uid,
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

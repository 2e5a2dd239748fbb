//! Checking a signed request (`accounts.md` (b)). The order is part of the contract: syntax, shape of the id, look-up,
//! mac, payload hash, time, replay. Only a request whose mac was right is remembered or told the server's time.

use std::{sync::Arc, time::Duration};

use foxhold_core::{ErrorCode, Secret, Timestamp, TokenId};
use foxhold_crypto::{
    hawk::{Header, HeaderError, Request, Target},
    token::TokenKind,
};
use foxhold_ports::limits::ReplayGuard;
use http::{HeaderMap, HeaderValue, header, request::Parts};

use crate::{app::bearer_token, error::ApiError};

/// What signatures are checked against besides the key.
pub struct HawkRules {
    /// Host and port clients sign: those of the public address, whatever listener the request came in on.
    pub origin: Target,
    /// How far a client's clock may be off.
    pub window: Duration,
    /// Remembers requests.
    pub replay: Arc<dyn ReplayGuard>,
    /// Whether the derived id alone is taken, as `Bearer fxs_<id>`. PyFxA since 0.9 sends nothing else; such a header
    /// can be replayed by whoever sees it, so it is for connections that are private anyway.
    pub accept_bearer: bool,
}

/// The Authorization header of a request, read but not proven.
pub(crate) struct Claim<'a> {
    id: TokenId,
    /// What proves it; a bearer needs nothing beside the id.
    signature: Option<Header<'a>>,
}

/// What the signature has to cover.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    /// A body must be covered by a payload hash.
    pub(crate) needs_payload_hash: bool,
}

/// Whether a request brings credentials at all.
pub(crate) fn is_claimed(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

/// Whether what a request brings as `Bearer` is meant for an access token, and is not the id of a session.
pub(crate) fn is_bearer_of_access_token(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION);
    let token = value.and_then(|value| value.to_str().ok()).and_then(bearer_token);
    token.is_some_and(|token| !token.starts_with(bearer_mark(TokenKind::Session)))
}

impl<'a> Claim<'a> {
    /// What to look up.
    pub(crate) const fn id(&self) -> TokenId {
        self.id
    }

    fn signed(value: &'a HeaderValue) -> Result<Self, ApiError> {
        let header = Header::parse(value.as_bytes()).map_err(|error| {
            ApiError::new(match error {
                HeaderError::OtherScheme => ErrorCode::BadToken,
                HeaderError::Malformed => ErrorCode::BadSignature,
            })
        })?;
        let id = header
            .id()
            .parse()
            .map_err(|_| ApiError::new(ErrorCode::BadToken))?;
        Ok(Self {
            id,
            signature: Some(header),
        })
    }

    /// `Bearer`, and the id behind the mark of its kind.
    fn bearer(kind: TokenKind, value: &HeaderValue) -> Option<Self> {
        let token = bearer_token(value.to_str().ok()?)?;
        let id = token.strip_prefix(bearer_mark(kind))?.parse().ok()?;
        Some(Self { id, signature: None })
    }
}

const fn bearer_mark(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Session => "fxs_",
        TokenKind::KeyFetch => "fxk_",
        TokenKind::AccountReset => "fxar_",
        TokenKind::PasswordForgot => "fxpf_",
        TokenKind::PasswordChange => "fxpc_",
    }
}

impl HawkRules {
    /// Syntax and shape: no store is asked for what cannot be an id.
    pub(crate) fn read<'a>(&self, kind: TokenKind, headers: &'a HeaderMap) -> Result<Claim<'a>, ApiError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or_else(|| ApiError::new(ErrorCode::BadToken))?;
        if values.next().is_some() {
            return Err(ApiError::new(ErrorCode::BadSignature));
        }
        let bearer = self.accept_bearer.then(|| Claim::bearer(kind, value)).flatten();
        bearer.map_or_else(|| Claim::signed(value), Ok)
    }

    /// Proves a claim with the key that was looked up.
    pub(crate) async fn check(
        &self,
        claim: &Claim<'_>,
        key: &Secret<32>,
        signed: Signed<'_>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(header) = &claim.signature else {
            return Ok(());
        };
        let Signed {
            parts,
            body,
            needs_payload_hash,
        } = signed;
        let request = Request {
            method: parts.method.as_str(),
            path_and_query: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
            host: &self.origin.host,
            port: self.origin.port,
        };
        let content_type = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let covered = header.has_payload_hash() || body.is_empty() || !needs_payload_hash;
        let genuine = header.is_signed_by(key.expose(), &request)
            && covered
            && header.payload_matches(content_type.unwrap_or_default(), body);
        if !genuine {
            return Err(ApiError::new(ErrorCode::BadSignature));
        }
        if now.as_secs().abs_diff(header.ts_secs()) > self.window.as_secs() {
            return Err(ApiError::new(ErrorCode::StaleTimestamp).with_server_time(now));
        }
        // A request stays valid until its own time leaves the window, which may be ahead of ours.
        if !self.replay.is_new(header.replay_mark(), self.window * 2).await {
            return Err(ApiError::new(ErrorCode::Replayed).with_server_time(now));
        }
        Ok(())
    }
}

//! Checking a signed request (`accounts.md` (b)). The order is part of the contract: syntax, shape of the id, look-up,
//! mac, payload hash, time, replay. Only a request whose mac was right is remembered or told the server's time.

use std::{sync::Arc, time::Duration};

use foxhold_core::{ErrorCode, Secret, Timestamp, TokenId};
use foxhold_crypto::hawk::{Header, HeaderError, Request, Target};
use foxhold_ports::limits::ReplayGuard;
use http::{HeaderMap, header, request::Parts};

use crate::error::ApiError;

/// What signatures are checked against besides the key.
pub struct HawkRules {
    /// Host and port clients sign: those of the public address, whatever listener the request came in on.
    pub origin: Target,
    /// How far a client's clock may be off.
    pub window: Duration,
    /// Remembers requests.
    pub replay: Arc<dyn ReplayGuard>,
}

/// The Authorization header of a request, read but not proven.
pub(crate) struct Claim<'a> {
    header: Header<'a>,
    id: TokenId,
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

impl<'a> Claim<'a> {
    /// Syntax and shape: no store is asked for what cannot be an id.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or_else(|| ApiError::new(ErrorCode::BadToken))?;
        if values.next().is_some() {
            return Err(ApiError::new(ErrorCode::BadSignature));
        }
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
        Ok(Self { header, id })
    }

    /// What to look up.
    pub(crate) const fn id(&self) -> TokenId {
        self.id
    }
}

impl HawkRules {
    /// Proves a claim with the key that was looked up.
    pub(crate) async fn check(
        &self,
        claim: &Claim<'_>,
        key: &Secret<32>,
        signed: Signed<'_>,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let header = &claim.header;
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

//! From a request to what a handler needs: who is calling, under which token, with which fields. Everything that is
//! wrong with a request before its meaning matters is refused here, the cheap checks first (`security.md` A.4).

mod any_token;

use std::{marker::PhantomData, sync::Arc};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::FromRequest,
    middleware::Next,
    response::{IntoResponse, Response},
};
use foxhold_accounts::{
    Caller, SignedIn,
    keys::KeyFetchAccess,
    oauth::PresentedToken,
    password::{PasswordAccess, token_kind},
};
use foxhold_core::{Deadline, ErrorCode, record::PasswordTokenKind};
use foxhold_crypto::token::TokenKind;
use foxhold_runtime::http_edge::{BodyFault, PeerAddress, read_body};
use http::{HeaderMap, Method, Request, header, request::Parts};

use crate::{
    App,
    error::ApiError,
    hawk::{Signed, is_bearer_of_access_token, is_claimed},
    json::Fields,
    query::Query,
};

pub use any_token::{AnyToken, AnyTokenCall, OrForgotOrResetToken, OrForgotToken, Owner};

/// A call without a token.
pub struct OpenCall {
    /// Who.
    pub caller: Caller,
    /// `?name=value`.
    pub query: Query,
    /// The body.
    pub fields: Fields,
}

/// A call in a session. With `HASHED`, a body must be covered by a payload hash (● in the contract).
pub struct SessionCall<const HASHED: bool> {
    /// Who.
    pub caller: Caller,
    /// `?name=value`.
    pub query: Query,
    /// The body.
    pub fields: Fields,
    /// The session and its account.
    pub signed_in: SignedIn,
}

/// A call that may be made in a session or without one. A token that is sent must be good; `HASHED` as for
/// [`SessionCall`].
pub struct OptionalSessionCall<const HASHED: bool> {
    /// Who.
    pub caller: Caller,
    /// `?name=value`.
    pub query: Query,
    /// The body.
    pub fields: Fields,
    /// The session and its account, if there is one.
    pub signed_in: Option<SignedIn>,
}

/// A call with a password token.
pub struct PasswordCall<K: PasswordKind> {
    /// Who.
    pub caller: Caller,
    /// `?name=value`.
    pub query: Query,
    /// The body.
    pub fields: Fields,
    /// The token's record and its account.
    pub access: PasswordAccess,
    kind: PhantomData<K>,
}

/// Which token a [`PasswordCall`] takes.
pub trait PasswordKind: Send {
    /// Its kind.
    const KIND: PasswordTokenKind;
    /// Whether a body must be covered by a payload hash.
    const HASHED: bool;
}

/// `passwordChangeToken`, signed.
pub enum ByChangeToken {}
/// `passwordForgotToken`.
pub enum ByForgotToken {}
/// `accountResetToken`, signed.
pub enum ByResetToken {}

impl PasswordKind for ByChangeToken {
    const KIND: PasswordTokenKind = PasswordTokenKind::Change;
    const HASHED: bool = true;
}

impl PasswordKind for ByForgotToken {
    const KIND: PasswordTokenKind = PasswordTokenKind::Forgot;
    const HASHED: bool = false;
}

impl PasswordKind for ByResetToken {
    const KIND: PasswordTokenKind = PasswordTokenKind::Reset;
    const HASHED: bool = true;
}

/// A call with a key-fetch token.
pub struct KeyFetchCall {
    /// Who.
    pub caller: Caller,
    /// The token's record.
    pub access: KeyFetchAccess,
}

/// A call with an access token of ours.
pub struct BearerCall {
    /// When it has to be through.
    pub deadline: Deadline,
    /// What the token says.
    pub token: PresentedToken,
    /// Headers, for conditional reads.
    pub headers: HeaderMap,
}

/// A call in a session, or with an access token of ours.
pub struct SessionOrBearerCall {
    /// When it has to be through.
    pub deadline: Deadline,
    /// Which of both.
    pub who: SessionOrBearer,
}

/// Who is calling, and by what.
pub enum SessionOrBearer {
    /// The session and its account.
    Session(Box<SignedIn>),
    /// What the token says.
    Bearer(PresentedToken),
}

impl FromRequest<Arc<App>> for OpenCall {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        Ok(Self {
            caller,
            query: query(&parts)?,
            fields: fields(&parts, &body)?,
        })
    }
}

impl<const HASHED: bool> FromRequest<Arc<App>> for SessionCall<HASHED> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        let signed_in = session(app, &caller, &parts, &body, HASHED).await?;
        Ok(Self {
            caller,
            query: query(&parts)?,
            fields: fields(&parts, &body)?,
            signed_in,
        })
    }
}

impl<const HASHED: bool> FromRequest<Arc<App>> for OptionalSessionCall<HASHED> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        let signed_in = if is_claimed(&parts.headers) {
            Some(session(app, &caller, &parts, &body, HASHED).await?)
        } else {
            None
        };
        Ok(Self {
            caller,
            query: query(&parts)?,
            fields: fields(&parts, &body)?,
            signed_in,
        })
    }
}

impl<K: PasswordKind> FromRequest<Arc<App>> for PasswordCall<K> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        let claim = app.hawk.read(token_kind(K::KIND), &parts.headers)?;
        let found = app
            .accounts
            .password_access(caller.deadline, K::KIND, claim.id())
            .await?;
        let access = found.ok_or_else(|| ApiError::new(ErrorCode::BadToken))?;
        let signed = Signed {
            parts: &parts,
            body: &body,
            needs_payload_hash: K::HASHED,
        };
        app.hawk
            .check(&claim, &access.token.key, signed, app.accounts.clock.now())
            .await?;
        Ok(Self {
            caller,
            query: query(&parts)?,
            fields: fields(&parts, &body)?,
            access,
            kind: PhantomData,
        })
    }
}

impl FromRequest<Arc<App>> for KeyFetchCall {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        let claim = app.hawk.read(TokenKind::KeyFetch, &parts.headers)?;
        let found = app.accounts.key_fetch_access(caller.deadline, claim.id()).await?;
        let access = found.ok_or_else(|| ApiError::new(ErrorCode::BadToken))?;
        let signed = Signed {
            parts: &parts,
            body: &body,
            needs_payload_hash: false,
        };
        app.hawk
            .check(&claim, &access.key_fetch.key, signed, app.accounts.clock.now())
            .await?;
        Ok(Self { caller, access })
    }
}

impl FromRequest<Arc<App>> for BearerCall {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, _) = read(request).await?;
        let deadline = caller(app, &parts).deadline;
        let token = app.bearer(deadline, &parts.headers).await?;
        Ok(Self {
            deadline,
            token,
            headers: parts.headers,
        })
    }
}

impl FromRequest<Arc<App>> for SessionOrBearerCall {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        let who = if is_bearer_of_access_token(&parts.headers) {
            SessionOrBearer::Bearer(app.bearer(caller.deadline, &parts.headers).await?)
        } else {
            let signed_in = session(app, &caller, &parts, &body, false).await?;
            SessionOrBearer::Session(Box::new(signed_in))
        };
        Ok(Self {
            deadline: caller.deadline,
            who,
        })
    }
}

async fn session(
    app: &App,
    caller: &Caller,
    parts: &Parts,
    body: &Bytes,
    needs_payload_hash: bool,
) -> Result<SignedIn, ApiError> {
    let claim = app.hawk.read(TokenKind::Session, &parts.headers)?;
    let found = app.accounts.signed_in(caller.deadline, claim.id()).await?;
    let signed_in = found.ok_or_else(|| ApiError::new(ErrorCode::BadToken))?;
    let signed = Signed {
        parts,
        body,
        needs_payload_hash,
    };
    let now = app.accounts.clock.now();
    app.hawk
        .check(&claim, &signed_in.session.key, signed, now)
        .await?;
    app.note_access(&signed_in, now);
    Ok(signed_in)
}

/// Longest body of a request, in bytes (`accounts.md`, Conventions).
pub(crate) const BODY_LEN_MAX: usize = 16_384;

/// Refuses a body that is declared too long, whatever the call would do with it. One that is sent without saying is
/// measured by whoever reads it.
pub(crate) async fn refuse_long_body(request: Request<Body>, next: Next) -> Response {
    if request.body().size_hint().lower() > BODY_LEN_MAX as u64 {
        return ApiError::new(ErrorCode::BodyTooLarge).into_response();
    }
    next.run(request).await
}

pub(crate) async fn read(request: Request<Body>) -> Result<(Parts, Bytes), ApiError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(ApiError::new(ErrorCode::UnsupportedMedia));
    }
    read_body(request).await.map_err(|fault| {
        ApiError::new(match fault {
            BodyFault::TooLarge => ErrorCode::BodyTooLarge,
            BodyFault::TooSlow | BodyFault::Broken => ErrorCode::BadJson,
        })
    })
}

fn fields(parts: &Parts, body: &[u8]) -> Result<Fields, ApiError> {
    // A GET means nothing by its body, so nothing in it can be wrong.
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(Fields::default());
    }
    Fields::parse(body).map_err(|_| ApiError::new(ErrorCode::BadJson))
}

fn query(parts: &Parts) -> Result<Query, ApiError> {
    Ok(Query::parse(parts.uri.query().unwrap_or_default())?)
}

/// Longest User-Agent that is kept, in characters.
const USER_AGENT_LEN_MAX: usize = 255;
/// Longest Accept-Language that is kept, in characters.
const LOCALE_LEN_MAX: usize = 256;

pub(crate) fn caller(app: &App, parts: &Parts) -> Caller {
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
    let deadline = parts.extensions.get::<Deadline>().copied();
    Caller {
        ip: peer.map(|peer| app.addresses.client(peer, &parts.headers)),
        user_agent: cut(header(header::USER_AGENT).unwrap_or_default(), USER_AGENT_LEN_MAX),
        // The languages that are wanted most stand first.
        locale: header(header::ACCEPT_LANGUAGE).map(|locale| cut(locale, LOCALE_LEN_MAX)),
        deadline: deadline.unwrap_or_else(|| Deadline::after(app.budget)),
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

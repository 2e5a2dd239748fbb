//! Calls that take one of several tokens of an account: the first kind that knows the id is meant.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::FromRequest,
};
use foxhold_accounts::{
    Caller, SignedIn,
    password::{PasswordAccess, token_kind},
};
use foxhold_core::{
    ErrorCode,
    record::{Account, PasswordTokenKind},
};
use foxhold_crypto::token::TokenKind;
use http::{Request, request::Parts};

use super::{caller, fields, read};
use crate::{
    App,
    error::ApiError,
    hawk::{Signed, is_claimed},
    json::Fields,
};

/// A call with a session token or a password token, or without one. A token that is sent must be good.
pub struct AnyTokenCall<K: AnyToken> {
    /// Who.
    pub caller: Caller,
    /// The body.
    pub fields: Fields,
    /// Whose token it is, if one was sent.
    pub owner: Option<Owner>,
    kinds: PhantomData<K>,
}

/// What a token has shown.
pub enum Owner {
    /// The session and its account.
    Session(Box<SignedIn>),
    /// The password token and its account.
    Password(Box<PasswordAccess>),
}

impl Owner {
    /// Whose.
    pub const fn account(&self) -> &Account {
        match self {
            Self::Session(signed_in) => &signed_in.account,
            Self::Password(access) => &access.account,
        }
    }
}

/// Which password tokens an [`AnyTokenCall`] takes beside a session's.
pub trait AnyToken: Send {
    /// Their kinds.
    const PASSWORD_KINDS: &'static [PasswordTokenKind];
}

/// `passwordForgotToken`.
pub enum OrForgotToken {}
/// `passwordForgotToken` or `accountResetToken`.
pub enum OrForgotOrResetToken {}

impl AnyToken for OrForgotToken {
    const PASSWORD_KINDS: &'static [PasswordTokenKind] = &[PasswordTokenKind::Forgot];
}

impl AnyToken for OrForgotOrResetToken {
    const PASSWORD_KINDS: &'static [PasswordTokenKind] =
        &[PasswordTokenKind::Forgot, PasswordTokenKind::Reset];
}

impl<K: AnyToken> FromRequest<Arc<App>> for AnyTokenCall<K> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = read(request).await?;
        let caller = caller(app, &parts);
        let owner = if is_claimed(&parts.headers) {
            Some(owner(app, &caller, &parts, &body, K::PASSWORD_KINDS).await?)
        } else {
            None
        };
        Ok(Self {
            caller,
            fields: fields(&parts, &body)?,
            owner,
            kinds: PhantomData,
        })
    }
}

async fn owner(
    app: &App,
    caller: &Caller,
    parts: &Parts,
    body: &Bytes,
    kinds: &[PasswordTokenKind],
) -> Result<Owner, ApiError> {
    let signed = Signed {
        parts,
        body,
        needs_payload_hash: false,
    };
    let now = app.accounts.clock.now();
    // What a bearer's mark says is of another kind is none of this one.
    let mut refused = ApiError::new(ErrorCode::BadToken);
    match app.hawk.read(TokenKind::Session, &parts.headers) {
        Err(error) => refused = error,
        Ok(claim) => {
            if let Some(signed_in) = app.accounts.signed_in(caller.deadline, claim.id()).await? {
                app.hawk
                    .check(&claim, &signed_in.session.key, signed, now)
                    .await?;
                app.note_access(&signed_in, now);
                return Ok(Owner::Session(Box::new(signed_in)));
            }
        }
    }
    for kind in kinds {
        let Ok(claim) = app.hawk.read(token_kind(*kind), &parts.headers) else {
            continue;
        };
        let found = app.accounts.password_access(caller.deadline, *kind, claim.id());
        if let Some(access) = found.await? {
            app.hawk.check(&claim, &access.token.key, signed, now).await?;
            return Ok(Owner::Password(Box::new(access)));
        }
    }
    Err(refused)
}

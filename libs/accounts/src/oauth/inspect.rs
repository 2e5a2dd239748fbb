//! What a token is worth, for whoever it was shown to: POST {oauth}/verify and /introspect (`accounts.md` (e)).
//!
//! Signature, issuer and times of an access token are checked by the caller; whether its account still stands, and a
//! refresh token as a whole, is looked up here. Must stay true: a look-up that failed says nothing of the token.

use foxhold_core::{
    ClientId, Deadline, Secret, Timestamp, TokenId, Uid,
    record::{Account, RefreshToken},
};

use super::{Scopes, is_current};
use crate::{AccountError, Accounts, profile::Bearer, session::is_of, token::hashed_id};

/// An access token of ours that holds by itself.
#[derive(Debug, Clone)]
pub struct PresentedToken {
    /// Whose it is, and what it grants.
    pub bearer: Bearer,
    /// The client it was given to.
    pub client: ClientId,
    /// When it was made.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Its id.
    pub jti: String,
}

/// Answer of POST {oauth}/verify.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The account.
    pub uid: Uid,
    /// The client it was given to.
    pub client: ClientId,
    /// What it grants.
    pub scopes: Scopes,
    /// When the password changed last.
    pub generation: Timestamp,
    /// When the profile changed last.
    pub profile_changed_at: Timestamp,
}

/// A token that is in force, as POST {oauth}/introspect tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveToken {
    /// Of which kind.
    pub kind: TokenKind,
    /// The account.
    pub uid: Uid,
    /// The client it was given to.
    pub client: ClientId,
    /// What it grants, separated by blanks.
    pub scope: String,
    /// When it was made.
    pub issued: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// Its id; of a refresh token what it is stored under.
    pub jti: String,
}

/// Kinds of tokens that clients hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// For calls.
    Access,
    /// For further access tokens.
    Refresh,
}

impl TokenKind {
    /// As OAuth calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Refresh => "refresh_token",
        }
    }
}

impl Accounts {
    /// The account of an access token; `None` if the account or its password has gone over the token, or if its client is
    /// gone or disabled or its grant has ended. One read, where the client comes with every deployment.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub(crate) async fn account_of_token(
        &self,
        by: Deadline,
        token: &PresentedToken,
    ) -> Result<Option<Account>, AccountError> {
        let Some(account) = self.account_of_bearer(by, &token.bearer).await? else {
            return Ok(None);
        };
        let is_granted = self.is_token_granted(by, &account, token).await?;
        Ok(is_granted.then_some(account))
    }

    /// Whose an access token is.
    ///
    /// # Errors
    /// [`AccountError`]: 110 if the account, its password, its client or its grant has gone over the token; 201.
    pub async fn verify_token(
        &self,
        by: Deadline,
        presented: PresentedToken,
    ) -> Result<Verified, AccountError> {
        let account = self.account_of_token(by, &presented).await?;
        let account = account.ok_or(AccountError::BadToken)?;
        let bearer = presented.bearer;
        Ok(Verified {
            uid: account.uid,
            client: presented.client,
            scopes: bearer.scopes,
            generation: bearer.generation,
            profile_changed_at: account.profile_changed_at,
        })
    }

    /// What there is to say of an access token; `None` if the account, its password, its client or its grant has gone over
    /// it.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub async fn introspect_access_token(
        &self,
        by: Deadline,
        presented: PresentedToken,
    ) -> Result<Option<ActiveToken>, AccountError> {
        let account = self.account_of_token(by, &presented).await?;
        Ok(account.map(|account| ActiveToken {
            kind: TokenKind::Access,
            uid: account.uid,
            client: presented.client,
            scope: presented.bearer.scopes.to_string(),
            issued: presented.issued,
            expires: Some(presented.expires),
            jti: presented.jti,
        }))
    }

    /// Whether a client comes with every deployment, and is registered by nobody.
    #[must_use]
    pub fn is_built_in(&self, client: ClientId) -> bool {
        self.settings.clients.find(client).is_ok()
    }

    /// What there is to say of a refresh token; `None` if it is none, or if its account, its password, its session or its
    /// grant has gone over it.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub async fn introspect_refresh_token(
        &self,
        by: Deadline,
        token: &Secret<32>,
    ) -> Result<Option<ActiveToken>, AccountError> {
        let standing = self.standing_refresh_token(by, hashed_id(token)).await?;
        let Some((token, account)) = standing else {
            return Ok(None);
        };
        if self.settings.clients.find(token.client).is_err() {
            let scopes = Scopes::parse(&token.scope).ok_or(AccountError::Internal)?;
            let granted = self.is_granted(by, &account, token.client, token.created_at, &scopes);
            if !granted.await? {
                return Ok(None);
            }
        }
        Ok(Some(ActiveToken {
            kind: TokenKind::Refresh,
            uid: token.uid,
            client: token.client,
            scope: token.scope,
            issued: token.created_at,
            expires: None,
            jti: token.id.to_string(),
        }))
    }

    /// A refresh token that is in force, with its account. Signing out removes a session's refresh tokens; one that was
    /// written at that very moment is left, and is dead all the same.
    pub(super) async fn standing_refresh_token(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<(RefreshToken, Account)>, AccountError> {
        let Some(token) = self.reader.refresh_token(by, id).await? else {
            return Ok(None);
        };
        let account = self.reader.account(by, token.uid).await?;
        let Some(account) = account.filter(|account| is_current(&token, account)) else {
            return Ok(None);
        };
        if let Some(session) = token.session {
            let session = self.reader.session(by, session).await?;
            if !session.is_some_and(|session| is_of(&session, &account)) {
                return Ok(None);
            }
        }
        Ok(Some((token, account)))
    }
}

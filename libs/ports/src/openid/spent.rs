//! What is left of codes that were traded and of refresh tokens that another has replaced (`accounts.md` (k), Token
//! endpoint): enough to know the one that comes a second time, and what has to end then.

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    ClientId, Secret, Timestamp, TokenId, Uid,
    record::{AuthorizationCode, RefreshToken},
};

/// How long a replaced refresh token is known at least. After that it is as unknown as one that never was.
pub const REPLACED_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// A code that was traded. It is known for as long as a code lives, and some time more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentCode {
    /// The code, without the keys that went with it.
    pub code: AuthorizationCode,
    /// When it was spent, by the id of the operation that did.
    pub spent_at: Timestamp,
}

/// A refresh token that another has replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedToken {
    /// SHA-256 of the token that was replaced.
    pub id: TokenId,
    /// Whose it was.
    pub uid: Uid,
    /// Which client held it.
    pub client: ClientId,
    /// Its `created_at`: under which grant it was made.
    pub made_at: Timestamp,
    /// When it was replaced, by the id of the operation that did.
    pub replaced_at: Timestamp,
    /// What makes, of the token that was replaced, the one that replaced it.
    pub salt: Arc<Secret<32>>,
}

/// What replaces a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// SHA-256 of the token that is replaced.
    pub replaces: TokenId,
    /// What makes, of that token, the one that replaces it.
    pub salt: Arc<Secret<32>>,
    /// The token that replaces it.
    pub token: RefreshToken,
}

impl Replacement {
    /// Whether it may take the place of that token: it is of the same user, client and grant.
    #[must_use]
    pub fn fits(&self, old: &RefreshToken) -> bool {
        let new = &self.token;
        old.id == self.replaces
            && new.id != old.id
            && (new.uid, new.client, new.created_at) == (old.uid, old.client, old.created_at)
    }

    /// What is left of the token that it replaces.
    #[must_use]
    pub fn trace(&self, replaced_at: Timestamp) -> ReplacedToken {
        ReplacedToken {
            id: self.replaces,
            uid: self.token.uid,
            client: self.token.client,
            made_at: self.token.created_at,
            replaced_at,
            salt: Arc::clone(&self.salt),
        }
    }
}

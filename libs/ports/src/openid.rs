//! Reading and writing what the OpenID provider keeps: registered clients, what users have agreed to, and what is left of
//! codes and refresh tokens that were used (`accounts.md` (k), OpenID provider).
//!
//! Readers open the store themselves. Clients are changed by administrators only, grants by webheads.

pub mod encoding;
pub mod rules;
pub mod spent;

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, TokenId, Uid,
    record::{Grant, RegisteredClient},
};

use crate::{Call, ReadError, WriteError};
use spent::{ReplacedToken, Replacement, SpentCode};

/// Reads registered clients. `None` and empty lists are facts; what cannot be known is a [`ReadError`].
#[async_trait]
pub trait ClientRegistry: Send + Sync {
    /// A client by its id.
    async fn client(&self, by: Deadline, id: ClientId) -> Result<Option<RegisteredClient>, ReadError>;

    /// All of them, by their ids.
    async fn clients(&self, by: Deadline) -> Result<Vec<RegisteredClient>, ReadError>;
}

/// Changes registered clients. Each method is one intent: see the crate's first page.
#[async_trait]
pub trait ClientAdmin: Send + Sync {
    /// Writes a client whole. A new one has version 1; any other is one more than what it was made of.
    /// Refused: [`Conflict`](crate::Refusal::Conflict) if what stands there is not of the version before, or was deleted.
    async fn put_client(&self, call: &Call, client: RegisteredClient) -> Result<(), WriteError>;

    /// Removes a client for good; removing one that is gone is done, too.
    async fn delete_client(&self, call: &Call, id: ClientId) -> Result<(), WriteError>;
}

/// Reads grants, and what is left of what was used under them.
#[async_trait]
pub trait GrantReader: Send + Sync {
    /// What a user has agreed to for a client.
    async fn grant(&self, by: Deadline, uid: Uid, client: ClientId) -> Result<Option<Grant>, ReadError>;

    /// The same as whoever made this code saw it: it was made right after the user had agreed, perhaps in a region whose
    /// writes are still on their way here. To be asked where [`grant`](Self::grant) is not enough. A store that is in one
    /// place has nothing to add.
    async fn grant_behind(
        &self,
        by: Deadline,
        uid: Uid,
        client: ClientId,
        _code: &TokenId,
    ) -> Result<Option<Grant>, ReadError> {
        self.grant(by, uid, client).await
    }

    /// All grants of a user, by the ids of their clients.
    async fn grants(&self, by: Deadline, uid: Uid) -> Result<Vec<Grant>, ReadError>;

    /// A code that was spent, by its SHA-256. `None` if it was not, or too long ago; perhaps also if its account
    /// is gone.
    async fn spent_code(&self, by: Deadline, id: TokenId) -> Result<Option<SpentCode>, ReadError>;

    /// A refresh token that was replaced, by its SHA-256. `None` if it was not, or longer than
    /// [`REPLACED_KEPT`](spent::REPLACED_KEPT) ago; perhaps also if its account is gone.
    async fn replaced_token(&self, by: Deadline, id: TokenId) -> Result<Option<ReplacedToken>, ReadError>;
}

/// Writes grants, and replaces refresh tokens. Of grants the last write wins, by the time in its operation's id: a caller that replaces or ends what it has read
/// asks with a later time than that was written at.
#[async_trait]
pub trait GrantWriter: Send + Sync {
    /// Writes a grant whole. The grant of an account that is gone is gone with it.
    async fn put_grant(&self, call: &Call, grant: Grant) -> Result<(), WriteError>;

    /// Ends a grant; ending one that is gone is done, too.
    async fn end_grant(&self, call: &Call, uid: Uid, client: ClientId) -> Result<(), WriteError>;

    /// Puts a refresh token in the place of another, which cannot be read from then on but as one that
    /// [was replaced](GrantReader::replaced_token). Of all callers with different operation ids exactly one is told done,
    /// and of the tokens only his can be read.
    /// Refused: [`TokenSpent`](crate::Refusal::TokenSpent) if the old one is not there, was replaced, or does not
    /// [fit](Replacement::fits). Whoever is told done, or refused, is told so when the old one cannot be read any more in the
    /// region that decides about it: as long as it can, nobody was given what replaces it.
    async fn replace_refresh_token(&self, call: &Call, replacement: Replacement) -> Result<(), WriteError>;
}

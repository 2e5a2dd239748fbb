//! What the OAuth endpoints keep (`accounts.md` (e)). Access tokens are signed and not kept.

use crate::{ClientId, Timestamp, TokenId, Uid};

/// An authorization code, kept under the SHA-256 of its 32 bytes. Spent once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// SHA-256 of the code.
    pub id: TokenId,
    /// Who authorized.
    pub uid: Uid,
    /// For which client.
    pub client: ClientId,
    /// Granted scopes, separated by blanks.
    pub scope: String,
    /// The session it was authorized in.
    pub session: TokenId,
    /// PKCE S256 challenge, 43 characters; empty if a registered client sent none.
    pub code_challenge: String,
    /// Where it was sent, of a registered client: whoever trades it must name the same.
    pub redirect_uri: Option<String>,
    /// Of a registered client, for the ID token; returned verbatim.
    pub nonce: Option<String>,
    /// The scoped keys, sealed for the client; handed on verbatim.
    pub keys_jwe: Option<String>,
    /// Whether a refresh token was asked for.
    pub offline: bool,
    /// When the session's password was given.
    pub auth_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// `verifier_set_at` of the account when it was made.
    pub generation: Timestamp,
}

/// A refresh token, kept under the SHA-256 of its 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub id: TokenId,
    /// Whose it is.
    pub uid: Uid,
    /// Which client holds it.
    pub client: ClientId,
    /// Granted scopes, separated by blanks.
    pub scope: String,
    /// The session it was made in.
    pub session: Option<TokenId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// `verifier_set_at` of the account when it was made.
    pub generation: Timestamp,
}

//! Making tokens: the client gets the 32 bytes, the store what is derived from them.

use foxhold_core::{Random, Secret, TokenId, random};
use foxhold_crypto::{
    mac::sha256,
    token::{TokenKeys, TokenKind},
};

/// A new token and what is stored for it.
pub(crate) struct Minted {
    /// For the client; never stored.
    pub(crate) token: Secret<32>,
    /// For the store.
    pub(crate) keys: TokenKeys,
}

/// Draws a token of a kind.
pub(crate) fn mint(kind: TokenKind, source: &dyn Random) -> Minted {
    let token = Secret::new(random::bytes(source));
    let keys = TokenKeys::derive(kind, &token);
    Minted { token, keys }
}

/// What an OAuth code or refresh token is stored under.
#[must_use]
pub fn hashed_id(token: &Secret<32>) -> TokenId {
    TokenId::from_bytes(sha256(&[token.expose()]))
}

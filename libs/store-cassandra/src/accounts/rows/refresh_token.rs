//! Refresh tokens.

use foxhold_core::{ClientId, TokenId, Uid, record::RefreshToken};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};

use super::{read_time, time};

/// A refresh token, from either of its tables.
#[derive(DeserializeRow)]
pub(in crate::accounts) struct RefreshTokenRow {
    id: Vec<u8>,
    uid: Vec<u8>,
    client: Vec<u8>,
    scope: String,
    session: Option<Vec<u8>>,
    created_at: CqlTimestamp,
    generation: CqlTimestamp,
}

impl RefreshTokenRow {
    pub(in crate::accounts) fn read(self) -> Option<RefreshToken> {
        Some(RefreshToken {
            id: TokenId::from_slice(&self.id)?,
            uid: Uid::from_slice(&self.uid)?,
            client: ClientId::from_slice(&self.client)?,
            scope: self.scope,
            session: match self.session {
                Some(session) => Some(TokenId::from_slice(&session)?),
                None => None,
            },
            created_at: read_time(self.created_at)?,
            generation: read_time(self.generation)?,
        })
    }
}

/// A refresh token as it is written, to either of its tables.
#[derive(SerializeRow, Clone)]
pub(in crate::accounts) struct NewRefreshToken<'a> {
    id: &'a [u8; 32],
    uid: &'a [u8; 16],
    client: &'a [u8; 8],
    scope: &'a str,
    session: Option<&'a [u8; 32]>,
    created_at: CqlTimestamp,
    generation: CqlTimestamp,
    written_at: i64,
}

impl<'a> NewRefreshToken<'a> {
    pub(in crate::accounts) fn new(token: &'a RefreshToken, written_at: i64) -> Self {
        Self {
            id: token.id.as_bytes(),
            uid: token.uid.as_bytes(),
            client: token.client.as_bytes(),
            scope: &token.scope,
            session: token.session.as_ref().map(TokenId::as_bytes),
            created_at: time(token.created_at),
            generation: time(token.generation),
            written_at,
        }
    }
}

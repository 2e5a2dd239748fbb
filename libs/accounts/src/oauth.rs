//! OAuth for the clients an operator knows (`accounts.md` (e)): codes, access tokens, refresh tokens.
//! Access tokens are always signed and never stored; codes and refresh tokens are stored by their SHA-256.

mod authorize;
mod clients;
mod grant;
mod inspect;
mod scope;
mod token;

pub use authorize::{AuthorizationRequest, Authorized};
pub use clients::{Client, Clients};
pub use grant::Granted;
pub use inspect::{ActiveToken, PresentedToken, TokenKind, Verified};
pub use scope::{OLDSYNC, Scopes, THUNDERBIRD_SYNC, is_key_bearing};
pub use token::{CodeGrant, FxaCredentialsGrant, RefreshGrant};

use foxhold_core::Secret;

use crate::{Accounts, Caller, token::hashed_id};

impl Accounts {
    /// POST /oauth/destroy. There is nothing to say if the token is unknown, not a refresh token, or of another
    /// client, and nothing a client could do if the store did not take it: any refusal here makes Firefox's sign-in
    /// fail after the code exchange. Access tokens run out by themselves. Answers whether something was removed, for
    /// the log.
    pub async fn destroy_token(
        &self,
        caller: &Caller,
        token: &Secret<32>,
        client: Option<foxhold_core::ClientId>,
    ) -> bool {
        let id = hashed_id(token);
        let Ok(Some(stored)) = self.reader.refresh_token(caller.deadline, id).await else {
            return false;
        };
        if client.is_some_and(|client| client != stored.client) {
            return false;
        }
        self.write(caller, |call| async move {
            self.writer.delete_refresh_token(&call, id).await
        })
        .await
        .is_ok()
    }
}

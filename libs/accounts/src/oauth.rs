//! OAuth for the clients an operator knows (`accounts.md` (e)): codes, access tokens, refresh tokens.
//! Access tokens are always signed and never stored; codes and refresh tokens are stored by their SHA-256.

mod authorize;
mod clients;
mod consent;
mod grant;
mod inspect;
mod openid;
mod openid_token;
mod registered;
mod rotation;
mod scope;
mod token;

pub use authorize::{AuthorizationRequest, Authorized};
pub use clients::{Client, Clients};
pub use grant::Granted;
pub use inspect::{ActiveToken, PresentedToken, TokenKind, Verified};
pub use openid::{answered, redirect_uri};
pub use openid_token::{CodeTrade, OpenIdGranted, UserInfo, UserInfoError, UserProfile};
pub use registered::{ClientLogin, OpenIdPorts};
pub use scope::{OLDSYNC, Scopes, THUNDERBIRD_SYNC, is_key_bearing};
pub use token::{CodeGrant, FxaCredentialsGrant, RefreshGrant};

use foxhold_core::{
    Secret,
    record::{Account, RefreshToken},
};

use crate::{Accounts, Caller, token::hashed_id};

/// Whether a refresh token is not older than what ends it, and its account not disabled. One that hangs on a session ends with any new password; one that
/// does not, with a reset (`accounts.md` (k), Authorization request): of those that a recovery key came with, the store
/// removes what it has.
pub(crate) fn is_current(token: &RefreshToken, account: &Account) -> bool {
    let ended_at = match token.session {
        Some(_) => account.verifier_set_at,
        None => account.keys_changed_at,
    };
    token.uid == account.uid && token.generation >= ended_at && !account.is_disabled()
}

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
        let Ok(found) = self.reader.refresh_token(caller.deadline, id).await else {
            return false;
        };
        let Some(stored) = found else {
            let Some(client) = client else { return false };
            return self
                .destroy_followed(caller, client, token)
                .await
                .unwrap_or(false);
        };
        if client.is_some_and(|client| client != stored.client) {
            return false;
        }
        let deleted = self.write(caller, |call| async move {
            self.writer.delete_refresh_token(&call, id).await
        });
        let is_deleted = deleted.await.is_ok();
        // Replaced at that very moment: then the one that came in its place ends.
        let is_followed = !self.is_built_in(stored.client)
            && self.destroy_overtaken(caller, stored.client, token).await.is_ok();
        is_deleted || is_followed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use foxhold_core::{ClientId, TokenId, Uid};

    use super::*;
    use crate::fixtures::{MADE, UID, account};

    #[test]
    fn a_new_password_ends_what_hangs_on_a_session_and_a_reset_all() {
        let later = MADE.plus(Duration::from_millis(1));
        let token = |session: bool| RefreshToken {
            id: TokenId::from_bytes([1; 32]),
            uid: UID,
            client: ClientId::from_bytes([1; 8]),
            scope: "profile".into(),
            session: session.then(|| TokenId::from_bytes([2; 32])),
            created_at: MADE,
            generation: MADE,
        };
        let table = [
            ("the same password", MADE, MADE, true, true),
            ("another one", later, MADE, false, true),
            ("a reset", later, later, false, false),
        ];
        for (name, verifier_set_at, keys_changed_at, with_session, without) in table {
            let account = Account {
                verifier_set_at,
                keys_changed_at,
                ..account(true)
            };
            assert_eq!(is_current(&token(true), &account), with_session, "{name}");
            assert_eq!(is_current(&token(false), &account), without, "{name}");
            let uid = Uid::from_bytes([0; 16]);
            assert!(!is_current(&token(false), &Account { uid, ..account }), "{name}");
        }
    }
}

//! POST /session/duplicate: a second session as good as the one that asks, for another program of the same person.

use std::sync::Arc;

use foxhold_core::{Secret, Timestamp, record::Session};
use foxhold_crypto::token::TokenKind;
use foxhold_ports::{
    Refusal,
    accounts::SignIn,
    limits::{Action, LimitKeys},
};

use crate::{AccountError, Accounts, Caller, SignedIn, field};

/// A second session.
pub struct Duplicated {
    /// Session and account.
    pub signed_in: SignedIn,
    /// For the client.
    pub session_token: Secret<32>,
}

impl Accounts {
    /// Opens it. It was authenticated when the first one was, and counts as verified as that does.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 114, 201.
    pub async fn duplicate_session(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        reason: Option<&str>,
    ) -> Result<Duplicated, AccountError> {
        field::check_optional("reason", reason, field::is_reason)?;
        let SignedIn { session, account } = signed_in;
        let keys = LimitKeys {
            ip: caller.ip,
            email: None,
            uid: Some(account.uid),
        };
        self.limits.count(Action::SessionDuplicate, keys).await?;
        let minted = self.mint(TokenKind::Session)?;
        let session = Session {
            id: minted.keys.id,
            key: Arc::new(minted.keys.key),
            created_at: self.counts_from(session),
            user_agent: caller.user_agent.clone(),
            ..session.clone()
        };
        let opened = self
            .write(caller, |call| {
                let sign_in = SignIn {
                    session: session.clone(),
                    key_fetches: Vec::new(),
                };
                async move { self.writer.open_session(&call, sign_in).await }
            })
            .await;
        // The account has gone, and the session that asks with it.
        opened.map_err(|failure| failure.telling(Refusal::UnknownAccount, || AccountError::BadToken))?;
        Ok(Duplicated {
            signed_in: SignedIn {
                session,
                account: account.clone(),
            },
            session_token: minted.token,
        })
    }

    /// When the second session counts as made: with the first one, or session after session would go on for ever without a
    /// password or a device. One that only its device keeps gives others the usual time.
    fn counts_from(&self, first: &Session) -> Timestamp {
        if self.lasts(first, &[]) {
            first.created_at
        } else {
            self.now()
        }
    }
}

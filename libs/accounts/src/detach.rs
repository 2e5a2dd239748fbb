//! POST /account/attached_client/destroy: signs one entry of the list of attached clients out, by whichever ids it has.

use foxhold_core::{ClientId, DeviceId, TokenId, Uid};

use crate::{AccountError, Accounts, Caller, SignedIn};

/// The entry's ids. What another account's id stands for is left alone, and nothing is said of it: as of what is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DetachRequest {
    /// OAuth client: alone, all refresh tokens it has of the account.
    pub client: Option<ClientId>,
    /// A session.
    pub session: Option<TokenId>,
    /// A refresh token by its SHA-256; needs its client.
    pub refresh_token: Option<TokenId>,
    /// A device, with its session.
    pub device: Option<DeviceId>,
}

impl DetachRequest {
    fn check(&self) -> Result<(), AccountError> {
        if *self == Self::default() || (self.refresh_token.is_some() && self.client.is_none()) {
            return Err(AccountError::MissingParameter("clientId"));
        }
        Ok(())
    }

    /// Whether it names this session and nothing else.
    fn is_only(&self, own: TokenId) -> bool {
        let only = Self {
            session: Some(own),
            ..Self::default()
        };
        *self == only
    }

    /// The client whose tokens are all to go.
    const fn whole_client(&self) -> Option<ClientId> {
        match self {
            Self {
                client: Some(client),
                session: None,
                refresh_token: None,
                device: None,
            } => Some(*client),
            _ => None,
        }
    }
}

impl Accounts {
    /// Signs it out. May be repeated.
    ///
    /// # Errors
    /// [`AccountError`]: 108, 138, 201.
    pub async fn detach(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        request: DetachRequest,
    ) -> Result<(), AccountError> {
        request.check()?;
        if !request.is_only(signed_in.session.id) {
            signed_in.require_not_waiting()?;
        }
        let uid = signed_in.account.uid;
        if let Some(client) = request.whole_client() {
            self.end_grant(caller, uid, client).await?;
            self.detach_refresh_tokens(caller, uid, client, None).await?;
        }
        if let (Some(client), Some(id)) = (request.client, request.refresh_token) {
            self.detach_refresh_tokens(caller, uid, client, Some(id)).await?;
        }
        if let Some(id) = request.device {
            self.detach_device(caller, signed_in, id).await?;
        }
        if let Some(id) = request.session {
            self.detach_session(caller, uid, id).await?;
        }
        Ok(())
    }

    /// Takes refresh tokens back, all that a client has of an account, or one of them.
    pub(crate) async fn detach_refresh_tokens(
        &self,
        caller: &Caller,
        uid: Uid,
        client: ClientId,
        only: Option<TokenId>,
    ) -> Result<(), AccountError> {
        let tokens = self.reader.refresh_tokens(caller.deadline, uid).await?;
        let meant = tokens
            .into_iter()
            .filter(|token| token.client == client && only.is_none_or(|id| id == token.id));
        for token in meant {
            let id = token.id;
            self.write(caller, |call| async move {
                self.writer.delete_refresh_token(&call, id).await
            })
            .await?;
        }
        Ok(())
    }

    async fn detach_device(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        id: DeviceId,
    ) -> Result<(), AccountError> {
        match self.destroy_device(caller, signed_in, id).await {
            Err(AccountError::UnknownDevice) => Ok(()),
            outcome => outcome,
        }
    }

    async fn detach_session(&self, caller: &Caller, uid: Uid, id: TokenId) -> Result<(), AccountError> {
        let found = self.reader.session(caller.deadline, id).await?;
        if found.is_some_and(|session| session.uid == uid) {
            self.close_session(caller, uid, id).await?;
        }
        Ok(())
    }
}

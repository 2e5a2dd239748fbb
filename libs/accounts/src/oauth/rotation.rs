//! The refresh tokens of public clients are replaced at each use (`accounts.md` (k), Token endpoint): of a stolen one either
//! the thief or the client comes with an old token sooner or later.
//!
//! Must stay true: of a token and all that replaced it one is in force, however many ask at once or once more. The one that
//! follows is made of the old one and of a salt that the store keeps, so whoever shows the old one in time is given the same.

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    ClientId, Secret,
    record::{Account, ClientKind, RefreshToken, RegisteredClient},
};
use foxhold_ports::{
    Refusal,
    limits::{Action, LimitKeys},
    openid::spent::{ReplacedToken, Replacement},
};

use super::{OpenIdGranted, Scopes};
use crate::{
    AccountError, Accounts, Caller,
    error::RETRY_AFTER,
    token::{hashed_id, successor},
    write::WriteFailure,
};

/// How long the old token works beside the new one: for who asks twice at once, or has not got the answer.
const OVERLAP: Duration = Duration::from_secs(60);
/// More replacements than a client makes in that time.
const STEPS_MAX: usize = 64;
/// What a replacement counts as, by user and client.
const COUNTED: [Action; 1] = [Action::RefreshTokenReplace];

/// A token that is in force, with its account.
type Standing = (RefreshToken, Account);

impl Accounts {
    /// An access token for a refresh token; of a public client with the refresh token to be used from then on. Scopes may
    /// only shrink. The access token is signed first: a signer that is away costs nothing.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 114, 163, 201.
    pub async fn refresh_registered(
        &self,
        caller: &Caller,
        client: &RegisteredClient,
        token: &Secret<32>,
        scope: Option<&str>,
    ) -> Result<OpenIdGranted, AccountError> {
        let found = self.standing_refresh_token(caller.deadline, hashed_id(token));
        let standing = found.await?.filter(|(record, _)| record.client == client.id);
        if client.kind == ClientKind::Confidential {
            let standing = standing.ok_or(AccountError::BadToken)?;
            return self.refreshed(caller, client, &standing, scope).await;
        }
        let Some(standing) = standing else {
            let (next, standing) = self.followed(caller, client.id, token).await?;
            let granted = self.refreshed(caller, client, &standing, scope).await?;
            return Ok(granted.with_refresh_token(next));
        };
        let holder = format!("{} {}", client.id, standing.0.uid);
        let keys = LimitKeys {
            ip: caller.ip,
            email: Some(&holder),
            uid: Some(standing.0.uid),
        };
        // An old token is not counted: whoever has to wait with one would come too late, and end the grant.
        self.reserve(&COUNTED, keys).await?;
        let renewed = self.renewed(caller, client, (token, &standing), scope).await;
        if matches!(&renewed, Ok((_, Some(_)))) {
            self.keep(&COUNTED, keys).await;
        } else {
            self.give_back(&COUNTED, keys).await;
        }
        let (granted, next) = renewed?;
        let next = match next {
            Some(next) => next,
            None => self.overtaken(caller, client.id, token).await?.0,
        };
        Ok(granted.with_refresh_token(next))
    }

    /// What a token in force is good for, and the one that replaces it, unless another call was faster.
    async fn renewed(
        &self,
        caller: &Caller,
        client: &RegisteredClient,
        (token, standing): (&Secret<32>, &Standing),
        scope: Option<&str>,
    ) -> Result<(OpenIdGranted, Option<Secret<32>>), AccountError> {
        let granted = self.refreshed(caller, client, standing, scope).await?;
        let next = self.replaced(caller, token, &standing.0).await?;
        Ok((granted, next))
    }

    /// The access token, if the grant stands.
    async fn refreshed(
        &self,
        caller: &Caller,
        client: &RegisteredClient,
        (token, account): &Standing,
        scope: Option<&str>,
    ) -> Result<OpenIdGranted, AccountError> {
        let granted = Scopes::parse(&token.scope).ok_or(AccountError::Internal)?;
        let stands = self.is_granted(caller.deadline, account, client.id, token.created_at, &granted);
        if !stands.await? {
            return Err(AccountError::BadToken);
        }
        let scopes = shrunk(granted, scope)?;
        self.sign_for(caller, account, client, &scopes).await
    }

    /// Puts a token in the place of another; it is as old as that, so that what ends that ends it, too. `None` if another
    /// call was faster.
    async fn replaced(
        &self,
        caller: &Caller,
        token: &Secret<32>,
        record: &RefreshToken,
    ) -> Result<Option<Secret<32>>, AccountError> {
        let (salt, (next, id)) = self.draw_successor(token)?;
        let replacement = Replacement {
            replaces: record.id,
            salt: Arc::new(salt),
            token: RefreshToken { id, ..record.clone() },
        };
        let done = self.write(caller, |call| {
            let replacement = replacement.clone();
            async move {
                self.openid
                    .grant_writer
                    .replace_refresh_token(&call, replacement)
                    .await
            }
        });
        match done.await {
            Ok(()) => Ok(Some(next)),
            Err(WriteFailure::Refused(Refusal::TokenSpent)) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The token in force that a replaced one leads to. One that comes too late ends its grant: somebody else may have it.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 201.
    async fn followed(
        &self,
        caller: &Caller,
        client: ClientId,
        token: &Secret<32>,
    ) -> Result<(Secret<32>, Standing), AccountError> {
        let replaced = self.replaced_token(caller, client, token).await?;
        if self.now().since(replaced.replaced_at) > OVERLAP {
            self.revoke(caller, replaced.uid, client, replaced.made_at)
                .await?;
            return Err(AccountError::BadToken);
        }
        self.last(caller, token, &replaced).await
    }

    /// The same of one that stood a moment ago, in this call: another call was faster, or one of long ago came no further than
    /// to decide. Such a one was never told done, so nobody was given the token that follows, and it does not come too late.
    /// Only the region that decides about it knows that it stood.
    async fn overtaken(
        &self,
        caller: &Caller,
        client: ClientId,
        token: &Secret<32>,
    ) -> Result<(Secret<32>, Standing), AccountError> {
        let id = hashed_id(token);
        if self.settings.region.is_some_and(|own| !own.marks(&id)) {
            return self.followed(caller, client, token).await;
        }
        let replaced = self.replaced_token(caller, client, token).await?;
        self.last(caller, token, &replaced).await
    }

    /// What is left of a client's token that was replaced.
    async fn replaced_token(
        &self,
        caller: &Caller,
        client: ClientId,
        token: &Secret<32>,
    ) -> Result<ReplacedToken, AccountError> {
        let reader = &self.openid.grant_reader;
        let replaced = reader.replaced_token(caller.deadline, hashed_id(token)).await?;
        let replaced = replaced.filter(|replaced| replaced.client == client);
        replaced.ok_or(AccountError::BadToken)
    }

    /// The token in force at the end of those that replaced one another.
    async fn last(
        &self,
        caller: &Caller,
        token: &Secret<32>,
        replaced: &ReplacedToken,
    ) -> Result<(Secret<32>, Standing), AccountError> {
        let (by, reader) = (caller.deadline, &self.openid.grant_reader);
        let mut next = successor(token, &replaced.salt);
        for _ in 0..STEPS_MAX {
            let id = hashed_id(&next);
            if let Some(standing) = self.standing_refresh_token(by, id).await? {
                return Ok((next, standing));
            }
            let replaced = reader.replaced_token(by, id).await?;
            next = successor(&next, &replaced.ok_or(AccountError::BadToken)?.salt);
        }
        Err(AccountError::Busy {
            retry_after: RETRY_AFTER,
        })
    }

    /// Takes a token back that was replaced before: the one that it leads to ends. Answers whether there was one.
    pub(super) async fn destroy_followed(
        &self,
        caller: &Caller,
        client: ClientId,
        token: &Secret<32>,
    ) -> Result<bool, AccountError> {
        let next = self.followed(caller, client, token).await?;
        self.destroy_last(caller, client, next).await
    }

    /// The same of one that stood a moment ago, in this call.
    pub(super) async fn destroy_overtaken(
        &self,
        caller: &Caller,
        client: ClientId,
        token: &Secret<32>,
    ) -> Result<bool, AccountError> {
        let next = self.overtaken(caller, client, token).await?;
        self.destroy_last(caller, client, next).await
    }

    /// Ends a token, and what replaces it at this very moment.
    async fn destroy_last(
        &self,
        caller: &Caller,
        client: ClientId,
        (mut last, (mut record, _)): (Secret<32>, Standing),
    ) -> Result<bool, AccountError> {
        for _ in 0..STEPS_MAX {
            let id = record.id;
            self.write(caller, |call| async move {
                self.writer.delete_refresh_token(&call, id).await
            })
            .await?;
            match self.overtaken(caller, client, &last).await {
                Ok((next, standing)) => (last, record) = (next, standing.0),
                Err(AccountError::BadToken) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Err(AccountError::Busy {
            retry_after: RETRY_AFTER,
        })
    }
}

impl OpenIdGranted {
    fn with_refresh_token(self, next: Secret<32>) -> Self {
        Self {
            refresh_token: Some(next),
            ..self
        }
    }
}

fn shrunk(granted: Scopes, wanted: Option<&str>) -> Result<Scopes, AccountError> {
    let Some(wanted) = wanted else { return Ok(granted) };
    let wanted = Scopes::parse(wanted).ok_or(AccountError::BadParameter("scope"))?;
    let missing = granted.missing(&wanted);
    if missing.is_empty() {
        Ok(wanted)
    } else {
        let scopes = missing.join(" ");
        Err(AccountError::ScopesNotAllowed { scopes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_shrink_and_never_grow() {
        let table = [
            (None, Some("openid email")),
            (Some("openid"), Some("openid")),
            (Some("openid profile"), None),
            (Some(""), None),
        ];
        for (wanted, expected) in table {
            let scopes = shrunk(Scopes::of(&["openid", "email"]), wanted);
            assert_eq!(
                scopes.ok().map(|scopes| scopes.to_string()).as_deref(),
                expected,
                "{wanted:?}"
            );
        }
    }
}

//! What users have agreed to (`accounts.md` (k), Consent). A grant is what codes, refresh tokens and our own access to a
//! registered client's tokens hang on: when it ends they end with it, wherever they are kept.
//!
//! Must stay true: a code or token is good only under the grant that stood when it was made, so that one that was ended
//! and given anew brings nothing old back.

use std::time::Duration;

use foxhold_core::{
    ClientId, Deadline, Timestamp, TokenId, Uid,
    record::{Account, AuthorizationCode, Grant},
};

use super::{Client, Scopes};
use crate::{AccountError, Accounts, Caller};

/// Whether a grant stands: a reset ends it.
fn stands(grant: &Grant, account: &Account) -> bool {
    grant.uid == account.uid && grant.generation >= account.keys_changed_at
}

/// Whether what was made at that time, with these scopes, was made under this grant.
fn covers(grant: &Grant, made_at: Timestamp, scopes: &Scopes) -> bool {
    let granted = Scopes::parse(&grant.scope).unwrap_or_default();
    grant.since <= made_at && granted.missing(scopes).is_empty()
}

/// Those of both, in order.
fn union(granted: &Scopes, wanted: &Scopes) -> String {
    let more = granted.missing(wanted);
    let all = granted.iter().chain(more.iter().map(String::as_str));
    all.collect::<Vec<_>>().join(" ")
}

impl Accounts {
    /// The grant of an account to a client, if one stands.
    pub(super) async fn standing_grant(
        &self,
        by: Deadline,
        account: &Account,
        client: ClientId,
    ) -> Result<Option<Grant>, AccountError> {
        let found = self.openid.grant_reader.grant(by, account.uid, client).await?;
        Ok(found.filter(|grant| stands(grant, account)))
    }

    /// All grants of an account that stand.
    pub(crate) async fn standing_grants(
        &self,
        by: Deadline,
        account: &Account,
    ) -> Result<Vec<Grant>, AccountError> {
        let mut grants = self.openid.grant_reader.grants(by, account.uid).await?;
        grants.retain(|grant| stands(grant, account));
        Ok(grants)
    }

    /// Whether something that was made for a client at that time is still good.
    pub(super) async fn is_granted(
        &self,
        by: Deadline,
        account: &Account,
        client: ClientId,
        made_at: Timestamp,
        scopes: &Scopes,
    ) -> Result<bool, AccountError> {
        let grant = self.standing_grant(by, account, client).await?;
        Ok(grant.is_some_and(|grant| covers(&grant, made_at, scopes)))
    }

    /// Whether a code is still good. The consent before it may have been written in another region a moment ago.
    pub(super) async fn is_code_granted(
        &self,
        by: Deadline,
        account: &Account,
        client: ClientId,
        (id, code): (&TokenId, &AuthorizationCode),
        scopes: &Scopes,
    ) -> Result<bool, AccountError> {
        if self
            .is_granted(by, account, client, code.created_at, scopes)
            .await?
        {
            return Ok(true);
        }
        let reader = &self.openid.grant_reader;
        let behind = reader.grant_behind(by, account.uid, client, id).await?;
        let standing = behind.filter(|grant| stands(grant, account));
        Ok(standing.is_some_and(|grant| covers(&grant, code.created_at, scopes)))
    }

    /// Sees to it that the user has agreed: before, or now, or that nobody asks. Answers when what is made under the grant
    /// counts as made: not before the grant, whichever clock it was written by.
    ///
    /// # Errors
    /// [`AccountError`]: 1005, 201.
    pub(super) async fn agree(
        &self,
        caller: &Caller,
        account: &Account,
        client: &Client,
        scopes: &Scopes,
        word: Word,
    ) -> Result<Timestamp, AccountError> {
        let (by, now) = (caller.deadline, self.now());
        let found = self.openid.grant_reader.grant(by, account.uid, client.id).await?;
        // One that was ended by a reset is replaced, and so by a later write than its own.
        let written = found.as_ref().map(|grant| grant.agreed_at);
        let standing = found.filter(|grant| stands(grant, account));
        let before = standing.as_ref().and_then(|grant| Scopes::parse(&grant.scope));
        let is_new = before
            .as_ref()
            .is_none_or(|granted| !granted.missing(scopes).is_empty());
        let must_ask = !client.trusted && (is_new || word == Word::AskAgain);
        if must_ask && word != Word::Yes {
            return Err(AccountError::ConsentNeeded {
                client: client.id,
                scopes: scopes.to_string(),
            });
        }
        if let (Some(grant), false) = (&standing, is_new) {
            return Ok(now.max(grant.since));
        }
        let at = written.map_or(now, |written| now.max(written.plus(Duration::from_millis(1))));
        let grant = Grant {
            uid: account.uid,
            client: client.id,
            scope: union(&before.unwrap_or_default(), scopes),
            since: standing.map_or(at, |grant| grant.since),
            agreed_at: at,
            generation: account.keys_changed_at,
        };
        self.write_at(caller, at, |call| {
            let grant = grant.clone();
            async move { self.openid.grant_writer.put_grant(&call, grant).await }
        })
        .await?;
        Ok(at)
    }

    /// Ends a grant, with the refresh tokens that hang on it. Done, too, if there is none.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub(crate) async fn end_grant(
        &self,
        caller: &Caller,
        uid: Uid,
        client: ClientId,
    ) -> Result<(), AccountError> {
        let found = self
            .openid
            .grant_reader
            .grant(caller.deadline, uid, client)
            .await?;
        let Some(grant) = found else { return Ok(()) };
        let at = self.now().max(grant.agreed_at.plus(Duration::from_millis(1)));
        self.write_at(caller, at, |call| async move {
            self.openid.grant_writer.end_grant(&call, uid, client).await
        })
        .await?;
        Ok(())
    }

    /// Ends the grant that something was made under, and takes its refresh tokens back: what was made has come into other
    /// hands. A grant that was given since is spared.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub(super) async fn revoke(
        &self,
        caller: &Caller,
        uid: Uid,
        client: ClientId,
        made_at: Timestamp,
    ) -> Result<(), AccountError> {
        let found = self.openid.grant_reader.grant(caller.deadline, uid, client);
        if found.await?.is_some_and(|grant| grant.since > made_at) {
            return Ok(());
        }
        tracing::info!(oauth.client = %client, "what was used up was used again: its grant ends");
        self.end_grant(caller, uid, client).await?;
        self.detach_refresh_tokens(caller, uid, client, None).await
    }
}

/// What the page says about consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The user has agreed just now.
    Yes,
    /// Nothing: what was agreed to before counts.
    Nothing,
    /// Nothing, and the client wants the user to be asked again.
    AskAgain,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{MADE, UID, account};

    fn grant(scope: &str) -> Grant {
        Grant {
            uid: UID,
            client: ClientId::from_bytes([1; 8]),
            scope: scope.into(),
            since: MADE,
            agreed_at: MADE,
            generation: MADE,
        }
    }

    #[test]
    fn a_reset_ends_grants_and_a_change_of_the_password_does_not() {
        let later = MADE.plus(Duration::from_secs(1));
        let table = [(MADE, MADE, true), (later, MADE, true), (later, later, false)];
        for (verifier_set_at, keys_changed_at, expected) in table {
            let account = Account {
                verifier_set_at,
                keys_changed_at,
                ..account(true)
            };
            assert_eq!(stands(&grant("openid"), &account), expected);
        }
        let uid = Uid::from_bytes([0; 16]);
        assert!(!stands(&grant("openid"), &Account { uid, ..account(true) }));
    }

    #[test]
    fn a_grant_covers_what_was_made_under_it() {
        let before = MADE.minus(Duration::from_millis(1));
        let table = [
            ("openid email", MADE, "openid", true),
            ("openid email", MADE, "openid email", true),
            ("openid", MADE, "openid email", false),
            ("openid", before, "openid", false),
            ("profile", MADE, "profile:email", true),
        ];
        for (granted, made_at, wanted, expected) in table {
            let wanted = Scopes::parse(wanted).unwrap();
            assert_eq!(
                covers(&grant(granted), made_at, &wanted),
                expected,
                "{granted}, {wanted}"
            );
        }
        let union = union(
            &Scopes::of(&["openid", "profile"]),
            &Scopes::of(&["email", "openid"]),
        );
        assert_eq!(union, "openid profile email");
    }
}

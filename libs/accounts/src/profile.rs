//! What an access token shows of its account (`accounts.md` (f)). The token's signature and lifetime are checked by the
//! caller; that its account still stands, and under which password, is checked here.

use foxhold_core::{Deadline, Timestamp, Uid, record::Account};

use crate::{AccountError, Accounts, oauth::Scopes};

/// What a verified access token says.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Whose it is.
    pub uid: Uid,
    /// What it grants.
    pub scopes: Scopes,
    /// `verifier_set_at` when it was signed.
    pub generation: Timestamp,
}

/// The parts of a profile that a token's scopes show; absent ones are not granted.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// The account; needs `profile:uid`.
    pub uid: Option<Uid>,
    /// Its address as registered; needs `profile:email`.
    pub email: Option<String>,
    /// Whether `sub` is shown; needs `openid`.
    pub openid: bool,
    /// Whether an avatar is shown; needs `profile:avatar`.
    pub avatar: bool,
    /// Language; needs `profile:locale`.
    pub locale: Option<String>,
    /// How the account can authenticate; needs `profile:amr`.
    pub amr: bool,
}

impl Profile {
    /// Whether the token was meant for something else.
    const fn shows_nothing(&self) -> bool {
        self.uid.is_none() && self.email.is_none() && self.locale.is_none() && !self.avatar && !self.amr
    }
}

impl Accounts {
    /// The profile that a token shows.
    ///
    /// # Errors
    /// [`AccountError`]: 110 if the account or its password has gone over the token, or if it shows nothing; 201.
    pub async fn profile(&self, by: Deadline, bearer: &Bearer) -> Result<Profile, AccountError> {
        let account = self.reader.account(by, bearer.uid).await?;
        let account = account
            .filter(|account| bearer.generation >= account.verifier_set_at)
            .ok_or(AccountError::BadToken)?;
        let profile = shown(&account, &bearer.scopes);
        if profile.shows_nothing() {
            Err(AccountError::BadToken)
        } else {
            Ok(profile)
        }
    }
}

fn shown(account: &Account, scopes: &Scopes) -> Profile {
    Profile {
        uid: scopes.contains("profile:uid").then_some(account.uid),
        email: scopes.contains("profile:email").then(|| account.email.clone()),
        openid: scopes.contains("openid"),
        avatar: scopes.contains("profile:avatar"),
        locale: account
            .locale
            .clone()
            .filter(|_| scopes.contains("profile:locale")),
        amr: scopes.contains("profile:amr"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{UID, account};

    #[test]
    fn a_token_shows_what_its_scopes_name() {
        let shown = |scope: &str| {
            let profile = shown(&account(true), &Scopes::parse(scope).unwrap());
            (
                profile.uid == Some(UID),
                profile.email.is_some(),
                profile.avatar,
                profile.locale.is_some(),
            )
        };
        let table = [
            ("profile", (true, true, true, true)),
            ("profile:write", (true, true, true, true)),
            ("profile:uid", (true, false, false, false)),
            ("profile:email profile:avatar", (false, true, true, false)),
            ("openid", (false, false, false, false)),
            (
                "https://identity.mozilla.com/apps/oldsync",
                (false, false, false, false),
            ),
        ];
        for (scope, expected) in table {
            assert_eq!(shown(scope), expected, "{scope}");
        }
    }
}

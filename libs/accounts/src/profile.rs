//! What an access token, or a session, shows of its account (`accounts.md` (f); (c), /account/profile). The token's signature and lifetime are checked by the
//! caller; that its account still stands, and under which password, is checked here.

use foxhold_core::{Deadline, Timestamp, Uid, record::Account};

use crate::{
    AccountError, Accounts,
    oauth::{PresentedToken, Scopes},
};

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
    /// Whether it is told how the account can authenticate; needs `profile:amr`.
    pub amr: bool,
    /// Whether the account has a second factor.
    pub second_factor: bool,
}

impl Profile {
    /// Whether the token was meant for something else.
    const fn shows_nothing(&self) -> bool {
        self.uid.is_none() && self.email.is_none() && self.locale.is_none() && !self.avatar && !self.amr
    }
}

/// Scopes of members that only GET /account/profile has.
const KEYS_CHANGED_AT: &str = "profile:keys_changed_at";

/// What GET /account/profile shows; absent members are not granted, or not known.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountProfile {
    /// The address as registered; needs `profile:email`.
    pub email: Option<String>,
    /// Language; needs `profile:locale`.
    pub locale: Option<String>,
    /// Whether it is told how the account can authenticate; needs `profile:amr`.
    pub amr: bool,
    /// Whether the account has a second factor.
    pub second_factor: bool,
    /// When the profile changed last.
    pub profile_changed_at: Timestamp,
    /// When kB changed last; needs `profile:keys_changed_at`, which `profile` contains.
    pub keys_changed_at: Option<Timestamp>,
}

impl AccountProfile {
    /// What a session sees: everything.
    #[must_use]
    pub fn whole(account: &Account) -> Self {
        Self::seen(account, |_| true)
    }

    fn seen(account: &Account, is_granted: impl Fn(&str) -> bool) -> Self {
        Self {
            email: is_granted("profile:email").then(|| account.email.clone()),
            locale: account.locale.clone().filter(|_| is_granted("profile:locale")),
            amr: is_granted("profile:amr"),
            second_factor: account.enabled_second_factor().is_some(),
            profile_changed_at: account.profile_changed_at,
            keys_changed_at: is_granted(KEYS_CHANGED_AT).then_some(account.keys_changed_at),
        }
    }
}

impl Accounts {
    /// The account of a token; `None` if it is gone or disabled, or if its password, or that it was disabled for a while,
    /// has gone over the token.
    ///
    /// # Errors
    /// [`AccountError`]: 201.
    pub(crate) async fn account_of_bearer(
        &self,
        by: Deadline,
        bearer: &Bearer,
    ) -> Result<Option<Account>, AccountError> {
        let account = self.reader.account(by, bearer.uid).await?;
        let counts =
            |account: &Account| bearer.generation >= account.signed_since() && !account.is_disabled();
        Ok(account.filter(counts))
    }

    /// What a token sees at GET /account/profile: of one that is for something else, when the profile changed last.
    ///
    /// # Errors
    /// [`AccountError`]: 110 if the account, its password, its client or its grant has gone over the token; 201.
    pub async fn account_profile(
        &self,
        by: Deadline,
        token: &PresentedToken,
    ) -> Result<AccountProfile, AccountError> {
        let account = self.account_of_token(by, token).await?;
        let account = account.ok_or(AccountError::BadToken)?;
        Ok(AccountProfile::seen(&account, |scope| {
            token.bearer.scopes.contains(scope)
        }))
    }

    /// The profile that a token shows.
    ///
    /// # Errors
    /// [`AccountError`]: 110 if the account, its password, its client or its grant has gone over the token, or if it shows
    /// nothing; 201.
    pub async fn profile(&self, by: Deadline, token: &PresentedToken) -> Result<Profile, AccountError> {
        let account = self.account_of_token(by, token).await?;
        let account = account.ok_or(AccountError::BadToken)?;
        let profile = shown(&account, &token.bearer.scopes);
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
        second_factor: account.enabled_second_factor().is_some(),
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

    #[test]
    fn the_account_s_own_profile_goes_by_scope_too() {
        let seen = |scope: &str| {
            let scopes = Scopes::parse(scope).unwrap();
            let profile = AccountProfile::seen(&account(true), |wanted| scopes.contains(wanted));
            (
                profile.email.is_some(),
                profile.locale.is_some(),
                profile.amr,
                profile.keys_changed_at.is_some(),
            )
        };
        let table = [
            ("profile", (true, true, true, true)),
            ("profile:email", (true, false, false, false)),
            ("profile:locale", (false, true, false, false)),
            ("profile:amr", (false, false, true, false)),
            (KEYS_CHANGED_AT, (false, false, false, true)),
            ("profile:uid openid", (false, false, false, false)),
        ];
        for (scope, expected) in table {
            assert_eq!(seen(scope), expected, "{scope}");
        }
        let whole = AccountProfile::whole(&account(true));
        assert!(whole.email.is_some() && whole.amr && whole.keys_changed_at.is_some());
    }
}

//! Accounts: `GET|POST /accounts`, `GET|DELETE /accounts/{account}`, `POST /accounts/{account}/disable|enable|reset-link`,
//! `DELETE /accounts/{account}/second-factor`. An account is named by its uid, 32 hex digits, or by its address.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Cursor;

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// It may.
    Active,
    /// An operator has disabled it. Nothing of it is lost.
    Disabled,
}

/// An account as it stands in a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ListedAccount {
    /// 32 hex digits.
    pub uid: String,
    /// Its address as typed.
    pub email: String,
    /// Whether the address was shown to be the owner's.
    pub verified: bool,
    /// When it was made.
    pub created_at_ms: u64,
    /// Whether it may be used.
    pub state: AccountState,
    /// When it was disabled; null if it is not.
    pub disabled_at_ms: Option<u64>,
}

impl fmt::Debug for ListedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedAccount")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Account {
    /// As in a list.
    #[serde(flatten)]
    pub account: ListedAccount,
    /// When its password was set last.
    pub password_set_at_ms: u64,
    /// When its encryption key changed last: when it was made, or reset.
    pub keys_changed_at_ms: u64,
    /// Whether sign-ins ask for a second factor.
    pub second_factor: bool,
    /// Whether a recovery key would bring its data back after a reset.
    pub recovery_key: bool,
    /// Sessions that are not older than the password and have not run out: without a device one ends after 28 days.
    pub sessions: u64,
    /// Browsers and apps that have registered themselves.
    pub devices: u64,
    /// Programs that hold a refresh token.
    pub attached_clients: u64,
}

/// The answer of `GET /accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Accounts {
    /// In an order of the store's own.
    pub accounts: Vec<ListedAccount>,
    /// What to give as `after` for the next page; null = this was the last.
    pub next: Option<Cursor>,
}

/// What became of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AccountOutcome {
    /// It was made.
    Created,
    /// It is disabled now.
    Disabled,
    /// It may be used again.
    Enabled,
    /// It is gone.
    Deleted,
    /// Something of it is gone, as asked for.
    Changed,
    /// It is like this already.
    Unchanged,
}

/// The answer of what changes an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct AccountChanged {
    /// What became of it, or would have.
    pub outcome: AccountOutcome,
    /// Whether nothing was done, as asked for.
    pub dry_run: bool,
    /// As it is now; of a deleted one, and where nothing was done, as it was. Null of one that would be made.
    pub account: Option<ListedAccount>,
}

/// The body of `POST /accounts`. Passwords come as clients stretch them: in clear nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Its address.
    pub email: String,
    /// `authPW` of version 1, 64 hex digits, made with this spelling of the address.
    pub auth_pw: String,
    /// `wrapKb` that goes with it, 64 hex digits.
    pub wrap_kb: String,
    /// `authPWVersion2`, 64 hex digits.
    pub auth_pw_version2: String,
    /// `wrapKbVersion2`, 64 hex digits.
    pub wrap_kb_version2: String,
    /// The whole salt of version 2.
    pub client_salt: String,
    /// Whether the address counts as the owner's.
    pub verified: bool,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewAccount(..)")
    }
}

/// The answer of `POST /accounts/{account}/reset-link`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ResetLink {
    /// Whose.
    pub account: ListedAccount,
    /// Sets a new password; null if it was only looked at what would be made.
    pub link: Option<String>,
    /// From when on it is of no use; null without a link.
    pub expires_at_ms: Option<u64>,
    /// Whether nothing was made.
    pub dry_run: bool,
}

impl fmt::Debug for ResetLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetLink(..)")
    }
}

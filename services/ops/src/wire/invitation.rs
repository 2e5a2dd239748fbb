//! Invitations to make an account: `GET|POST /invitations`, `GET|DELETE /invitations/{id}`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Cursor;

/// Invitations of one request.
pub const INVITATIONS_MAX: u32 = 100;

/// The body of `POST /invitations`. Codes that are for nobody in particular may be many.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct NewInvitations {
    /// The address it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The domain whose addresses it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// How long it invites, in seconds: 14 days if absent, 365 days at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(minimum = 1, maximum = 31536000))]
    pub lifetime_secs: Option<u64>,
    /// How many: one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(minimum = 1, maximum = 100))]
    pub count: Option<u32>,
    /// What to remember of it, at most 200 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(max_length = 200))]
    pub note: Option<String>,
    /// Whether its code is mailed to the address, and told to nobody else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub send: bool,
    /// Who invites, as the mail says it, at most 100 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(max_length = 100))]
    pub from_name: Option<String>,
}

impl fmt::Debug for NewInvitations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewInvitations(..)")
    }
}

/// What has become of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum InvitationState {
    /// It invites.
    Open,
    /// An account was made with it.
    Used,
    /// Its time is over.
    Expired,
}

/// An invitation. Its code is told once, when it is made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Invitation {
    /// 64 hex digits; not the code.
    pub id: String,
    /// What has become of it.
    pub state: InvitationState,
    /// The address it is for.
    pub email: Option<String>,
    /// The domain whose addresses it is for.
    pub domain: Option<String>,
    /// When it was made.
    pub created_at_ms: u64,
    /// From when on it invites nobody.
    pub expires_at_ms: u64,
    /// Whether its code was mailed to the address.
    pub mailed: bool,
    /// What was to be remembered of it.
    pub note: Option<String>,
    /// Who made it.
    pub creator: String,
    /// The account that was made with it.
    pub used_by: Option<String>,
    /// When.
    pub used_at_ms: Option<u64>,
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// An invitation that was made now.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct MadeInvitation {
    /// What it is.
    pub invitation: Invitation,
    /// Its code; null if it is mailed, or if it was only looked at what would be made.
    pub code: Option<String>,
    /// A link that brings the code along.
    pub link: Option<String>,
}

impl fmt::Debug for MadeInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MadeInvitation(..)")
    }
}

/// The answer of `POST /invitations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct InvitationsMade {
    /// All of them.
    pub invitations: Vec<MadeInvitation>,
    /// Whether nothing was made.
    pub dry_run: bool,
}

/// The answer of `GET /invitations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Invitations {
    /// In an order of the store's own.
    pub invitations: Vec<Invitation>,
    /// What to give as `after` for the next page; null = this was the last.
    pub next: Option<Cursor>,
}

/// The answer of `DELETE /invitations/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct InvitationDeleted {
    /// As it was.
    pub invitation: Invitation,
    /// Whether nothing was done.
    pub dry_run: bool,
}

//! What the admin API takes and answers, as JSON (`docs/admin-api.md`). The server and the operator's tool use the same
//! types.
//!
//! Must stay true: a request with a member nobody knows is refused, so that a mistyped one is never a default; answers may
//! grow. Times are milliseconds since 1970, in names that end in `_ms`. No Debug shows a user's key.

mod account;
mod change;
mod client;
mod import;
mod invitation;
mod node;
mod page;
mod problem;
mod record;
mod service;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::{
    account::{
        Account, AccountChanged, AccountOutcome, AccountState, Accounts, ListedAccount, NewAccount, ResetLink,
    },
    change::{
        DryRun, EventMessages, EventOutcome, EventsDone, Forget, Place, Retired, UserChange, UserOutcome,
    },
    client::{Client, ClientKind, ClientOutcome, ClientPut, ClientSettings, Clients, NewSecret},
    import::{Import, ImportDone, ImportOutcome, ImportRecord, ImportResult, ImportUser, ReserveUids},
    invitation::{
        INVITATIONS_MAX, Invitation, InvitationDeleted, InvitationState, Invitations, InvitationsMade,
        MadeInvitation, NewInvitations,
    },
    node::{NewNode, Node, NodeChange, NodeDeleted, NodeOutcome, NodePut, Nodes, RenameNode},
    page::{Count, CountQuery, MovePage, PageDone, PageQuery, PurgePage, UnassignPage},
    problem::{Code, FieldFault, Problem},
    record::{PastRecord, Record, Records, UserRecords},
    service::{
        Admission, Allocation, FieldChange, PoolRule, Scheme, Service, ServiceOutcome, ServicePut,
        ServiceSettings, Services, Whom,
    },
};

/// What every path begins with.
pub const PREFIX: &str = "/admin/v1";

/// Where an answer names the request it belongs to.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// The longest body, in bytes.
pub const BODY_LEN_MAX: usize = 4 * 1024 * 1024;

/// Users of one import.
pub const IMPORT_USERS_MAX: usize = 200;

/// Messages of one batch of events.
pub const EVENTS_MAX: usize = 200;

/// Users that one page of a job looks at.
pub const PAGE_LIMIT_MAX: u32 = 1000;

/// All of something, in hundredths of a percent.
pub const SHARE_ALL: u16 = 10_000;

/// A user's key in a service, `fxa_uid@issuer-domain`. Not shown in Debug.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct User(pub String);

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(..)")
    }
}

/// A place in the order of users, from an answer's `next`: base64url. It may name a user, so Debug does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Cursor(pub String);

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(..)")
    }
}

/// How healthy the admin API is, and who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Health {
    /// Whether everything asked for below answered.
    pub is_ok: bool,
    /// Foxhold's version.
    pub version: String,
    /// Whom the server takes the caller for: `local`, or the name in the certificate.
    pub caller: String,
    /// Whether the store answers.
    pub store_answers: bool,
    /// Services there are; absent if the store does not answer.
    pub services: Option<u64>,
}

/// A member that may be left out, but not be null.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests;

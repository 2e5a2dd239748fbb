//! Changes of one user, and account events: `POST …/users/{user}/place|unassign|retire|forget`,
//! `POST /users/{user}/retire`, `POST /events`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{UserRecords, is_false};

/// The query that every change understands: `?dry_run=true` answers what would become of it, and writes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::IntoParams))]
#[serde(default, deny_unknown_fields)]
pub struct DryRun {
    /// Whether nothing shall be written.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

/// The body of `POST …/users/{user}/place`: at most one of both. Without any, the service's rules say where to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// The node at this URL, whether or not it has released slots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The least loaded node of this pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
}

/// The body of `POST …/users/{user}/forget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Which of the user's past records: its data is not deleted from its node.
    pub uid: u64,
}

/// The answer of every change of one user in one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct UserChange {
    /// What became of it, or would.
    pub outcome: UserOutcome,
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// The user's records as they are now; with `dry_run` as they were. Null for a user without any, who would get the
    /// first one.
    pub records: Option<UserRecords>,
}

/// What became of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum UserOutcome {
    /// There was no record.
    Created,
    /// The records changed.
    Changed,
    /// It was like this.
    Unchanged,
}

/// The answer of `POST /users/{user}/retire`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Retired {
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// Services where the user has a record.
    pub known: u64,
    /// Of them, those where it changed, or would.
    pub changed: u64,
}

/// The body of `POST /events`: messages as a queue holds them, `{"Message": "<JSON text>"}`. Not shown in Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EventMessages {
    /// At most [`EVENTS_MAX`](super::EVENTS_MAX).
    #[cfg_attr(test, schema(min_items = 1, max_items = 200))]
    pub messages: Vec<Value>,
}

impl fmt::Debug for EventMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventMessages({} messages)", self.messages.len())
    }
}

/// The answer of `POST /events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct EventsDone {
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// What came of each message, in their order.
    pub outcomes: Vec<EventOutcome>,
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum EventOutcome {
    /// A record changed, or would.
    Changed,
    /// Known already, or about a user nobody knows.
    Unchanged,
    /// An event that is not for token servers; dropped.
    Other,
    /// No message, or one that tells of the future; dropped.
    Malformed,
    /// The store did not take it: to be told again.
    Failed,
}

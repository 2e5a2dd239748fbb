//! Jobs over many users, a page at a time, so that the tool paces them, shows progress and may be interrupted:
//! `POST …/nodes/{url}/unassign|move`, `POST /services/{service}/purge`, `GET /services/{service}/count`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cursor, is_false};

/// The query of `GET /services/{service}/records`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::IntoParams))]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    /// Where the page begins: an answer's `next`. Absent = at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Users of the page, 1 to 1000; absent = 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, param(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// The body of `POST …/nodes/{url}/unassign`: takes active users from the node; they get another one at their next
/// exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnassignPage {
    /// Where the page begins: an answer's `next`. Absent = at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Users of the service to look at, 1 to 1000.
    #[cfg_attr(test, schema(minimum = 1, maximum = 1000))]
    pub limit: u32,
    /// Only this share of the node's users, in hundredths of a percent, 1 to 10000: always the same ones, and those of a
    /// larger share are more of them. Absent = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(minimum = 1, maximum = 10000))]
    pub share_basis_points: Option<u16>,
}

/// The body of `POST …/nodes/{url}/move`: gives active users of the node a record on another one at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MovePage {
    /// The node to move to; absent = where the service's rules send them. By the rules only those leave whom the rules would
    /// not bring back, as to a node in backoff or of another pool; where that can be nobody, it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// As for [`UnassignPage`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// As for [`UnassignPage`].
    #[cfg_attr(test, schema(minimum = 1, maximum = 1000))]
    pub limit: u32,
    /// As for [`UnassignPage`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(minimum = 1, maximum = 10000))]
    pub share_basis_points: Option<u16>,
}

/// The body of `POST /services/{service}/purge`: deletes the data of replaced records from their nodes, and forgets them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PurgePage {
    /// Only records that were replaced so long ago.
    pub grace_secs: u64,
    /// Users of the service to look at, 1 to 1000.
    #[cfg_attr(test, schema(minimum = 1, maximum = 1000))]
    pub limit: u32,
    /// Where the page begins: an answer's `next`. Absent = at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Only records on the node at this URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Only records from this uid on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_min: Option<u64>,
    /// Only records up to this uid, itself included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_max: Option<u64>,
    /// No more records than so many: the page ends with the last of them. Absent = all that are due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_max: Option<u64>,
    /// Also records on nodes that are out of service.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force: bool,
    /// Deletes on the node at this URL what lay on any other: data was moved there by hand, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_node: Option<String>,
}

/// The answer of a page of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct PageDone {
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// Users looked at.
    pub looked_at: u64,
    /// Of them, the users, or for a purge the records, that the job is about.
    pub matched: u64,
    /// Of these, those that changed, or would.
    pub changed: u64,
    /// Of these, those that failed; the job may be run again.
    pub failed: u64,
    /// How many came to what, by a name: those that failed, for a purge also those that are gone or were left as they are.
    /// `store` also once more if the store has cut the page off.
    pub reasons: BTreeMap<String, u64>,
    /// What to give as `after` for the next page; null = this was the last.
    pub next: Option<Cursor>,
}

/// The query of `GET /services/{service}/count`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::IntoParams))]
#[serde(default, deny_unknown_fields)]
pub struct CountQuery {
    /// Only users first seen before; absent = before the last midnight (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_ms: Option<u64>,
    /// Where the page begins: an answer's `next`. Absent = at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// Users to look at, 1 to 1000; absent = 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, param(minimum = 1, maximum = 1000))]
    pub limit: Option<u32>,
}

/// The answer of `GET /services/{service}/count`: one page's. The sum over all pages is the number of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Count {
    /// Users looked at.
    pub looked_at: u64,
    /// Of them, those first seen before `before_ms`.
    pub users: u64,
    /// What was asked for, or the last midnight (UTC): to be given again for the next page.
    pub before_ms: u64,
    /// What to give as `after` for the next page; null = this was the last.
    pub next: Option<Cursor>,
}

//! Nodes: `GET|POST /services/{service}/nodes`, `GET|PATCH|DELETE …/nodes/{url}`, `POST …/nodes/{url}/rename`.

use serde::{Deserialize, Deserializer, Serialize};

use super::present;

/// The answer of `GET /services/{service}/nodes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Nodes {
    /// All of them, by id.
    pub nodes: Vec<Node>,
}

/// A node with its exact figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Node {
    /// Its number in the store; 0 in the answer of a dry run that would create it.
    pub id: u64,
    /// Its URL, without trailing slash.
    pub url: String,
    /// Label for telemetry.
    pub node_type: Option<String>,
    /// Whose users come here; null = the default pool's.
    pub pool: Option<String>,
    /// Most users ever.
    pub capacity: u64,
    /// Slots released for new users at present.
    pub available: u64,
    /// Users assigned.
    pub current_load: u64,
    /// Out of service.
    pub downed: bool,
    /// Alive, but no new users.
    pub backoff: bool,
    /// Does not answer, says the health job.
    pub unhealthy: bool,
}

/// The body of `POST /services/{service}/nodes`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    /// Its URL, without trailing slash.
    pub url: String,
    /// Label for telemetry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_type: Option<String>,
    /// Whose users come here; null or absent = the default pool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Most users ever.
    pub capacity: u64,
    /// Slots released at once; null or absent = a tenth of the capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<u64>,
    /// Out of service from the beginning.
    #[serde(default)]
    pub downed: bool,
    /// No new users from the beginning.
    #[serde(default)]
    pub backoff: bool,
}

/// The body of `PATCH …/nodes/{url}`: what is absent stays. Only `pool` may be null: the default pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeChange {
    /// Most users ever.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = u64, required = false))]
    pub capacity: Option<u64>,
    /// Slots released for new users at present.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = u64, required = false))]
    pub available: Option<u64>,
    /// Out of service.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = bool, required = false))]
    pub downed: Option<bool>,
    /// Alive, but no new users.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = bool, required = false))]
    pub backoff: Option<bool>,
    /// Does not answer. The health job sets it again if that is how it is.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = bool, required = false))]
    pub unhealthy: Option<bool>,
    /// Whose users come here: absent = as it is, null = the default pool's.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schema(value_type = Option<String>, required = false))]
    pub pool: Option<Option<String>>,
}

/// A member that is there, and may be null.
fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The body of `POST …/nodes/{url}/rename`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenameNode {
    /// Its new URL, without trailing slash.
    pub to: String,
}

/// The answer of `POST /services/{service}/nodes`, of `PATCH …/nodes/{url}` and of `POST …/nodes/{url}/rename`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct NodePut {
    /// What became of it, or would.
    pub outcome: NodeOutcome,
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// As it is now; with `dry_run` as it would be.
    pub node: Node,
}

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum NodeOutcome {
    /// There was none under that URL.
    Created,
    /// There was one under that URL; it stays as it was.
    Exists,
    /// It was otherwise.
    Changed,
    /// It was like this.
    Unchanged,
}

/// The answer of `DELETE …/nodes/{url}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct NodeDeleted {
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// What it was. Its users get another node at their next exchange.
    pub node: Node,
}

//! Services: `GET /services`, `GET|PUT /services/{service}`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer of `GET /services`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Services {
    /// All of them, by key.
    pub services: Vec<Service>,
}

/// A service, as `GET /services/{service}` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Service {
    /// `{app}-{version}`, as in `sync-1.5`.
    pub key: String,
    /// All that can be set.
    pub settings: ServiceSettings,
}

/// All settings of a service: the body of `PUT /services/{service}`. None may be left out: what is forgotten must not
/// fall back to a default, such as open registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// Endpoint with `{node}`, `{uid}` and `{service}` to fill in.
    pub pattern: String,
    /// The scope a token must grant.
    pub scope: String,
    /// How long its tokens live.
    pub token_lifetime_secs: u64,
    /// The largest uid it hands out.
    pub uid_ceiling: u64,
    /// Credentials it takes.
    pub schemes: BTreeSet<Scheme>,
    /// Issuers whose BrowserID certificates count, or `*` alone for any.
    pub allowed_issuers: Vec<String>,
    /// Of them, those who may also vouch for users of other domains.
    pub trusted_issuers: Vec<String>,
    /// Domains whose users BrowserID certificates count for; all when empty.
    pub allowed_email_domains: Vec<String>,
    /// Who gets a first record.
    pub admission: Admission,
    /// Terms that everybody must have accepted: name to URL.
    pub conditions: BTreeMap<String, String>,
    /// How long ago a BrowserID user may have signed in; null = any time.
    #[serde(deserialize_with = "Option::deserialize")]
    #[cfg_attr(test, schema(required = true))]
    pub auth_max_age_secs: Option<u64>,
    /// Which nodes its users are placed on.
    pub allocation: Allocation,
}

impl ServiceSettings {
    /// A service for anybody with an access token, with everything else as it is by default.
    #[must_use]
    pub fn new(pattern: String, scope: String) -> Self {
        Self {
            pattern,
            scope,
            token_lifetime_secs: 3600,
            // Existing storage nodes cut longer ones.
            uid_ceiling: i32::MAX as u64,
            schemes: [Scheme::OAuth].into(),
            allowed_issuers: Vec::new(),
            trusted_issuers: Vec::new(),
            allowed_email_domains: Vec::new(),
            admission: Admission::Everyone,
            conditions: BTreeMap::new(),
            auth_max_age_secs: None,
            allocation: Allocation::default(),
        }
    }
}

/// A credential, by the name of its scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// OAuth access tokens.
    OAuth,
    /// BrowserID assertions.
    BrowserId,
}

/// Who gets a first record: `"everyone"`, `"nobody"`, `{"listed": ["<account>", ..]}` or `{"first": 100}`. Accounts are not
/// shown in Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// Anybody.
    Everyone,
    /// Nobody: registration is closed.
    Nobody,
    /// Accounts with these names: the uid of an account of the own domain, `uid@domain` of another's.
    Listed(BTreeSet<String>),
    /// Anybody, until the service has so many users.
    First(u64),
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("Everyone"),
            Self::Nobody => f.write_str("Nobody"),
            Self::Listed(accounts) => write!(f, "Listed({} accounts)", accounts.len()),
            Self::First(users) => write!(f, "First({users})"),
        }
    }
}

/// How the users of a service who need a node are spread over its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// All go to the node at this URL; null = to their pool.
    #[serde(deserialize_with = "Option::deserialize")]
    #[cfg_attr(test, schema(required = true))]
    pub pinned_to: Option<String>,
    /// The first that holds for a user names the pool; without one it is the default pool.
    pub pools: Vec<PoolRule>,
    /// Pools that take no new users.
    pub closed_pools: BTreeSet<String>,
}

/// Sends users to a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PoolRule {
    /// Which users.
    pub whom: Whom,
    /// How many of them, in hundredths of a percent: 1 to 10000.
    #[cfg_attr(test, schema(minimum = 1, maximum = 10000))]
    pub share_basis_points: u16,
    /// Where to.
    pub pool: String,
}

/// Whom a rule is about: `"everyone"`, `{"domains": [..]}` or `{"users": [..]}`. Users are not shown in Debug.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Whom {
    /// Everybody.
    Everyone,
    /// Users of these issuers' domains.
    Domains(BTreeSet<String>),
    /// These users, by their keys.
    Users(BTreeSet<String>),
}

impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("Everyone"),
            Self::Domains(domains) => write!(f, "Domains({domains:?})"),
            Self::Users(users) => write!(f, "Users({} users)", users.len()),
        }
    }
}

/// The answer of `PUT /services/{service}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct ServicePut {
    /// What became of it, or would.
    pub outcome: ServiceOutcome,
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// What differs from before; empty for a new service.
    pub changes: Vec<FieldChange>,
    /// As it is now, or would be.
    pub service: Service,
}

/// What became of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ServiceOutcome {
    /// There was none.
    Created,
    /// It was otherwise.
    Changed,
    /// It was like this.
    Unchanged,
}

/// One setting that changes. Values are not shown in Debug: they may name users.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// The member of `settings`.
    pub field: String,
    /// What it was.
    pub from: Value,
    /// What it becomes.
    pub to: Value,
}

impl fmt::Debug for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldChange({})", self.field)
    }
}

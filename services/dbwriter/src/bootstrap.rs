//! The first service and its nodes, as a configuration names them: made at start, so that a new deployment takes users
//! without a further command. The single box does the same by the same function.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use foxhold_core::{
    Deadline, OpId, Random, ServiceUid, Timestamp,
    record::{
        Admission, Allocation, Bucket, NodeRecord, PoolName, PoolRule, Schemes, Service, ServiceKey,
        ServicePolicy, Whom,
    },
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, Call, ReadError, WriteError,
    assignments::{NewNode, PATTERN_FIX, SCOPE_FIX, is_node_url, is_pattern, is_scope},
    signer::LIFETIME_SECS_MAX,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;
use tracing::warn;

/// Services and nodes that must exist.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Made if there is none under that key; otherwise left as they are.
    pub services: Vec<ServiceSettings>,
    /// Made if their service has no nodes; otherwise left as they are.
    pub nodes: Vec<NodeSettings>,
}

/// One service.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// `{app}-{version}`
    pub key: String,
    /// Endpoint with `{node}`, `{uid}` and `{service}` to fill in.
    pub pattern: String,
    /// The scope a token must grant.
    pub scope: String,
    /// How long its tokens live.
    #[serde(default = "token_lifetime_secs")]
    pub token_lifetime_secs: u64,
    /// The largest uid it hands out.
    #[serde(default = "uid_ceiling")]
    pub uid_ceiling: u64,
    /// Credentials it takes.
    #[serde(default = "schemes")]
    pub schemes: Vec<SchemeSetting>,
    /// Issuers whose BrowserID certificates count, or `*` alone for any.
    #[serde(default)]
    pub allowed_issuers: Vec<String>,
    /// Of them, those who may also vouch for users of other domains.
    #[serde(default)]
    pub trusted_issuers: Vec<String>,
    /// Domains whose users BrowserID certificates count for, whoever made them; all when empty.
    #[serde(default)]
    pub allowed_email_domains: Vec<String>,
    /// Who gets a first record; who has one is always served.
    #[serde(default)]
    pub admission: AdmissionSetting,
    /// Terms that everybody must have accepted: name to URL.
    #[serde(default)]
    pub conditions: BTreeMap<String, String>,
    /// How long ago a BrowserID user may have signed in.
    pub auth_max_age_secs: Option<u64>,
    /// The URL of the node all who need one go to, whatever pools there are.
    pub pinned_to: Option<String>,
    /// Whom to send to which pool; the first rule that holds for a user counts, the rest go to nodes without a pool.
    #[serde(default)]
    pub pools: Vec<PoolSettings>,
    /// Pools that take no new users.
    #[serde(default)]
    pub closed_pools: BTreeSet<PoolSetting>,
}

/// Sends users to a pool: those named, or everybody.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// Where to.
    pub pool: PoolSetting,
    /// How many of them, in hundredths of a percent; the rest goes on to the next rule.
    #[serde(default = "whole_share")]
    pub share: u16,
    /// Users of these issuers' domains only.
    #[serde(default)]
    pub domains: BTreeSet<String>,
    /// These users only, by their keys: `<uid>@<domain>`.
    #[serde(default)]
    pub users: BTreeSet<String>,
}

/// The name of a pool: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct PoolSetting(pub PoolName);

impl Serialize for PoolSetting {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl TryFrom<String> for PoolSetting {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        PoolName::new(&name)
            .map(Self)
            .ok_or("a pool's name is 1 to 32 of a-z, 0-9 and -")
    }
}

/// A credential, by the name of its scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemeSetting {
    /// OAuth access tokens.
    OAuth,
    /// BrowserID assertions.
    BrowserId,
}

/// `"everyone"`, `"nobody"`, `{ listed = ["<uid>", ..] }` or `{ first = 100 }`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdmissionSetting {
    /// Anybody.
    #[default]
    Everyone,
    /// Nobody.
    Nobody,
    /// Accounts with these uids.
    Listed(BTreeSet<String>),
    /// Anybody, until the service has so many users.
    First(u64),
}

/// One node.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSettings {
    /// Its service.
    pub service: String,
    /// Its URL, without trailing slash.
    pub url: String,
    /// Label for telemetry.
    pub node_type: Option<String>,
    /// Whose users come here; absent: those whom no rule sends elsewhere.
    pub pool: Option<PoolSetting>,
    /// Most users ever.
    pub capacity: u64,
    /// Slots released at once; all of them when absent.
    pub available: Option<u64>,
}

const fn whole_share() -> u16 {
    Bucket::COUNT
}

const fn token_lifetime_secs() -> u64 {
    3600
}

/// Existing storage nodes cut longer ones (design 3.6).
const fn uid_ceiling() -> u64 {
    i32::MAX as u64
}

fn schemes() -> Vec<SchemeSetting> {
    vec![SchemeSetting::OAuth]
}

/// Settings that would take users and then give them no tokens. Names the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`bootstrap.{table}[{at}].{key}`: {fix}")]
pub struct BootstrapFault {
    /// `services` or `nodes`.
    pub table: &'static str,
    /// Which of them, from zero.
    pub at: usize,
    /// The key.
    pub key: &'static str,
    /// What to give.
    pub fix: &'static str,
}

impl Bootstrap {
    /// Checks what the store takes as it stands and the signer, or a client, would stumble over later.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), BootstrapFault> {
        self.faults().next().map_or(Ok(()), Err)
    }

    /// The first fault of each service and node.
    pub(crate) fn faults(&self) -> impl Iterator<Item = BootstrapFault> {
        let services = self.services.iter().enumerate();
        let of_services = services.filter_map(|(at, service)| Some(("services", at, service.fault()?)));
        let nodes = self.nodes.iter().enumerate();
        let of_nodes = nodes.filter_map(|(at, node)| Some(("nodes", at, node.fault()?)));
        let all = of_services.chain(of_nodes);
        all.map(|(table, at, (key, fix))| BootstrapFault { table, at, key, fix })
    }

    /// What of it is to be made: services that are not there, and the nodes of a service that has none at all. What stands
    /// is the administrators', who may have changed, renamed or deleted it: a crash of a process must not bring it back. A
    /// process that starts while decisions cannot be made, because another region is away, has nothing to decide if all
    /// is there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn missing(mut self, reader: &dyn AssignmentReader, by: Deadline) -> Result<Self, ReadError> {
        let standing = reader.services(by).await?;
        self.services.retain(|wanted| is_missing(wanted, &standing));
        let of: BTreeSet<_> = self.nodes.iter().map(|node| node.service.clone()).collect();
        for service in of {
            let standing = reader.nodes(by, &ServiceKey(service.clone())).await?;
            self.nodes
                .retain(|node| node.service != service || is_first(node, &standing));
        }
        Ok(self)
    }
}

fn is_missing(wanted: &ServiceSettings, standing: &[Service]) -> bool {
    let Some(there) = standing.iter().find(|there| there.key.0 == wanted.key) else {
        return true;
    };
    if *there != wanted.into() {
        warn!(
            service = wanted.key,
            "the service was changed since it was made, and stays as it is: `bootstrap` makes only what is missing"
        );
    }
    false
}

fn is_first(wanted: &NodeSettings, standing: &[NodeRecord]) -> bool {
    if !standing.is_empty() && standing.iter().all(|there| there.url != wanted.url) {
        warn!(
            service = wanted.service,
            node = wanted.url,
            "the service has other nodes, so this one of `bootstrap` is not made: foxhold node create makes it"
        );
    }
    standing.is_empty()
}

/// A key, and what to give.
type Fault = (&'static str, &'static str);

impl ServiceSettings {
    fn fault(&self) -> Option<Fault> {
        let is_named = self
            .key
            .rsplit_once('-')
            .is_some_and(|(app, version)| !app.is_empty() && !version.is_empty());
        let rules = [
            (is_named, "key", "give app and version, such as sync-1.5"),
            (is_pattern(&self.pattern), "pattern", PATTERN_FIX),
            (is_scope(&self.scope), "scope", SCOPE_FIX),
            (
                (1..=LIFETIME_SECS_MAX).contains(&self.token_lifetime_secs),
                "token_lifetime_secs",
                "give 1 to 1209600 seconds",
            ),
            (
                (1..=ServiceUid::MAX).contains(&self.uid_ceiling),
                "uid_ceiling",
                "give 1 to 9007199254740991",
            ),
            (
                self.pinned_to.as_deref().is_none_or(is_node_url),
                "pinned_to",
                "give a node's URL: http or https, without trailing slash",
            ),
            (
                self.pools
                    .iter()
                    .all(|rule| rule.domains.is_empty() || rule.users.is_empty()),
                "pools",
                "give `domains` or `users` in a rule, not both",
            ),
        ];
        broken(rules).or_else(|| {
            let fault = self.policy().check().err()?;
            Some((fault.field, fault.fix))
        })
    }

    fn policy(&self) -> ServicePolicy {
        let takes = |scheme| self.schemes.contains(&scheme);
        ServicePolicy {
            schemes: Schemes {
                oauth: takes(SchemeSetting::OAuth),
                browserid: takes(SchemeSetting::BrowserId),
            },
            allowed_issuers: self.allowed_issuers.clone(),
            trusted_issuers: self.trusted_issuers.clone(),
            allowed_email_domains: self.allowed_email_domains.clone(),
            admission: self.admission.clone().into(),
            conditions: self.conditions.clone(),
            auth_max_age_secs: self.auth_max_age_secs,
            allocation: self.allocation(),
        }
    }

    fn allocation(&self) -> Allocation {
        Allocation {
            pinned_to: self.pinned_to.clone(),
            pools: self.pools.iter().map(Into::into).collect(),
            closed_pools: self.closed_pools.iter().map(|pool| pool.0.clone()).collect(),
        }
    }
}

impl From<&PoolSettings> for PoolRule {
    fn from(settings: &PoolSettings) -> Self {
        let PoolSettings { domains, users, .. } = settings;
        Self {
            whom: match (domains.is_empty(), users.is_empty()) {
                (true, true) => Whom::Everyone,
                (_, true) => Whom::Domains(domains.clone()),
                (_, false) => Whom::Users(users.clone()),
            },
            share: settings.share,
            pool: settings.pool.0.clone(),
        }
    }
}

impl From<AdmissionSetting> for Admission {
    fn from(setting: AdmissionSetting) -> Self {
        match setting {
            AdmissionSetting::Everyone => Self::Everyone,
            AdmissionSetting::Nobody => Self::Nobody,
            AdmissionSetting::Listed(uids) => Self::Listed(uids),
            AdmissionSetting::First(users) => Self::First(users),
        }
    }
}

impl NodeSettings {
    fn fault(&self) -> Option<Fault> {
        let rules = [
            (
                is_node_url(&self.url),
                "url",
                "give an http or https URL without trailing slash",
            ),
            (
                self.available.is_none_or(|available| available <= self.capacity),
                "available",
                "give no more than `capacity`",
            ),
        ];
        broken(rules)
    }
}

fn broken<const N: usize>(rules: [(bool, &'static str, &'static str); N]) -> Option<Fault> {
    let fault = rules.into_iter().find(|(holds, ..)| !holds);
    fault.map(|(_, key, fix)| (key, fix))
}

/// How long one step may take; another process may be writing.
const STEP_MAX: Duration = Duration::from_secs(30);

/// Makes these services and nodes; to be called with what is [missing](Bootstrap::missing).
///
/// # Errors
/// The store is not there, or refuses: a node names a service that does not exist.
pub async fn bootstrap(
    admin: &dyn AssignmentAdmin,
    wanted: &Bootstrap,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(), WriteError> {
    let call = || Call {
        op: OpId::new(now, random),
        deadline: Deadline::after(STEP_MAX),
    };
    for service in &wanted.services {
        admin.put_service(&call(), service.into()).await?;
    }
    for node in &wanted.nodes {
        admin.create_node(&call(), node.into()).await?;
    }
    Ok(())
}

impl From<&ServiceSettings> for Service {
    fn from(settings: &ServiceSettings) -> Self {
        Self {
            key: ServiceKey(settings.key.clone()),
            pattern: settings.pattern.clone(),
            scope: settings.scope.clone(),
            token_lifetime_secs: settings.token_lifetime_secs,
            uid_ceiling: settings.uid_ceiling,
            policy: settings.policy(),
        }
    }
}

impl From<&NodeSettings> for NewNode {
    fn from(settings: &NodeSettings) -> Self {
        Self {
            service: ServiceKey(settings.service.clone()),
            url: settings.url.clone(),
            node_type: settings.node_type.clone(),
            pool: settings.pool.as_ref().map(|pool| pool.0.clone()),
            capacity: settings.capacity,
            available: settings.available.unwrap_or(settings.capacity),
        }
    }
}

#[cfg(test)]
mod tests;

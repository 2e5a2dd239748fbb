//! The first service and its nodes, as a configuration names them: made at start, so that a new deployment takes users
//! without a further command. The single box does the same by the same function.

use std::time::Duration;

use foxhold_core::{
    Deadline, OpId, Random, ServiceUid, Timestamp,
    record::{Service, ServiceKey},
};
use foxhold_ports::{
    AssignmentAdmin, Call, WriteError,
    assignments::{NewNode, is_node_url},
    signer::LIFETIME_SECS_MAX,
};
use serde::Deserialize;
use thiserror::Error;

/// Services and nodes that must exist.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Brought to what stands here, also if somebody changed them meanwhile.
    pub services: Vec<ServiceSettings>,
    /// Made if there is none under that URL; otherwise left as they are.
    pub nodes: Vec<NodeSettings>,
}

/// One service.
#[derive(Debug, Clone, Deserialize)]
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
    /// Whether users without a record get one.
    #[serde(default = "accepts_new_users")]
    pub accepts_new_users: bool,
}

/// One node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSettings {
    /// Its service.
    pub service: String,
    /// Its URL, without trailing slash.
    pub url: String,
    /// Label for telemetry.
    pub node_type: Option<String>,
    /// Most users ever.
    pub capacity: u64,
    /// Slots released at once; all of them when absent.
    pub available: Option<u64>,
}

const fn token_lifetime_secs() -> u64 {
    3600
}

/// Existing storage nodes cut longer ones (design 3.6).
const fn uid_ceiling() -> u64 {
    i32::MAX as u64
}

const fn accepts_new_users() -> bool {
    true
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
        let services = self.services.iter().enumerate();
        let of_services = services.filter_map(|(at, service)| Some(("services", at, service.fault()?)));
        let nodes = self.nodes.iter().enumerate();
        let of_nodes = nodes.filter_map(|(at, node)| Some(("nodes", at, node.fault()?)));
        match of_services.chain(of_nodes).next() {
            None => Ok(()),
            Some((table, at, (key, fix))) => Err(BootstrapFault { table, at, key, fix }),
        }
    }
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
        ];
        broken(rules)
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

/// Makes what must exist. To be repeated at every start.
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
            accepts_new_users: settings.accepts_new_users,
        }
    }
}

impl From<&NodeSettings> for NewNode {
    fn from(settings: &NodeSettings) -> Self {
        Self {
            service: ServiceKey(settings.service.clone()),
            url: settings.url.clone(),
            node_type: settings.node_type.clone(),
            capacity: settings.capacity,
            available: settings.available.unwrap_or(settings.capacity),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::{
        AssignmentReader, Refusal,
        memory::{MemoryStore, SeededRandom},
    };

    use super::*;

    fn wanted() -> Bootstrap {
        Bootstrap {
            services: vec![ServiceSettings {
                key: "sync-1.5".into(),
                pattern: "{node}/1.5/{uid}".into(),
                scope: "s".into(),
                token_lifetime_secs: token_lifetime_secs(),
                uid_ceiling: uid_ceiling(),
                accepts_new_users: true,
            }],
            nodes: vec![NodeSettings {
                service: "sync-1.5".into(),
                url: "https://node".into(),
                node_type: None,
                capacity: 10,
                available: None,
            }],
        }
    }

    #[test]
    fn what_would_give_no_tokens_is_refused_by_its_key() {
        type Change = fn(&mut Bootstrap);
        let table: [(Change, &str); 7] = [
            (|wanted| wanted.services[0].key = "sync".into(), "services[0].key"),
            (
                |wanted| wanted.services[0].token_lifetime_secs = 0,
                "services[0].token_lifetime_secs",
            ),
            (
                |wanted| wanted.services[0].token_lifetime_secs = LIFETIME_SECS_MAX + 1,
                "services[0].token_lifetime_secs",
            ),
            (
                |wanted| wanted.services[0].uid_ceiling = 0,
                "services[0].uid_ceiling",
            ),
            (
                |wanted| wanted.nodes[0].url = "https://node/".into(),
                "nodes[0].url",
            ),
            (|wanted| wanted.nodes[0].url = "node:8000".into(), "nodes[0].url"),
            (
                |wanted| wanted.nodes[0].available = Some(11),
                "nodes[0].available",
            ),
        ];
        assert_eq!(wanted().check(), Ok(()));
        for (change, key) in table {
            let mut wanted = wanted();
            change(&mut wanted);
            let message = wanted.check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("`bootstrap.{key}`")), "{message}");
        }
    }

    #[tokio::test]
    async fn twice_is_once() {
        let store = MemoryStore::new();
        let random = SeededRandom::new(1);
        for at in [1, 2] {
            let done = bootstrap(&store, &wanted(), Timestamp::from_millis(at), &random).await;
            assert_eq!(done, Ok(()));
        }
        let by = Deadline::after(STEP_MAX);
        assert_eq!(store.services(by).await.unwrap().len(), 1);
        let nodes = store.nodes(by, &ServiceKey("sync-1.5".into())).await.unwrap();
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].figures.available, 10);
    }

    #[tokio::test]
    async fn a_node_of_no_service_is_refused() {
        let only_nodes = Bootstrap {
            services: Vec::new(),
            ..wanted()
        };
        let random = SeededRandom::new(1);
        let done = bootstrap(&MemoryStore::new(), &only_nodes, Timestamp::default(), &random).await;
        assert_eq!(done, Err(WriteError::Refused(Refusal::UnknownService)));
    }
}

//! A service with nodes, users on them, and what lies on the nodes.

use std::{
    collections::{BTreeSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use foxhold_core::{
    SecretText, Timestamp,
    record::{ClientState, Generation, NodeFigures, Service, ServiceKey, ServicePolicy, UserKey, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader as _, AssignmentWriter as _, Call, NodeTokenMinter,
    assignments::{NewNode, NodeChange, RecordRef, Target, UserValues},
    memory::{ManualClock, MemoryStore, SeededRandom},
    signer::{NodeToken, NodeTokenOrder, SignError},
};

use super::super::{purge::NodePorts, *};

pub(super) const FIRST: &str = "https://node-1.example";
pub(super) const SECOND: &str = "https://node-2.example";
/// Client states, one for each key.
pub(super) const KEY_A: [u8; 2] = [0xaa, 0xaa];
pub(super) const KEY_B: [u8; 2] = [0xbb, 0xbb];

/// What happens while a node is asked.
type Meanwhile = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// All nodes: what lies on them by endpoint, and how they answer next.
#[derive(Default)]
pub(super) struct Nodes {
    pub(super) data: Mutex<BTreeSet<String>>,
    pub(super) asked: Mutex<Vec<String>>,
    /// Answers to come; then all goes well.
    pub(super) script: Mutex<VecDeque<Result<(), CallFailure>>>,
    pub(super) meanwhile: Mutex<Option<Meanwhile>>,
}

#[async_trait]
impl NodeCalls for Nodes {
    async fn delete_user_data(
        &self,
        _by: foxhold_core::Deadline,
        endpoint: &str,
        token: &NodeToken,
    ) -> Result<(), CallFailure> {
        self.asked.lock().unwrap().push(endpoint.to_owned());
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        let answer = self.script.lock().unwrap().pop_front().unwrap_or(Ok(()));
        if answer.is_ok() {
            let uid = token.token.expose();
            assert!(
                endpoint.ends_with(&format!("/{uid}")),
                "{endpoint} with the token of {uid}"
            );
            self.data.lock().unwrap().remove(endpoint);
        }
        answer
    }

    async fn is_alive(&self, _by: foxhold_core::Deadline, _node: &str) -> bool {
        true
    }
}

/// Tokens that say whose they are.
#[derive(Default)]
pub(super) struct Minter {
    pub(super) orders: Mutex<Vec<NodeTokenOrder>>,
    pub(super) failure: Mutex<Option<SignError>>,
}

#[async_trait]
impl NodeTokenMinter for Minter {
    async fn mint_node_token(
        &self,
        _by: foxhold_core::Deadline,
        order: &NodeTokenOrder,
    ) -> Result<NodeToken, SignError> {
        if let Some(failure) = *self.failure.lock().unwrap() {
            return Err(failure);
        }
        self.orders.lock().unwrap().push(order.clone());
        Ok(NodeToken {
            token: SecretText::new(order.uid.to_string()),
            key: SecretText::new("key".into()),
        })
    }
}

pub(super) struct Scene {
    pub(super) store: Arc<MemoryStore>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) minter: Minter,
    pub(super) clock: Arc<ManualClock>,
    pub(super) random: Arc<SeededRandom>,
    pub(super) service: Service,
    pub(super) halt: Halt,
    metrics_key: SecretText,
}

pub(super) fn soon() -> foxhold_core::Deadline {
    foxhold_core::Deadline::after(Duration::from_secs(30))
}

pub(super) fn user(name: &str) -> UserKey {
    UserKey(format!("{name}@localhost"))
}

pub(super) fn values(key: [u8; 2], changed: u64) -> UserValues {
    UserValues {
        generation: Generation(changed),
        keys_changed_at: std::num::NonZeroU64::new(changed),
        client_state: ClientState::new(key.to_vec()).unwrap(),
    }
}

pub(super) fn endpoint_of(record: &UserRecord) -> String {
    let node = record.current.node.as_deref().unwrap();
    format!("{node}/1.5/{}", record.current.uid)
}

impl Scene {
    /// With two nodes, of ten slots each.
    pub(super) async fn new() -> Self {
        let scene = Self {
            store: Arc::new(MemoryStore::new()),
            nodes: Arc::default(),
            minter: Minter::default(),
            clock: Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000))),
            random: Arc::new(SeededRandom::new(5)),
            service: Service {
                key: ServiceKey("sync-1.5".into()),
                pattern: "{node}/1.5/{uid}".into(),
                scope: "scope".into(),
                token_lifetime_secs: 3600,
                uid_ceiling: 1 << 31,
                policy: ServicePolicy::default(),
            },
            halt: Halt::default(),
            metrics_key: SecretText::new("super-sekrit".into()),
        };
        let service = scene.service.clone();
        scene.store.put_service(&scene.call(), service).await.unwrap();
        for url in [FIRST, SECOND] {
            let node = NewNode {
                service: scene.service.key.clone(),
                url: url.into(),
                node_type: None,
                pool: None,
                capacity: 10,
                available: 10,
            };
            scene.store.create_node(&scene.call(), node).await.unwrap();
        }
        scene
    }

    pub(super) fn call(&self) -> Call {
        Call {
            op: foxhold_core::OpId::new(self.clock.now(), &*self.random),
            deadline: soon(),
        }
    }

    pub(super) fn ports(&self) -> Ports<'_> {
        Ports {
            reader: &*self.store,
            writer: &*self.store,
            clock: &*self.clock,
            random: &*self.random,
            by: None,
        }
    }

    pub(super) fn node_ports(&self) -> NodePorts<'_> {
        NodePorts {
            minter: &self.minter,
            calls: &*self.nodes,
            metrics_key: &self.metrics_key,
        }
    }

    pub(super) async fn record(&self, user: &UserKey) -> UserRecord {
        let record = self.store.user_record(soon(), &self.service.key, user).await;
        record.unwrap().expect("the user has a record")
    }

    async fn at(&self, user: &UserKey) -> RecordRef {
        let record = self.store.user_record(soon(), &self.service.key, user).await;
        RecordRef {
            service: self.service.key.clone(),
            user: user.clone(),
            version: record.unwrap().map(|record| record.version),
        }
    }

    /// A record on the node at this URL, with data there.
    pub(super) async fn place(&self, user: &UserKey, key: [u8; 2], changed: u64, node: &str) -> UserRecord {
        let (at, target) = (self.at(user).await, Target::Node(node.into()));
        let now = self.clock.now();
        let placed = self
            .store
            .assign(&self.call(), &at, &values(key, changed), &target, now)
            .await
            .unwrap();
        self.nodes.data.lock().unwrap().insert(endpoint_of(&placed));
        placed
    }

    /// The user came again, with nothing new.
    pub(super) async fn renew(&self, user: &UserKey) {
        let at = self.at(user).await;
        let values = values(KEY_A, 1);
        self.store.raise(&self.call(), &at, &values).await.unwrap();
    }

    /// A new key, with data under it.
    pub(super) async fn rekey(&self, user: &UserKey, key: [u8; 2], changed: u64) -> UserRecord {
        let at = self.at(user).await;
        let now = self.clock.now();
        let changed = self
            .store
            .rekey(&self.call(), &at, &values(key, changed), now)
            .await;
        let changed = changed.unwrap();
        self.nodes.data.lock().unwrap().insert(endpoint_of(&changed));
        changed
    }

    pub(super) async fn unassign(&self, user: &UserKey) -> UserRecord {
        let at = self.at(user).await;
        let done = self.store.unassign(&self.call(), &at, self.clock.now()).await;
        done.unwrap()
    }

    pub(super) async fn retire(&self, user: &UserKey) {
        let at = self.at(user).await;
        let done = self.store.retire(&self.call(), &at, self.clock.now()).await;
        done.unwrap();
    }

    pub(super) async fn change_node(&self, node: &str, change: NodeChange) {
        let call = self.call();
        let done = self.store.update_node(&call, &self.service.key, node, change);
        done.await.unwrap();
    }

    pub(super) async fn remove_node(&self, node: &str) {
        let call = self.call();
        let done = self.store.remove_node(&call, &self.service.key, node);
        done.await.unwrap();
    }

    pub(super) async fn figures(&self, node: &str) -> NodeFigures {
        let nodes = self.store.nodes(soon(), &self.service.key).await.unwrap();
        nodes
            .iter()
            .find(|known| known.url == node)
            .expect("the node")
            .figures
    }

    pub(super) fn data(&self) -> Vec<String> {
        self.nodes.data.lock().unwrap().iter().cloned().collect()
    }

    pub(super) fn times_asked(&self) -> usize {
        self.nodes.asked.lock().unwrap().len()
    }

    pub(super) fn script(&self, answers: &[Result<(), CallFailure>]) {
        self.nodes.script.lock().unwrap().extend(answers);
    }
}

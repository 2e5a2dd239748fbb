//! A service that cannot be read, or whose nodes cannot be looked at, is away; the others are not.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use foxhold_core::record::{NodeRecord, UserKey, UserRecord};
use foxhold_ports::{
    AssignmentReader, Cause, ReadError,
    assignments::{NewNode, NodeChange, RecordCursor, RecordPage},
    memory::MemoryStore,
};

use super::{super::node_gauges::Shown, *};

const OTHER: &str = "notes-1.0";
const OTHER_NODE: &str = "https://notes.example";

/// A store where one service can be out of order.
struct Partly {
    store: Arc<MemoryStore>,
    broken: Mutex<Option<&'static str>>,
}

impl Partly {
    fn is_broken(&self, service: &ServiceKey) -> bool {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        *broken == Some(service.0.as_str())
    }

    fn breaks(&self, service: Option<&'static str>) {
        *self.broken.lock().unwrap() = service;
    }
}

#[async_trait]
impl AssignmentReader for Partly {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        Ok(self.catalogue(by).await?.readable)
    }

    async fn catalogue(&self, by: Deadline) -> Result<Catalogue, ReadError> {
        let all = self.store.services(by).await?;
        let is_broken = |service: &Service| self.is_broken(&service.key);
        let (broken, readable): (Vec<_>, Vec<_>) = all.into_iter().partition(is_broken);
        let unreadable = broken.into_iter().map(|service| service.key).collect();
        Ok(Catalogue { readable, unreadable })
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        if self.is_broken(service) {
            return Err(ReadError(Cause::Inconsistent));
        }
        self.store.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        self.store.user_record(by, service, user).await
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.store.records(by, service, after, limit).await
    }
}

/// With another service, which has a node.
async fn world() -> (World, Arc<Partly>) {
    let mut world = World::new().await;
    let call = |byte| Call {
        op: OpId::from_bytes([byte; 16]),
        deadline: Deadline::after(Duration::from_secs(30)),
    };
    let other = Service {
        key: ServiceKey(OTHER.into()),
        ..service()
    };
    world.store.put_service(&call(11), other).await.unwrap();
    let node = NewNode {
        service: ServiceKey(OTHER.into()),
        url: OTHER_NODE.into(),
        node_type: None,
        pool: None,
        capacity: 10,
        available: 10,
    };
    world.store.create_node(&call(12), node).await.unwrap();
    let partly = Arc::new(Partly {
        store: Arc::clone(&world.store),
        broken: Mutex::new(None),
    });
    let (reader, clock) = (Arc::clone(&partly), Arc::clone(&world.clock));
    let server = Arc::get_mut(&mut world.server).unwrap();
    server.ports.reader = Arc::clone(&partly) as _;
    server.services = ServiceCache::new(reader, clock);
    (world, partly)
}

async fn spare(world: &World, service: &str, node: &str, backoff: bool) {
    let call = Call {
        op: OpId::new(NOW, &*world.server.ports.random),
        deadline: Deadline::after(Duration::from_secs(30)),
    };
    let change = NodeChange {
        backoff: Some(backoff),
        ..NodeChange::default()
    };
    let service = ServiceKey(service.into());
    let changed = world.store.update_node(&call, &service, node, change).await;
    changed.unwrap();
}

#[tokio::test]
async fn a_service_that_cannot_be_read_is_no_unknown_one() {
    let (world, partly) = world().await;
    for (broken, expected) in [
        (None, (200, None)),
        (Some("sync-1.5"), (503, Some("internal-error"))),
        (Some(OTHER), (200, None)),
    ] {
        partly.breaks(broken);
        world.clock.advance(Duration::from_secs(1));
        let answer = world.exchange(&token(&claims())).await;
        let status = answer.body["status"].as_str();
        assert_eq!((answer.http, status), expected, "{broken:?}");
    }
}

#[tokio::test]
async fn nodes_of_others_are_looked_at_and_its_own_stay_as_they_were() {
    let (world, partly) = world().await;
    let server = &world.server;
    let mut shown = Shown::default();
    let in_backoff = || [NODE, OTHER_NODE].map(|node| server.in_backoff.includes(node));
    spare(&world, OTHER, OTHER_NODE, true).await;
    server.show_nodes(&mut shown).await.unwrap();
    assert_eq!(in_backoff(), [false, true]);
    partly.breaks(Some(OTHER));
    world.clock.advance(Duration::from_secs(1));
    spare(&world, OTHER, OTHER_NODE, false).await;
    spare(&world, "sync-1.5", NODE, true).await;
    server.show_nodes(&mut shown).await.unwrap();
    assert_eq!(in_backoff(), [true, true]);
    assert_eq!(shown.silent, [ServiceKey(OTHER.into())].into());
    let without_room = server.without_room.services(world.clock.now());
    assert_eq!(without_room, [OTHER, "sync-1.5"].map(str::to_owned).into());
    partly.breaks(None);
    world.clock.advance(Duration::from_secs(1));
    server.show_nodes(&mut shown).await.unwrap();
    assert_eq!((in_backoff(), shown.silent.len()), ([true, false], 0));
}

/// One that was never looked at is not taken for a full one.
#[tokio::test]
async fn of_nodes_that_were_never_seen_nothing_is_told() {
    let (world, partly) = world().await;
    partly.breaks(Some(OTHER));
    let mut shown = Shown::default();
    world.server.show_nodes(&mut shown).await.unwrap();
    assert_eq!(shown.nodes.keys().collect::<Vec<_>>(), [&service().key]);
    assert!(world.server.without_room.services(world.clock.now()).is_empty());
}

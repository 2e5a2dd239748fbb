//! Events against the in-memory store: what they leave, in any order, in races and in outages; and the queue as a stream.

mod order;

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{
    Deadline, OpId, Timestamp,
    record::{ClientState, NodeRecord, Service, ServiceKey, ServicePolicy, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, Cause, ReadError, Refusal, WriteError,
    assignments::{Catalogue, NewNode, RecordCursor, RecordPage, RecordRef, Target},
    memory::{ManualClock, MemoryStore, SeededRandom},
};

use super::*;
use crate::state::{Decision, Seen, StateRefusal, judge};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const SERVICES: [&str; 3] = ["notes-1.0", "sync-1.1", "sync-1.5"];

/// A store with three services, a node each.
struct World {
    store: Arc<MemoryStore>,
    clock: ManualClock,
    random: SeededRandom,
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn service(key: &str) -> ServiceKey {
    ServiceKey(key.to_owned())
}

fn alice() -> UserKey {
    UserKey("a1b2c3d4e5f60718293a4b5c6d7e8f90@accounts.example".into())
}

fn retire() -> AccountEvent {
    AccountEvent::Retire
}

fn raise(generation: u64) -> AccountEvent {
    AccountEvent::RaiseGeneration(Generation(generation))
}

/// A credential; a key change time is never absent here.
fn seen(generation: u64, changed: u64, key: u8) -> Seen {
    Seen {
        generation: Generation(generation),
        keys_changed_at: NonZeroU64::new(changed),
        client_state: ClientState::new(vec![key; 16]).unwrap(),
    }
}

impl World {
    async fn new() -> Self {
        let world = Self {
            store: Arc::new(MemoryStore::new()),
            clock: ManualClock::new(NOW),
            random: SeededRandom::new(11),
        };
        for key in SERVICES {
            let settings = Service {
                key: service(key),
                pattern: "{node}/{uid}".into(),
                scope: "https://scope.example".into(),
                token_lifetime_secs: 300,
                uid_ceiling: 1 << 31,
                policy: ServicePolicy::default(),
            };
            let put = world.store.put_service(&world.call(), settings).await;
            put.unwrap();
            let node = NewNode {
                service: service(key),
                url: "https://node.example".into(),
                node_type: None,
                pool: None,
                capacity: 10,
                available: 10,
            };
            world.store.create_node(&world.call(), node).await.unwrap();
        }
        world
    }

    fn call(&self) -> Call {
        Call {
            op: OpId::new(NOW, &self.random),
            deadline: soon(),
        }
    }

    fn ports(&self) -> Ports<'_> {
        Ports {
            reader: &*self.store,
            writer: &*self.store,
            clock: &self.clock,
            random: &self.random,
        }
    }

    async fn tell(&self, event: AccountEvent) -> Result<Applied, ApplyError> {
        let user = alice();
        apply(self.ports(), soon(), &Told { user, event }).await
    }

    async fn record(&self, key: &str) -> Option<UserRecord> {
        let read = self.store.user_record(soon(), &service(key), &alice()).await;
        read.unwrap()
    }

    /// What an exchange does: a read, the state rules, a write; anew, if another write came first.
    async fn exchange(&self, key: &str, seen: &Seen) -> Result<(), StateRefusal> {
        loop {
            let stored = self.record(key).await;
            tokio::task::yield_now().await;
            let at = RecordRef {
                service: service(key),
                user: alice(),
                version: stored.as_ref().map(|stored| stored.version),
            };
            let (store, call) = (&self.store, self.call());
            let written = match judge(stored.as_ref(), seen)? {
                Decision::Unchanged => return Ok(()),
                Decision::Assign(values) | Decision::Reassign(values) => {
                    store.assign(&call, &at, &values, &Target::DEFAULT, NOW).await
                }
                Decision::Raise(values) => store.raise(&call, &at, &values).await,
                Decision::Rekey(values) => store.rekey(&call, &at, &values, NOW).await,
            };
            match written {
                Err(WriteError::Refused(Refusal::Conflict)) => {}
                other => return other.map(drop).map_err(|error| panic!("{error}")),
            }
        }
    }
}

fn is_active(record: &UserRecord) -> bool {
    record.current.replaced_at.is_none()
}

const fn applied(known: usize, changed: usize) -> Result<Applied, ApplyError> {
    Ok(Applied { known, changed })
}

#[tokio::test]
async fn a_retired_user_has_no_active_record_in_any_service() {
    let world = World::new().await;
    for key in &SERVICES[1..] {
        world.exchange(key, &seen(10, 10, 1)).await.unwrap();
    }
    assert_eq!(world.tell(retire()).await, applied(2, 2));
    assert_eq!(world.record(SERVICES[0]).await, None, "nothing comes of nothing");
    for key in &SERVICES[1..] {
        let record = world.record(key).await.unwrap();
        assert_eq!(record.current.generation, Generation::RETIRED);
        assert_eq!(record.current.replaced_at, Some(NOW));
        let later = world.exchange(key, &seen(99, 99, 2)).await;
        assert_eq!(later, Err(StateRefusal::Generation));
        let unreported = world.exchange(key, &seen(0, 99, 2)).await;
        assert_eq!(unreported, Err(StateRefusal::Generation));
    }
    // Told again, later: nothing is written, the time stays.
    world.clock.advance(Duration::from_secs(60));
    let before = world.record(SERVICES[1]).await;
    assert_eq!(world.tell(retire()).await, applied(2, 0));
    assert_eq!(world.tell(raise(1 << 50)).await, applied(2, 0));
    assert_eq!(world.record(SERVICES[1]).await, before);
}

#[tokio::test]
async fn a_raised_generation_shuts_out_older_credentials_and_no_newer_ones() {
    let world = World::new().await;
    let key = SERVICES[2];
    world.exchange(key, &seen(1000, 1000, 1)).await.unwrap();
    let event = AccountEvent::credentials_changed_at(2000).unwrap();
    assert_eq!(world.tell(event).await, applied(1, 1));
    let record = world.record(key).await.unwrap();
    assert_eq!(record.current.generation, Generation(1999));
    assert_eq!(record.current.keys_changed_at, NonZeroU64::new(1000));
    assert_eq!(record.current.uid.get(), 1);
    assert!(is_active(&record));
    let old = world.exchange(key, &seen(1000, 1000, 1)).await;
    assert_eq!(old, Err(StateRefusal::Generation));
    // The reset brought a new key: the full number would have refused it.
    assert_eq!(world.exchange(key, &seen(2000, 2000, 2)).await, Ok(()));

    for lower in [raise(0), raise(1), raise(1999), raise(2000)] {
        assert_eq!(world.tell(lower).await, applied(1, 0), "{lower:?}");
    }
}

#[tokio::test]
async fn an_unknown_user_is_nothing() {
    let world = World::new().await;
    for event in [retire(), raise(7)] {
        assert_eq!(world.tell(event).await, applied(0, 0));
    }
    for key in SERVICES {
        assert_eq!(world.record(key).await, None);
    }
}

#[tokio::test]
async fn a_lost_answer_is_settled_and_an_outage_is_told() {
    let world = World::new().await;
    world.exchange(SERVICES[2], &seen(10, 10, 1)).await.unwrap();
    world.store.lose_answers(2);
    assert_eq!(world.tell(raise(20)).await, applied(1, 1));
    let raised = world.record(SERVICES[2]).await.unwrap();
    assert_eq!((raised.current.generation.0, raised.version), (20, 2));

    world.store.lose_answers(3);
    let unknown = Err(ApplyError::Store(Cause::Timeout));
    assert_eq!(world.tell(retire()).await, unknown);
    assert_eq!(world.tell(retire()).await, applied(1, 0), "it was done");

    for cause in [Cause::Unavailable, Cause::Timeout, Cause::Fault] {
        world.store.set_outage(Some(cause));
        assert_eq!(world.tell(retire()).await, Err(ApplyError::Store(cause)));
    }
}

/// Between each of the first reads and its write an exchange comes first; in one service nobody is home, and its settings cannot
/// be read.
struct Crowded<'a> {
    world: &'a World,
    exchanges: AtomicUsize,
    away: Option<&'static str>,
}

#[async_trait]
impl AssignmentReader for Crowded<'_> {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        Ok(self.catalogue(by).await?.readable)
    }

    async fn catalogue(&self, by: Deadline) -> Result<Catalogue, ReadError> {
        let all = self.world.store.services(by).await?;
        let is_away = |service: &Service| self.away == Some(service.key.0.as_str());
        let (away, readable): (Vec<_>, Vec<_>) = all.into_iter().partition(is_away);
        let unreadable = away.into_iter().map(|service| service.key).collect();
        Ok(Catalogue { readable, unreadable })
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        self.world.store.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        if self.away == Some(service.0.as_str()) {
            return Err(ReadError(Cause::Unavailable));
        }
        let record = self.world.store.user_record(by, service, user).await?;
        let left = self.exchanges.load(Ordering::SeqCst);
        if let Some(record) = record.as_ref().filter(|_| left > 0) {
            self.exchanges.store(left - 1, Ordering::SeqCst);
            let generation = record.current.generation.0 + 1;
            let news = seen(generation, generation, 1);
            self.world.exchange(&service.0, &news).await.unwrap();
        }
        Ok(record)
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.world.store.records(by, service, after, limit).await
    }
}

impl World {
    async fn tell_in_crowd(
        &self,
        exchanges: usize,
        away: Option<&'static str>,
    ) -> Result<Applied, ApplyError> {
        let crowded = Crowded {
            world: self,
            exchanges: AtomicUsize::new(exchanges),
            away,
        };
        let ports = Ports {
            reader: &crowded,
            ..self.ports()
        };
        let told = Told {
            user: alice(),
            event: retire(),
        };
        apply(ports, soon(), &told).await
    }
}

#[tokio::test]
async fn who_comes_second_reads_again_and_not_for_ever() {
    let world = World::new().await;
    let key = SERVICES[2];
    world.exchange(key, &seen(10, 10, 1)).await.unwrap();
    assert_eq!(world.tell_in_crowd(1000, None).await, Err(ApplyError::Contended));
    assert!(is_active(&world.record(key).await.unwrap()));
    assert_eq!(world.tell_in_crowd(7, None).await, applied(1, 1));
    assert!(!is_active(&world.record(key).await.unwrap()));
}

#[tokio::test]
async fn one_service_that_is_away_does_not_keep_an_event_from_the_others() {
    let world = World::new().await;
    for key in SERVICES {
        world.exchange(key, &seen(10, 10, 1)).await.unwrap();
    }
    let told = world.tell_in_crowd(0, Some(SERVICES[1])).await;
    assert_eq!(told, Err(ApplyError::Store(Cause::Unavailable)));
    let mut active = Vec::new();
    for key in SERVICES {
        active.push(is_active(&world.record(key).await.unwrap()));
    }
    assert_eq!(active, [false, true, false]);
    assert_eq!(world.tell(retire()).await, applied(3, 1));
}

/// `tokenserver.md` 12, "Retire against allocate": whatever the exchanges write meanwhile, retire wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retire_wins_against_exchanges() {
    for round in 0..20_u64 {
        let world = Arc::new(World::new().await);
        let key = SERVICES[2];
        world.exchange(key, &seen(10, 10, 1)).await.unwrap();
        if round % 2 == 1 {
            world.unassign(key).await;
        }
        let exchanges: Vec<_> = (0..16_u8)
            .map(|n| {
                let world = Arc::clone(&world);
                let news = seen(20 + u64::from(n), 20 + u64::from(n), 1 + n % 3);
                tokio::spawn(async move { world.exchange(SERVICES[2], &news).await.is_ok() })
            })
            .collect();
        let mut told = world.tell(retire()).await;
        while told == Err(ApplyError::Contended) {
            told = world.tell(retire()).await;
        }
        assert_eq!(told, applied(1, 1), "round {round}");
        for exchange in exchanges {
            exchange.await.unwrap();
        }
        let record = world.record(key).await.unwrap();
        assert!(!is_active(&record), "round {round}");
        assert_eq!(record.current.generation, Generation::RETIRED, "round {round}");
    }
}

impl World {
    async fn unassign(&self, key: &str) {
        let at = RecordRef {
            service: service(key),
            user: alice(),
            version: self.record(key).await.map(|record| record.version),
        };
        self.store.unassign(&self.call(), &at, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_who_waits_for_a_node_can_be_retired() {
    let world = World::new().await;
    let key = SERVICES[2];
    world.exchange(key, &seen(10, 10, 1)).await.unwrap();
    world.unassign(key).await;
    assert_eq!(world.tell(raise(20)).await, applied(1, 1));
    let waiting = world.record(key).await.unwrap();
    assert_eq!(
        waiting.current.generation,
        Generation(20),
        "the next credential must be newer"
    );
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.tell(retire()).await, applied(1, 1));
    let record = world.record(key).await.unwrap();
    assert_eq!(record.current.replaced_at, Some(NOW), "it was replaced then");
    assert_eq!(record.current.generation, Generation::RETIRED);
    let later = world.exchange(key, &seen(99, 99, 1)).await;
    assert_eq!(later, Err(StateRefusal::Generation));
}

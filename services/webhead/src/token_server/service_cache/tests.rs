//! What a request gets while the store answers, answers late, or not at all.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use foxhold_core::record::{NodeRecord, Service, ServiceKey, ServicePolicy, UserKey, UserRecord};
use foxhold_ports::{
    assignments::{RecordCursor, RecordPage},
    memory::ManualClock,
};
use tokio::sync::Semaphore;

use super::*;

fn service(key: &str) -> Service {
    Service {
        key: ServiceKey(key.into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: "https://identity.mozilla.com/apps/oldsync".into(),
        token_lifetime_secs: 3600,
        uid_ceiling: 1,
        policy: ServicePolicy::default(),
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// Lists what it is told to list, as often as it may.
struct Lister {
    /// Answers it may give.
    turns: Semaphore,
    /// What it lists; nothing = it fails.
    listed: RwLock<Option<Vec<Service>>>,
    asked: AtomicUsize,
}

#[async_trait]
impl AssignmentReader for Lister {
    async fn services(&self, _: Deadline) -> Result<Vec<Service>, ReadError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.turns.acquire().await.expect("it is never closed").forget();
        let listed = self.listed.read().unwrap().clone();
        listed.ok_or(ReadError(Cause::Unavailable))
    }

    async fn nodes(&self, _: Deadline, _: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        unreachable!("only services are asked for")
    }

    async fn user_record(
        &self,
        _: Deadline,
        _: &ServiceKey,
        _: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        unreachable!("only services are asked for")
    }

    async fn records(
        &self,
        _: Deadline,
        _: &ServiceKey,
        _: Option<&RecordCursor>,
        _: u32,
    ) -> Result<RecordPage, ReadError> {
        unreachable!("only services are asked for")
    }
}

struct World {
    lister: Arc<Lister>,
    clock: Arc<ManualClock>,
    cache: Arc<ServiceCache>,
}

impl World {
    fn new() -> Self {
        let lister = Arc::new(Lister {
            turns: Semaphore::new(0),
            listed: RwLock::new(None),
            asked: AtomicUsize::new(0),
        });
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let cache = Arc::new(ServiceCache::new(lister.clone(), clock.clone()));
        Self { lister, clock, cache }
    }

    /// It knows the service of that name.
    async fn knowing(key: &str) -> Self {
        let world = Self::new();
        world.lists(key, 1);
        assert_eq!(world.told().await, key);
        world
    }

    fn lists(&self, key: &str, times: usize) {
        *self.lister.listed.write().unwrap() = Some(vec![service(key)]);
        self.lister.turns.add_permits(times);
    }

    fn fails(&self, times: usize) {
        *self.lister.listed.write().unwrap() = None;
        self.lister.turns.add_permits(times);
    }

    async fn told(&self) -> String {
        self.cache.all(soon()).await.expect("services").readable[0]
            .key
            .0
            .clone()
    }

    fn asked(&self) -> usize {
        self.lister.asked.load(Ordering::SeqCst)
    }

    /// Waits until no read is under way.
    async fn is_quiet(&self) {
        drop(self.cache.reading.lock().await);
    }
}

#[tokio::test]
async fn settings_are_read_again_when_they_are_half_a_second_old() {
    let world = World::knowing("old").await;
    world.lists("new", 1);
    world.clock.advance(AGE_MAX - Duration::from_millis(1));
    assert_eq!((world.told().await.as_str(), world.asked()), ("old", 1));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!((world.told().await.as_str(), world.asked()), ("new", 2));
}

#[tokio::test]
async fn one_reads_for_all() {
    let world = World::new();
    let all = (0..8).map(|_| world.cache.all(soon()));
    let told = async {
        tokio::task::yield_now().await;
        world.lists("s", 1);
    };
    let (all, ()) = tokio::join!(futures_util::future::join_all(all), told);
    assert!(all.into_iter().all(|one| one.is_ok()));
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn a_silent_store_is_waited_for_once_and_then_read_in_passing() {
    let world = World::knowing("old").await;
    world.clock.advance(3 * AGE_MAX);
    for _ in 0..3 {
        assert_eq!((world.told().await.as_str(), world.asked()), ("old", 2));
    }
    assert!(world.cache.shared.is_stalled.load(Ordering::Relaxed));

    // The answer comes after all, though nobody waits for it.
    world.lists("new", 1);
    world.is_quiet().await;
    assert_eq!((world.told().await.as_str(), world.asked()), ("new", 2));
    assert!(!world.cache.shared.is_stalled.load(Ordering::Relaxed));
}

#[tokio::test]
async fn old_settings_do_for_five_minutes_without_a_store() {
    let world = World::knowing("old").await;
    world.fails(2);
    world.clock.advance(AGE_MAX_IN_OUTAGE - Duration::from_millis(1));
    assert_eq!(world.told().await, "old");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.cache.all(soon()).await, Err(ReadError(Cause::Unavailable)));
}

#[tokio::test]
async fn nobody_waits_longer_than_their_deadline() {
    let world = World::new();
    let by = Deadline::after(Duration::from_millis(1));
    assert_eq!(world.cache.all(by).await, Err(ReadError(Cause::Timeout)));
}

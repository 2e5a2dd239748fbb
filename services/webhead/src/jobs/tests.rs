//! Who runs a job, how it ends, and what a purge leaves in the store and in the metrics.

use std::{
    collections::BTreeSet,
    num::NonZeroU64,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use foxhold_core::{
    Deadline, OpId, Timestamp,
    record::{ClientState, Generation, Service, ServiceKey, ServicePolicy, UserKey},
};
use foxhold_ports::{
    Call,
    assignments::{NewNode, RecordRef, Target, UserValues},
    memory::{ManualClock, MemoryStore, SeededRandom},
    signer::{NodeToken, NodeTokenOrder, SignError},
};
use foxhold_runtime::metrics::scraped;
use foxhold_sync::jobs::CallFailure;
use tokio::sync::mpsc;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const AT_ONCE: Pace = Pace(Duration::from_millis(1));

/// Tells of each run, and waits in it until it is halted if it should.
struct Told {
    runs: mpsc::Sender<()>,
    times: Arc<AtomicUsize>,
    until_halted: bool,
    lost: Option<mpsc::Sender<()>>,
}

#[async_trait]
impl Work for Told {
    async fn run(&mut self, halt: &Halt) {
        self.times.fetch_add(1, Ordering::SeqCst);
        self.runs.try_send(()).ok();
        while self.until_halted && !halt.is_called() {
            tokio::task::yield_now().await;
        }
    }

    fn turn_lost(&mut self) {
        if let Some(lost) = &self.lost {
            lost.try_send(()).ok();
        }
    }
}

struct Deployment {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    random: Arc<SeededRandom>,
    shutdown: Shutdown,
}

impl Deployment {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(ManualClock::new(NOW)),
            random: Arc::new(SeededRandom::new(3)),
            shutdown: Shutdown::new(),
        }
    }

    fn turns(&self, runner: Runner, has_others: bool) -> Turns {
        let turns = has_others.then(|| Arc::clone(&self.store) as Arc<dyn JobTurns>);
        Turns::new(turns, Job::Purge, runner, self.clock.clone(), self.random.clone())
    }

    fn call(&self) -> Call {
        Call {
            op: OpId::new(NOW, &*self.random),
            deadline: Deadline::after(Duration::from_secs(30)),
        }
    }

    async fn may_take(&self, runner: Runner) -> bool {
        let taken = self.store.take_turn(&self.call(), Job::Purge, runner, NOW).await;
        taken.unwrap()
    }
}

fn told(until_halted: bool) -> (Box<Told>, mpsc::Receiver<()>, Arc<AtomicUsize>) {
    let (runs, ran) = mpsc::channel(64);
    let times = Arc::new(AtomicUsize::new(0));
    let work = Told {
        runs,
        times: Arc::clone(&times),
        until_halted,
        lost: None,
    };
    (Box::new(work), ran, times)
}

#[tokio::test]
async fn whoever_has_the_turn_runs_and_gives_it_back() {
    let fleet = Deployment::new();
    let (first, second) = (Runner([1; 16]), Runner([2; 16]));
    assert!(fleet.may_take(first).await);
    let (ours, mut ran, _) = told(false);
    let (others, _never, times) = told(false);
    let shutdown = || fleet.shutdown.clone();
    let waiting = tokio::spawn(keep(fleet.turns(second, true), AT_ONCE, shutdown(), others));
    let running = tokio::spawn(keep(fleet.turns(first, true), AT_ONCE, shutdown(), ours));
    for _ in 0..5 {
        ran.recv().await.unwrap();
    }
    assert!(!fleet.may_take(second).await, "it is kept between runs");
    fleet.shutdown.trigger();
    running.await.unwrap();
    waiting.await.unwrap();
    assert_eq!(times.load(Ordering::SeqCst), 0, "the other had no turn");
    assert!(fleet.may_take(second).await);
}

#[tokio::test]
async fn a_process_that_is_alone_needs_no_turn() {
    let fleet = Deployment::new();
    assert!(fleet.may_take(Runner([9; 16])).await);
    let (work, mut ran, _) = told(false);
    let turns = fleet.turns(Runner([1; 16]), false);
    let running = tokio::spawn(keep(turns, AT_ONCE, fleet.shutdown.clone(), work));
    ran.recv().await.unwrap();
    fleet.shutdown.trigger();
    running.await.unwrap();
    assert!(!fleet.may_take(Runner([1; 16])).await, "and touches nobody's");
}

#[tokio::test]
async fn a_run_ends_with_the_process() {
    let fleet = Deployment::new();
    let (work, mut ran, _) = told(true);
    let turns = fleet.turns(Runner([1; 16]), true);
    let running = tokio::spawn(keep(turns, AT_ONCE, fleet.shutdown.clone(), work));
    ran.recv().await.unwrap();
    fleet.shutdown.trigger();
    running.await.unwrap();
    assert!(fleet.may_take(Runner([2; 16])).await);
}

#[tokio::test]
async fn without_a_store_nobody_has_a_turn() {
    let fleet = Deployment::new();
    fleet.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
    let (work, _never, times) = told(false);
    let (beside, mut ran, _) = told(false);
    let shutdown = || fleet.shutdown.clone();
    let cut_off = tokio::spawn(keep(
        fleet.turns(Runner([1; 16]), true),
        AT_ONCE,
        shutdown(),
        work,
    ));
    let alone = tokio::spawn(keep(
        fleet.turns(Runner([1; 16]), false),
        AT_ONCE,
        shutdown(),
        beside,
    ));
    for _ in 0..5 {
        ran.recv().await.unwrap();
    }
    fleet.shutdown.trigger();
    cut_off.await.unwrap();
    alone.await.unwrap();
    assert_eq!(times.load(Ordering::SeqCst), 0);
}

/// Between two runs, and in one.
#[tokio::test]
async fn a_job_is_told_when_it_has_lost_its_turn() {
    for in_a_run in [false, true] {
        let fleet = Deployment::new();
        let (mut work, mut ran, _) = told(in_a_run);
        let (lost, mut told_so) = mpsc::channel(1);
        work.lost = Some(lost);
        let mut turns = fleet.turns(Runner([1; 16]), true);
        turns.span = Duration::from_millis(3);
        let pace = if in_a_run {
            AT_ONCE
        } else {
            Pace(Duration::from_millis(40))
        };
        let running = tokio::spawn(keep(turns, pace, fleet.shutdown.clone(), work));
        ran.recv().await.unwrap();
        fleet.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
        told_so.recv().await.unwrap();
        fleet.shutdown.trigger();
        running.await.unwrap();
    }
}

struct Minter;

#[async_trait]
impl NodeTokenMinter for Minter {
    async fn mint_node_token(&self, _by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        Ok(NodeToken {
            token: SecretText::new(order.uid.to_string()),
            key: SecretText::new("key".into()),
        })
    }
}

/// Refuses to erase these, and is dead at those.
#[derive(Default)]
struct Nodes {
    refused: BTreeSet<String>,
    dead: BTreeSet<String>,
    erased: Mutex<Vec<String>>,
}

#[async_trait]
impl NodeCalls for Nodes {
    async fn delete_user_data(
        &self,
        _by: Deadline,
        endpoint: &str,
        _token: &NodeToken,
    ) -> Result<(), CallFailure> {
        if self.refused.contains(endpoint) {
            return Err(CallFailure::Http5xx);
        }
        self.erased.lock().unwrap().push(endpoint.to_owned());
        Ok(())
    }

    async fn is_alive(&self, _by: Deadline, node: &str) -> bool {
        !self.dead.contains(node)
    }
}

fn ports(one: &Deployment, nodes: &Arc<Nodes>) -> JobPorts {
    JobPorts {
        reader: one.store.clone(),
        writer: one.store.clone(),
        admin: one.store.clone(),
        minter: Arc::new(Minter),
        calls: nodes.clone(),
        turns: None,
        clock: one.clock.clone(),
        random: one.random.clone(),
    }
}

async fn create_node(one: &Deployment, service: &ServiceKey, url: &str) {
    let node = NewNode {
        service: service.clone(),
        url: url.to_owned(),
        node_type: None,
        pool: None,
        capacity: 10,
        available: 10,
    };
    one.store.create_node(&one.call(), node).await.unwrap();
}

const SERVICE: &str = "purged-1.0";

/// Three users who have changed keys; the first one's old data cannot be erased.
async fn purged() -> (Deployment, Arc<Nodes>, PurgeWork) {
    let one = Deployment::new();
    let service = Service {
        key: ServiceKey(SERVICE.into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: String::new(),
        token_lifetime_secs: 3600,
        uid_ceiling: 1 << 31,
        policy: ServicePolicy::default(),
    };
    one.store.put_service(&one.call(), service.clone()).await.unwrap();
    create_node(&one, &service.key, "https://node.example").await;
    for name in ["a", "b", "c"] {
        let mut at = RecordRef {
            service: service.key.clone(),
            user: UserKey(format!("{name}@localhost")),
            version: None,
        };
        let values = |number: u64| UserValues {
            generation: Generation(number),
            keys_changed_at: NonZeroU64::new(number),
            client_state: ClientState::new(number.to_be_bytes().to_vec()).unwrap(),
        };
        let (first, pool) = (values(1), Target::DEFAULT);
        let made = one
            .store
            .assign(&one.call(), &at, &first, &pool, NOW)
            .await
            .unwrap();
        at.version = Some(made.version);
        one.store.rekey(&one.call(), &at, &values(2), NOW).await.unwrap();
    }
    let nodes = Arc::new(Nodes {
        refused: ["https://node.example/1.5/1".to_owned()].into(),
        ..Nodes::default()
    });
    let settings = JobSettings {
        purge: PurgeSettings {
            batch: 2,
            ..PurgeSettings::default()
        },
        node_health: NodeHealthSettings::default(),
        node_health_by_default: false,
        metrics_key: Arc::new(SecretText::new("super-sekrit".into())),
        own_domain: "accounts.example".into(),
        home: Arc::new(HomeDomain::configured("accounts.example")),
    };
    let work = PurgeWork::new(ports(&one, &nodes), settings);
    (one, nodes, work)
}

#[tokio::test]
async fn a_purge_is_counted() {
    let (one, nodes, mut work) = purged().await;
    let sum = |name: &str, label: Option<(&str, &str)>| {
        let samples = scraped::read(&foxhold_runtime::metrics::text()).expect("all of it is on the list");
        let labels: Vec<_> = [("service", SERVICE)].into_iter().chain(label).collect();
        scraped::sum(&samples, name, &labels).round()
    };
    work.run(&Halt::default()).await;
    assert!(nodes.erased.lock().unwrap().is_empty(), "the grace is not over");
    one.clock.advance(Duration::from_secs(86_401));
    for expected_fetched in [3.0, 4.0] {
        work.run(&Halt::default()).await;
        let fetched = sum("foxhold_token_purge_fetched_total", None);
        assert!((fetched - expected_fetched).abs() < 0.1, "{fetched}");
    }
    assert_eq!(nodes.erased.lock().unwrap().len(), 2);
    let failed = Some(("reason", "http_5xx"));
    for (name, label, expected) in [
        ("foxhold_token_purge_deleted_total", None, 2.0),
        ("foxhold_token_purge_failed_total", failed, 2.0),
        ("foxhold_token_purge_backlog_records", None, 1.0),
    ] {
        let found = sum(name, label);
        assert!((found - expected).abs() < 0.1, "{name}: {found}");
    }
    assert!(!foxhold_runtime::metrics::text().contains("@localhost"));
}

#[tokio::test]
async fn places_taken_back_are_counted() {
    let (one, _, mut work) = purged().await;
    let at = RecordRef {
        service: ServiceKey(SERVICE.into()),
        user: UserKey("once@localhost".into()),
        version: None,
    };
    let values = UserValues {
        generation: Generation(1),
        keys_changed_at: None,
        client_state: ClientState::default(),
    };
    let call = one.call();
    let made = one.store.assign(&call, &at, &values, &Target::DEFAULT, NOW);
    made.await.unwrap();
    let counted = || {
        let samples = scraped::read(&foxhold_runtime::metrics::text()).expect("all of it is on the list");
        scraped::sum(
            &samples,
            "foxhold_token_places_taken_back_total",
            &[("service", SERVICE)],
        )
        .round() as u64
    };
    work.run(&Halt::default()).await;
    assert_eq!(counted(), 0);
    one.clock.advance(Duration::from_secs(608_401));
    for _ in 0..2 {
        work.run(&Halt::default()).await;
        assert_eq!(counted(), 1);
    }
}

#[tokio::test]
async fn a_halted_purge_looks_at_nothing() {
    let (one, nodes, mut work) = purged().await;
    one.clock.advance(Duration::from_secs(86_401));
    let halt = Halt::default();
    halt.call();
    work.run(&halt).await;
    assert!(nodes.erased.lock().unwrap().is_empty());
}

/// Failures before and after somebody else's turn are not in a row.
#[tokio::test]
async fn a_node_s_failures_are_counted_anew_in_a_new_turn() {
    let (one, ..) = purged().await;
    let service = ServiceKey(SERVICE.into());
    let dead = "https://dead.example";
    for url in [dead, "https://other.example"] {
        create_node(&one, &service, url).await;
    }
    let nodes = Arc::new(Nodes {
        dead: [dead.to_owned()].into(),
        ..Nodes::default()
    });
    let mut work = HealthWork::new(ports(&one, &nodes), &NodeHealthSettings::default());
    let marked = async || {
        let by = Deadline::after(Duration::from_secs(30));
        let nodes = one.store.nodes(by, &service).await.unwrap();
        nodes.iter().filter(|node| node.figures.unhealthy).count()
    };
    for _ in 0..2 {
        work.run(&Halt::default()).await;
    }
    work.turn_lost();
    for expected in [0, 0, 1] {
        work.run(&Halt::default()).await;
        assert_eq!(marked().await, expected);
    }
}

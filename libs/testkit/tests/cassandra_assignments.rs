//! What is special about assignments in a cluster: several writers draw from the same nodes, and some of them die with
//! slots in their hands. However that goes, no node takes more users than it may, and in the end the figures are the
//! number of records.

#[path = "cassandra_assignments/bench.rs"]
mod bench;
#[path = "cassandra_assignments/damaged.rs"]
mod damaged;
#[path = "cassandra_assignments/elsewhere.rs"]
mod elsewhere;
#[path = "cassandra_assignments/ends.rs"]
mod ends;
#[path = "cassandra_assignments/purge.rs"]
mod purge;
#[path = "cassandra_assignments/scoped.rs"]
mod scoped;

use std::{collections::HashSet, sync::Arc, time::Duration};

use bench::Bench;
use foxhold_core::{
    Timestamp,
    record::{NodeFigures, Service, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin as _, AssignmentReader as _, AssignmentWriter as _, Refusal, WriteError,
    assignments::Target,
    conformance::{
        self,
        fixtures::{Maker, node, service, soon, user, values},
    },
};
use foxhold_store_cassandra::{CassandraStore, LeaseTimes, Requests};
use foxhold_testkit::wait::wait_until;
use tokio::task::JoinSet;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Sequences of random intents, and intents in each.
const SEQUENCES: u64 = 3;
const INTENTS: usize = 200;

/// Lives fast: who shows no sign of life for half a second is dead.
const SHORT: LeaseTimes = LeaseTimes {
    look_every: Duration::from_millis(50),
    figures_age_max: Duration::from_secs(1),
    renew_every: Duration::from_millis(100),
    spends_for: Duration::from_millis(1500),
    lives_for: Duration::from_secs(2),
    write_max: Duration::from_millis(500),
    recall_wait: Duration::from_secs(20),
    lease_age_max: Duration::from_secs(3600),
};

/// Those of deployments, but uids are reserved sooner: one writer alone does not need that long.
fn patient() -> LeaseTimes {
    LeaseTimes {
        write_max: Duration::from_secs(3),
        ..LeaseTimes::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite() {
    let bench = Bench::new().await;
    let stores = vec![Arc::new(bench.store(patient()).await)];
    conformance::assignments("cassandra", async || bench.subject(&stores)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_intents_does_what_it_does_in_memory() {
    let bench = Bench::new().await;
    let stores = vec![Arc::new(bench.store(patient()).await)];
    conformance::like_memory("cassandra, assignments", 0..SEQUENCES, INTENTS, async || {
        bench.subject(&stores)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_at_jobs() {
    let bench = Bench::new().await;
    let stores = vec![
        Arc::new(bench.store(LeaseTimes::default()).await),
        Arc::new(bench.store(LeaseTimes::default()).await),
    ];
    conformance::jobs("cassandra, two writers", async || bench.subject(&stores)).await;
}

/// Half of the calls to each of two writers. They number users each in an order of its own, so only the races.
#[tokio::test(flavor = "multi_thread")]
async fn the_races_over_two_writers() {
    let bench = Bench::new().await;
    let stores = vec![
        Arc::new(bench.store(LeaseTimes::default()).await),
        Arc::new(bench.store(LeaseTimes::default()).await),
    ];
    conformance::assignment_races("cassandra, two writers", async || bench.subject(&stores)).await;
}

async fn served(store: &CassandraStore, make: &Maker, key: &str, capacity: u64) -> Service {
    let service = service(key);
    store
        .put_service(&make.call(), service.clone())
        .await
        .expect("a service");
    let node = node(&service, "https://node-1.example", capacity);
    store.create_node(&make.call(), node).await.expect("a node");
    service
}

async fn assign(
    store: &CassandraStore,
    make: &Maker,
    service: &Service,
    number: u64,
) -> Result<UserRecord, WriteError> {
    let at = user(service, number, None);
    store
        .assign(&make.call(), &at, &values(1, 1, b"a"), &Target::DEFAULT, NOW)
        .await
}

async fn figures(store: &CassandraStore, service: &Service) -> NodeFigures {
    store.nodes(soon(), &service.key).await.expect("the store reads")[0].figures
}

/// Records of users up to that number, and whether any two share a uid.
async fn records(store: &CassandraStore, service: &Service, users: u64) -> u64 {
    let mut uids = HashSet::new();
    for number in 0..users {
        let at = user(service, number, None);
        let record = store
            .user_record(soon(), &service.key, &at.user)
            .await
            .expect("the store reads");
        if let Some(record) = record {
            assert!(uids.insert(record.current.uid), "a uid goes to one user");
        }
    }
    uids.len() as u64
}

/// What a writer holds without need, it hands back when another one asks; nobody is refused while there is room.
#[tokio::test(flavor = "multi_thread")]
async fn writers_hand_back_what_others_need() {
    const CAPACITY: u64 = 64;
    let bench = Bench::new().await;
    let (one, other) = (bench.store(SHORT).await, bench.store(SHORT).await);
    let make = Maker::new(1);
    let service = served(&one, &make, "sync-1.5", CAPACITY).await;
    assign(&one, &make, &service, 0).await.expect("there is room");
    for number in 1..CAPACITY {
        assign(&other, &make, &service, number)
            .await
            .expect("there is room");
        let figures = figures(&one, &service).await;
        assert_eq!(
            (figures.current_load, figures.available),
            (number + 1, CAPACITY - number - 1)
        );
    }
    for store in [&one, &other] {
        let refused = assign(store, &make, &service, CAPACITY).await;
        assert_eq!(refused, Err(Refusal::NoNode.into()));
    }
    assert_eq!(records(&one, &service, CAPACITY).await, CAPACITY);
}

/// Two first requests of a user at once, and one slot: whoever comes second hears of the record, not that there is no room.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_slot_goes_to_a_user_and_not_to_a_request() {
    const ROUNDS: u64 = 4;
    let bench = Bench::new().await;
    let make = Maker::new(2);
    let one = bench.store(LeaseTimes::default()).await;
    let other = bench.store(LeaseTimes::default()).await;
    for round in 0..ROUNDS {
        let service = served(&one, &make, &format!("sync-{round}"), 1).await;
        let both = tokio::join!(
            assign(&one, &make, &service, 0),
            assign(&other, &make, &service, 0)
        );
        let second = match both {
            (Ok(_), second) | (second, Ok(_)) => second,
            neither => panic!("round {round}: {neither:?}"),
        };
        assert_eq!(second, Err(Refusal::Conflict.into()), "round {round}");
        assert_eq!(records(&one, &service, 1).await, 1, "round {round}");
    }
}

/// A writer stops in the middle of many assignments, as by a power cut, and more than once. Others end its leases: all
/// that it had not spent can be assigned, and nothing that it had is assigned twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_a_dead_writer_come_back() {
    const CAPACITY: u64 = 200;
    const DEATHS: u64 = 4;
    let bench = Bench::new().await;
    let make = Arc::new(Maker::new(3));
    let survivor = bench.store(SHORT).await;
    let service = served(&survivor, &make, "sync-1.5", CAPACITY).await;
    for death in 0..DEATHS {
        let doomed = Arc::new(bench.store(SHORT).await);
        let mut work = JoinSet::new();
        for number in 0..40 {
            let (store, make, service) = (Arc::clone(&doomed), Arc::clone(&make), service.clone());
            work.spawn(async move { assign(&store, &make, &service, death * 40 + number).await });
        }
        // Some are done, the others are at all stages.
        for _ in 0..=death * 3 {
            work.join_next()
                .await
                .expect("there are more")
                .expect("it is not ended yet")
                .expect("there is room");
        }
        work.abort_all();
        while work.join_next().await.is_some() {}
        drop(doomed);
    }
    let mut number = DEATHS * 40;
    while assign(&survivor, &make, &service, number).await.is_ok() {
        number += 1;
    }
    let users = records(&survivor, &service, number + 1).await;
    assert_eq!(users, CAPACITY, "all slots came back, and none twice");
    survivor.close(soon()).await;
    let reader = bench.store(SHORT).await;
    let figures = figures(&reader, &service).await;
    assert_eq!((figures.current_load, figures.available), (CAPACITY, 0));
}

/// A lease is ended when it is old, and its holder goes on with another: the figures stay what they are.
#[tokio::test(flavor = "multi_thread")]
async fn leases_do_not_grow_old() {
    let bench = Bench::new().await;
    let times = LeaseTimes {
        lease_age_max: Duration::from_millis(200),
        ..SHORT
    };
    let store = bench.store(times).await;
    let make = Maker::new(4);
    let service = served(&store, &make, "sync-1.5", 1000).await;
    for number in 0..10 {
        assign(&store, &make, &service, number)
            .await
            .expect("there is room");
        let ended = wait_until("no lease is open", async || bench.leases(&service).await == 0);
        ended.await.expect("it is ended");
        let figures = figures(&store, &service).await;
        assert_eq!(
            (figures.current_load, figures.available),
            (number + 1, 999 - number)
        );
    }
}

/// Reads, serial reads, plain writes, conditional writes.
type Counts = (u64, u64, u64, u64);

/// What an operation asks of the cluster. On a busy machine a write's outcome may be in doubt, which costs more; not every
/// time.
#[tokio::test(flavor = "multi_thread")]
async fn intents_keep_to_their_budgets() {
    const EXPECTED: [(&str, Counts); 6] = [
        ("first assignment", (0, 0, 1, 1)),
        ("returning user", (1, 0, 0, 0)),
        ("raise", (1, 0, 0, 1)),
        ("the same again", (1, 1, 0, 0)),
        ("rekey", (1, 0, 0, 1)),
        ("an assignment that comes second", (0, 1, 2, 1)),
    ];
    const ATTEMPTS: u64 = 8;
    let bench = Bench::new().await;
    let store = bench.store_that_remembers_nodes().await;
    let make = Maker::new(5);
    let service = served(&store, &make, "sync-1.5", 1000).await;
    assign(&store, &make, &service, 0).await.expect("there is room");
    let mut spent = Vec::new();
    for number in 1..=ATTEMPTS {
        spent = every_intent(&store, &make, &service, number).await;
        if spent == EXPECTED {
            break;
        }
    }
    assert_eq!(spent, EXPECTED);
}

/// Each intent once, about a new user.
async fn every_intent(
    store: &CassandraStore,
    make: &Maker,
    service: &Service,
    number: u64,
) -> Vec<(&'static str, Counts)> {
    let mut before = store.requests();
    let mut entries = Vec::new();
    let mut note = |name| {
        let now = store.requests();
        let Requests {
            reads,
            serial_reads,
            plain_writes,
            conditional_writes,
            ..
        } = now - std::mem::replace(&mut before, now);
        entries.push((name, (reads, serial_reads, plain_writes, conditional_writes)));
    };
    let first = assign(store, make, service, number).await.expect("there is room");
    note("first assignment");

    let mut at = user(service, number, None);
    let read = store.user_record(soon(), &service.key, &at.user).await;
    read.expect("it reads");
    note("returning user");

    at.version = Some(first.version);
    let (call, newer) = (make.call(), values(2, 2, b"a"));
    let raised = store.raise(&call, &at, &newer).await;
    let raised = raised.expect("the version is current");
    note("raise");
    assert_eq!(store.raise(&call, &at, &newer).await.as_ref(), Ok(&raised));
    note("the same again");

    at.version = Some(raised.version);
    let rekeyed = store.rekey(&make.call(), &at, &values(3, 3, b"b"), NOW).await;
    rekeyed.expect("the version is current");
    note("rekey");

    let conflict = assign(store, make, service, number).await;
    assert_eq!(conflict, Err(Refusal::Conflict.into()));
    note("an assignment that comes second");
    entries
}

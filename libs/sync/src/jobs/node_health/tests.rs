//! When nodes are marked, row by row, and a prober over the in-memory store.

use std::{collections::BTreeSet, sync::Mutex};

use async_trait::async_trait;
use foxhold_core::{
    NodeId, Timestamp,
    record::{NodeFigures, Service, ServicePolicy},
};
use foxhold_ports::{
    Cause,
    assignments::NewNode,
    memory::{ManualClock, MemoryStore, SeededRandom},
    signer::NodeToken,
};

use super::{super::CallFailure, *};

/// Pool, marked unhealthy, and answers (above zero) or failures (below) in a row.
fn asked(rows: &[(Option<&str>, bool, i32)]) -> Vec<Asked> {
    let node = |(place, (pool, unhealthy, row)): (usize, &(Option<&str>, bool, i32))| Asked {
        node: NodeRecord {
            id: NodeId(place as u64),
            service: ServiceKey("sync-1.5".into()),
            url: format!("https://node-{place}.example"),
            node_type: None,
            pool: pool.and_then(PoolName::new),
            figures: NodeFigures {
                unhealthy: *unhealthy,
                ..NodeFigures::default()
            },
        },
        streak: if *row < 0 {
            Streak::Failing(row.unsigned_abs())
        } else {
            Streak::Answering(row.unsigned_abs())
        },
    };
    rows.iter().enumerate().map(node).collect()
}

#[test]
fn who_is_marked_and_who_comes_back() {
    let (a, none) = (Some("a"), None);
    type Row<'a> = (
        &'a str,
        Vec<(Option<&'a str>, bool, i32)>,
        bool,
        Vec<(usize, bool)>,
    );
    let table: [Row<'_>; 10] = [
        (
            "all well",
            vec![(none, false, 1), (none, false, 9)],
            false,
            vec![],
        ),
        (
            "not yet",
            vec![(none, false, -2), (none, false, 1)],
            false,
            vec![],
        ),
        (
            "one of two",
            vec![(none, false, -3), (none, false, 1)],
            false,
            vec![(0, true)],
        ),
        (
            "marked before",
            vec![(none, true, -9), (none, false, 1)],
            false,
            vec![],
        ),
        (
            "back once",
            vec![(none, true, 1), (none, false, 1)],
            false,
            vec![],
        ),
        (
            "back twice",
            vec![(none, true, 2), (none, false, 1)],
            false,
            vec![(0, false)],
        ),
        (
            "most at once: the prober is cut off",
            vec![(none, false, -3), (none, false, -1), (none, false, 1)],
            true,
            vec![],
        ),
        (
            "cut off, and one is back",
            vec![(none, false, -3), (none, true, 2)],
            true,
            vec![(1, false)],
        ),
        (
            "the last of its pool",
            vec![(a, false, -5), (none, false, 1), (none, false, 1)],
            false,
            vec![],
        ),
        (
            "one of a pool whose other is back",
            vec![(a, false, -5), (a, true, 2), (none, false, 1)],
            false,
            vec![(1, false), (0, true)],
        ),
    ];
    for (name, rows, is_cut_off, changes) in table {
        let judged = judge(&asked(&rows), Thresholds::default());
        assert_eq!(judged, Judged { is_cut_off, changes }, "{name}");
    }
    assert_eq!(judge(&[], Thresholds::default()).changes, []);
}

#[test]
fn a_single_node_is_never_marked() {
    let judged = judge(&asked(&[(None, false, -100)]), Thresholds::default());
    assert_eq!(
        judged,
        Judged {
            is_cut_off: true,
            changes: vec![]
        }
    );
}

/// Nodes that answer but for these.
#[derive(Default)]
struct Network {
    silent: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl NodeCalls for Network {
    async fn delete_user_data(&self, _: Deadline, _: &str, _: &NodeToken) -> Result<(), CallFailure> {
        Err(CallFailure::Unknown)
    }

    async fn is_alive(&self, _: Deadline, node: &str) -> bool {
        self.asked.lock().unwrap().push(node.to_owned());
        !self.silent.lock().unwrap().contains(node)
    }
}

struct Scene {
    store: MemoryStore,
    network: Network,
    clock: ManualClock,
    random: SeededRandom,
    prober: Prober,
}

fn service() -> ServiceKey {
    ServiceKey("sync-1.5".into())
}

fn url(number: usize) -> String {
    format!("https://node-{number}.example")
}

impl Scene {
    async fn new(nodes: usize) -> Self {
        let scene = Self {
            store: MemoryStore::new(),
            network: Network::default(),
            clock: ManualClock::new(Timestamp::from_secs(1_700_000_000)),
            random: SeededRandom::new(2),
            prober: Prober::new(Thresholds::default()),
        };
        let made = Service {
            key: service(),
            pattern: String::new(),
            scope: String::new(),
            token_lifetime_secs: 1,
            uid_ceiling: 10,
            policy: ServicePolicy::default(),
        };
        scene.store.put_service(&scene.call(), made).await.unwrap();
        for number in 0..nodes {
            let node = NewNode {
                service: service(),
                url: url(number),
                node_type: None,
                pool: None,
                capacity: 10,
                available: 10,
            };
            scene.store.create_node(&scene.call(), node).await.unwrap();
        }
        scene
    }

    fn call(&self) -> Call {
        Call {
            op: OpId::new(self.clock.now(), &self.random),
            deadline: Deadline::after(Duration::from_secs(30)),
        }
    }

    async fn pass(&mut self) -> Health {
        let ports = HealthPorts {
            reader: &self.store,
            admin: &self.store,
            calls: &self.network,
            clock: &self.clock,
            random: &self.random,
        };
        self.prober.pass(ports, &service()).await.unwrap()
    }

    fn silence(&self, nodes: &[usize]) {
        *self.network.silent.lock().unwrap() = nodes.iter().map(|number| url(*number)).collect();
    }

    async fn unhealthy(&self) -> Vec<String> {
        let nodes = self
            .store
            .nodes(Deadline::after(Duration::from_secs(30)), &service())
            .await;
        let marked = nodes.unwrap().into_iter().filter(|node| node.figures.unhealthy);
        marked.map(|node| node.url).collect()
    }
}

/// As while a node is drained: what is left of the pool must not be taken away by one probe's path.
#[test]
fn a_node_in_backoff_does_not_stand_in_for_the_last_one() {
    let mut nodes = asked(&[(None, false, -3), (None, false, 1)]);
    nodes[1].node.figures.backoff = true;
    assert_eq!(judge(&nodes, Thresholds::default()).changes, []);
    nodes[0].node.figures.backoff = true;
    assert_eq!(
        judge(&nodes, Thresholds::default()).changes,
        [(0, true)],
        "it takes nobody"
    );
}

#[tokio::test]
async fn a_node_is_lost_after_three_failures_and_back_after_two_answers() {
    let mut scene = Scene::new(3).await;
    scene.silence(&[1]);
    for _ in 0..2 {
        assert_eq!(scene.pass().await.changed, []);
    }
    assert_eq!(scene.pass().await.changed, [(url(1), true)]);
    assert_eq!(scene.unhealthy().await, [url(1)]);
    assert_eq!(scene.pass().await.changed, []);
    scene.silence(&[]);
    assert_eq!(scene.pass().await.changed, []);
    assert_eq!(scene.pass().await.changed, [(url(1), false)]);
    assert_eq!(scene.unhealthy().await, [""; 0]);
}

#[tokio::test]
async fn one_answer_between_failures_starts_the_count_anew() {
    let mut scene = Scene::new(3).await;
    for silent in [&[1][..], &[1], &[], &[1], &[1]] {
        scene.silence(silent);
        assert_eq!(scene.pass().await.changed, []);
    }
}

/// The turn was another's for a while: what was seen before it is not "in a row" with what is seen after it.
#[tokio::test]
async fn what_is_forgotten_counts_no_more() {
    let mut scene = Scene::new(3).await;
    scene.silence(&[1]);
    for _ in 0..3 {
        for _ in 0..2 {
            assert_eq!(scene.pass().await.changed, []);
        }
        scene.prober.forget();
    }
    for _ in 0..2 {
        assert_eq!(scene.pass().await.changed, []);
    }
    assert_eq!(scene.pass().await.changed, [(url(1), true)]);
}

#[tokio::test]
async fn where_most_fail_at_once_none_is_marked() {
    let mut scene = Scene::new(3).await;
    scene.silence(&[0, 1]);
    for _ in 0..5 {
        let health = scene.pass().await;
        assert_eq!((health.failing, health.is_cut_off), (2, true));
    }
    assert_eq!(scene.unhealthy().await, [""; 0]);
    scene.silence(&[1]);
    assert_eq!(
        scene.pass().await.changed,
        [(url(1), true)],
        "it did fail each time"
    );
}

#[tokio::test]
async fn what_an_administrator_took_away_is_not_asked() {
    let mut scene = Scene::new(3).await;
    let downed = NodeChange {
        downed: Some(true),
        ..NodeChange::default()
    };
    let done = scene
        .store
        .update_node(&scene.call(), &service(), &url(0), downed)
        .await;
    done.unwrap();
    assert_eq!(scene.pass().await.asked, 2);
    assert!(!scene.network.asked.lock().unwrap().contains(&url(0)));
}

/// Fails one call only: the read of the nodes comes first.
#[tokio::test]
async fn a_mark_that_was_not_written_is_written_later() {
    let mut scene = Scene::new(3).await;
    scene.silence(&[1]);
    scene.pass().await;
    scene.pass().await;
    scene.store.lose_answers(1);
    let health = scene.pass().await;
    assert_eq!((health.changed.len(), health.not_written), (0, 1));
    let again = scene.pass().await;
    assert_eq!(again.not_written, 0, "it was written, or is now");
    assert_eq!(scene.unhealthy().await, [url(1)]);
    scene.store.set_outage(Some(Cause::Unavailable));
    let ports = HealthPorts {
        reader: &scene.store,
        admin: &scene.store,
        calls: &scene.network,
        clock: &scene.clock,
        random: &scene.random,
    };
    assert!(scene.prober.pass(ports, &service()).await.is_err());
}

//! What exchanges leave in the metrics: counted by service, scheme and status, steps timed, nodes as full as they are, and
//! nothing of who asked.

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord},
};
use foxhold_ports::assignments::{NewNode, NodeChange};
use foxhold_runtime::metrics::{
    self,
    scraped::{self, Sample},
};
use serde_json::Value;

use super::{super::node_gauges::Shown, *};

/// A service of its own: other tests of this process count, too.
const SERVICE: &str = "metered-1.0";
const METERED_NODE: &str = "https://metered.example";

/// With one slot.
async fn world() -> World {
    let world = World::new().await;
    let call = |byte| Call {
        op: OpId::from_bytes([byte; 16]),
        deadline: Deadline::after(Duration::from_secs(30)),
    };
    let metered = Service {
        key: ServiceKey(SERVICE.into()),
        ..service()
    };
    world.store.put_service(&call(11), metered).await.unwrap();
    let node = NewNode {
        service: ServiceKey(SERVICE.into()),
        url: METERED_NODE.into(),
        node_type: None,
        pool: None,
        capacity: 1,
        available: 1,
    };
    world.store.create_node(&call(12), node).await.unwrap();
    world
}

fn claims_with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    token(&claims)
}

async fn ask(world: &World, token: &str, key_id: &str) -> u16 {
    let request = axum::http::Request::builder()
        .uri("/1.0/metered/1.0")
        .header("Authorization", format!("Bearer {token}"))
        .header("X-KeyID", key_id);
    world.send(request.body(Body::empty()).unwrap()).await.http
}

fn samples() -> Vec<Sample> {
    scraped::read(&metrics::text()).expect("all of it is on the list")
}

fn assert_sums(samples: &[Sample], name: &str, labels: [&str; 2], rows: &[([&str; 2], f64)]) {
    for (values, expected) in rows {
        let wanted = [
            ("service", SERVICE),
            (labels[0], values[0]),
            (labels[1], values[1]),
        ];
        let wanted = wanted.into_iter().filter(|(label, _)| !label.is_empty());
        let sum = scraped::sum(samples, name, &wanted.collect::<Vec<_>>());
        assert!((sum - expected).abs() < 0.5, "{name} {values:?}: {sum}");
    }
}

#[tokio::test]
async fn exchanges_are_counted_by_how_they_were_answered() {
    let world = world().await;
    assert_eq!(ask(&world, &token(&claims()), "1234-qqo").await, 200);
    assert_eq!(ask(&world, &token(&claims()), "1234-qqo").await, 200);
    let newer = claims_with("fxa-generation", json!(1235));
    assert_eq!(ask(&world, &newer, "1234-qqo").await, 200);
    let rekeyed = claims_with("fxa-generation", json!(1240));
    assert_eq!(ask(&world, &rekeyed, "1240-u7s").await, 200);
    let other = claims_with("sub", json!("00000000000000000000000000000002"));
    assert_eq!(ask(&world, &other, "1234-qqo").await, 503);
    let late = claims_with("exp", json!(NOW.as_secs() - 3600));
    assert_eq!(ask(&world, &late, "1234-qqo").await, 401);
    assert_eq!(world.send(get("/1.0/metered/1.0")).await.http, 401);
    assert_eq!(world.send(get("/1.0/mallory/9.9")).await.http, 404);

    let samples = samples();
    assert_sums(
        &samples,
        "foxhold_token_exchanges_total",
        ["scheme", "status"],
        &[
            (["oauth", "ok"], 4.0),
            (["oauth", "internal-error"], 1.0),
            (["oauth", "invalid-credentials"], 1.0),
            (["none", "error"], 1.0),
        ],
    );
    assert_sums(
        &samples,
        "foxhold_token_record_changes_total",
        ["change", ""],
        &[
            (["new_user", ""], 1.0),
            (["reassigned", ""], 0.0),
            (["raised", ""], 1.0),
            (["keys_changed", ""], 1.0),
        ],
    );
    assert_sums(
        &samples,
        "foxhold_token_no_node_total",
        ["", ""],
        &[(["", ""], 1.0)],
    );
    let at_least_once = [
        ("foxhold_token_exchanges_total", ("service", "none")),
        ("foxhold_token_verifications_total", ("result", "ok")),
        ("foxhold_token_verifications_total", ("result", "token-expired")),
        ("foxhold_token_exchange_duration_seconds_count", ("code", "5xx")),
        (
            "foxhold_token_step_duration_seconds_count",
            ("step", "verify_oauth"),
        ),
        ("foxhold_token_step_duration_seconds_count", ("step", "read")),
        ("foxhold_token_step_duration_seconds_count", ("step", "assign")),
        ("foxhold_token_step_duration_seconds_count", ("step", "update")),
        ("foxhold_token_step_duration_seconds_count", ("step", "sign")),
    ];
    for (name, label) in at_least_once {
        assert!(scraped::sum(&samples, name, &[label]) >= 1.0, "{name} {label:?}");
    }
    let text = metrics::text();
    for told in [UID, "mallory", "00000000000000000000000000000002"] {
        assert!(!text.contains(told), "{told}");
    }
}

#[tokio::test]
async fn nodes_are_shown_as_they_are_and_gone_ones_as_empty() {
    let world = World::new().await;
    let gone = NodeRecord {
        id: NodeId(99),
        service: service().key,
        url: "https://gone.example".into(),
        node_type: None,
        pool: None,
        figures: NodeFigures::default(),
    };
    let mut shown = Shown::default();
    shown.nodes.insert(service().key, vec![gone]);
    world.server.show_nodes(&mut shown).await.unwrap();
    let urls = shown.nodes[&service().key].iter().map(|node| node.url.as_str());
    assert_eq!(urls.collect::<Vec<_>>(), [NODE]);
    let samples = samples();
    for (node, expected) in [(NODE, 100.0), ("https://gone.example", 0.0)] {
        let labels = [("service", "sync-1.5"), ("node", node)];
        let capacity: Vec<_> = samples
            .iter()
            .filter(|sample| sample.name == "foxhold_token_node_capacity_slots")
            .filter(|sample| sample.labels["node"] == node)
            .collect();
        assert_eq!(capacity.len(), 1, "{node}");
        let sum = scraped::sum(&samples, "foxhold_token_node_capacity_slots", &labels);
        assert!((sum - expected).abs() < 0.5, "{node}: {sum}");
    }
}

#[tokio::test]
async fn clients_of_a_node_in_backoff_are_told_to_stay_away() {
    let world = World::new().await;
    let mut shown = Shown::default();
    for (backoff, expected) in [(false, None), (true, Some("600")), (false, None)] {
        let call = Call {
            op: OpId::new(NOW, &*world.server.ports.random),
            deadline: Deadline::after(Duration::from_secs(30)),
        };
        let change = NodeChange {
            backoff: Some(backoff),
            ..NodeChange::default()
        };
        let changed = world.store.update_node(&call, &service().key, NODE, change).await;
        changed.unwrap();
        // A user is there before the node is spared: it takes no new ones then.
        world.server.show_nodes(&mut shown).await.unwrap();
        let answer = world.exchange(&token(&claims())).await;
        let told = answer
            .headers
            .get("x-backoff")
            .map(|value| value.to_str().unwrap());
        assert_eq!((answer.http, told), (200, expected), "{backoff}");
    }
}

/// Whether keys were fetched since tests began. Other tests of this process have clocks of their own, none of which begins
/// earlier.
pub(super) fn are_fetched(key_set: &str) -> bool {
    let labels = [("key_set", key_set)];
    let at = scraped::sum(&samples(), "foxhold_key_set_refresh_timestamp_seconds", &labels);
    at >= metrics::amount(NOW.as_secs())
}

#[tokio::test]
async fn it_is_known_when_the_own_keys_were_last_fetched() {
    let world = World::new().await;
    assert_eq!(world.exchange(&token(&claims())).await.http, 200);
    assert!(are_fetched("own"));
}

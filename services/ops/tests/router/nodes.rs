//! Nodes.

use foxhold_ops::wire::{Code, Node, NodeDeleted, NodeOutcome, NodePut, Nodes, UserRecords};
use serde_json::json;

use crate::scene::{AT, Scene, node_path, user_path};

const A: &str = "https://a.example";
const B: &str = "https://b.example:8443/x";

#[tokio::test]
async fn a_node_is_made_once_and_as_it_was_asked_for() {
    let scene = Scene::with_nodes(&[]).await;
    let nodes = format!("{AT}/nodes");
    let wanted = json!({"url": B, "capacity": 101, "pool": "new", "node_type": "mysql", "backoff": true});
    let foretold: NodePut = scene.post(&format!("{nodes}?dry_run=true"), &wanted).await.of();
    assert_eq!(scene.get(&nodes).await.of::<Nodes>().nodes, []);
    let made: NodePut = scene.post(&nodes, &wanted).await.of();
    assert_eq!(
        (made.outcome, foretold.outcome),
        (NodeOutcome::Created, NodeOutcome::Created)
    );
    let node = &made.node;
    assert_eq!((node.capacity, node.available, node.current_load), (101, 11, 0));
    assert_eq!((node.backoff, node.downed, node.unhealthy), (true, false, false));
    assert_eq!(
        (node.pool.as_deref(), node.node_type.as_deref()),
        (Some("new"), Some("mysql"))
    );
    let numbered = Node {
        id: node.id,
        ..foretold.node
    };
    assert_eq!(&numbered, node);
    let again: NodePut = scene.post(&nodes, &json!({"url": B, "capacity": 1})).await.of();
    assert_eq!((again.outcome, &again.node), (NodeOutcome::Exists, node));
    assert_eq!(
        scene.get(&nodes).await.of::<Nodes>().nodes,
        std::slice::from_ref(node)
    );
    assert_eq!(scene.get(&node_path(B)).await.of::<Node>(), *node);
    assert_eq!(scene.get(&node_path(A)).await.code(), Code::UnknownNode);
}

/// As if the process had died after the first of the two writes.
#[tokio::test]
async fn a_node_in_backoff_that_is_half_made_takes_nobody() {
    let scene = Scene::with_nodes(&[]).await;
    scene.store.lose_answers(3);
    let wanted = json!({"url": A, "capacity": 10, "available": 10, "backoff": true});
    let cut_off = scene.post(&format!("{AT}/nodes"), &wanted).await;
    assert_eq!(cut_off.code(), Code::OutcomeUnknown);
    let half: Node = scene.get(&node_path(A)).await.of();
    assert_eq!((half.backoff, half.capacity), (false, 0));
    let nobody = scene.post(&user_path("u@x", "place"), &json!({})).await;
    assert_eq!(nobody.code(), Code::NoNode);
}

#[tokio::test]
async fn what_is_given_of_a_node_changes_and_nothing_else() {
    let scene = Scene::with_nodes(&[A]).await;
    let path = node_path(A);
    for (change, outcome, expected) in [
        (json!({}), NodeOutcome::Unchanged, json!({})),
        (
            json!({"backoff": true}),
            NodeOutcome::Changed,
            json!({"backoff": true}),
        ),
        (json!({"backoff": true}), NodeOutcome::Unchanged, json!({})),
        (
            json!({"backoff": false, "downed": true}),
            NodeOutcome::Changed,
            json!({"backoff": false, "downed": true}),
        ),
        (
            json!({"pool": "new"}),
            NodeOutcome::Changed,
            json!({"pool": "new"}),
        ),
        (
            json!({"pool": null, "unhealthy": true}),
            NodeOutcome::Changed,
            json!({"pool": null, "unhealthy": true}),
        ),
        // More slots than there is room for are as many as there is room for.
        (
            json!({"capacity": 3, "available": 9}),
            NodeOutcome::Changed,
            json!({"capacity": 3, "available": 3}),
        ),
    ] {
        let mut after = scene.get(&path).await.body;
        for (name, value) in expected.as_object().unwrap() {
            after[name] = value.clone();
        }
        let foretold: NodePut = scene.patch(&format!("{path}?dry_run=true"), &change).await.of();
        let done: NodePut = scene.patch(&path, &change).await.of();
        assert_eq!((done.outcome, foretold.outcome), (outcome, outcome), "{change}");
        assert_eq!(serde_json::to_value(&done.node).unwrap(), after, "{change}");
        assert_eq!(foretold.node, done.node, "{change}");
    }
    let missing = scene.patch(&node_path(B), &json!({"downed": true})).await;
    assert_eq!(missing.code(), Code::UnknownNode);
}

#[tokio::test]
async fn a_node_that_goes_is_gone_for_its_users() {
    let scene = Scene::with_nodes(&[A]).await;
    scene.place(&["u@x"], A).await;
    let path = node_path(A);
    let foretold: NodeDeleted = scene.delete(&format!("{path}?dry_run=true")).await.of();
    assert_eq!(scene.get(&path).await.status, 200);
    let gone: NodeDeleted = scene.delete(&path).await.of();
    assert_eq!(
        (gone.dry_run, foretold.dry_run, &gone.node),
        (false, true, &foretold.node)
    );
    assert_eq!(gone.node.current_load, 1);
    assert_eq!(scene.delete(&path).await.code(), Code::UnknownNode);
    let user: UserRecords = scene.get(user_path("u@x", "").trim_end_matches('/')).await.of();
    assert_eq!(user.current.node, None);
}

#[tokio::test]
async fn a_node_takes_its_users_to_a_new_name() {
    let scene = Scene::with_nodes(&[A, "https://c.example"]).await;
    scene.place(&["u@x"], A).await;
    let rename = format!("{}/rename", node_path(A));
    let foretold: NodePut = scene
        .post(&format!("{rename}?dry_run=true"), &json!({"to": B}))
        .await
        .of();
    assert_eq!(
        (foretold.outcome, foretold.node.url.as_str()),
        (NodeOutcome::Changed, B)
    );
    assert_eq!(scene.get(&node_path(A)).await.status, 200);
    let done: NodePut = scene.post(&rename, &json!({"to": B})).await.of();
    assert_eq!((done.outcome, done.node.url.as_str()), (NodeOutcome::Changed, B));
    let again: NodePut = scene.post(&rename, &json!({"to": B})).await.of();
    assert_eq!(again.outcome, NodeOutcome::Unchanged);
    let user: UserRecords = scene.get(user_path("u@x", "").trim_end_matches('/')).await.of();
    assert_eq!(user.current.node.as_deref(), Some(B));
    let taken = scene
        .post(
            &format!("{}/rename", node_path(B)),
            &json!({"to": "https://c.example"}),
        )
        .await;
    assert_eq!(taken.code(), Code::Conflict);
    let nobody = scene.post(&rename, &json!({"to": "https://d.example"})).await;
    assert_eq!(nobody.code(), Code::UnknownNode);
}

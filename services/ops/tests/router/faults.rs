//! A store that is away or loses answers.

use foxhold_ops::wire::{Code, UserOutcome};
use foxhold_ports::Cause;
use serde_json::json;

use crate::scene::{AT, Scene, node_path, settings, user_path};

const A: &str = "https://a.example";

#[tokio::test]
async fn a_store_that_is_away_is_no_absence() {
    let scene = Scene::with_nodes(&[A]).await;
    for cause in [Cause::Unavailable, Cause::Timeout, Cause::Overloaded] {
        scene.store.set_outage(Some(cause));
        for path in [
            AT.to_owned(),
            node_path(A),
            format!("{AT}/records"),
            format!("{AT}/users/u%40x"),
        ] {
            assert_eq!(scene.get(&path).await.code(), Code::Unavailable, "{path}");
        }
        assert_eq!(scene.put(AT, &settings()).await.code(), Code::Unavailable);
        let placed = scene.post(&user_path("u@x", "place"), &json!({})).await;
        assert_eq!(placed.code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_operation() {
    let scene = Scene::with_nodes(&[A]).await;
    scene.store.lose_answers(1);
    let placed = scene.post(&user_path("u@x", "place"), &json!({})).await.body;
    assert_eq!(placed["outcome"], json!(UserOutcome::Created));
    let again = scene.post(&user_path("u@x", "place"), &json!({})).await.body;
    assert_eq!(again["outcome"], json!(UserOutcome::Unchanged));
    assert_eq!(again["records"], placed["records"]);
    scene.store.lose_answers(1000);
    let lost = scene.patch(&node_path(A), &json!({"backoff": true})).await;
    assert_eq!(lost.code(), Code::OutcomeUnknown);
}

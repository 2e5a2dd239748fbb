//! Services, and whether the API is well.

use foxhold_ops::wire::{Code, Health, Service, ServiceOutcome, ServicePut, Services};
use serde_json::json;

use crate::scene::{AT, SERVICE, Scene, settings};

#[tokio::test]
async fn a_service_is_made_changed_and_shown() {
    let scene = Scene::bare();
    assert_eq!(
        scene.get("/admin/v1/services").await.of::<Services>().services,
        []
    );
    assert_eq!(scene.get(AT).await.code(), Code::UnknownService);
    let steps = [
        (settings(), ServiceOutcome::Created, vec![]),
        (settings(), ServiceOutcome::Unchanged, vec![]),
        (
            {
                let mut closed = settings();
                closed["admission"] = json!({"first": 5});
                closed["schemes"] = json!(["oauth", "browserid"]);
                closed["allowed_issuers"] = json!(["*"]);
                closed
            },
            ServiceOutcome::Changed,
            vec!["admission", "allowed_issuers", "schemes"],
        ),
    ];
    for (wanted, outcome, fields) in steps {
        let standing = scene.get(AT).await.body;
        let foretold: ServicePut = scene.put(&format!("{AT}?dry_run=true"), &wanted).await.of();
        assert_eq!(
            scene.get(AT).await.body.get("key"),
            standing.get("key"),
            "nothing is written"
        );
        let done: ServicePut = scene.put(AT, &wanted).await.of();
        assert_eq!(
            (done.outcome, done.dry_run, foretold.dry_run),
            (outcome, false, true)
        );
        assert_eq!((foretold.outcome, &foretold.changes), (outcome, &done.changes));
        let found: Vec<&str> = done.changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(found, fields);
        let shown: Service = scene.get(AT).await.of();
        assert_eq!((shown.key.as_str(), &shown), (SERVICE, &done.service));
        assert_eq!(serde_json::to_value(&shown.settings).unwrap(), wanted);
    }
    let all: Services = scene.get("/admin/v1/services").await.of();
    assert_eq!(all.services.len(), 1);
}

#[tokio::test]
async fn a_service_is_pinned_to_a_node_it_has_and_that_one_stays() {
    let scene = Scene::with_nodes(&["https://a.example"]).await;
    let mut pinned = settings();
    pinned["allocation"]["pinned_to"] = json!("https://b.example");
    let problem = scene.put(AT, &pinned).await.problem();
    assert_eq!(problem.errors[0].field, "allocation.pinned_to");
    pinned["allocation"]["pinned_to"] = json!("https://a.example");
    let done: ServicePut = scene.put(AT, &pinned).await.of();
    assert_eq!(done.outcome, ServiceOutcome::Changed);
    let node = crate::scene::node_path("https://a.example");
    assert_eq!(scene.delete(&node).await.code(), Code::Conflict);
    let renamed = scene
        .post(&format!("{node}/rename"), &json!({"to": "https://c.example"}))
        .await;
    assert_eq!(renamed.code(), Code::Conflict);
}

#[tokio::test]
async fn health_says_who_asks_and_whether_the_store_answers() {
    let scene = Scene::with_nodes(&[]).await;
    let health: Health = scene.get("/admin/v1/health").await.of();
    assert_eq!(
        (health.is_ok, health.caller.as_str(), health.services),
        (true, "local", Some(1))
    );
    scene.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
    let health: Health = scene.get("/admin/v1/health").await.of();
    assert_eq!(
        (health.is_ok, health.store_answers, health.services),
        (false, false, None)
    );
}

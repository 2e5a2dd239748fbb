//! Jobs, page by page: users leave a node, and what they left is purged.

use std::{sync::Arc, time::Duration};

use foxhold_ops::{
    Access, OpsLimits,
    wire::{Code, Node, PageDone},
};
use foxhold_runtime::metrics::{self, scraped};
use serde_json::{Value, json};

use crate::scene::{AT, NOW, Scene, limits, node_path, settings};

const A: &str = "https://a.example";
const B: &str = "https://b.example";
const USERS: [&str; 5] = ["u1@x", "u2@x", "u3@x", "u4@x", "u5@x"];

/// All pages of a job, summed up.
async fn run(scene: &Scene, path: &str, body: &Value) -> PageDone {
    let mut sum = PageDone::default();
    let mut body = body.clone();
    loop {
        let page: PageDone = scene.post(path, &body).await.of();
        sum.dry_run = page.dry_run;
        sum.looked_at += page.looked_at;
        sum.matched += page.matched;
        sum.changed += page.changed;
        sum.failed += page.failed;
        for (why, number) in page.reasons {
            *sum.reasons.entry(why).or_default() += number;
        }
        match page.next {
            Some(next) => body["after"] = json!(next),
            None => return sum,
        }
    }
}

async fn load(scene: &Scene, node: &str) -> u64 {
    scene.get(&node_path(node)).await.of::<Node>().current_load
}

fn counts(page: &PageDone) -> [u64; 4] {
    [page.looked_at, page.matched, page.changed, page.failed]
}

#[tokio::test]
async fn users_are_unassigned_a_page_at_a_time() {
    let scene = Scene::with_nodes(&[A, B]).await;
    scene.place(&USERS, A).await;
    scene.place(&["v@x"], B).await;
    let path = format!("{}/unassign", node_path(A));
    let dry = format!("{path}?dry_run=true");
    let foretold = run(&scene, &dry, &json!({"limit": 2})).await;
    assert_eq!((counts(&foretold), foretold.dry_run), ([6, 5, 5, 0], true));
    let part = run(&scene, &dry, &json!({"limit": 1000, "share_basis_points": 5000})).await;
    let done = run(&scene, &path, &json!({"limit": 1000, "share_basis_points": 5000})).await;
    assert_eq!(counts(&done), counts(&part));
    let rest = run(&scene, &path, &json!({"limit": 2})).await;
    assert_eq!(rest.changed + done.changed, 5);
    let nothing = run(&scene, &path, &json!({"limit": 2})).await;
    assert_eq!(counts(&nothing), [6, 0, 0, 0]);
}

#[tokio::test]
async fn users_are_moved_a_page_at_a_time_and_purged_where_they_were() {
    let scene = Scene::with_nodes(&[A, B]).await;
    scene.place(&USERS, A).await;
    let path = format!("{}/move", node_path(A));
    let stuck = scene.post(&path, &json!({"limit": 10})).await;
    assert_eq!(stuck.code(), Code::NodeTakesUsers);
    for to in [A, "https://c.example", "c"] {
        let refused = scene.post(&path, &json!({"limit": 10, "to": to})).await.problem();
        assert_eq!(refused.errors[0].field, "to", "{to}");
    }
    let named = run(
        &scene,
        &path,
        &json!({"limit": 2, "to": B, "share_basis_points": 5000}),
    )
    .await;
    scene.patch(&node_path(A), &json!({"backoff": true})).await;
    let by_rules = run(&scene, &path, &json!({"limit": 2})).await;
    assert_eq!(named.changed + by_rules.changed, 5);
    assert_eq!(
        (load(&scene, A).await, load(&scene, B).await),
        (5, 5),
        "data still lies on both"
    );

    let purge = format!("{AT}/purge");
    let order = json!({"grace_secs": 60, "limit": 2});
    let too_early = run(&scene, &purge, &order).await;
    assert_eq!(counts(&too_early), [5, 0, 0, 0]);
    scene.clock.set(NOW.plus(Duration::from_secs(61)));
    let foretold = run(&scene, &format!("{purge}?dry_run=true"), &order).await;
    let done = run(&scene, &purge, &order).await;
    assert_eq!((counts(&foretold), counts(&done)), ([5, 5, 5, 0], [5, 5, 5, 0]));
    assert_eq!(done.reasons, [("deleted".to_owned(), 5)].into());
    assert_eq!((load(&scene, A).await, load(&scene, B).await), (0, 5));
    let erased = scene.nodes.erased.lock().unwrap().clone();
    assert!(
        erased.len() == 5 && erased.iter().all(|url| url.starts_with("https://a.example/1.5/")),
        "{erased:?}"
    );
}

#[tokio::test]
async fn a_purge_is_about_what_it_was_told_and_counts_what_fails() {
    let broken = "https://broken.example";
    let scene = Scene::with_nodes(&[A, B, broken]).await;
    scene.place(&["u1@x", "u2@x"], A).await;
    scene.place(&["u3@x"], broken).await;
    for node in [A, broken] {
        let path = format!("{}/move", node_path(node));
        run(&scene, &path, &json!({"limit": 10, "to": B})).await;
    }
    scene.clock.set(NOW.plus(Duration::from_secs(61)));
    let purge = format!("{AT}/purge?dry_run=true");
    for (name, order, matched) in [
        ("all", json!({"grace_secs": 60, "limit": 10}), 3),
        ("of a node", json!({"grace_secs": 60, "limit": 10, "node": A}), 2),
        (
            "of some uids",
            json!({"grace_secs": 60, "limit": 10, "uid_min": 2, "uid_max": 2}),
            1,
        ),
        ("of no time", json!({"grace_secs": 3600, "limit": 10}), 0),
    ] {
        assert_eq!(run(&scene, &purge, &order).await.matched, matched, "{name}");
    }
    let done = run(
        &scene,
        &format!("{AT}/purge"),
        &json!({"grace_secs": 60, "limit": 10}),
    )
    .await;
    assert_eq!(counts(&done), [3, 3, 2, 1]);
    assert_eq!(
        done.reasons,
        [("deleted".to_owned(), 2), ("http_5xx".to_owned(), 1)].into()
    );
    scene.patch(&node_path(broken), &json!({"downed": true})).await;
    let order = json!({"grace_secs": 60, "limit": 10});
    let skipped = run(&scene, &format!("{AT}/purge"), &order).await;
    assert_eq!(
        (counts(&skipped), skipped.reasons),
        ([3, 1, 0, 0], [("node_out".to_owned(), 1)].into())
    );
    for (field, order) in [
        (
            "uid_max",
            json!({"grace_secs": 1, "limit": 1, "uid_min": 2, "uid_max": 1}),
        ),
        ("grace_secs", json!({"grace_secs": u64::MAX, "limit": 1})),
        ("node", json!({"grace_secs": 1, "limit": 1, "node": "a"})),
        (
            "override_node",
            json!({"grace_secs": 1, "limit": 1, "override_node": "a"}),
        ),
    ] {
        let problem = scene.post(&format!("{AT}/purge"), &order).await.problem();
        assert_eq!(problem.errors[0].field, field);
    }
}

/// No page has time for more than one user; those who fail are gone past, and counted.
#[tokio::test]
async fn a_page_is_bounded_by_time_and_gets_on() {
    let hasty = OpsLimits {
        page_max: Duration::ZERO,
        ..limits()
    };
    let broken = "https://broken.example";
    let scene = Scene::before(Access::Local, hasty).and_nodes(&[A, broken]).await;
    scene.place(&USERS[..2], broken).await;
    scene.place(&USERS[2..], A).await;
    let page: PageDone = scene
        .post(&format!("{}/unassign", node_path(A)), &json!({"limit": 1000}))
        .await
        .of();
    assert_eq!((page.looked_at, page.next.is_some()), (1, true));
    for node in [A, broken] {
        let left = run(
            &scene,
            &format!("{}/unassign", node_path(node)),
            &json!({"limit": 1000}),
        )
        .await;
        assert_eq!(left.looked_at, 5);
    }
    scene.clock.set(NOW.plus(Duration::from_secs(61)));
    let order = json!({"grace_secs": 60, "limit": 1000});
    let done = run(&scene, &format!("{AT}/purge"), &order).await;
    assert_eq!(counts(&done), [5, 5, 3, 2]);
}

#[tokio::test]
async fn no_more_records_are_purged_than_may_be() {
    let scene = Scene::with_nodes(&[A, B]).await;
    scene.place(&USERS, A).await;
    run(
        &scene,
        &format!("{}/move", node_path(A)),
        &json!({"limit": 10, "to": B}),
    )
    .await;
    scene.clock.set(NOW.plus(Duration::from_secs(61)));
    let purge = format!("{AT}/purge");
    let none = json!({"grace_secs": 60, "limit": 10, "records_max": 0});
    assert_eq!(
        scene.post(&purge, &none).await.problem().errors[0].field,
        "records_max"
    );
    let mut order = json!({"grace_secs": 60, "limit": 10, "records_max": 3});
    let some: PageDone = scene.post(&purge, &order).await.of();
    assert_eq!(some.reasons, [("deleted".to_owned(), 3)].into());
    order["after"] = json!(some.next.expect("two are left"));
    let rest: PageDone = scene.post(&purge, &order).await.of();
    assert_eq!((rest.changed, rest.next), (2, None));
}

#[tokio::test]
async fn whom_a_rule_sends_elsewhere_leaves_without_backoff() {
    let scene = Scene::with_nodes(&[A, B]).await;
    scene.place(&USERS, A).await;
    scene.patch(&node_path(B), &json!({"pool": "new"})).await;
    let mut ramp = settings();
    ramp["allocation"]["pools"] =
        json!([{"whom": {"users": ["u1@x"]}, "share_basis_points": 10_000, "pool": "new"}]);
    scene.put(AT, &ramp).await;
    let moved = run(&scene, &format!("{}/move", node_path(A)), &json!({"limit": 10})).await;
    assert_eq!(counts(&moved), [5, 1, 1, 0]);
}

/// The store goes away after the first fifty users, which are read together.
#[tokio::test]
async fn a_page_that_is_cut_off_tells_what_was_done_and_where_to_go_on() {
    const READ_TOGETHER: usize = 50;
    let scene = Scene::with_nodes(&[A]).await;
    let room = json!({"capacity": 100, "available": 100});
    scene.patch(&node_path(A), &room).await;
    let users: Vec<String> = (0..=READ_TOGETHER).map(|number| format!("u{number}@x")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    scene.place(&users, A).await;
    let unassign = format!("{}/unassign", node_path(A));
    run(&scene, &unassign, &json!({"limit": 1000})).await;
    scene.clock.set(NOW.plus(Duration::from_secs(61)));
    let purge = format!("{AT}/purge");
    let mut order = json!({"grace_secs": 60, "limit": 1000});
    *scene.nodes.last.lock().unwrap() = Some((READ_TOGETHER, Arc::clone(&scene.store)));
    let cut: PageDone = scene.post(&purge, &order).await.of();
    // The last one is erased, and not forgotten any more.
    assert_eq!(counts(&cut), [50, 50, 49, 1]);
    let reasons = [("deleted", 49), ("store", 1), ("unknown", 1)];
    assert_eq!(
        cut.reasons,
        reasons.map(|(why, number)| (why.to_owned(), number)).into()
    );
    assert_eq!(
        scene.post(&purge, &order).await.code(),
        Code::Unavailable,
        "nothing was done"
    );
    scene.store.set_outage(None);
    order["after"] = json!(cut.next.expect("it goes on"));
    let rest: PageDone = scene.post(&purge, &order).await.of();
    assert_eq!((counts(&rest), rest.next), ([1, 1, 1, 0], None));
    let samples = scraped::read(&metrics::text()).unwrap();
    let counted = scraped::sum(
        &samples,
        "foxhold_token_purge_deleted_total",
        &[("service", "sync-1.5")],
    );
    assert!(counted >= 50.0, "{counted}");
}

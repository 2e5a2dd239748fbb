//! Export, import, counting, reserving.

use std::time::Duration;

use foxhold_ops::wire::{
    Code, Count, Import, ImportDone, ImportOutcome, ImportUser, Records, ReserveUids, UserRecords,
};
use serde_json::{Value, json};

use crate::scene::{AT, NOW, Scene, user_path};

const A: &str = "https://a.example";

async fn export(scene: &Scene, limit: u32) -> Vec<UserRecords> {
    let (mut all, mut query) = (Vec::new(), format!("{AT}/records?limit={limit}"));
    loop {
        let page: Records = scene.get(&query).await.of();
        assert!(page.users.len() <= limit as usize);
        all.extend(page.users);
        match page.next {
            Some(next) => query = format!("{AT}/records?limit={limit}&after={}", next.0),
            None => return all,
        }
    }
}

#[tokio::test]
async fn what_one_deployment_exports_another_imports_once() {
    let here = Scene::with_nodes(&[A]).await;
    here.place(&["u1@x", "u2@x", "u3@x"], A).await;
    here.ask("POST", &user_path("u2@x", "unassign"), None).await;
    here.place(&["u2@x"], A).await;
    let exported = export(&here, 2).await;
    assert_eq!(exported.len(), 3);
    assert_eq!(exported, export(&here, 1000).await);

    let there = Scene::with_nodes(&[A]).await;
    let import = Import {
        users: exported.iter().cloned().map(ImportUser::from).collect(),
    };
    let path = format!("{AT}/import");
    let outcomes = async |path: &str| -> Vec<ImportOutcome> {
        let done: ImportDone = there.post(path, &import).await.of();
        done.results.iter().map(|result| result.outcome).collect()
    };
    assert_eq!(
        outcomes(&format!("{path}?dry_run=true")).await,
        [ImportOutcome::Imported; 3]
    );
    assert_eq!(export(&there, 10).await, []);
    assert_eq!(outcomes(&path).await, [ImportOutcome::Imported; 3]);
    assert_eq!(outcomes(&path).await, [ImportOutcome::Unchanged; 3]);
    let without_version = |mut all: Vec<UserRecords>| {
        all.iter_mut().for_each(|user| user.version = 0);
        all
    };
    assert_eq!(
        without_version(export(&there, 10).await),
        without_version(exported)
    );
    // And nobody gets a uid that came from there.
    there.place(&["u4@x"], A).await;
    let newcomer: UserRecords = there.get(user_path("u4@x", "").trim_end_matches('/')).await.of();
    assert_eq!(newcomer.current.uid, 5);
}

fn record(uid: u64, more: Value) -> Value {
    let mut record = json!({"uid": uid, "generation": 1, "client_state": "aa", "created_at_ms": 10});
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

#[tokio::test]
async fn each_user_of_an_import_has_an_outcome() {
    let scene = Scene::with_nodes(&[A]).await;
    let full = json!({"url": "https://full.example", "capacity": 0});
    scene.post(&format!("{AT}/nodes"), &full).await;
    let users = json!({"users": [
        {"user": "two-active@x", "records": [record(7, json!({})), record(8, json!({"generation": 2, "node": A}))]},
        {"user": "no-room@x", "records": [record(9, json!({"node": "https://full.example"}))]},
        {"user": "dangling@x", "records": [record(10, json!({"node": "https://elsewhere.example"}))]},
    ]});
    let done: ImportDone = scene.post(&format!("{AT}/import"), &users).await.of();
    let outcomes: Vec<ImportOutcome> = done.results.iter().map(|result| result.outcome).collect();
    assert_eq!(
        outcomes,
        [
            ImportOutcome::Imported,
            ImportOutcome::Refused,
            ImportOutcome::Imported
        ]
    );
    assert_eq!(done.results[1].code, Some(Code::NoNode));
    let user: UserRecords = scene
        .get(user_path("two-active@x", "").trim_end_matches('/'))
        .await
        .of();
    assert_eq!((user.current.uid, user.past.len()), (8, 1));
    assert_eq!(user.past[0].replaced_at_ms, 10);
}

#[tokio::test]
async fn an_import_that_contradicts_itself_says_where() {
    let scene = Scene::with_nodes(&[A]).await;
    let user = |key: &str, uid: u64| json!({"user": key, "records": [record(uid, json!({}))]});
    for (name, users, fields) in [
        (
            "a user twice",
            vec![user("u@x", 1), user("u@x", 2)],
            vec!["users[1].user"],
        ),
        (
            "a uid of two",
            vec![user("u@x", 1), user("v@x", 1)],
            vec!["users[1].records"],
        ),
        (
            "two without a form",
            vec![user("u", 1), user("v@x", 0), user("w@x", 3)],
            vec!["users[0].user", "users[1].records[0].uid"],
        ),
        ("nobody", vec![], vec!["users"]),
        (
            "too many",
            (0..201).map(|n| user(&format!("u{n}@x"), n + 1)).collect(),
            vec!["users"],
        ),
    ] {
        let problem = scene
            .post(&format!("{AT}/import"), &json!({"users": users}))
            .await
            .problem();
        let found: Vec<&str> = problem.errors.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!((problem.code, found), (Code::InvalidRequest, fields), "{name}");
    }
    let beyond = json!({"users": [user("u@x", 1001)]});
    assert_eq!(
        scene.post(&format!("{AT}/import"), &beyond).await.code(),
        Code::NoUid
    );
    assert_eq!(export(&scene, 10).await, []);
}

#[tokio::test]
async fn reserved_uids_are_nobody_s() {
    let scene = Scene::with_nodes(&[A]).await;
    let path = format!("{AT}/uids/reserve");
    for (through, code) in [
        (0, Code::InvalidRequest),
        (1_u64 << 53, Code::InvalidRequest),
        (1001, Code::NoUid),
    ] {
        let refused = scene.post(&path, &json!({"through": through})).await;
        assert_eq!(refused.code(), code, "{through}");
    }
    for (path, uid) in [(format!("{path}?dry_run=true"), 1), (path, 51)] {
        let reserved: ReserveUids = scene.post(&path, &json!({"through": 50})).await.of();
        assert_eq!(reserved.through, 50);
        scene.place(&[&format!("u{uid}@x")], A).await;
        let user = user_path(&format!("u{uid}@x"), "");
        let user: UserRecords = scene.get(user.trim_end_matches('/')).await.of();
        assert_eq!(user.current.uid, uid);
    }
}

#[tokio::test]
async fn users_are_counted_up_to_a_moment() {
    let scene = Scene::with_nodes(&[A]).await;
    scene.clock.set(NOW.minus(Duration::from_secs(86_400)));
    scene.place(&["u1@x", "u2@x"], A).await;
    scene.clock.set(NOW);
    scene.place(&["u3@x"], A).await;
    let midnight = NOW.minus(Duration::from_secs(3 * 3600)).as_millis();
    for (query, users, before_ms) in [
        (String::new(), 2, midnight),
        (
            format!("?before_ms={}", NOW.as_millis() + 1),
            3,
            NOW.as_millis() + 1,
        ),
        ("?before_ms=0".into(), 0, 0),
    ] {
        let count: Count = scene.get(&format!("{AT}/count{query}")).await.of();
        assert_eq!(
            (count.users, count.before_ms, count.looked_at, count.next),
            (users, before_ms, 3, None)
        );
    }
    let first: Count = scene.get(&format!("{AT}/count?limit=2")).await.of();
    let next = first.next.unwrap().0;
    let second: Count = scene.get(&format!("{AT}/count?limit=2&after={next}")).await.of();
    assert_eq!(
        (first.looked_at, second.looked_at, first.users + second.users),
        (2, 1, 2)
    );
}

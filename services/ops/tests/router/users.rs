//! One user at a time, and account events.

use std::time::Duration;

use foxhold_core::{
    Deadline, OpId,
    record::{ClientState, Generation, ServiceKey, UserKey},
};
use foxhold_ops::wire::{
    Code, EventOutcome, EventsDone, Record, Retired, UserChange, UserOutcome, UserRecords,
};
use foxhold_ports::{
    AssignmentReader as _, AssignmentWriter as _, Call,
    assignments::{RecordRef, Target, UserValues, change::ASSIGNED_ONCE},
};
use serde_json::{Value, json};

use crate::scene::{AT, NOW, Scene, node_path, settings, user_path};

const A: &str = "https://a.example";
const B: &str = "https://b.example";
const USER: &str = "u1@x.example";

async fn user(scene: &Scene) -> UserRecords {
    scene.get(user_path(USER, "").trim_end_matches('/')).await.of()
}

fn node(change: &UserChange) -> Option<String> {
    change.records.as_ref()?.current.node.clone()
}

#[tokio::test]
async fn a_user_is_placed_moved_and_left_where_he_is_well() {
    let scene = Scene::with_nodes(&[A, B]).await;
    let pool = scene
        .patch(&node_path(B), &json!({"pool": "new", "backoff": true}))
        .await;
    assert_eq!(pool.status, 200);
    let place = user_path(USER, "place");
    assert_eq!(
        scene.get(place.trim_end_matches("/place")).await.code(),
        Code::UnknownUser
    );
    let steps: [(Value, UserOutcome, &str); 5] = [
        (json!({}), UserOutcome::Created, A),
        (json!({}), UserOutcome::Unchanged, A),
        (json!({"node": A}), UserOutcome::Unchanged, A),
        // Backoff keeps strangers out, not whom an operator sends.
        (json!({"node": B}), UserOutcome::Changed, B),
        (json!({"pool": "new"}), UserOutcome::Unchanged, B),
    ];
    for (asked, outcome, goal) in steps {
        let foretold: UserChange = scene.post(&format!("{place}?dry_run=true"), &asked).await.of();
        let done: UserChange = scene.post(&place, &asked).await.of();
        assert_eq!((foretold.outcome, done.outcome), (outcome, outcome), "{asked}");
        assert_eq!(
            foretold.records.is_none(),
            outcome == UserOutcome::Created,
            "{asked}"
        );
        assert_eq!(node(&done).as_deref(), Some(goal), "{asked}");
        assert_eq!(Some(user(&scene).await), done.records);
    }
    let at = (ServiceKey("sync-1.5".into()), UserKey(USER.into()));
    let by = Deadline::after(Duration::from_secs(30));
    let kept = scene.store.user_record(by, &at.0, &at.1).await.unwrap().unwrap();
    assert_eq!(
        kept.version, 3,
        "two places, and one note that the first is not to be taken back"
    );
    let moved = user(&scene).await;
    assert_eq!((moved.past.len(), moved.past[0].node.as_deref()), (1, Some(A)));
    assert!(moved.past[0].holds_slot, "the data is still there");
    for (asked, code) in [
        (json!({"node": A, "pool": "new"}), Code::InvalidRequest),
        (json!({"node": "a"}), Code::InvalidRequest),
        (json!({"pool": "A"}), Code::InvalidRequest),
        (json!({"node": "https://c.example"}), Code::UnknownNode),
        (json!({"pool": "nowhere"}), Code::NoNode),
    ] {
        assert_eq!(scene.post(&place, &asked).await.code(), code, "{asked}");
    }
}

/// As if the process had died between the place and the note that it was given by hand; or the user had come once, alone.
#[tokio::test]
async fn a_place_that_is_asked_for_again_is_not_taken_back() {
    let scene = Scene::with_nodes(&[A]).await;
    let by = Deadline::after(Duration::from_secs(30));
    let at = RecordRef {
        service: ServiceKey("sync-1.5".into()),
        user: UserKey(USER.into()),
        version: None,
    };
    let values = UserValues {
        generation: Generation(7),
        keys_changed_at: None,
        client_state: ClientState::default(),
    };
    let call = Call {
        op: OpId::from_bytes([1; 16]),
        deadline: by,
    };
    let assigned = scene
        .store
        .assign(&call, &at, &values, &Target::Node(A.into()), NOW)
        .await;
    let before = assigned.unwrap();
    assert_eq!(before.version, ASSIGNED_ONCE);
    let place = user_path(USER, "place");
    let again = [
        (format!("{place}?dry_run=true"), ASSIGNED_ONCE),
        (place.clone(), ASSIGNED_ONCE + 1),
        (place, ASSIGNED_ONCE + 1),
    ];
    for (path, version) in again {
        let done: UserChange = scene.post(&path, &json!({"node": A})).await.of();
        assert_eq!(
            (done.outcome, node(&done).as_deref()),
            (UserOutcome::Unchanged, Some(A))
        );
        let kept = scene.store.user_record(by, &at.service, &at.user).await;
        let kept = kept.unwrap().unwrap();
        assert_eq!(
            (kept.version, kept.current),
            (version, before.current.clone()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_service_that_has_its_users_takes_no_more() {
    let scene = Scene::with_nodes(&[A]).await;
    let mut limited = settings();
    limited["admission"] = json!({"first": 1});
    scene.put(AT, &limited).await;
    scene.place(&[USER], A).await;
    let refused = scene.post(&user_path("u2@x", "place"), &json!({})).await;
    assert_eq!(refused.code(), Code::Closed);
}

#[tokio::test]
async fn a_user_is_unassigned_forgotten_and_retired() {
    let scene = Scene::with_nodes(&[A]).await;
    for what in ["unassign", "retire"] {
        let unknown = scene.ask("POST", &user_path(USER, what), None).await;
        assert_eq!(unknown.code(), Code::UnknownUser, "{what}");
    }
    scene.place(&[USER], A).await;
    let uid = user(&scene).await.current.uid;
    let forget = user_path(USER, "forget");
    assert_eq!(
        scene.post(&forget, &json!({"uid": uid})).await.code(),
        Code::Conflict,
        "active"
    );
    assert_eq!(
        scene.post(&forget, &json!({"uid": 0})).await.code(),
        Code::InvalidRequest
    );

    let unassign = user_path(USER, "unassign");
    let foretold: UserChange = scene
        .ask("POST", &format!("{unassign}?dry_run=true"), None)
        .await
        .of();
    assert_eq!((foretold.outcome, foretold.dry_run), (UserOutcome::Changed, true));
    assert_eq!(user(&scene).await.current.replaced_at_ms, None);
    for outcome in [UserOutcome::Changed, UserOutcome::Unchanged] {
        let done: UserChange = scene.post(&unassign, &json!({})).await.of();
        assert_eq!(done.outcome, outcome);
        assert_eq!(
            done.records.unwrap().current.replaced_at_ms,
            Some(crate::scene::NOW.as_millis())
        );
    }
    for outcome in [UserOutcome::Changed, UserOutcome::Unchanged] {
        let done: UserChange = scene.post(&forget, &json!({"uid": uid})).await.of();
        assert_eq!((done.outcome, node(&done)), (outcome, None));
    }
    for outcome in [UserOutcome::Changed, UserOutcome::Unchanged] {
        let done: UserChange = scene.ask("POST", &user_path(USER, "retire"), None).await.of();
        assert_eq!(done.outcome, outcome);
        assert_eq!(done.records.unwrap().current.generation, Record::RETIRED);
    }
    let gone = scene.post(&user_path(USER, "place"), &json!({})).await;
    assert_eq!(gone.code(), Code::UserRetired);
}

#[tokio::test]
async fn a_user_is_retired_in_all_services() {
    let scene = Scene::with_nodes(&[A]).await;
    let other = "/admin/v1/services/other-1.0";
    scene.put(other, &settings()).await;
    let node = json!({"url": A, "capacity": 10});
    scene.post(&format!("{other}/nodes"), &node).await;
    scene.place(&[USER], A).await;
    scene
        .post(&format!("{other}/users/u1%40x.example/place"), &json!({}))
        .await;
    let retire = "/admin/v1/users/u1%40x.example/retire";
    let foretold: Retired = scene
        .ask("POST", &format!("{retire}?dry_run=true"), None)
        .await
        .of();
    assert_eq!((foretold.known, foretold.changed), (2, 2));
    for changed in [2, 0] {
        let done: Retired = scene.ask("POST", retire, None).await.of();
        assert_eq!((done.known, done.changed), (2, changed));
    }
    let nobody: Retired = scene
        .ask("POST", "/admin/v1/users/nobody%40x/retire", None)
        .await
        .of();
    assert_eq!((nobody.known, nobody.changed), (0, 0));
}

#[tokio::test]
async fn events_are_taken_one_by_one() {
    let scene = Scene::with_nodes(&[A]).await;
    scene.place(&[USER], A).await;
    let message = |inner: Value| json!({"Message": inner.to_string()});
    let about = |event: &str| json!({"event": event, "uid": "u1", "iss": "x.example", "generation": 7});
    let messages = json!({"messages": [
        message(about("passwordChange")),
        message(about("passwordChange")),
        message(json!({"event": "delete", "uid": "u2@x.example"})),
        message(about("login")),
        message(json!({"event": "reset", "uid": "u1", "iss": "x.example", "generation": 9_000_000_000_000_000_u64})),
        "nothing",
    ]});
    let expected = [
        EventOutcome::Changed,
        EventOutcome::Unchanged,
        EventOutcome::Unchanged,
        EventOutcome::Other,
        EventOutcome::Malformed,
        EventOutcome::Malformed,
    ];
    let path = "/admin/v1/events";
    let foretold: EventsDone = scene.post(&format!("{path}?dry_run=true"), &messages).await.of();
    // Nothing is written, so the second message is still news.
    assert_eq!(foretold.outcomes[1], EventOutcome::Changed);
    assert_eq!(user(&scene).await.current.generation, 0);
    let done: EventsDone = scene.post(path, &messages).await.of();
    assert_eq!(done.outcomes, expected);
    assert_eq!(user(&scene).await.current.generation, 6);
    let too_many = json!({"messages": vec![Value::Null; 201]});
    assert_eq!(scene.post(path, &too_many).await.code(), Code::InvalidRequest);
}

/// A request in work when the user is retired makes a first record afterwards.
#[tokio::test]
async fn a_record_that_comes_behind_a_retirement_is_retired() {
    let deleted = json!({"event": "delete", "uid": "u1@x.example"}).to_string();
    let deleted = json!({"messages": [{"Message": deleted}]});
    for (path, body) in [
        ("/admin/v1/users/u1%40x.example/retire", None),
        ("/admin/v1/events", Some(&deleted)),
    ] {
        let scene = Scene::with_nodes(&[A]).await;
        let told = match body {
            Some(body) => scene.post(path, body).await,
            None => scene.ask("POST", path, None).await,
        };
        assert_eq!(told.status, 200, "{path}");
        scene.place(&[USER], A).await;
        assert_eq!(user(&scene).await.current.replaced_at_ms, None, "{path}");
        scene.second_looks().await;
        assert_ne!(user(&scene).await.current.replaced_at_ms, None, "{path}");
    }
}

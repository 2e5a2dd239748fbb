//! What is refused, what a member that is left out means, and what Debug keeps to itself.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::*;

fn reads<T: DeserializeOwned>(value: &Value) -> bool {
    serde_json::from_value::<T>(value.clone()).is_ok()
}

fn survives<T: Serialize + DeserializeOwned + PartialEq>(value: &T) -> bool {
    serde_json::to_value(value)
        .and_then(serde_json::from_value::<T>)
        .is_ok_and(|back| back == *value)
}

fn settings() -> ServiceSettings {
    let mut settings = ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into());
    settings.admission = Admission::Listed(["secret-account".to_owned()].into());
    settings.allocation.pools = vec![PoolRule {
        whom: Whom::Users(["secret-user@x.example".to_owned()].into()),
        share_basis_points: 50,
        pool: "new".into(),
    }];
    settings
}

#[test]
fn a_whole_service_has_no_setting_that_may_be_forgotten() {
    let whole = serde_json::to_value(settings()).unwrap();
    assert!(reads::<ServiceSettings>(&whole) && survives(&settings()));
    for name in whole.as_object().unwrap().keys() {
        let mut without = whole.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(!reads::<ServiceSettings>(&without), "{name}");
    }
    let mut unpinned = whole;
    unpinned["allocation"]
        .as_object_mut()
        .unwrap()
        .remove("pinned_to");
    assert!(!reads::<ServiceSettings>(&unpinned));
}

#[test]
fn what_nobody_knows_is_refused() {
    let extended = |value: Value| {
        let mut value = value;
        value["surprise"] = json!(1);
        value
    };
    let record = json!({"uid": 1, "generation": 0, "client_state": "", "created_at_ms": 1});
    let user = json!({"user": "u@x", "records": [record.clone()]});
    type Row = (&'static str, Value, fn(&Value) -> bool);
    let table: [Row; 12] = [
        (
            "settings",
            serde_json::to_value(settings()).unwrap(),
            reads::<ServiceSettings>,
        ),
        (
            "allocation",
            serde_json::to_value(Allocation::default()).unwrap(),
            reads::<Allocation>,
        ),
        (
            "node",
            json!({"url": "https://n", "capacity": 1}),
            reads::<NewNode>,
        ),
        ("change", json!({"downed": true}), reads::<NodeChange>),
        ("rename", json!({"to": "https://n"}), reads::<RenameNode>),
        ("place", json!({}), reads::<Place>),
        ("forget", json!({"uid": 1}), reads::<Forget>),
        ("unassign", json!({"limit": 1}), reads::<UnassignPage>),
        ("move", json!({"limit": 1}), reads::<MovePage>),
        ("purge", json!({"limit": 1, "grace_secs": 1}), reads::<PurgePage>),
        ("record", record, reads::<ImportRecord>),
        ("user", user, reads::<ImportUser>),
    ];
    for (name, value, reads) in table {
        assert!(reads(&value), "{name}");
        assert!(!reads(&extended(value)), "{name} with a surprise");
    }
}

#[test]
fn of_a_node_null_is_the_default_pool_and_nothing_else() {
    let change = |value: Value| serde_json::from_value::<NodeChange>(value);
    assert_eq!(change(json!({})).unwrap(), NodeChange::default());
    assert_eq!(change(json!({"pool": null})).unwrap().pool, Some(None));
    assert_eq!(change(json!({"pool": "a"})).unwrap().pool, Some(Some("a".into())));
    for name in ["capacity", "available", "downed", "backoff", "unhealthy"] {
        assert!(change(json!({name: null})).is_err(), "{name}");
    }
    for pool in [None, Some(None), Some(Some("a".to_owned()))] {
        let change = NodeChange {
            pool,
            ..NodeChange::default()
        };
        assert!(survives(&change), "{change:?}");
    }
}

#[test]
fn what_is_exported_can_be_imported() {
    let records = UserRecords {
        user: User("u@x".into()),
        first_seen_at_ms: 1,
        version: 7,
        current: Record {
            uid: 2,
            generation: Record::RETIRED,
            keys_changed_at_ms: Some(3),
            client_state: "bb".into(),
            created_at_ms: 20,
            replaced_at_ms: None,
            node: Some("https://n".into()),
            node_type: Some("mysql".into()),
        },
        past: vec![PastRecord {
            uid: 1,
            generation: 1,
            keys_changed_at_ms: None,
            client_state: "aa".into(),
            created_at_ms: 10,
            replaced_at_ms: 20,
            node: None,
            holds_slot: false,
        }],
        old_client_states: vec!["aa".into()],
    };
    assert!(survives(&records) && records.current.is_retired());
    let import = ImportUser::from(records);
    assert!(survives(&import));
    let uids: Vec<u64> = import.records.iter().map(|record| record.uid).collect();
    assert_eq!(uids, [1, 2]);
    assert_eq!(import.records[0].holds_slot, Some(false));
    assert_eq!(import.records[1].replaced_at_ms, None);
}

#[test]
fn codes_are_written_as_they_are_named() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(code.name()));
        assert!((400..600).contains(&code.status()), "{code:?}");
    }
}

#[test]
fn debug_names_nobody() {
    let messages = EventMessages {
        messages: vec![json!({"Message": "secret"})],
    };
    let change = FieldChange {
        field: "admission".into(),
        from: json!("secret"),
        to: json!("secret"),
    };
    let shown = format!(
        "{:?} {:?} {messages:?} {change:?} {:?}",
        User("secret@x".into()),
        Cursor("secret".into()),
        settings()
    );
    assert!(!shown.contains("secret"), "{shown}");
}

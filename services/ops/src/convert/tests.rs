//! Round trips, and what is refused by the member that is wrong.

use foxhold_core::{
    NodeId,
    record::{NodeFigures, NodeRecord},
};

use super::*;
use crate::wire::{
    Admission, ImportRecord, ImportUser, NewNode, NodeChange, PoolRule, Scheme, ServiceSettings, User, Whom,
};

fn sync() -> ServiceKey {
    ServiceKey("sync-1.5".into())
}

fn all_settings() -> ServiceSettings {
    let mut settings = ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into());
    settings.schemes = [Scheme::OAuth, Scheme::BrowserId].into();
    settings.allowed_issuers = vec!["a.example".into()];
    settings.trusted_issuers = vec!["b.example".into()];
    settings.allowed_email_domains = vec!["c.example".into()];
    settings.admission = Admission::First(7);
    settings.conditions = [("terms".to_owned(), "https://a.example/terms".to_owned())].into();
    settings.auth_max_age_secs = Some(60);
    settings.allocation.pinned_to = Some("https://n.example".into());
    let rule = |whom, pool: &str| PoolRule {
        whom,
        share_basis_points: 25,
        pool: pool.into(),
    };
    settings.allocation.pools = vec![
        rule(Whom::Everyone, "a"),
        rule(Whom::Domains(["x.example".to_owned()].into()), "b"),
        rule(Whom::Users(["u@x.example".to_owned()].into()), "c"),
    ];
    settings.allocation.closed_pools = ["a".to_owned()].into();
    settings
}

#[test]
fn settings_come_back_as_they_went_in() {
    let mut each = vec![all_settings()];
    for admission in [
        Admission::Everyone,
        Admission::Nobody,
        Admission::Listed(["a1".to_owned()].into()),
    ] {
        each.push(ServiceSettings {
            admission,
            ..all_settings()
        });
    }
    for given in each {
        let stored = service(sync(), given.clone()).unwrap();
        let told = settings(stored);
        assert_eq!((told.key.as_str(), &told.settings), ("sync-1.5", &given));
    }
}

#[test]
fn settings_that_cannot_be_meant_name_their_member() {
    type Row = (&'static str, fn(&mut ServiceSettings));
    let table: [Row; 21] = [
        ("pattern", |s| s.pattern = String::new()),
        ("pattern", |s| s.pattern = "x/{uid}".into()),
        ("pattern", |s| s.pattern = "x/{node}/{uid}".into()),
        ("pattern", |s| s.pattern = "{node}/{foo}".into()),
        ("pattern", |s| s.pattern = "{node}/{uid".into()),
        ("pattern", |s| s.pattern = "{node}/{}".into()),
        ("pattern", |s| s.pattern = "{node}/a b".into()),
        ("scope", |s| s.scope = "not a url".into()),
        ("scope", |s| s.scope = " a b".into()),
        ("pattern", |s| s.pattern = "ü".into()),
        ("pattern", |s| s.pattern = "a".repeat(1025)),
        ("scope", |s| s.scope = "a\n".into()),
        ("scope", |s| s.scope = " ".into()),
        ("token_lifetime_secs", |s| s.token_lifetime_secs = 0),
        ("token_lifetime_secs", |s| s.token_lifetime_secs = u64::MAX),
        ("uid_ceiling", |s| s.uid_ceiling = 0),
        ("uid_ceiling", |s| s.uid_ceiling = 1 << 53),
        ("schemes", |s| s.schemes.clear()),
        ("allocation.pinned_to", |s| {
            s.allocation.pinned_to = Some("n/".into())
        }),
        ("allocation.pools[1].pool", |s| {
            s.allocation.pools[1].pool = "A".into()
        }),
        ("pools", |s| s.allocation.pools[0].share_basis_points = 0),
    ];
    for (field, change) in table {
        let mut given = all_settings();
        change(&mut given);
        let found = service(sync(), given).map_err(|fault| fault.field);
        assert_eq!(found.err().as_deref(), Some(field));
    }
}

#[test]
fn a_pattern_begins_with_the_node() {
    for pattern in [
        "{node}",
        "{node}/1.5/{uid}",
        "{node}/{service}/{uid}",
        "{node}/a?u={uid}",
    ] {
        let given = ServiceSettings {
            pattern: pattern.into(),
            ..all_settings()
        };
        assert!(service(sync(), given).is_ok(), "{pattern}");
    }
}

#[test]
fn changes_are_told_member_by_member() {
    let before = all_settings();
    assert_eq!(changes(&before, &before), []);
    let mut after = all_settings();
    after.uid_ceiling = 9;
    after.admission = Admission::Nobody;
    let found = changes(&before, &after);
    let fields: Vec<&str> = found.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["admission", "uid_ceiling"]);
    assert_eq!((&found[0].to, &found[1].to), (&"nobody".into(), &9.into()));
}

#[test]
fn keys_have_their_forms() {
    let long = format!("{}@x", "a".repeat(USER_LEN_MAX));
    for (text, expected) in [
        ("a1@x.example", true),
        ("ü@x", true),
        ("", false),
        ("a", false),
        ("@x", false),
        ("a@", false),
        ("a@b@c", false),
        ("a b@c", false),
        ("a\n@c", false),
        (&long, false),
    ] {
        assert_eq!(user_key("user", text).is_ok(), expected, "{text}");
    }
    for (text, expected) in [
        ("sync-1.5", true),
        ("a-b-1", true),
        ("sync", false),
        ("-1", false),
        ("sync-", false),
        ("sync 1-5", false),
        ("a/b-1", false),
    ] {
        assert_eq!(service_key(text).is_ok(), expected, "{text}");
    }
}

#[test]
fn a_new_node_starts_with_a_tenth_unless_somebody_says_otherwise() {
    let given = |available| NewNode {
        url: "https://n.example".into(),
        capacity: 101,
        available,
        ..NewNode::default()
    };
    for (available, expected) in [(None, 11), (Some(0), 0), (Some(101), 101)] {
        let (new, flags) = new_node(&sync(), given(available)).unwrap();
        assert_eq!((new.available, flags), (expected, Default::default()));
    }
    let (_, flags) = new_node(
        &sync(),
        NewNode {
            backoff: true,
            ..given(None)
        },
    )
    .unwrap();
    assert_eq!((flags.backoff, flags.downed), (Some(true), None));
}

#[test]
fn nodes_that_cannot_be_meant_name_their_member() {
    type Row = (&'static str, fn(&mut NewNode));
    let table: [Row; 8] = [
        ("url", |n| n.url = "n.example".into()),
        ("url", |n| n.url = "https://n.example/".into()),
        ("url", |n| n.url = format!("https://{}", "n".repeat(256))),
        ("capacity", |n| n.capacity = u64::MAX),
        ("available", |n| n.available = Some(11)),
        ("pool", |n| n.pool = Some("No".into())),
        ("node_type", |n| n.node_type = Some(String::new())),
        ("node_type", |n| n.node_type = Some("a b".into())),
    ];
    for (field, change) in table {
        let mut given = NewNode {
            url: "https://n.example".into(),
            capacity: 10,
            ..NewNode::default()
        };
        change(&mut given);
        let found = new_node(&sync(), given).map_err(|fault| fault.field);
        assert_eq!(found.err().as_deref(), Some(field));
    }
    let too_much = NodeChange {
        available: Some(u64::MAX),
        ..NodeChange::default()
    };
    assert_eq!(changed(too_much).unwrap_err().field, "available");
}

#[test]
fn a_change_is_foretold_as_the_store_would_make_it() {
    let before = NodeRecord {
        id: NodeId(1),
        service: sync(),
        url: "https://n.example".into(),
        node_type: None,
        pool: PoolName::new("a"),
        figures: NodeFigures {
            capacity: 10,
            available: 5,
            current_load: 5,
            ..NodeFigures::default()
        },
    };
    let change = NodeChange {
        capacity: Some(7),
        pool: Some(None),
        ..NodeChange::default()
    };
    let told = node(after(&before, &changed(change).unwrap()));
    assert_eq!((told.capacity, told.available, told.pool), (7, 2, None));
    assert_eq!(after(&before, &changed(NodeChange::default()).unwrap()), before);
}

fn import() -> ImportUser {
    ImportUser {
        user: User("u@x.example".into()),
        records: vec![ImportRecord {
            uid: 1,
            generation: i64::MAX as u64,
            keys_changed_at_ms: Some(0),
            client_state: "AAbb".into(),
            created_at_ms: 1,
            replaced_at_ms: None,
            node: Some(String::new()),
            holds_slot: None,
        }],
        old_client_states: vec![String::new()],
        first_seen_at_ms: None,
    }
}

#[test]
fn records_from_elsewhere_are_read_as_other_servers_wrote_them() {
    let (user, imported) = imported_user(0, import()).unwrap();
    let record = &imported.records[0];
    assert_eq!(user.0, "u@x.example");
    assert_eq!(record.client_state.as_bytes(), [0xaa, 0xbb]);
    assert_eq!((record.keys_changed_at, &record.node), (None, &None));
}

#[test]
fn records_from_elsewhere_that_cannot_be_meant_name_their_member() {
    type Row = (&'static str, fn(&mut ImportUser));
    let table: [Row; 12] = [
        ("users[3].user", |u| u.user = User("nobody".into())),
        ("users[3].records", |u| u.records.clear()),
        ("users[3].records", |u| {
            u.records = vec![u.records[0].clone(); 102]
        }),
        ("users[3].records[0].uid", |u| u.records[0].uid = 0),
        ("users[3].records[0].uid", |u| u.records[0].uid = 1 << 53),
        ("users[3].records[0].generation", |u| {
            u.records[0].generation = 1 << 63
        }),
        ("users[3].records[0].keys_changed_at_ms", |u| {
            u.records[0].keys_changed_at_ms = Some(u64::MAX)
        }),
        ("users[3].records[0].client_state", |u| {
            u.records[0].client_state = "abc".into()
        }),
        ("users[3].records[0].client_state", |u| {
            u.records[0].client_state = "aa".repeat(17)
        }),
        ("users[3].records[0].created_at_ms", |u| {
            u.records[0].created_at_ms = u64::MAX
        }),
        ("users[3].records[0].node", |u| {
            u.records[0].node = Some("a b".into())
        }),
        ("users[3].old_client_states", |u| {
            u.old_client_states = vec!["zz".into()]
        }),
    ];
    for (field, change) in table {
        let mut given = import();
        change(&mut given);
        let found = imported_user(3, given).map_err(|fault| fault.field);
        assert_eq!(found.err().as_deref(), Some(field));
    }
}

#[test]
fn a_node_is_made_in_one_spelling_and_with_nothing_secret_in_it() {
    for good in [
        "https://n.example",
        "http://n.example:8000",
        "https://n.example/sync",
    ] {
        assert!(new_node_url("url", good).is_ok(), "{good}");
    }
    let bad = [
        ("https://N.example", "give it as https://n.example"),
        ("https://n.example:443", "give it as https://n.example"),
        ("http://n.example:80/sync", "give it as http://n.example/sync"),
        ("https://ann:secret@n.example", "without user name"),
        ("https://n.example?x=1", "without user name, query"),
        ("https://n.example#x", "without user name, query and fragment"),
        ("https://n.example/", "without trailing slash"),
    ];
    for (url, expected) in bad {
        let told = new_node_url("url", url).unwrap_err();
        assert!(told.detail.contains(expected), "{url}: {}", told.detail);
        assert!(!told.detail.contains("secret"), "{url}: {}", told.detail);
    }
}

//! The rules of the purge, row by row.

use foxhold_core::{
    NodeId,
    record::{Assignment, NodeFigures, PastRecord, ServiceKey, ServicePolicy},
};

use super::*;

const HERE: &str = "https://here.example";

fn old(keys_changed_at: u64, generation: u64, state: u8) -> Old {
    Old {
        uid: ServiceUid::new(1).unwrap(),
        generation: Generation(generation),
        keys_changed_at: NonZeroU64::new(keys_changed_at),
        client_state: ClientState::new(vec![state]).unwrap(),
        replaced_at: Timestamp::from_millis(100),
        node: Some(HERE.into()),
    }
}

/// A user with this active record.
fn user(keys_changed_at: u64, generation: u64, state: u8) -> UserRecord {
    UserRecord {
        current: Assignment {
            uid: ServiceUid::new(9).unwrap(),
            generation: Generation(generation),
            keys_changed_at: NonZeroU64::new(keys_changed_at),
            client_state: ClientState::new(vec![state]).unwrap(),
            created_at: Timestamp::from_millis(100),
            replaced_at: None,
            node: Some(HERE.into()),
            node_type: None,
        },
        past: Vec::new(),
        old_client_states: Vec::new(),
        first_seen_at: Timestamp::from_millis(1),
        version: 2,
    }
}

fn node(url: &str, figures: NodeFigures) -> NodeRecord {
    NodeRecord {
        id: NodeId(1),
        service: ServiceKey("sync-1.5".into()),
        url: url.into(),
        node_type: None,
        pool: None,
        figures,
    }
}

fn past(uid: u64, replaced_at: u64) -> PastRecord {
    PastRecord {
        uid: ServiceUid::new(uid).unwrap(),
        generation: Generation(1),
        keys_changed_at: None,
        client_state: ClientState::default(),
        created_at: Timestamp::from_millis(1),
        replaced_at: Timestamp::from_millis(replaced_at),
        node: Some(HERE.into()),
        holds_slot: true,
    }
}

#[test]
fn a_place_is_unused_whose_stranger_came_once_and_long_ago() {
    let service = |token_lifetime_secs| Service {
        key: ServiceKey("sync-1.5".into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: String::new(),
        token_lifetime_secs,
        uid_ceiling: 1 << 31,
        policy: ServicePolicy {
            trusted_issuers: vec!["trusted.example".to_owned()],
            ..ServicePolicy::default()
        },
    };
    let at = Timestamp::from_secs;
    let once = {
        let mut once = user(1, 1, 1);
        once.version = ASSIGNED_ONCE;
        once.current.created_at = at(1000);
        once
    };
    let with = |change: fn(&mut UserRecord)| {
        let mut record = once.clone();
        change(&mut record);
        record
    };
    let week = Some(Duration::from_secs(604_800));
    let (day_8, day_7) = (at(1000 + 8 * 86_400), at(1000 + 604_800 + 3600));
    let table = [
        ("left", once.clone(), week, 3600, day_8, true),
        ("not long enough", once.clone(), week, 3600, day_7, false),
        ("nobody asks", once.clone(), None, 3600, day_8, false),
        (
            "its first token was good lately",
            once.clone(),
            week,
            9 * 86_400,
            day_8,
            false,
        ),
        (
            "came again",
            with(|record| record.version += 1),
            week,
            3600,
            day_8,
            false,
        ),
        (
            "has lost its node",
            with(|record| record.current.node = None),
            week,
            3600,
            day_8,
            false,
        ),
        (
            "was taken away",
            with(|record| record.current.replaced_at = Some(Timestamp::from_secs(2000))),
            week,
            3600,
            day_8,
            false,
        ),
    ];
    for (name, record, after, lifetime, now, expected) in table {
        let own_domains = vec!["own.example".to_owned()];
        let order = Order {
            unused: after.map(|after| Unused { after, own_domains }),
            ..Order::default()
        };
        let (service, out) = (
            service(lifetime),
            NodeFigures {
                downed: true,
                ..NodeFigures::default()
            },
        );
        let found = |domain: &str, nodes: &[NodeRecord]| {
            let user = UserKey(format!("somebody@{domain}"));
            is_unused(&user, &record, nodes, &service, &order, now)
        };
        let (stranger, here) = ("stranger.example", [node(HERE, NodeFigures::default())]);
        assert_eq!(found(stranger, &here), expected, "{name}");
        assert!(
            !found(stranger, &[]) && !found(stranger, &[node(HERE, out)]),
            "{name}: nobody can come"
        );
        for known in ["own.example", "trusted.example"] {
            assert!(!found(known, &here), "{name}: {known}");
        }
    }
}

#[test]
fn the_guard_compares_key_ids_as_tokens_carry_them() {
    let nodes = [node(HERE, NodeFigures::default())];
    let erase = || Verdict::Erase(HERE.to_owned());
    let same = || Verdict::Skip(Skipped::SameKeys);
    let replaced = || {
        let mut record = user(5, 5, 1);
        record.current.replaced_at = Some(Timestamp::from_millis(200));
        record
    };
    let by_uid = Order {
        by_uid: ByUid::Nodes([HERE.to_owned()].into()),
        ..Order::default()
    };
    let unknown = Order::default();
    for (name, old, record, order, expected) in [
        ("same keys", old(5, 5, 1), user(5, 5, 1), &unknown, same()),
        (
            "a newer generation does not matter",
            old(5, 5, 1),
            user(5, 9, 1),
            &unknown,
            same(),
        ),
        (
            "without key times the generation does",
            old(0, 5, 1),
            user(0, 9, 1),
            &unknown,
            erase(),
        ),
        ("another time", old(5, 5, 1), user(6, 6, 1), &unknown, erase()),
        ("another key", old(5, 5, 1), user(5, 5, 2), &unknown, erase()),
        ("the user is gone", old(5, 5, 1), replaced(), &unknown, erase()),
        (
            "the node keeps by uid",
            old(5, 5, 1),
            user(5, 5, 1),
            &by_uid,
            erase(),
        ),
    ] {
        assert_eq!(judge(&old, &record, &nodes, order), expected, "{name}");
    }
    let mut crowded = user(5, 5, 1);
    crowded.past = (0..=KEPT_MAX as u64).map(|uid| past(uid + 10, 1)).collect();
    assert_eq!(judge(&old(5, 5, 1), &crowded, &nodes, &unknown), Verdict::Forget);
    crowded.past.pop();
    assert_eq!(judge(&old(5, 5, 1), &crowded, &nodes, &unknown), same());
}

#[test]
fn nodes_decide_first() {
    let out = Verdict::Skip(Skipped::NodeOut);
    let figures = |downed, unhealthy, backoff| NodeFigures {
        downed,
        unhealthy,
        backoff,
        ..NodeFigures::default()
    };
    let forced = Order {
        force: true,
        ..Order::default()
    };
    let erase = Verdict::Erase(HERE.to_owned());
    for (name, node, order, expected) in [
        (
            "well",
            node(HERE, figures(false, false, false)),
            Order::default(),
            &erase,
        ),
        (
            "in backoff",
            node(HERE, figures(false, false, true)),
            Order::default(),
            &erase,
        ),
        (
            "downed",
            node(HERE, figures(true, false, false)),
            Order::default(),
            &out,
        ),
        (
            "unhealthy",
            node(HERE, figures(false, true, false)),
            Order::default(),
            &out,
        ),
        (
            "downed and forced",
            node(HERE, figures(true, false, false)),
            forced.clone(),
            &erase,
        ),
        (
            "not listed",
            node("https://new.example", figures(false, false, false)),
            forced,
            &out,
        ),
    ] {
        let found = judge(&old(1, 1, 1), &user(2, 2, 2), &[node], &order);
        assert_eq!(&found, expected, "{name}");
    }
    let gone = Old {
        node: None,
        ..old(1, 1, 1)
    };
    assert_eq!(
        judge(&gone, &user(1, 1, 1), &[], &Order::default()),
        Verdict::Forget
    );
}

#[test]
fn due_is_what_was_replaced_before_the_grace() {
    let mut record = user(1, 1, 1);
    record.past = vec![past(1, 10), past(2, 20), past(3, 30)];
    let order = |grace| Order {
        grace: std::time::Duration::from_millis(grace),
        ..Order::default()
    };
    let uids = |record: &UserRecord, order: &Order| -> Vec<u64> {
        let due = due(record, order, Timestamp::from_millis(30));
        due.iter().map(|old| old.uid.get()).collect()
    };
    assert_eq!(uids(&record, &order(0)), [1, 2]);
    assert_eq!(uids(&record, &order(10)), [1]);
    assert_eq!(uids(&record, &order(1000)), [0; 0]);
    record.current.replaced_at = Some(Timestamp::from_millis(25));
    assert_eq!(uids(&record, &order(0)), [1, 2, 9]);
    record.current.node = None;
    assert_eq!(uids(&record, &order(0)), [1, 2], "nothing of it is left to purge");
}

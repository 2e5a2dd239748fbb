//! What a file is refused for, before anything is written.

use std::io::Write as _;

use foxhold_ops::wire::{PastRecord, Record, ServiceSettings, User};

use super::*;

fn service() -> Service {
    Service {
        key: "sync-1.5".into(),
        settings: ServiceSettings::new("{node}/1.5/{uid}".into(), "scope".into()),
    }
}

fn node(url: &str, capacity: u64) -> Node {
    Node {
        id: 1,
        url: url.into(),
        node_type: None,
        pool: None,
        capacity,
        available: capacity,
        current_load: 0,
        downed: false,
        backoff: false,
        unhealthy: false,
    }
}

/// Beside a service with one node for two users.
fn survey(lines: &[&str]) -> Survey {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, r#"{{"kind":"header","format":1}}"#).unwrap();
    file.write_all(lines.join("\n").as_bytes()).unwrap();
    writeln!(file, "\n{{\"kind\":\"end\"}}").unwrap();
    let here = Part::of_here(service(), vec![node("https://here", 2)]);
    let mut survey = Survey::beside([("sync-1.5".to_owned(), here)].into());
    let file = RecordFile::open(file.path()).unwrap();
    survey.read(file, |_| {}).unwrap();
    survey
}

fn row(user: &str, uid: u64, node: &str) -> String {
    format!(
        r#"{{"kind":"record","service":"sync-1.5","email":"{user}","uid":{uid},"created_at":{uid},"node":"{node}"}}"#
    )
}

fn stored(user: &str, uid: u64, past: u64) -> UserRecords {
    UserRecords {
        user: User(user.into()),
        first_seen_at_ms: 1,
        version: 1,
        current: Record {
            uid,
            generation: 1,
            keys_changed_at_ms: None,
            client_state: String::new(),
            created_at_ms: 1,
            replaced_at_ms: None,
            node: Some("https://here".into()),
            node_type: None,
        },
        past: vec![PastRecord {
            uid: past,
            generation: 1,
            keys_changed_at_ms: None,
            client_state: String::new(),
            created_at_ms: 1,
            replaced_at_ms: 1,
            node: Some("https://here".into()),
            holds_slot: false,
        }],
        old_client_states: Vec::new(),
    }
}

#[test]
fn a_file_is_refused_for_what_stands_in_it() {
    let a = row("a@x", 1, "https://here");
    let other = row("b@x", 2, "https://here");
    let same_uid = row("b@x", 1, "https://here");
    let again = row("a@x", 3, "https://here");
    let high = row("a@x", 2_147_483_648, "https://here");
    let elsewhere = a.replace("sync-1.5", "notes-1.0");
    let new_node = r#"{"kind":"node","service":"sync-1.5","url":"https://new","capacity":1}"#;
    let slash = r#"{"kind":"node","service":"sync-1.5","url":"https://new/","capacity":1}"#;
    let bare = r#"{"kind":"service","key":"notes-1.0"}"#;
    let pattern = r#"{"kind":"service","service":"notes-1.0","pattern":"{node}/{uid}"}"#;
    let table: [(&str, &[&str], &str); 11] = [
        ("good", &[new_node, &a, &other], ""),
        ("its own service", &[pattern, &elsewhere], ""),
        ("two users of one uid", &[&a, &same_uid], "line 3: uid 1 stands"),
        ("one uid twice", &[&a, &a], "line 2: uid 1 stands"),
        ("apart", &[&a, &other, &again], "line 4: the user's other records"),
        ("above the ceiling", &[&high], "line 2: uid 2147483648 is above"),
        (
            "no service",
            &[&elsewhere],
            "line 2: there is no service notes-1.0",
        ),
        ("a node too late", &[&a, new_node], "line 3: nodes stand before"),
        ("a node twice", &[new_node, new_node], "line 3: the node stands"),
        ("a node's slash", &[slash], "line 2: a node's URL"),
        ("nothing of a service", &[bare], "line 2: a service needs"),
    ];
    for (name, lines, named) in table {
        let mut survey = survey(lines);
        survey.judge_nodes();
        let told = survey.faults.to_string();
        assert_eq!(survey.faults.is_empty(), named.is_empty(), "{name}: {told}");
        assert!(told.contains(named), "{name}: {told}");
    }
}

#[test]
fn who_is_here_already_counts() {
    let file = [row("a@x", 1, "https://here"), row("b@x", 2, "https://here")];
    let [a, b] = file.each_ref().map(String::as_str);
    let cases: [(&str, &[&str], UserRecords, &str); 5] = [
        ("the same user, again", &[a, b], stored("a@x", 1, 7), ""),
        ("room for one more", &[a], stored("c@x", 8, 7), ""),
        (
            "another user's uid",
            &[a],
            stored("c@x", 1, 7),
            "uid 1 of the file",
        ),
        (
            "another user's past uid",
            &[a],
            stored("c@x", 8, 1),
            "uid 1 of the file",
        ),
        (
            "no room",
            &[a, b],
            stored("c@x", 8, 7),
            "takes 2 users: 2 come, 1 others",
        ),
    ];
    for (name, lines, here, named) in cases {
        let mut survey = survey(lines);
        // Twice: what was met before does not count twice.
        survey.meet("sync-1.5", std::slice::from_ref(&here));
        survey.meet_again();
        survey.meet("sync-1.5", &[here]);
        survey.judge_nodes();
        let told = survey.faults.to_string();
        assert_eq!(survey.faults.is_empty(), named.is_empty(), "{name}: {told}");
        assert!(told.contains(named), "{name}: {told}");
    }
}

#[test]
fn records_without_a_node_are_counted_and_taken() {
    let gone = row("a@x", 1, "https://gone");
    let survey = survey(&[&gone]);
    let part = &survey.parts["sync-1.5"];
    assert_eq!(part.dangling, [("https://gone".to_owned(), 1)].into());
    assert_eq!((part.users, part.records, part.uid_max), (1, 1, 1));
    assert!(survey.faults.is_empty());
}

#[test]
fn many_faults_are_counted() {
    let mut faults = Faults::default();
    (0..25).for_each(|number| faults.push(format!("fault {number}")));
    let told = faults.to_string();
    assert!(told.ends_with("fault 19\nand 5 more"), "{told}");
}

//! Records that come over from elsewhere: from another box, and from another server's tables.

use std::fs;

use serde_json::{Value, json};

use super::bench::{Bench, HOME, SYNC_2, SYNC_3, USER};

/// What another server's tables hold: users with one record, with a change of keys, with several that are active, on a
/// node that is gone, unassigned, retired.
fn rows() -> String {
    let row = |email: &str, uid: u64, more: Value| {
        let mut row = json!({
            "kind": "record", "service": "sync-1.5", "email": email, "uid": uid, "generation": 1_600_000_000_000_u64,
            "client_state": "aa", "created_at": 1_600_000_000_000_u64 + uid, "replaced_at": null,
            "keys_changed_at": null, "node": SYNC_2,
        });
        for (name, value) in more.as_object().expect("an object") {
            row[name] = value.clone();
        }
        row
    };
    let lines = [
        json!({"kind": "header", "format": 1}),
        json!({"kind": "service", "service": "sync-1.5", "pattern": "{node}/1.5/{uid}"}),
        json!({"kind": "node", "service": "sync-1.5", "node": SYNC_2, "capacity": 10, "available": 3,
            "current_load": 5, "downed": 0, "backoff": 1}),
        row("one@example.org", 11, json!({})),
        row(
            "keys@example.org",
            21,
            json!({"replaced_at": 1_600_000_000_022_u64}),
        ),
        row(
            "keys@example.org",
            22,
            json!({"client_state": "bb", "generation": 1_600_000_000_022_u64,
            "keys_changed_at": 1_600_000_000_022_u64}),
        ),
        row("several@example.org", 31, json!({})),
        row("several@example.org", 32, json!({"client_state": "bb"})),
        row(
            "dangling@example.org",
            41,
            json!({"node": "https://gone.example.org"}),
        ),
        row(
            "unassigned@example.org",
            51,
            json!({"replaced_at": 1_600_000_000_099_u64}),
        ),
        row(
            "retired@example.org",
            61,
            json!({"replaced_at": 1_600_000_000_099_u64, "generation": i64::MAX}),
        ),
        json!({"kind": "end"}),
    ];
    lines.map(|line| line.to_string()).join("\n")
}

#[test]
fn another_servers_tables_come_over() {
    let bench = Bench::new();
    bench.write("rows.jsonl", &rows());
    let dry = bench.json(&["service", "import", "rows.jsonl", "--dry-run"]);
    let expected = json!({
        "dry_run": true, "services_created": 0, "services_changed": 0, "nodes_created": 1, "nodes_changed": 0,
        "users": 6, "records": 8, "without_node": 1, "imported": 0, "unchanged": 0, "refused": 0, "failed": 0,
        "refusals": [], "is_whole": true,
    });
    assert_eq!(dry, expected);
    assert_eq!(bench.run(&["node", "show", SYNC_2]).code, Some(5));
    let done = bench.json(&["service", "import", "rows.jsonl"]);
    assert_eq!((&done["imported"], &done["unchanged"]), (&json!(6), &json!(0)));
    let current = |user: &str| bench.json(&["service", "show-user", user])["current"].clone();
    for (user, uid, node, is_active) in [
        ("one@example.org", 11, json!(SYNC_2), true),
        ("keys@example.org", 22, json!(SYNC_2), true),
        ("several@example.org", 32, json!(SYNC_2), true),
        ("dangling@example.org", 41, Value::Null, true),
        ("unassigned@example.org", 51, json!(SYNC_2), false),
        ("retired@example.org", 61, json!(SYNC_2), false),
    ] {
        let current = current(user);
        let found = (
            &current["uid"],
            &current["node"],
            current["replaced_at_ms"].is_null(),
        );
        assert_eq!(found, (&json!(uid), &node, is_active), "{user}");
    }
    let node = bench.json(&["node", "show", SYNC_2]);
    let figures = ["capacity", "available", "current_load", "backoff"].map(|name| node[name].clone());
    assert_eq!(figures, [json!(10), json!(3), json!(5), json!(true)]);
    // Uids go on above what came.
    let placed = bench.json(&["service", "place-user", USER]);
    assert_eq!(placed["records"]["current"]["uid"], 62);
    // Again is nothing new, and does not undo what happened meanwhile.
    bench.done(&["service", "unassign-user", "one@example.org"]);
    let again = bench.json(&["service", "import", "rows.jsonl"]);
    assert_eq!((&again["imported"], &again["unchanged"]), (&json!(0), &json!(6)));
    assert!(current("one@example.org")["replaced_at_ms"].is_u64());
}

#[test]
fn what_is_exported_imported_and_exported_again_is_the_same() {
    let old = Bench::new();
    old.write("rows.jsonl", &rows());
    old.done(&["service", "import", "rows.jsonl"]);
    let create = [
        "service",
        "create",
        "notes-1.0",
        "--pattern",
        "{node}/{uid}",
        "--scope",
        "https://example.org/notes",
    ];
    old.done(
        &[
            &create[..],
            &[
                "--admission",
                "nobody",
                "--pool",
                "new=10%",
                "--condition",
                "terms=https://a.org",
            ],
        ]
        .concat(),
    );
    old.done(&[
        "node",
        "create",
        SYNC_3,
        "--service",
        "notes-1.0",
        "--capacity",
        "7",
        "--pool",
        "new",
    ]);
    old.done(&[
        "service",
        "place-user",
        USER,
        "--service",
        "notes-1.0",
        "--node",
        SYNC_3,
    ]);
    old.done(&["service", "place-user", "one@example.org", "--node", HOME]);
    old.done(&["node", "update", HOME, "--capacity", "50000"]);
    old.done(&["node", "disable", SYNC_2]);
    let records = old.done(&["service", "export"]).out;
    assert_eq!(records.lines().count(), 1 + 2 + 3 + 7 + 1, "{records}");
    // An empty box; the node that is itself is there already, and has another capacity.
    let new = Bench::new();
    new.write("records.jsonl", &records);
    let import = ["service", "import", "records.jsonl"];
    let refused = new.run(&import);
    assert_eq!(refused.code, Some(6), "{}", refused.err);
    assert!(
        refused
            .err
            .contains("node https://sync.example.org of sync-1.5 has other"),
        "{}",
        refused.err
    );
    assert_eq!(
        new.run(&["service", "show", "notes-1.0"]).code,
        Some(5),
        "nothing was written"
    );
    let done = new.json(&[&import[..], &["--yes"]].concat());
    assert_eq!(
        (
            &done["imported"],
            &done["services_created"],
            &done["nodes_created"]
        ),
        (&json!(7), &json!(1), &json!(2))
    );
    let again = new.done(&["service", "export"]).out;
    assert_eq!(again, records);
    // Whoever comes now gets a uid that nobody had.
    let placed = new.json(&["service", "place-user", "new@example.org"]);
    assert!(placed["records"]["current"]["uid"].as_u64().unwrap() > 62);
}

#[test]
fn a_file_that_cannot_be_taken_over_changes_nothing() {
    let bench = Bench::new();
    bench.done(&["service", "place-user", USER]);
    let before = bench.done(&["service", "export"]).out;
    let good = rows();
    let first_row = good.lines().nth(3).unwrap();
    let table = [
        ("cut off", good.replace("\n{\"kind\":\"end\"}", ""), 3, "cut off"),
        ("not ours", "holiday".to_owned(), 3, "header"),
        ("a typo", good.replace("client_state", "client_stat"), 3, "line "),
        (
            "one uid twice",
            good.replace("\"uid\":22", "\"uid\":11"),
            6,
            "uid 11 stands in the file already",
        ),
        (
            "a uid that is taken",
            good.replace("\"uid\":11}", "\"uid\":1}"),
            6,
            "uid 1 of the file is another user's",
        ),
        (
            "no room",
            good.replace("\"capacity\":10", "\"capacity\":4"),
            6,
            "takes 4 users",
        ),
        (
            "no number",
            good.replace("\"uid\":11}", "\"uid\":0}"),
            6,
            "line 4: `records[0].uid`",
        ),
        (
            "apart",
            good.replace(
                "{\"kind\":\"end\"}",
                &format!("{}\n{{\"kind\":\"end\"}}", first_row.replace("11", "12")),
            ),
            6,
            "sort the file",
        ),
    ];
    for (name, text, code, named) in table {
        bench.write("bad.jsonl", &text);
        let ran = bench.run(&["service", "import", "bad.jsonl"]);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.err);
        assert!(ran.err.contains(named), "{name}: {}", ran.err);
    }
    let setting = r#"{"kind":"service","service":"sync-1.5","pattern":"é"}"#;
    bench.write("bad.jsonl", &good.replace(good.lines().nth(1).unwrap(), setting));
    let ran = bench.run(&["service", "import", "bad.jsonl", "--yes"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(
        ran.err.contains("error: service sync-1.5 of the file\n"),
        "{}",
        ran.err
    );
    assert_eq!(bench.done(&["service", "export"]).out, before);
    let missing = bench.run(&["service", "import", "missing.jsonl"]);
    assert_eq!(missing.code, Some(5), "{}", missing.err);
    assert!(missing.err.contains("missing.jsonl\nfix: "), "{}", missing.err);
}

#[test]
fn events_from_a_queue_are_taken_in() {
    let bench = Bench::new();
    bench.done(&["service", "place-user", USER]);
    let event = |inner: Value| json!({"Message": inner.to_string()}).to_string();
    let gone = event(json!({"event": "delete", "uid": "a1b2", "iss": "example.org", "ts": 1_600_000_000}));
    let other = event(
        json!({"event": "profileDataChange", "uid": "a1b2", "iss": "example.org", "ts": 1_600_000_000}),
    );
    bench.write(
        "events.jsonl",
        &[&gone, &gone, &other, "holiday"]
            .map(|line| format!("{line}\n"))
            .concat(),
    );
    let taken_in = |more: &[&str]| -> Value {
        let command = ["service", "import-events", "events.jsonl", "--output", "json"];
        let ran = bench.run(&[&command, more].concat());
        // One of them is malformed, and a script should know.
        assert_eq!(ran.code, Some(7), "{}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    };
    assert_eq!(taken_in(&["--dry-run"])["dry_run"], true);
    let done = taken_in(&[]);
    let expected =
        json!({"dry_run": false, "outcomes": {"changed": 1, "unchanged": 1, "other": 1, "malformed": 1}});
    assert_eq!(done, expected);
    let user = bench.json(&["service", "show-user", USER]);
    assert_eq!(user["current"]["generation"], i64::MAX);
    assert!(fs::exists(bench.path().join("events.jsonl")).unwrap());
}

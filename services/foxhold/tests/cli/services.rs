//! `foxhold service` and `foxhold node` on the folder of a box that is stopped: the commands, what they print and refuse, and
//! that records come over whole.

#[path = "services/accounts.rs"]
mod accounts;
#[path = "services/bench.rs"]
mod bench;
#[path = "services/examples.rs"]
mod examples;
#[path = "services/fleet.rs"]
mod fleet;
#[path = "services/invitations.rs"]
mod invitations;
#[path = "services/leaving.rs"]
mod leaving;
#[path = "services/moving.rs"]
mod moving;
#[path = "services/wrong.rs"]
mod wrong;

use bench::{Bench, HOME, SYNC_2, SYNC_3, USER};
use serde_json::{Value, json};

/// As scripts see it: documents are compared whole, but for times.
#[test]
fn services_and_nodes_print_what_they_are() {
    let bench = Bench::new();
    let service = bench.json(&["service", "show"]);
    assert_eq!(service["key"], "sync-1.5");
    let expected = json!({
        "pattern": "{node}/1.5/{uid}",
        "scope": "https://identity.mozilla.com/apps/oldsync",
        "token_lifetime_secs": 3600,
        "uid_ceiling": 2_147_483_647,
        "schemes": ["oauth", "browserid"],
        "allowed_issuers": ["sync.example.org"],
        "trusted_issuers": [],
        "allowed_email_domains": [],
        "admission": "everyone",
        "conditions": {},
        "auth_max_age_secs": null,
        "allocation": {"pinned_to": null, "pools": [], "closed_pools": []},
    });
    assert_eq!(service["settings"], expected);
    assert_eq!(bench.json(&["service", "list"]), json!({"services": [service]}));
    let created = bench.json(&["node", "create", SYNC_2, "--capacity", "1000", "--pool", "new"]);
    let node = json!({
        "id": created["node"]["id"], "url": SYNC_2, "node_type": null, "pool": "new", "capacity": 1000,
        "available": 100, "current_load": 0, "downed": false, "backoff": false, "unhealthy": false,
    });
    assert_eq!(
        created,
        json!({"outcome": "created", "dry_run": false, "node": node})
    );
    assert_eq!(bench.json(&["node", "show", SYNC_2]), node);
    let nodes = bench.json(&["node", "list"]);
    let urls: Vec<&Value> = nodes["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["url"])
        .collect();
    assert_eq!(urls, [HOME, SYNC_2]);
    // The same for people, and line by line.
    let table = bench.done(&["node", "list"]);
    let expected = "URL                         POOL  STATE  LOAD  CAPACITY  AVAILABLE  TYPE
https://sync.example.org    -     up     0     100000    100000     -
https://sync-2.example.org  new   up     0     1000      100        -
";
    assert_eq!(table.out, expected);
    let lines = bench.done(&["node", "list", "--output", "jsonl"]).out;
    assert_eq!(lines.lines().count(), 2);
    assert!(
        lines
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
}

#[test]
fn a_change_is_shown_before_it_is_made() {
    let bench = Bench::new();
    let update = [
        "service",
        "update",
        "sync-1.5",
        "--admission",
        "first=10",
        "--token-lifetime",
        "30m",
    ];
    let dry = bench.json(&[&update[..], &["--dry-run"]].concat());
    let changes = json!([
        {"field": "admission", "from": "everyone", "to": {"first": 10}},
        {"field": "token_lifetime_secs", "from": 3600, "to": 1800},
    ]);
    assert_eq!(
        (&dry["outcome"], &dry["dry_run"], &dry["changes"]),
        (&json!("changed"), &json!(true), &changes)
    );
    assert_eq!(
        bench.json(&["service", "show"])["settings"]["admission"],
        "everyone"
    );
    let done = bench.done(&update);
    assert!(done.out.starts_with("sync-1.5 changed\nSETTING "), "{}", done.out);
    // A stopped box keeps no log, so who did what is told here.
    let line = done.err.lines().nth(1).expect("an audit line");
    let line: Value = serde_json::from_str(line).unwrap();
    let told = ["target", "audit.who", "audit.action", "audit.service"].map(|name| line[name].clone());
    assert_eq!(
        told,
        ["foxhold::audit", "local", "service.put", "sync-1.5"].map(Value::from)
    );
    assert_eq!(bench.json(&update)["outcome"], "unchanged");
    // What is shown can be edited and given back.
    let shown = bench.done(&["service", "show", "--output", "json"]).out;
    bench.write("service.json", &shown.replace("1800", "7200"));
    let update = ["service", "update", "sync-1.5", "--file", "service.json"];
    assert_eq!(bench.json(&update)["changes"][0]["to"], 7200);
    // A box that is started again leaves it so.
    bench.start_and_stop();
    let settings = &bench.json(&["service", "show"])["settings"];
    assert_eq!(
        (&settings["token_lifetime_secs"], &settings["admission"]),
        (&json!(7200), &json!({"first": 10}))
    );
}

#[test]
fn a_user_is_placed_moved_unassigned_and_retired() {
    let bench = Bench::new();
    bench.done(&["node", "create", SYNC_2, "--capacity", "10"]);
    let dry = bench.json(&["service", "place-user", USER, "--dry-run"]);
    assert_eq!(
        dry,
        json!({"outcome": "created", "dry_run": true, "records": null})
    );
    let placed = bench.json(&["service", "place-user", USER, "--node", SYNC_2]);
    assert_eq!(placed["outcome"], "created");
    let current = &placed["records"]["current"];
    assert_eq!((&current["uid"], &current["node"]), (&json!(1), &json!(SYNC_2)));
    let moved = bench.json(&["service", "place-user", USER, "--node", HOME]);
    assert_eq!(
        (&moved["outcome"], &moved["records"]["current"]["node"]),
        (&json!("changed"), &json!(HOME))
    );
    assert_eq!(moved["records"]["past"][0]["uid"], 1);
    let table = bench.done(&["service", "show-user", USER]).out;
    let states: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().take(3).collect())
        .collect();
    assert_eq!(
        states,
        [
            ["UID", "STATE", "NODE"],
            ["2", "active", HOME],
            ["1", "past", SYNC_2]
        ]
    );
    let unassigned = bench.json(&["service", "unassign-user", USER]);
    assert!(unassigned["records"]["current"]["replaced_at_ms"].is_u64());
    let retired = bench.json(&["service", "retire-user", USER, "--yes"]);
    assert_eq!(retired, json!({"dry_run": false, "known": 1, "changed": 1}));
    let shown = bench.json(&["service", "show-user", USER]);
    assert_eq!(shown["current"]["generation"], i64::MAX);
    let count = bench.json(&["service", "count-users", "--before", "2100-01-01"]);
    let expected = json!({
        "op": "sync_count_users", "service": "sync-1.5", "time": "2100-01-01T00:00:00Z", "total_users": 1,
    });
    assert_eq!(count, expected);
}

#[test]
fn a_node_is_changed_renamed_and_deleted() {
    let bench = Bench::new();
    bench.done(&["node", "create", SYNC_2, "--capacity", "10"]);
    bench.done(&["service", "place-user", USER, "--node", SYNC_2]);
    let node = |arguments: &[&str]| bench.json(&[&["node"], arguments].concat())["node"].clone();
    let disabled = node(&["disable", SYNC_2]);
    assert_eq!(
        (&disabled["downed"], &disabled["backoff"]),
        (&json!(true), &json!(false))
    );
    let changed = node(&[
        "update",
        SYNC_2,
        "--backoff",
        "true",
        "--pool",
        "new",
        "--capacity",
        "20",
    ]);
    assert_eq!(
        (&changed["backoff"], &changed["pool"], &changed["capacity"]),
        (&json!(true), &json!("new"), &json!(20))
    );
    let enabled = node(&["enable", SYNC_2]);
    assert_eq!(
        (&enabled["downed"], &enabled["backoff"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(node(&["update", SYNC_2, "--pool", ""])["pool"], Value::Null);
    let renamed = node(&["rename", SYNC_2, "--to", SYNC_3]);
    assert_eq!(
        (&renamed["url"], &renamed["current_load"]),
        (&json!(SYNC_3), &json!(1))
    );
    let shown = bench.json(&["service", "show-user", USER]);
    assert_eq!(shown["current"]["node"], SYNC_3);
    let refused = bench.run(&["node", "delete", SYNC_3]);
    assert_eq!(refused.code, Some(6), "{}", refused.err);
    assert!(
        refused.err.contains("users who are on it get another node"),
        "{}",
        refused.err
    );
    assert_eq!(node(&["delete", SYNC_3, "--dry-run"])["url"], SYNC_3);
    assert_eq!(node(&["delete", SYNC_3, "--yes"])["url"], SYNC_3);
    let shown = bench.json(&["service", "show-user", USER]);
    assert_eq!(shown["current"]["node"], Value::Null);
}

#[test]
fn what_is_refused_has_its_code_and_says_what_to_do() {
    let bench = Bench::new();
    bench.write("none.json", "{}");
    bench.write("events.jsonl", "");
    let table: [(&str, &[&str], i32, &str); 21] = [
        (
            "no box",
            &["node", "list", "--data", "nowhere"],
            5,
            "`foxhold up` makes one",
        ),
        (
            "no service",
            &["node", "list", "--service", "x-1"],
            5,
            "foxhold service list",
        ),
        ("no node", &["node", "show", SYNC_2], 5, "foxhold node list"),
        ("no user", &["service", "show-user", USER], 5, "uid@domain"),
        ("no URL", &["node", "show", "sync-2"], 2, "https://"),
        ("nothing to change", &["node", "update", HOME], 2, "--capacity"),
        (
            "nothing to change",
            &["service", "update", "sync-1.5"],
            2,
            "--pattern",
        ),
        ("no rate", &["node", "drain", HOME, "--rate", "fast"], 2, "20/s"),
        ("no share", &["node", "drain", HOME, "--share", "0%"], 2, "10%"),
        (
            "no way in",
            &["node", "list", "--admin", "https://ops.example.org"],
            2,
            "--identity",
        ),
        (
            "there already",
            &["node", "create", HOME, "--capacity", "1"],
            6,
            "foxhold node update",
        ),
        (
            "there already",
            &["service", "create", "sync-1.5", "--pattern", "p", "--scope", "s"],
            6,
            "service update",
        ),
        (
            "half a service",
            &["service", "create", "a-1", "--pattern", "{node}"],
            3,
            "--scope",
        ),
        (
            "no settings",
            &["service", "update", "sync-1.5", "--file", "none.json"],
            3,
            "service show",
        ),
        (
            "a setting",
            &["service", "update", "sync-1.5", "--token-lifetime", "0"],
            2,
            "--token-lifetime",
        ),
        (
            "a lifetime without its unit",
            &["service", "update", "sync-1.5", "--token-lifetime", "30"],
            2,
            "30m",
        ),
        (
            "a pattern that leads nowhere",
            &["service", "update", "sync-1.5", "--pattern", "x/{uid}"],
            2,
            "--pattern",
        ),
        (
            "a scope that is several",
            &["service", "update", "sync-1.5", "--scope", "not a url"],
            2,
            "--scope",
        ),
        ("not confirmed", &["service", "retire-user", USER], 6, "--yes"),
        (
            "nobody to retire",
            &["service", "retire-user", "nobody@example.org", "--yes"],
            5,
            "uid@domain",
        ),
        (
            "no certificate",
            &[
                "node",
                "list",
                "--admin",
                "https://ops.example.org",
                "--identity",
                "x",
            ],
            3,
            "certificates create",
        ),
    ];
    for (name, arguments, code, named) in table {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.err);
        assert!(ran.err.contains(named), "{name}: {}", ran.err);
        let is_told = ran.err.contains("error: ") && ran.err.contains("\nfix: ");
        assert!(code == 2 || is_told, "{name}: {}", ran.err);
        assert!(ran.out.is_empty(), "{name}: {}", ran.out);
    }
}

#[test]
fn who_asks_for_more_places_than_there_are_is_told_how_many_it_is() {
    let bench = Bench::new();
    bench.done(&["node", "create", SYNC_2, "--capacity", "10"]);
    let cut = bench.done(&["node", "update", SYNC_2, "--available", "11"]);
    assert!(cut.err.contains("the capacity leaves 10 places"), "{}", cut.err);
    let fits = bench.done(&["node", "update", SYNC_2, "--available", "9"]);
    assert!(!fits.err.contains("places"), "{}", fits.err);
}

/// Through the socket in its folder, without anything else said on the command line.
#[test]
fn a_box_that_runs_is_asked_and_a_box_that_is_stopped_has_it_all() {
    let bench = Bench::new();
    let up = bench.up();
    let created = bench.done(&["node", "create", SYNC_2, "--capacity", "10"]);
    let asked = format!("(process {})", up.process.id());
    assert!(
        created.err.starts_with("asking the box that runs on "),
        "{}",
        created.err
    );
    assert!(created.err.contains(&asked), "{}", created.err);
    bench.done(&["service", "place-user", USER, "--node", SYNC_2]);
    bench.done(&["service", "update", "sync-1.5", "--admission", "nobody"]);
    let drained = bench.json(&["node", "drain", SYNC_2, "--quiet"]);
    assert_eq!((&drained["changed"], &drained["failed"]), (&json!(1), &json!(0)));
    let unknown = bench.run(&["node", "show", SYNC_3]);
    assert_eq!(unknown.code, Some(5), "{}", unknown.err);
    let records = bench.done(&["service", "export", "--quiet"]);
    assert!(records.err.is_empty(), "{}", records.err);
    assert_eq!(up.interrupt().code, Some(0));
    let stopped = bench.done(&["service", "export"]);
    assert!(
        stopped.err.starts_with("the box is stopped: working on "),
        "{}",
        stopped.err
    );
    assert_eq!(stopped.out, records.out);
}

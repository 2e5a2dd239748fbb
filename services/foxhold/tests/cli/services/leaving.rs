//! Users who leave a node: at a pace, until somebody interrupts, and then the rest.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::Command,
};

use serde_json::{Value, json};

use super::bench::{Bench, SYNC_2, SYNC_3};
use crate::support::foxhold;

const USERS: usize = 5;

fn with_users() -> Bench {
    let bench = Bench::new();
    for node in [SYNC_2, SYNC_3] {
        bench.done(&["node", "create", node, "--capacity", "100"]);
    }
    for number in 0..USERS {
        let user = format!("user{number}@example.org");
        bench.done(&["service", "place-user", &user, "--node", SYNC_2]);
    }
    bench
}

/// Where the users are who have a place.
fn places(bench: &Bench) -> Vec<Value> {
    let current = |number| {
        let user = format!("user{number}@example.org");
        bench.json(&["service", "show-user", &user])["current"].clone()
    };
    let all = (0..USERS).map(current);
    all.filter(|current| current["replaced_at_ms"].is_null())
        .map(|current| current["node"].clone())
        .collect()
}

#[test]
fn a_drain_may_be_interrupted_and_gone_on_with() {
    let bench = with_users();
    let dry = bench.json(&["node", "drain", SYNC_2, "--dry-run"]);
    let expected = json!({
        "dry_run": true, "looked_at": USERS, "matched": USERS, "changed": USERS, "failed": 0, "reasons": {},
        "is_whole": true,
    });
    assert_eq!(dry, expected);
    assert_eq!(places(&bench).len(), USERS);
    // At one a minute it is still at it when the interrupt comes, however slow this machine is.
    let mut drain = foxhold(
        bench.path(),
        &["node", "drain", SYNC_2, "--rate", "1/m", "--output", "json"],
    )
    .spawn()
    .unwrap();
    let mut err = BufReader::new(drain.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("takes no new users") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "it goes on");
    }
    let id = drain.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let mut told = String::new();
    err.read_to_string(&mut told).unwrap();
    let output = drain.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("run the same command again"), "{told}");
    let sum: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&sum["changed"], &sum["is_whole"]), (&json!(1), &json!(false)));
    assert_eq!(places(&bench).len(), USERS - 1);
    assert_eq!(bench.json(&["node", "show", SYNC_2])["backoff"], true);
    let rest = bench.json(&["node", "drain", SYNC_2, "--rate", "1000/s"]);
    assert_eq!(
        (&rest["changed"], &rest["is_whole"]),
        (&json!(USERS - 1), &json!(true))
    );
    assert!(places(&bench).is_empty());
}

#[test]
fn a_move_gives_a_place_at_once_and_a_share_is_always_the_same_users() {
    let bench = with_users();
    let half = [
        "node", "move", SYNC_2, "--to", SYNC_3, "--share", "50%", "--rate", "1000/s",
    ];
    let first = bench.json(&half);
    let again = bench.json(&half);
    assert_eq!(again["changed"], 0, "those of the share have gone: {first}");
    bench.done(&["node", "move", SYNC_2, "--to", SYNC_3, "--rate", "1000/s"]);
    assert_eq!(places(&bench), vec![json!(SYNC_3); USERS]);
    let table = bench.done(&["node", "unassign", SYNC_3, "--rate", "1000/s"]);
    assert!(table.out.starts_with("5 unassigned, 0 failed; "), "{}", table.out);
}

#[test]
fn where_users_would_come_back_to_nobody_is_moved_from() {
    let bench = with_users();
    let refused = bench.run(&["node", "move", SYNC_2]);
    assert_eq!(refused.code, Some(6), "{}", refused.err);
    assert!(refused.err.contains("--backoff true"), "{}", refused.err);
}

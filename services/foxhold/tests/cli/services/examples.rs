//! The examples of the help texts, run as they stand, each on a box of its own that has what they name.

use super::bench::{Bench, SYNC_2, SYNC_3, USER};
use crate::support::examples;

const SERVICE: [&str; 13] = [
    "list",
    "show",
    "create",
    "update",
    "show-user",
    "place-user",
    "unassign-user",
    "retire-user",
    "count-users",
    "purge",
    "export",
    "import",
    "import-events",
];

const NODE: [&str; 11] = [
    "list", "show", "create", "update", "enable", "disable", "rename", "delete", "unassign", "drain", "move",
];

#[test]
fn every_example_works() {
    let bench = Bench::new();
    for node in [SYNC_2, SYNC_3] {
        bench.done(&["node", "create", node, "--capacity", "100"]);
    }
    bench.done(&["service", "place-user", USER, "--node", SYNC_2]);
    let records = bench.done(&["service", "export"]).out;
    bench.write("records.jsonl", &records);
    let event = r#"{"Message":"{\"event\":\"delete\",\"uid\":\"a1b2\",\"iss\":\"example.org\",\"ts\":1}"}"#;
    bench.write("events.jsonl", &format!("{event}\n"));
    let services = SERVICE.map(|verb| ["service", verb]);
    let nodes = NODE.map(|verb| ["node", verb]);
    for command in services.iter().chain(&nodes) {
        let examples = examples(bench.path(), command);
        assert!(examples.len() >= 2, "{command:?}");
        let copy = bench.copy();
        for example in examples {
            let arguments: Vec<&str> = example[1..].iter().map(String::as_str).collect();
            copy.done(&arguments);
        }
    }
}

#[test]
fn the_examples_are_those_of_all_commands() {
    let bench = Bench::new();
    for (noun, verbs) in [("service", &SERVICE[..]), ("node", &NODE[..])] {
        let help = bench.done(&[noun, "--help"]).out;
        let below = help.split_once("Commands:\n").unwrap().1;
        let listed = below.lines().map_while(|line| line.strip_prefix("  "));
        let listed: Vec<&str> = listed
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|verb| *verb != "help")
            .collect();
        assert_eq!(listed, verbs, "{noun}");
    }
}

//! Invitations, on a box that is stopped and on one that runs.

use serde_json::Value;

use super::bench::{Bench, HOME};

fn ids(listed: &Value) -> Vec<&str> {
    let listed = listed["invitations"].as_array().expect("a list");
    listed
        .iter()
        .map(|invitation| invitation["id"].as_str().expect("an id"))
        .collect()
}

#[test]
fn invitations_are_made_listed_and_taken_back() {
    let bench = Bench::new();
    let made = bench.json(&[
        "invite",
        "create",
        "--email",
        "Ann@example.org",
        "--note",
        "class 5b",
    ]);
    let made = &made["invitations"][0];
    let code = made["code"].as_str().unwrap();
    assert_eq!(made["link"], format!("{HOME}/?invite={code}"));
    let id = made["invitation"]["id"].as_str().unwrap();
    let listed = bench.json(&["invite", "list"]);
    assert_eq!(ids(&listed), [id]);
    assert!(!listed.to_string().contains(code), "the code is told once");
    let shown = bench.json(&["invite", "show", id]);
    assert_eq!(
        (&shown["state"], &shown["email"], &shown["note"]),
        (&"open".into(), &"Ann@example.org".into(), &"class 5b".into())
    );
    let none = bench.json(&["invite", "create", "--count", "3", "--dry-run"]);
    assert!(none["invitations"][2]["code"].is_null());
    let unconfirmed = bench.run(&["invite", "delete", id]);
    assert_eq!(unconfirmed.code, Some(6), "{}", unconfirmed.err);
    bench.done(&["invite", "delete", id, "--dry-run"]);
    assert_eq!(ids(&bench.json(&["invite", "list"])), [id]);
    bench.done(&["invite", "delete", id, "--yes"]);
    assert!(ids(&bench.json(&["invite", "list"])).is_empty());
    assert_eq!(bench.run(&["invite", "show", id]).code, Some(5));
}

#[test]
fn a_running_box_invites_as_a_stopped_one_does() {
    let bench = Bench::new();
    let up = bench.up();
    let made = bench.json(&["invite", "create", "--domain", "example.org", "--count", "2"]);
    assert_eq!(made["invitations"].as_array().unwrap().len(), 2);
    assert_eq!(ids(&bench.json(&["invite", "list"])).len(), 2);
    assert_eq!(up.interrupt().code, Some(0));
    assert_eq!(ids(&bench.json(&["invite", "list"])).len(), 2, "they are kept");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = Bench::new();
    for (arguments, code) in [
        (&["--email", "nobody"][..], 2),
        (&["--domain", "*.example.org"], 2),
        (&["--expires", "366d"], 2),
        (&["--expires", "0d"], 2),
        (&["--email", "a@example.org", "--domain", "example.org"], 2),
        (&["--email", "a@example.org", "--count", "2"], 2),
        (&["--count", "101"], 2),
    ] {
        let ran = bench.run(&[&["invite", "create"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
    }
    assert!(ids(&bench.json(&["invite", "list"])).is_empty());
}

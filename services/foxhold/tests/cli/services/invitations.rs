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

fn outcomes(imported: &Value) -> Vec<&str> {
    let rows = imported["rows"].as_array().expect("a list");
    rows.iter()
        .map(|row| row["outcome"].as_str().expect("an outcome"))
        .collect()
}

#[test]
fn a_file_is_imported_and_nobody_is_invited_twice() {
    let bench = Bench::new();
    bench.write("password", "correct horse\n");
    let carol = "carol@example.org";
    bench.done(&["account", "create", carol, "--password-file", "password"]);
    bench.write(
        "class.csv",
        "email,note,locale\nAnn@example.org,\"class 5b, left\",de\nbob@example.org,,\nann@example.org,,\ncarol@example.org,,\n",
    );
    let import = ["invite", "import", "class.csv"];
    let expected = ["created", "created", "already_invited", "exists"];
    let foretold = bench.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(outcomes(&foretold), expected);
    assert!(foretold["rows"][0]["code"].is_null());
    assert!(ids(&bench.json(&["invite", "list"])).is_empty());
    let imported = bench.json(&import);
    assert_eq!(outcomes(&imported), expected);
    let code = imported["rows"][0]["code"].as_str().unwrap();
    assert_eq!(imported["rows"][0]["link"], format!("{HOME}/?invite={code}"));
    let listed = bench.json(&["invite", "list"]);
    assert_eq!(ids(&listed).len(), 2);
    assert!(listed.to_string().contains("class 5b, left"));
    let again = bench.json(&import);
    assert_eq!(
        outcomes(&again),
        ["already_invited", "already_invited", "already_invited", "exists"]
    );
    assert_eq!(ids(&bench.json(&["invite", "list"])).len(), 2);
}

#[test]
fn rows_that_cannot_be_meant_keep_no_other_from_being_invited() {
    let bench = Bench::new();
    bench.write("class.csv", "email\nnobody\nann@example.org\n");
    let ran = bench.run(&["invite", "import", "class.csv", "--output", "json"]);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    let imported: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcomes(&imported), ["bad_address", "created"]);
    for text in [
        "address\nann@example.org\n",
        "email,colour\nann@example.org,red\n",
    ] {
        bench.write("class.csv", text);
        let ran = bench.run(&["invite", "import", "class.csv"]);
        assert_eq!(ran.code, Some(1), "{text}: {}", ran.err);
    }
}

//! Invitations, on a box that is stopped and on one that runs.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Command,
};

use serde_json::Value;

use super::bench::{Bench, HOME};
use crate::support::foxhold;

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
    let gone = bench.run(&["invite", "show", id]);
    assert_eq!(gone.code, Some(5));
    assert!(gone.err.contains("fix: foxhold invite list"), "{}", gone.err);
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
        (&["--send"], 2),
        (&["--domain", "example.org", "--send"], 2),
        (&["--email", "a@example.org", "--from-name", "5b"], 2),
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
        "ann@example.org\n",
        "",
    ] {
        bench.write("class.csv", text);
        let ran = bench.run(&["invite", "import", "class.csv"]);
        assert_eq!(ran.code, Some(3), "{text}: {}", ran.err);
        assert!(
            ran.err.contains("fix: the first line must name the columns"),
            "{}",
            ran.err
        );
        assert!(ran.out.is_empty(), "{}", ran.out);
    }
    let nowhere = bench.run(&["invite", "import", "nowhere.csv"]);
    assert_eq!(nowhere.code, Some(5), "{}", nowhere.err);
}

#[test]
fn a_spreadsheet_s_file_is_read_and_a_bad_row_keeps_its_place() {
    let bench = Bench::new();
    bench.write(
        "class.csv",
        "Email;Note\nann@example.org;5b\nbob@example.org\ncarol@example.org;\n",
    );
    let ran = bench.run(&["invite", "import", "class.csv", "--dry-run"]);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    let lines: Vec<_> = ran.out.lines().collect();
    let result = lines[0].find("RESULT").expect("a heading");
    for (line, expected) in [(1, "would be created"), (2, "bad row"), (3, "would be created")] {
        assert!(lines[line][result..].starts_with(expected), "{}", ran.out);
    }
    let ran = bench.run(&["invite", "import", "class.csv", "--json"]);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    let imported: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcomes(&imported), ["created", "bad_row", "created"]);
}

/// The box of the bench shows mails on its terminal, so there is none to show them while it is stopped.
#[test]
fn a_stopped_box_mails_only_what_can_wait_and_a_running_one_shows_it() {
    let bench = Bench::new();
    let send = ["invite", "create", "--email", "ann@example.org", "--send"];
    let refused = bench.run(&send);
    assert_eq!(refused.code, Some(6), "{}", refused.err);
    assert!(refused.err.contains("fix: start the box"), "{}", refused.err);
    bench.write("class.csv", "email\nann@example.org\n");
    let refused = bench.run(&["invite", "import", "class.csv", "--send"]);
    assert_eq!(refused.code, Some(6), "{}", refused.err);
    assert!(ids(&bench.json(&["invite", "list"])).is_empty());

    let up = bench.up();
    let made = bench.json(&[&send[..], &["--from-name", "Class 5b"]].concat());
    let made = &made["invitations"][0];
    assert_eq!(made["invitation"]["mailed"], true);
    assert!(made["code"].is_null() && made["link"].is_null());
    let ended = up.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for part in ["Mail to ann@example.org", "Class 5b invites you", "/?invite="] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
}

#[test]
fn codes_that_wait_for_their_mail_are_mailed_once() {
    let bench = Bench::new();
    let file = "email,locale\nann@example.org,de\nbob@example.org,\n";
    bench.write("class.csv", file);
    let settings = fs::read_to_string(bench.path().join("foxhold-data/foxhold.toml")).unwrap();
    let smtp = "[smtp]\nhost = \"127.0.0.1\"\ntls = \"plain\"\nfrom = \"a@example.org\"\n";
    let settings = settings.replace("mail = \"log\"", "mail = \"smtp\"");
    bench.write("foxhold-data/foxhold.toml", &format!("{settings}\n{smtp}"));
    let import = ["invite", "import", "class.csv"];
    let send = [&import[..], &["--send"]].concat();
    // A code that was not mailed is none of those that count.
    bench.done(&["invite", "create", "--email", "ann@example.org"]);
    assert_eq!(
        outcomes(&bench.json(&[&send[..], &["--dry-run"]].concat())),
        ["sent", "sent"]
    );
    let ran = bench.done(&[&send[..], &["--output", "json"]].concat());
    assert!(ran.err.contains("the column locale is not used"), "{}", ran.err);
    let sent: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcomes(&sent), ["sent", "sent"]);
    assert!(sent["rows"][0]["code"].is_null());
    let twice = ["already_invited", "already_invited"];
    assert_eq!(outcomes(&bench.json(&send)), twice);
    assert_eq!(outcomes(&bench.json(&import)), twice);
    assert_eq!(ids(&bench.json(&["invite", "list"])).len(), 3);
}

#[test]
fn a_file_is_held_to_the_domains_that_are_meant() {
    let bench = Bench::new();
    bench.write(
        "class.csv",
        "email,locale\nann@class.school.org,\nbob@example.org,\ncarol@school.org,deutsch\n",
    );
    let import = ["invite", "import", "class.csv", "--output", "json"];
    let domains = ["--domain", "*.school.org", "--domain", "school.org"];
    let ran = bench.run(&[&import[..], &domains].concat());
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    let imported: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcomes(&imported), ["created", "domain_refused", "bad_locale"]);
    // For people: each row under its heading, as they come.
    let ran = bench.run(&["invite", "import", "class.csv"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    let result = lines[0].find("RESULT").expect("a heading");
    assert!(lines[1][result..].starts_with("already invited"), "{}", ran.out);
    assert!(lines[3][result..].starts_with("bad locale"), "{}", ran.out);
    let refused = bench.run(&[&import[..], &["--domain", "School.org"]].concat());
    assert_eq!(refused.code, Some(2), "{}", refused.err);
}

/// More rows than a pipe holds, so that it cannot be done before it is interrupted.
#[test]
fn an_import_that_is_interrupted_has_printed_all_that_it_made() {
    const ROWS: usize = 5_000;
    let bench = Bench::new();
    let rows: Vec<_> = (0..ROWS)
        .map(|number| format!("user{number}@example.org"))
        .collect();
    bench.write("school.csv", &format!("email\n{}\n", rows.join("\n")));
    let arguments = ["invite", "import", "school.csv", "--output", "jsonl"];
    let mut import = foxhold(bench.path(), &arguments)
        .spawn()
        .expect("the tool starts");
    let mut printed = BufReader::new(import.stdout.take().expect("it is piped")).lines();
    printed.next().expect("a row").expect("it is text");
    let id = import.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill starts").success());
    let told = 1 + printed.count();
    assert_eq!(import.wait().expect("it ends").code(), Some(130));
    assert!(told < ROWS, "{told}");
    let listed = bench.done(&["invite", "list", "--output", "jsonl"]).out;
    assert_eq!(listed.lines().count(), told);
}

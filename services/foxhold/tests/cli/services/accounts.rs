//! Accounts, on a box that is stopped and on one that runs.

use std::{io::Write as _, process::Stdio};

use serde_json::Value;

use super::bench::{Bench, HOME};
use crate::support::{Ran, foxhold};

const ANN: &str = "ann@example.org";

fn listed(value: &Value) -> Vec<&str> {
    let listed = value["accounts"].as_array().expect("a list");
    let addresses = listed.iter().map(|account| account["email"].as_str());
    addresses.map(|address| address.expect("an address")).collect()
}

fn create(bench: &Bench, address: &str) -> Value {
    bench.write("password", "correct horse\nanything\n");
    bench.json(&["account", "create", address, "--password-file", "password"])
}

#[test]
fn an_account_is_made_shown_disabled_and_deleted() {
    let bench = Bench::new();
    let made = create(&bench, ANN);
    assert_eq!(
        (&made["outcome"], &made["account"]["verified"]),
        (&"created".into(), &true.into())
    );
    let uid = made["account"]["uid"].as_str().unwrap();
    bench.json(&[
        "account",
        "create",
        "bob@example.org",
        "--password-file",
        "password",
        "--unverified",
    ]);
    let twice = bench.run(&["account", "create", ANN, "--password-file", "password"]);
    assert_eq!(twice.code, Some(6), "{}", twice.err);
    for named in [ANN, uid, &uid.to_uppercase()] {
        let shown = bench.json(&["account", "show", named]);
        assert_eq!((&shown["uid"], &shown["state"]), (&uid.into(), &"active".into()));
        assert_eq!(shown["sessions"], 0);
    }
    assert_eq!(listed(&bench.json(&["account", "list"])).len(), 2);
    assert_eq!(
        listed(&bench.json(&["account", "list", "--unverified"])),
        ["bob@example.org"]
    );
    bench.done(&["account", "disable", ANN, "--dry-run"]);
    assert!(listed(&bench.json(&["account", "list", "--disabled"])).is_empty());
    bench.done(&["account", "disable", ANN]);
    let lines = bench
        .done(&["account", "list", "--disabled", "--output", "jsonl"])
        .out;
    let [line] = lines.lines().collect::<Vec<_>>()[..] else {
        panic!("one is disabled: {lines}");
    };
    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["email"], ANN);
    let since = bench.done(&["account", "show", ANN]).out;
    assert!(since.contains("disabled, since 20"), "{since}");
    let disabled = bench.run(&["account", "reset-link", ANN]);
    assert_eq!(disabled.code, Some(6), "{}", disabled.err);
    assert!(
        disabled.err.contains("fix: foxhold account enable"),
        "{}",
        disabled.err
    );
    bench.done(&["account", "enable", uid]);
    let link = bench.json(&["account", "reset-link", ANN]);
    let begins = format!("{HOME}/complete_reset_password?");
    assert!(link["link"].as_str().unwrap().starts_with(&begins), "{link}");
    let factor = ["account", "delete-second-factor", ANN];
    assert_eq!(bench.run(&factor).code, Some(6), "nobody has confirmed it");
    for confirmed in ["--dry-run", "--yes"] {
        let told = bench.json(&[&factor[..], &[confirmed]].concat());
        assert_eq!(told["outcome"], "unchanged", "it has none");
    }
    let unconfirmed = bench.run(&["account", "delete", ANN]);
    assert_eq!(unconfirmed.code, Some(6), "{}", unconfirmed.err);
    bench.done(&["account", "delete", ANN, "--dry-run"]);
    bench.done(&["account", "delete", ANN, "--yes"]);
    assert_eq!(bench.run(&["account", "show", ANN]).code, Some(5));
    // Whoever is not sure that it came to its end asks again, by the uid: the address may be another's by now.
    assert_eq!(bench.run(&["account", "delete", ANN, "--yes"]).code, Some(5));
    // Ann never synced, so no service knows her uid either: done again it is as if there never was such a user.
    let again = bench.run(&["account", "delete", uid, "--yes"]);
    assert_eq!(again.code, Some(5), "{}", again.err);
}

/// Either name of the account confirms, whichever one it was asked for by.
#[test]
fn a_deletion_is_confirmed_by_address_or_uid() {
    let bench = Bench::new();
    for (named_by_uid, answer_by_uid) in [(true, false), (false, true), (false, false)] {
        let made = create(&bench, ANN);
        let uid = made["account"]["uid"].as_str().expect("a uid");
        let name = |by_uid| {
            if by_uid {
                uid.to_owned()
            } else {
                ANN.to_uppercase()
            }
        };
        let mut delete = foxhold(bench.path(), &["account", "delete", &name(named_by_uid)]);
        let mut delete = delete.stdin(Stdio::piped()).spawn().expect("the tool starts");
        let mut stdin = delete.stdin.take().expect("it is piped");
        writeln!(stdin, "{}", name(answer_by_uid)).expect("it is read");
        let ended = Ran::of(delete.wait_with_output().expect("it ends"));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
}

#[test]
fn a_running_box_administers_accounts_as_a_stopped_one_does() {
    let bench = Bench::new();
    let up = bench.up();
    create(&bench, ANN);
    bench.done(&["account", "disable", ANN]);
    assert_eq!(up.interrupt().code, Some(0));
    assert_eq!(
        listed(&bench.json(&["account", "list", "--disabled"])),
        [ANN],
        "it is kept"
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bench = Bench::new();
    bench.write("password", "correct horse\n");
    bench.write("short", "seven77\n");
    bench.write("long", &"x".repeat(4097));
    for (arguments, code) in [
        (&["create", "nobody", "--password-file", "password"][..], 2),
        (&["create", ANN, "--password-file", "short"], 2),
        (&["create", ANN, "--password-file", "long"], 2),
        (&["create", ANN, "--password-file", "missing"], 5),
        (&["create", ANN, "correct horse"], 2),
        (&["create", ANN], 2),
        (&["show", ""], 2),
        (&["show", "nobody"], 2),
        (&["show", ANN], 5),
        (&["disable", ANN], 5),
        (&["delete", ANN, "--yes"], 5),
        (&["delete", ANN], 5),
        (&["delete", "nobody", "--yes"], 2),
        (&["delete-second-factor", ANN, "--yes"], 5),
    ] {
        let ran = bench.run(&[&["account"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
    }
    assert!(listed(&bench.json(&["account", "list"])).is_empty());
}

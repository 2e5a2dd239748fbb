//! The provider's keys one after the other, and the log of what they signed, on the folder of a box.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use serde_json::Value;

use super::support::{Up, examples, run};

fn done(folder: &Path, arguments: &[&str]) -> Value {
    let ran = run(folder, &[arguments, &["--output", "json"]].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
    serde_json::from_str(&ran.out).expect("JSON")
}

/// The document at a path of a box.
fn document(up: &Up, path: &str) -> Value {
    let mut stream = TcpStream::connect(up.address()).expect("somebody listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

fn kids(keys: &Value) -> Vec<String> {
    let keys = keys.as_array().expect("a list").iter();
    keys.map(|key| key["kid"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn a_next_key_is_published_before_it_signs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(Up::start(path, &["up"]).interrupt().code, Some(0));
    let listed = done(path, &["key", "list"]);
    assert_eq!(listed["keys"][0]["state"], "active");
    let first = kids(&listed["keys"]);

    let too_soon = run(path, &["key", "rotate", "--in", "23h"]);
    assert_eq!(too_soon.code, Some(6), "{}", too_soon.err);
    assert!(too_soon.err.contains("\nfix: "), "{}", too_soon.err);
    let dry = done(path, &["key", "rotate", "--dry-run"]);
    assert_eq!(
        (&dry["name"], &dry["made"]),
        (&"provider-2".into(), &false.into())
    );
    assert!(!path.join("foxhold-data/keys/provider-2.pem").exists());
    done(path, &["key", "rotate"]);
    let listed = done(path, &["key", "list"]);
    let states: Vec<_> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["state"])
        .collect();
    assert_eq!(states, ["active", "next"]);
    let again = run(path, &["key", "rotate"]);
    assert_eq!(again.code, Some(6), "{}", again.err);
    assert!(again.err.contains("provider-2"), "{}", again.err);

    let both = kids(&listed["keys"]);
    assert_eq!(both[..1], first);
    let up = Up::start(path, &["up"]);
    assert_eq!(kids(&document(&up, "/v1/jwks")["keys"]), both);
    let browserid = document(&up, "/.well-known/browserid");
    assert_eq!(kids(&browserid["keys"]), both);
    assert_eq!(browserid["public-key"]["kid"], both[0].as_str());
    assert_eq!(up.interrupt().code, Some(0));
}

/// A turn that is at once, as after a key was lost: the old key goes on being published.
#[test]
fn at_its_turn_another_key_signs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(Up::start(path, &["up"]).interrupt().code, Some(0));
    done(path, &["key", "rotate", "--in", "0s", "--yes"]);
    let listed = done(path, &["key", "list"]);
    assert_eq!(listed["keys"][0]["state"], "retiring");
    assert!(listed["keys"][0]["published_until"].is_string());
    assert_eq!(listed["keys"][1]["state"], "active");
    let up = Up::start(path, &["up"]);
    let mut both = kids(&listed["keys"]);
    both.reverse();
    assert_eq!(
        kids(&document(&up, "/v1/jwks")["keys"]),
        both,
        "the active one stands first"
    );
    assert_eq!(up.interrupt().code, Some(0));
}

/// What docs/signing.md says to do after a key was stolen, while another waits for its turn.
#[test]
fn a_stolen_key_is_replaced_at_once_and_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(Up::start(path, &["up"]).interrupt().code, Some(0));
    done(path, &["key", "rotate"]);
    done(path, &["key", "rotate", "--in", "0s", "--yes"]);
    let listed = done(path, &["key", "list"]);
    let [stolen, next, active] = &kids(&listed["keys"])[..] else {
        panic!("{listed}");
    };
    assert_eq!(listed["keys"][2]["state"], "active");
    let keys = path.join("foxhold-data/keys");
    for file in ["provider.pem", "provider.passphrase"] {
        fs::rename(keys.join(file), path.join(file)).unwrap();
    }
    let up = Up::start(path, &["up"]);
    let published = kids(&document(&up, "/v1/jwks")["keys"]);
    assert_eq!(published, [active.as_str(), next], "{stolen} is not among them");
    // It is asked where it was told to listen, not where the file says.
    let root = format!("http://{}", up.address());
    let doctor = run(path, &["doctor", "--output", "json", "--public-url", &root]);
    let doctor: Value = serde_json::from_str(&doctor.out).expect("JSON");
    let doctor = doctor["checks"].as_array().expect("a list");
    for check in ["files", "key", "key_set"] {
        let found = doctor.iter().find(|found| found["check"] == check);
        assert_eq!(found.expect(check)["state"], "ok", "{found:?}");
    }
    assert_eq!(up.interrupt().code, Some(0));
    assert!(!keys.join("provider.pem").exists());
    for file in ["provider-2.pem", "provider-3.pem"] {
        fs::remove_file(keys.join(file)).unwrap();
    }
    let lost = run(path, &["up"]);
    assert!(lost.err.contains("provider.pem"), "{}", lost.err);
}

#[test]
fn the_log_of_a_box_is_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(Up::start(path, &["up"]).interrupt().code, Some(0));
    let log = ["audit", "verify", "foxhold-data/audit"];
    let good = done(path, &log);
    assert_eq!(good["findings"], serde_json::json!([]));
    assert_eq!((&good["first"], &good["heads"]), (&0.into(), &1.into()));
    let file = path.join("foxhold-data/audit/audit-00000000000000000000.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{{\"seq\"")).unwrap();
    let cut = run(path, &log);
    assert_eq!(cut.code, Some(0), "{}", cut.err);
    assert!(cut.out.contains("the last line is not whole"), "{}", cut.out);
    fs::write(path.join("kept.jsonl"), "").unwrap();
    let vouches_for_nothing = run(path, &[&log[..], &["--head", "kept.jsonl"]].concat());
    assert_eq!(vouches_for_nothing.code, Some(7), "{}", vouches_for_nothing.out);
    fs::write(&file, text.replace("begin", "begun")).unwrap();
    let changed = run(path, &log);
    assert_eq!(changed.code, Some(7), "{}", changed.err);
    assert!(
        changed.out.contains("line 1: the line was edited"),
        "{}",
        changed.out
    );
    assert!(changed.err.contains("\nfix: "), "{}", changed.err);
    let nowhere = run(path, &["audit", "verify", "nowhere"]);
    assert_eq!(nowhere.code, Some(5), "{}", nowhere.err);
    // Neither another folder nor an emptied log is a sound one.
    let other = run(path, &["audit", "verify", "foxhold-data/keys"]);
    assert_eq!((other.code, other.out.as_str()), (Some(5), ""), "{}", other.err);
    assert!(other.err.contains("\nfix: "), "{}", other.err);
    fs::write(&file, "").unwrap();
    fs::remove_file(path.join("foxhold-data/audit/checkpoints.jsonl")).unwrap();
    let emptied = run(path, &log);
    assert_eq!(
        (emptied.code, emptied.out.as_str()),
        (Some(5), ""),
        "{}",
        emptied.err
    );
}

#[test]
fn the_examples_work_where_their_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(Up::start(path, &["up"]).interrupt().code, Some(0));
    let keys = [
        "key",
        "create",
        "--out",
        "keys",
        "--node",
        "https://sync-1.example.org",
    ];
    assert_eq!(run(path, &keys).code, Some(0));
    fs::copy(
        path.join("foxhold-data/audit/checkpoints.jsonl"),
        path.join("kept.jsonl"),
    )
    .unwrap();
    for command in [["key", "list"], ["key", "rotate"], ["audit", "verify"]] {
        let examples = examples(path, &command);
        assert!(examples.len() >= 2, "{command:?}");
        for example in examples {
            // A test has no business in /var.
            let in_place = |word: &String| word.replace("/var/lib/foxhold/audit", "foxhold-data/audit");
            let arguments: Vec<String> = example[1..].iter().map(in_place).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ran = run(path, &arguments);
            assert_eq!(ran.code, Some(0), "{example:?}: {}", ran.err);
        }
    }
}

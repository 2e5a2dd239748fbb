//! `foxhold token` and `foxhold doctor` as a person or a script meets them: on files, without anything running. What they do to
//! a running box is shown where there is one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

const NODE: &str = "https://sync-1.example.org";

/// A folder with the file of a fleet, of two nodes, and the half of a box that these commands need.
struct Bench {
    folder: tempfile::TempDir,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        put(
            &bench.at("nodes.secrets"),
            &format!("{NODE},1000:hunter1,2000:hunter2\nhttps://sync-2.example.org,1:hunter3\n"),
        );
        put(&bench.at("foxhold-data/format"), "1\n");
        put(&bench.at("foxhold-data/keys/node.secret"), "hunter4\n");
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foxhold"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FOXHOLD_")) {
            command.env_remove(name);
        }
        let output = command
            .current_dir(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran = Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(
            !format!("{}{}", ran.out, ran.err).contains("hunter"),
            "{arguments:?} shows a secret:\n{}\n{}",
            ran.out,
            ran.err
        );
        ran
    }

    /// With an end that is good.
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// Words of the lines below `Examples:`.
    fn examples(&self, command: &[&str]) -> Vec<Vec<String>> {
        let help = self.run(&[command, &["--help"]].concat()).out;
        let (_, below) = help.split_once("Examples:\n").expect("examples");
        let lines = below.lines().map(str::trim).filter(|line| !line.is_empty());
        let words = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect();
        lines.map(words).collect()
    }
}

#[test]
fn the_examples_of_the_help_do_what_they_say() {
    for (command, code) in [
        (&["token", "list"][..], 0),
        (&["token", "rotate"], 0),
        (&["token", "revoke"], 0),
        (&["token", "export"], 0),
        // Of a box there is only half.
        (&["doctor"], 7),
    ] {
        for example in Bench::new().examples(command) {
            let bench = Bench::new();
            let arguments: Vec<&str> = example.iter().map(String::as_str).collect();
            let ran = bench.run(&arguments);
            assert_eq!(ran.code, Some(code), "{example:?}: {}", ran.err);
            assert!(!ran.out.is_empty(), "{example:?}");
        }
    }
}

#[test]
fn a_rotation_goes_from_the_node_to_the_signer() {
    let bench = Bench::new();
    let before = bench.read("nodes.secrets");
    let of_node = [NODE, "--secrets-file", "nodes.secrets"];
    let rotate = |more: &[&str]| bench.json(&[&["token", "rotate"][..], &of_node, more].concat());
    let export = || {
        bench.json(&[&["token", "export"][..], &of_node, &["--out", "node.secret"]].concat());
        bench.read("node.secret")
    };
    assert_eq!(rotate(&["--prepare", "--dry-run"])["dry_run"], true);
    assert!(!bench.at("nodes.secrets.next").exists());

    let prepared = rotate(&["--prepare"]);
    assert_eq!(prepared["action"], "prepare");
    assert_eq!(bench.read("nodes.secrets"), before, "the signer signs as before");
    let list = export();
    let new = list.lines().next_back().unwrap().to_owned();
    assert!(
        list.starts_with("hunter1\nhunter2\n") && new.len() == 64,
        "the node has all three"
    );
    rotate(&["--prepare"]);
    assert_eq!(export(), list, "a second preparation finds the first");
    for out in ["nodes.secrets", "nodes.secrets.next", "./nodes.secrets"] {
        let over = bench.run(&[&["token", "export"][..], &of_node, &["--out", out]].concat());
        assert_eq!(over.code, Some(6), "over what is exported: {}", over.err);
    }
    let nowhere = bench.run(&[&["token", "export"][..], &of_node, &["--out", "nowhere/x"]].concat());
    assert_eq!(nowhere.code, Some(5), "{}", nowhere.err);
    assert_eq!(bench.read("nodes.secrets"), before);
    assert_eq!(
        bench.json(&["token", "list", "--secrets-file", "nodes.secrets"])["nodes"][0]["prepared"],
        true
    );

    let rotated = rotate(&[]);
    // The first has not signed since 1970: it is dropped.
    assert_eq!(
        (&rotated["secrets"], &rotated["dropped"]),
        (&Value::from(2), &Value::from(1))
    );
    let after = bench.read("nodes.secrets");
    assert!(
        after.starts_with(&format!("{NODE},2000:hunter2,")),
        "the newest is kept"
    );
    assert!(
        after.lines().next().unwrap().ends_with(&new),
        "and the prepared one signs"
    );
    assert_eq!(
        after.lines().nth(1),
        before.lines().nth(1),
        "others are as they were"
    );
    assert!(!bench.at("nodes.secrets.next").exists());
    assert_eq!(export(), format!("hunter2\n{new}\n"));

    // Its last token may be alive for two weeks; who knows better says so.
    assert_eq!(rotate(&["--finish"])["dropped"], 0);
    assert_eq!(rotate(&["--finish", "--keep", "0s"])["dropped"], 1);
    assert_eq!(export(), format!("{new}\n"));
    for name in ["nodes.secrets", "node.secret"] {
        let mode = fs::metadata(bench.at(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_revocation_is_asked_for_and_leaves_one_secret() {
    let bench = Bench::new();
    let revoke = ["token", "revoke", NODE, "--secrets-file", "nodes.secrets"];
    let before = bench.read("nodes.secrets");
    let asked = bench.run(&revoke);
    assert_eq!(asked.code, Some(6), "{}", asked.err);
    assert!(
        asked.err.contains(NODE) && asked.err.contains("--yes"),
        "{}",
        asked.err
    );
    bench.json(&[&revoke[..], &["--dry-run"]].concat());
    assert_eq!(bench.read("nodes.secrets"), before);
    let said = bench.json(&[&revoke[..], &["--yes"]].concat());
    assert_eq!(
        (&said["secrets"], &said["dropped"]),
        (&Value::from(1), &Value::from(2))
    );
    let after = bench.read("nodes.secrets");
    assert!(!after.contains("hunter1") && !after.contains("hunter2") && after.contains("hunter3"));

    // To what the node has already.
    let none = bench.run(&[&revoke[..], &["--yes", "--prepared"]].concat());
    assert_eq!(none.code, Some(5), "{}", none.err);
    let prepare = [
        "token",
        "rotate",
        NODE,
        "--prepare",
        "--secrets-file",
        "nodes.secrets",
    ];
    bench.json(&prepare);
    let prepared = bench.read("nodes.secrets.next");
    let prepared = prepared.trim().rsplit(':').next().unwrap();
    bench.json(&[&revoke[..], &["--yes", "--prepared"]].concat());
    assert!(
        bench
            .read("nodes.secrets")
            .lines()
            .next()
            .unwrap()
            .ends_with(prepared)
    );
    assert!(!bench.at("nodes.secrets.next").exists());
}

#[test]
fn a_box_and_shared_lists_have_one_list() {
    let bench = Bench::new();
    let file = "foxhold-data/keys/node.secret";
    assert_eq!(bench.json(&["token", "rotate"])["secrets"], 2);
    assert!(bench.read(file).starts_with("hunter4\n"));
    assert_eq!(bench.json(&["token", "revoke", "--yes"])["dropped"], 2);
    assert_eq!(bench.read(file).lines().count(), 1);
    // One that somebody has emptied.
    put(&bench.at(file), "");
    assert_eq!(bench.run(&["token", "rotate"]).code, Some(3));
    bench.json(&["token", "revoke", "--yes"]);
    assert_eq!(bench.read(file).trim().len(), 64);

    // `tokenserver.md` V3: a node is given what is derived.
    put(
        &bench.at("masters"),
        &"00112233445566778899aabbccddeeff".repeat(2),
    );
    let node = "https://sync-1.example.com";
    let out = ["--master-file", "masters", "--out", "derived"];
    bench.json(&[&["token", "export", node][..], &out].concat());
    assert_eq!(
        bench.read("derived"),
        "b503ed0d4f33f86ee281577e85f714c64d51f9f1b4df433455c0216b4c0e11e1\n"
    );
    bench.json(&["token", "rotate", "--master-file", "masters"]);
    bench.json(&[&["token", "export", node][..], &out].concat());
    assert_eq!(bench.read("derived").lines().count(), 2);
    assert_eq!(
        bench.json(&["token", "list", "--fixed-file", "masters"])["nodes"][0]["secrets"],
        2
    );
}

#[test]
fn a_new_node_is_added_and_each_is_a_line_of_jsonl() {
    let bench = Bench::new();
    let new = "https://sync-3.example.org";
    let rotate = ["token", "rotate", new, "--secrets-file", "nodes.secrets"];
    assert_eq!(bench.run(&rotate).code, Some(5));
    bench.json(&[&rotate[..], &["--add-node"]].concat());
    let list = [
        "token",
        "list",
        "--secrets-file",
        "nodes.secrets",
        "--output",
        "jsonl",
    ];
    let ran = bench.run(&list);
    let lines: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{}", ran.out);
    assert_eq!(
        (&lines[2]["node"], &lines[2]["secrets"]),
        (&new.into(), &Value::from(1))
    );
}

#[test]
fn the_file_of_the_first_node_is_made() {
    let add = |bench: &Bench, more: &[&str]| {
        let add = [
            "token",
            "rotate",
            NODE,
            "--secrets-file",
            "new.secrets",
            "--add-node",
        ];
        bench.run(&[&add[..], more].concat())
    };
    let bench = Bench::new();
    let dry = add(&bench, &["--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert!(!bench.at("new.secrets").exists());
    let made = add(&bench, &[]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let before = bench.read("new.secrets");
    assert!(before.starts_with(&format!("{NODE},")), "one line");
    let mode = fs::metadata(bench.at("new.secrets"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // It is no new node any more, and keeps its secret.
    let again = add(&bench, &[]);
    assert_eq!(again.code, Some(6), "{}", again.err);
    assert!(
        again.err.contains("lists https://sync-1.example.org already"),
        "{}",
        again.err
    );
    assert_eq!(bench.read("new.secrets"), before);
    // One that somebody has made beforehand is as good as none.
    put(&bench.at("new.secrets"), "");
    assert_eq!(add(&bench, &[]).code, Some(0));
}

#[test]
fn refusals_have_their_codes_and_say_what_to_do() {
    let bench = Bench::new();
    put(&bench.at("broken"), "hunter5");
    put(&bench.at("open"), "hunter6");
    fs::set_permissions(bench.at("open"), fs::Permissions::from_mode(0o640)).unwrap();
    put(
        &bench.at("masters"),
        &"00112233445566778899aabbccddeeff".repeat(2),
    );
    let table: [(&str, &[&str], i32, &str); 12] = [
        ("no box", &["token", "list", "--data", "."], 5, "--data"),
        ("no box to look at", &["doctor", "--data", "."], 5, "--data"),
        (
            "no file",
            &["token", "list", "--secrets-file", "absent"],
            5,
            "absent",
        ),
        (
            "no such node",
            &[
                "token",
                "revoke",
                "https://x.org",
                "--secrets-file",
                "nodes.secrets",
            ],
            5,
            "https://x.org",
        ),
        (
            "which node",
            &["token", "rotate", "--secrets-file", "nodes.secrets"],
            2,
            "name the node",
        ),
        ("all nodes", &["token", "rotate", NODE], 2, "leave the node out"),
        (
            "a broken file",
            &["token", "list", "--secrets-file", "broken"],
            3,
            "line 1",
        ),
        (
            "a file for all",
            &["token", "list", "--fixed-file", "open"],
            3,
            "chmod 600",
        ),
        (
            "two files",
            &["token", "list", "--fixed-file", "a", "--secrets-file", "b"],
            2,
            "--fixed-file",
        ),
        ("no node", &["token", "rotate", "sync-1"], 2, "https://"),
        (
            "nothing prepared",
            &["token", "revoke", "--prepared", "--yes"],
            5,
            "rotate --prepare",
        ),
        (
            "whose secret",
            &["token", "export", "--master-file", "masters", "--out", "x"],
            2,
            "derived from",
        ),
    ];
    for (name, arguments, code, named) in table {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, Some(code), "{name}: {}", ran.err);
        assert!(ran.err.contains(named), "{name}: {}", ran.err);
    }
    // Another run is at work in the folder.
    let folder = fs::File::open(bench.folder.path()).unwrap();
    folder.try_lock().unwrap();
    let ran = bench.run(&["token", "rotate", NODE, "--secrets-file", "nodes.secrets"]);
    assert_eq!(ran.code, Some(6), "{}", ran.err);
}

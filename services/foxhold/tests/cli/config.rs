//! `foxhold config` as an operator has it: all faults of a file at once, where each value comes from, and no secret shown.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use super::support::{Ran, examples, foxhold, run};

const ROLES: [&str; 7] = [
    "box",
    "webhead",
    "keysigner",
    "dbwriter",
    "ops",
    "stretcher",
    "sync-node",
];

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("it is written");
    let only_ours = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join(name), only_ours).expect("it is ours");
}

fn with(folder: &Path, variable: (&str, &str), arguments: &[&str]) -> Ran {
    let mut command = foxhold(folder, arguments);
    let output = command.env(variable.0, variable.1).output();
    Ran::of(output.expect("the tool starts"))
}

const NODE: &str = "names = [\"https://sync-1.example.org\"]\nsecret_files = [\"node.secret\"]\n";
const OF_NODE: [&str; 4] = ["--role", "sync-node", "--config", "node.toml"];

#[test]
fn a_good_configuration_is_told_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "node.secret", "a-secret-of-the-node\n");
    write(folder.path(), "node.toml", NODE);
    let checked = run(folder.path(), &[&["config", "check"], &OF_NODE[..]].concat());
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    assert_eq!(checked.out, "2 keys read, no fault\n");
}

#[test]
fn all_faults_come_in_one_run_with_file_line_key_and_fix() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "node.secret", "");
    write(folder.path(), "node.toml", &NODE.replace("https://", ""));
    let check = [&["config", "check", "--output", "json"], &OF_NODE[..]].concat();
    let ran = run(folder.path(), &check);
    assert_eq!(ran.code, Some(3));
    for said in [
        "`names` (node.toml:1): ",
        "`secret_files` (node.toml:2): the file node.secret is empty",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["faults"].as_array().unwrap().len(), 2);
    assert_eq!(told["faults"][1]["from"], "node.toml:2");
    // What cannot be read comes before what rules say of it.
    write(
        folder.path(),
        "node.toml",
        &format!("{NODE}\nshard = 4\n[limits]\nmax_post_bytes = true\n"),
    );
    let ran = run(folder.path(), &check);
    for said in [
        "`shard` (node.toml:4): is not a known key\n  fix: did you mean `shards`?",
        "`limits.max_post_bytes` (node.toml:6): is true or false\n  fix: give a whole number, 0 or more",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn a_box_is_checked_by_its_folder_and_by_a_file_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["config", "check"]).code, Some(5));
    let text = "private_listen = \"0.0.0.0:8001\"\nmail = \"smtp\"\n[smtp]\nhost = \"m.example.org\"\n\
                from = \"a@example.org\"\nuser = \"a\"\npassword_file = \"absent.password\"\n[stretch]\nmemory_mib = 1\n";
    write(folder.path(), "new.toml", text);
    let ran = run(folder.path(), &["config", "check", "--config", "new.toml"]);
    assert_eq!(ran.code, Some(3));
    for said in [
        "`private_listen` (new.toml:1): ",
        "`smtp.password_file` (new.toml:7): ",
        "`stretch.memory_mib` (new.toml:9): ",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    write(folder.path(), "none.pem", "no certificate\n");
    for (line, said) in [
        ("from = \"nobody\"", "`smtp.from` (new.toml:4): "),
        (
            "from = \"a@example.org\"\ntls = \"plain\"",
            "`smtp.tls` (new.toml:5): ",
        ),
        (
            "from = \"a@example.org\"\nauthority_file = \"none.pem\"",
            "`smtp.authority_file` (new.toml:5): ",
        ),
        (
            "from = \"a@example.org\"\nauthority_file = \"absent.pem\"",
            "`smtp.authority_file` (new.toml:5): ",
        ),
    ] {
        let text = format!("mail = \"smtp\"\n[smtp]\nhost = \"m.example.org\"\n{line}\n");
        write(folder.path(), "new.toml", &text);
        let ran = run(folder.path(), &["config", "check", "--config", "new.toml"]);
        assert_eq!(ran.code, Some(3), "{line}");
        assert!(ran.err.contains(said), "{line}\n{}", ran.err);
    }
    fs::create_dir(folder.path().join("foxhold-data")).unwrap();
    write(folder.path(), "foxhold-data/foxhold.toml", "mail = \"log\"\n");
    assert_eq!(
        run(folder.path(), &["config", "check"]).out,
        "1 key read, no fault\n"
    );
}

#[test]
fn a_first_start_that_is_refused_leaves_nothing_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| address.to_string()).unwrap();
    let table: [(i32, &[&str], &str); 6] = [
        (
            4,
            &["--listen", &taken, "--private-listen", "127.0.0.1:0"],
            "--listen",
        ),
        (3, &["--private-listen", "0.0.0.0:1"], "as in 127.0.0.1:8001"),
        (3, &["--mail", "smtp"], "foxhold config init --out"),
        (3, &["--public-url", "example.org"], "`public_url` (the flag"),
        (
            6,
            &["--public-url", "https://example.org", "--mail", "none"],
            "--yes",
        ),
        (2, &["--listen", "8000"], "address and port, as in 127.0.0.1:8000"),
    ];
    for (code, flags, said) in table {
        let ran = run(folder.path(), &[&["up", "--data", "new"], flags].concat());
        assert_eq!(ran.code, Some(code), "{flags:?}\n{}", ran.err);
        assert!(ran.err.contains(said), "{flags:?}\n{}", ran.err);
        assert!(!folder.path().join("new").exists(), "{flags:?}");
    }
    // What its owner wrote stays alone, and every fault of it is told with its line.
    fs::create_dir(folder.path().join("new")).unwrap();
    write(
        folder.path(),
        "new/foxhold.toml",
        "domain = \"\"\n[log]\nlevel = \"loud,,=\"\n",
    );
    let ran = run(folder.path(), &["up", "--data", "new"]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    for said in [
        "`domain` (new/foxhold.toml:1): ",
        "`log.level` (new/foxhold.toml:3): ",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
}

#[test]
fn values_are_shown_with_where_they_come_from_and_secrets_are_not() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "node.secret", "hunter2-hunter2\n");
    write(folder.path(), "node.toml", NODE);
    let show = [&["config", "show", "--output", "json"], &OF_NODE[..]].concat();
    let ran = with(folder.path(), ("FOXHOLD_SHARDS", "4"), &show);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let shown: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let of = |key: &str| {
        let settings = shown["settings"].as_array().unwrap();
        let found = settings.iter().find(|one| one["key"] == key);
        let found = found.unwrap_or_else(|| panic!("{key}: {shown:#}"));
        (
            found["value"].to_string(),
            found["from"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        of("shards"),
        ("4".into(), "environment variable FOXHOLD_SHARDS".into())
    );
    assert_eq!(of("limits.max_post_records"), ("100".into(), "default".into()));
    assert_eq!(
        of("secret_files"),
        ("[\"<file node.secret, 16 bytes>\"]".into(), "node.toml:2".into())
    );
    assert!(!ran.out.contains("hunter2"));
}

#[test]
fn a_key_is_explained_by_who_sets_it_and_what_that_goes_over() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.toml", "\nshards = 2\n");
    write(folder.path(), "b.toml", "shards = 3\n");
    let explain = |key: &str| {
        let files = ["--role", "sync-node", "--config", "a.toml", "--config", "b.toml"];
        let arguments = [&["config", "explain", key, "--output", "jsonl"], &files[..]].concat();
        with(folder.path(), ("FOXHOLD_SHARDS", "4"), &arguments)
    };
    let ran = explain("shards");
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["value"], 4);
    assert_eq!(told["from"], "environment variable FOXHOLD_SHARDS");
    assert_eq!(
        told["over"][0],
        serde_json::json!({ "value": 3, "from": "b.toml:1" })
    );
    assert_eq!(
        told["over"][1],
        serde_json::json!({ "value": 2, "from": "a.toml:2" })
    );
    assert_eq!(told["default"], 16);
    assert!(
        told["means"]
            .as_str()
            .unwrap()
            .starts_with("Files of a new data directory")
    );
    assert_eq!(
        explain("limits").out.lines().count(),
        6,
        "a table is all its keys"
    );
    let unknown = explain("limits.max_pots_records");
    assert_eq!(unknown.code, Some(5));
    assert!(
        unknown.err.contains("did you mean `limits.max_post_records`"),
        "{}",
        unknown.err
    );
}

#[test]
fn a_file_to_begin_with_is_never_written_over_another_and_starts_a_box() {
    let folder = tempfile::tempdir().unwrap();
    for role in ROLES {
        let printed = run(folder.path(), &["config", "init", "--role", role]);
        let file = format!("{role}.toml");
        let written = ["config", "init", "--role", role, "--out", &file];
        assert_eq!(run(folder.path(), &written).code, Some(0));
        let held = fs::read_to_string(folder.path().join(&file)).unwrap();
        assert_eq!((printed.code, &printed.out), (Some(0), &held));
        assert_eq!(run(folder.path(), &written).code, Some(6), "{role}");
        if role != "box" {
            let deploy = format!("{}/../../deploy/config/{file}", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(held, fs::read_to_string(deploy).unwrap(), "{role}");
        }
    }
    fs::create_dir(folder.path().join("box")).unwrap();
    let out = ["config", "init", "--out", "box/foxhold.toml"];
    assert_eq!(run(folder.path(), &out).code, Some(0));
    let up = super::support::Up::start(folder.path(), &["up", "--data", "box"]);
    assert!(
        up.greeting.contains("beside your configuration"),
        "{}",
        up.greeting
    );
    assert_eq!(up.interrupt().code, Some(0));
}

#[test]
fn every_role_has_a_schema() {
    let folder = tempfile::tempdir().unwrap();
    for role in ROLES {
        let ran = run(folder.path(), &["config", "schema", "--role", role]);
        let schema: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(schema["additionalProperties"], false, "{role}");
        assert!(schema["properties"]["log"].is_object(), "{role}");
    }
}

#[test]
fn shells_and_manuals_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(folder.path(), &["completions", shell]);
        assert!(ran.code == Some(0) && ran.out.contains("declare-dead"), "{shell}");
    }
    let top = run(folder.path(), &["man"]);
    assert!(
        top.out.starts_with(".ie") || top.out.contains(".TH foxhold"),
        "{}",
        top.out
    );
    for example in examples(folder.path(), &["man"]) {
        let arguments: Vec<&str> = example[1..].iter().map(String::as_str).collect();
        assert_eq!(run(folder.path(), &arguments).code, Some(0), "{example:?}");
    }
    let page = |name: &str| fs::read_to_string(folder.path().join("man1").join(name));
    for name in [
        "foxhold.1",
        "foxhold-up.1",
        "foxhold-config-check.1",
        "foxhold-region-declare-dead.1",
    ] {
        assert!(
            page(name).is_ok_and(|page| page.contains(".SH SYNOPSIS")),
            "{name}"
        );
    }
}

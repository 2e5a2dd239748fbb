//! What scripts go by: one run of the tool for each exit code of `ecosystem.md` 3.4, but for an interruption's and for
//! 8, which needs a fleet: `services/fleet.rs` has it.

use std::{fs, net::TcpListener};

use super::support::{foxhold, run};

#[test]
fn every_cause_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("bad.toml"), "listn = 1\n").unwrap();
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("foreign")).unwrap();
    fs::write(at("foreign/letter"), "").unwrap();
    fs::create_dir(at("broken")).unwrap();
    fs::write(at("broken/format"), "1\n").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| address.to_string()).unwrap();
    let table: [(i32, &str, &[&str]); 13] = [
        (0, "the version", &["--version"]),
        (0, "a file to begin with", &["config", "init"]),
        (1, "a folder below a file", &["man", "--out", "file/man"]),
        (2, "no such command", &["umbrella"]),
        (2, "a flag that is missing", &["key", "create"]),
        (
            3,
            "a key nobody knows",
            &["config", "check", "--config", "bad.toml"],
        ),
        (
            4,
            "an address that is taken",
            &[
                "up",
                "--data",
                "new",
                "--listen",
                &taken,
                "--private-listen",
                "127.0.0.1:0",
            ],
        ),
        (5, "no such folder", &["doctor", "--data", "nowhere"]),
        (5, "no such file", &["config", "check", "--config", "absent.toml"]),
        (
            5,
            "no folder for a file",
            &["config", "init", "--out", "nowhere/box.toml"],
        ),
        (5, "no such key", &["config", "explain", "umbrella"]),
        (6, "somebody else's folder", &["up", "--data", "foreign"]),
        (7, "a box with faults", &["doctor", "--data", "broken"]),
    ];
    for (code, cause, arguments) in table {
        let ran = run(folder.path(), arguments);
        assert_eq!(ran.code, Some(code), "{cause}\n{}{}", ran.out, ran.err);
        let says_why = matches!(code, 0 | 2) || ran.err.starts_with("error: ");
        assert!(says_why, "{cause}: {}", ran.err);
        assert!(code != 4 || ran.err.contains(&taken), "{cause}: {}", ran.err);
    }
}

/// As before a `head` that has read enough.
#[test]
fn output_that_nobody_reads_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut init = foxhold(folder.path(), &["config", "init"]);
    let ended = init.stdout(writer).output().unwrap();
    assert_eq!(ended.status.code(), Some(141));
    assert!(
        ended.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

//! Nothing that is secret or personal is where it should not be (`security.md` F, canary test): a person's whole way over a box
//! that logs all it can, with every secret of it marked; then log, metrics, refusals, files and columns of the database are
//! searched for the marks, in every form that they may have there.
//!
//! Must stay true: a secret is marked where the client gets or makes it, so that a new answer with a secret in it is marked too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "box_canary/caller.rs"]
mod caller;
#[path = "box_canary/marks.rs"]
mod marks;
#[path = "box_canary/person.rs"]
mod person;

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path, process::Command};

use foxhold_core::hex;
use foxhold_testkit::{http, process::target_folder, single_box::SingleBox, work_folder::WorkFolder};
use serde_json::Value;

use caller::Caller;
use marks::{Home, Mark, Marks};
use person::{Person, Program};

/// Marks that must lie where they may, so that the search is known to find what is there.
const KEPT: [&str; 12] = [
    "address",
    "a device's name",
    "a push endpoint",
    "a push key",
    "a push secret",
    "a command's key",
    "a payload",
    "recovery data",
    "a hint",
    "TOTP secret's bytes",
    "keys_jwe",
    "a nonce",
];

/// A box that lets the invited in alone and logs what nobody needs.
async fn talkative(work: &WorkFolder) -> SingleBox {
    let mut running = SingleBox::start(work.path(), &[]).await.unwrap();
    running.process.terminate().await.unwrap();
    let file = work.path().join("data/foxhold.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let settings = format!(
        "registration = \"invitation\"\naccept_bearer = true\n{settings}\n[log]\nlevel = \"trace\"\n"
    );
    fs::write(&file, settings).unwrap();
    running.restart().await.unwrap();
    running
}

/// What a command of the operator says; what it logs joins `logged`.
fn told(running: &SingleBox, logged: &mut Vec<u8>, arguments: &[&str]) -> Value {
    let output = running
        .tool(&[arguments, &["--output", "json"]].concat())
        .unwrap();
    logged.extend(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn program(running: &SingleBox, marks: &Marks, logged: &mut Vec<u8>) -> Program {
    let (uri, scope) = ("--redirect-uri", "--scope");
    let made = told(
        running,
        logged,
        &[
            "client",
            "create",
            "--name",
            "Wiki",
            uri,
            "https://wiki.example.test/callback",
            scope,
            "openid",
            scope,
            "email",
            scope,
            "offline_access",
        ],
    );
    let secret = made["secret"].as_str().unwrap().to_owned();
    marks.text("client secret", Home::Nowhere, &secret);
    Program {
        id: made["client"]["id"].as_str().unwrap().to_owned(),
        secret,
    }
}

fn invitation(running: &SingleBox, marks: &Marks, logged: &mut Vec<u8>, email: &str) -> String {
    let made = told(running, logged, &["invite", "create", "--email", email]);
    let code = made.pointer("/invitations/0/code").and_then(Value::as_str);
    let code = code.unwrap_or_else(|| panic!("{made}")).to_owned();
    marks.text("invitation", Home::Nowhere, &code);
    marks.text("invitation, folded", Home::Nowhere, &code.replace('-', ""));
    code
}

/// All columns of the accounts' database, as SQL has them.
fn columns(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let python = target_folder()
        .unwrap()
        .parent()
        .unwrap()
        .join("venv-browser/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/columns.py");
    let output = Command::new(python)
        .arg(script)
        .arg(data.join("foxhold.db"))
        .output();
    let output = output.expect("Python of the browser tests (cargo xtask environment)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    let column = |line: &[u8]| {
        let line: Value = serde_json::from_slice(line).unwrap();
        let bytes = from_hex(line["hex"].as_str().unwrap());
        (line["column"].as_str().unwrap().to_owned(), bytes)
    };
    lines.map(column).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| hex::decode::<1>(std::str::from_utf8(pair).unwrap()).unwrap()[0];
    pairs.map(byte).collect()
}

/// All files of a folder but sockets, those of the storage node only if asked for.
fn files(folder: &Path, with_node: bool, into: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && (with_node || !path.ends_with("data/node")) {
            files(&path, with_node, into);
        } else if path.is_file() {
            into.extend(fs::read(path).unwrap());
        }
    }
}

/// What lies in a column that is not one of its own.
fn strays(marks: &Marks, columns: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let of_column = columns.iter().flat_map(|(column, bytes)| {
        let may_not = |mark: &Mark| match mark.home {
            Home::Columns(own) => !own.contains(&column.as_str()),
            Home::Nowhere | Home::Node => true,
        };
        let found = marks.found_in(bytes, may_not);
        found.into_iter().map(move |name| format!("{name} in {column}"))
    });
    of_column.collect()
}

fn lies_in_its_column(mark: &Mark, columns: &BTreeMap<String, Vec<u8>>) -> bool {
    let Home::Columns(own) = mark.home else {
        return false;
    };
    own.iter()
        .any(|column| columns.get(*column).is_some_and(|bytes| mark.is_in(bytes)))
}

/// Up to the moment before the account is deleted, and that.
async fn live(person: &Person<'_>, invite: &str, program: &Program, data: &Path) {
    let session = person.sign_up(invite).await.unwrap();
    person.bungle(&session).await.unwrap();
    person.devices(&session).await.unwrap();
    person.sync(&session).await.unwrap();
    let session = person.change_password(&session).await.unwrap();
    person.sync(&session).await.unwrap();
    person.devices(&session).await.unwrap();
    person.oauth(&session).await.unwrap();
    person.program(&session, program).await.unwrap();
    let (key_id, session) = person.guards(&session).await.unwrap();
    person.bungle(&session).await.unwrap();
    let marks = &person.caller.marks;
    let held = columns(data);
    assert_eq!(strays(marks, &held), Vec::<String>::new());
    for name in KEPT {
        let named = marks.named(name);
        assert!(
            named.iter().any(|mark| lies_in_its_column(mark, &held)),
            "{name} is not found where it is"
        );
    }
    let session = person.reset(&key_id).await.unwrap();
    assert_eq!(strays(marks, &columns(data)), Vec::<String>::new());
    person.destroy(&session).await.unwrap();
    // An invitation that was used stays, as history.
    let mut left = columns(data);
    left.remove("invitations.terms");
    for (column, bytes) in left {
        assert_eq!(
            marks.found_in(&bytes, |_| true),
            Vec::<String>::new(),
            "left in {column}"
        );
    }
}

/// Which marks are looked for.
type Wanted<'a> = &'a dyn Fn(&Mark) -> bool;

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_where_it_should_not_be() {
    let work = WorkFolder::of("box_canary").unwrap();
    let running = talkative(&work).await;
    let data = work.path().join("data");
    let person = Person::new(Caller {
        running: &running,
        marks: Marks::default(),
        refusals: RefCell::default(),
    });
    let marks = &person.caller.marks;
    let mut log = Vec::new();
    let program = program(&running, marks, &mut log);
    let invite = invitation(&running, marks, &mut log, &person.email);
    live(&person, &invite, &program, &data).await;

    let metrics = http::get(running.private, "/metrics").await.unwrap();
    log.extend(running.process.output().unwrap().into_bytes());
    let (mut signatures, mut own_files, mut all_files) = Default::default();
    files(&data.join("audit"), true, &mut signatures);
    files(&data, false, &mut own_files);
    files(&data, true, &mut all_files);
    // A refusal names the address where the contract says so, to whoever sent it.
    let refusals = person.caller.refusals.borrow();
    let all = |_: &Mark| true;
    let but_addresses = |mark: &Mark| !["address", "local part"].contains(&mark.name.as_str());
    let homeless = |mark: &Mark| mark.home == Home::Nowhere;
    let not_of_accounts = |mark: &Mark| !matches!(mark.home, Home::Columns(_));
    let table: [(&str, &[u8], Wanted<'_>); 6] = [
        ("log", &log, &all),
        ("metrics", &metrics.body, &all),
        ("log of signatures", &signatures, &all),
        ("refusals", &refusals, &but_addresses),
        ("files of accounts", &own_files, &not_of_accounts),
        ("files", &all_files, &homeless),
    ];
    for (place, bytes, wanted) in table {
        assert!(!bytes.is_empty(), "{place}");
        assert_eq!(marks.found_in(bytes, wanted), Vec::<String>::new(), "{place}");
    }
    let record = |mark: &Mark| mark.name == "a record";
    assert_eq!(
        marks.found_in(&all_files, record),
        ["a record"],
        "the search finds what is there"
    );
    let lines = String::from_utf8_lossy(&log);
    assert!(lines.contains("\"level\":\"debug\""), "all is logged");
}

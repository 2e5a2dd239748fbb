//! Numbers that nobody means, in the configuration of every role: each whole number at 0 and at the largest there is. Either
//! the check names the key, or the role starts with it, is ready, and ends when it is asked to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier},
    process::{Process, binary_path, free_address},
    report::report,
    single_box::is_ready,
    wait::wait_until,
    work_folder::WorkFolder,
};
use serde_json::Value;

/// Tables that these configurations do not have; what is in them is checked where they are.
const ABSENT: [&str; 3] = ["foreign_oauth.", "stretcher.", "smtp."];
/// A file's number cannot be larger, and no process is told the rest by anything else.
const LARGEST: u64 = i64::MAX as u64;

/// A role that can be checked and started.
struct Subject {
    role: &'static str,
    /// Program and what it is called with.
    program: &'static str,
    arguments: Vec<String>,
    private: SocketAddr,
    /// How its configuration is named to the check.
    checked: Vec<String>,
    /// What it is told beside its file.
    environment: Vec<(String, String)>,
}

fn variable(key: &str) -> String {
    format!("FOXHOLD_{}", key.replace('.', "__").to_uppercase())
}

/// Keys of whole numbers, those in lists and by name left out: no variable names one of them.
fn numbers(root: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    let referred = schema["$ref"]
        .as_str()
        .and_then(|place| root.pointer(&place[1..]));
    let shapes = ["anyOf", "oneOf", "allOf"]
        .iter()
        .flat_map(|name| schema[*name].as_array())
        .flatten();
    for also in referred.into_iter().chain(shapes) {
        numbers(root, also, at, found);
    }
    let kind = &schema["type"];
    if *kind == "integer"
        || kind
            .as_array()
            .is_some_and(|kinds| kinds.contains(&"integer".into()))
    {
        found.push(at.to_owned());
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let key = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}.{name}")
        };
        numbers(root, below, &key, found);
    }
}

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary_path("foxhold").unwrap());
    command.args(arguments);
    command
}

impl Subject {
    fn keys(&self) -> Vec<String> {
        let output = tool(&["config", "schema", "--role", self.role]).output().unwrap();
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut found = Vec::new();
        numbers(&schema, &schema, "", &mut found);
        found.sort();
        found.dedup();
        found.retain(|key| !ABSENT.iter().any(|table| key.starts_with(table)));
        assert!(found.len() > 5, "{}: {found:?}", self.role);
        found
    }

    /// The keys that the check complains of.
    fn complaints(&self, key: &str, value: u64) -> Vec<String> {
        let mut command = tool(&["config", "check", "--json", "--role", self.role]);
        command.args(&self.checked).envs(self.environment.iter().cloned());
        let output = command.env(variable(key), value.to_string()).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let faults = told["faults"].as_array().unwrap().iter();
        faults
            .map(|fault| fault["key"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Starts it with all of them at once, waits until it is ready, and ends it.
    async fn starts_with(&self, work: &Path, keys: &[String], value: u64) {
        let mut command = Command::new(binary_path(self.program).unwrap());
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        command.envs(keys.iter().map(|key| (variable(key), value.to_string())));
        let name = format!("{}-{value}", self.role);
        let mut process = Process::spawn(work, &name, command).unwrap();
        let private = self.private;
        let mut has_ended = false;
        let ready = wait_until("it to be ready", || {
            has_ended = !process.is_running();
            let is_over = has_ended;
            async move { is_over || is_ready(private).await }
        })
        .await;
        let output = || process.output().unwrap_or_default();
        assert!(ready.is_ok() && !has_ended, "{name} with {keys:?}\n{}", output());
        let ended = process.terminate().await.unwrap();
        let output = process.output().unwrap();
        assert!(
            ended.success() && !output.contains("panicked"),
            "{name}: {ended}\n{output}"
        );
    }
}

fn config(work: &Path, name: &str) -> String {
    work.join(format!("{name}.toml")).display().to_string()
}

fn of_tier(work: &Path, role: &'static str, program: &'static str) -> Subject {
    let file = config(work, &format!("{role}-1"));
    let text = fs::read_to_string(&file).unwrap();
    let private = text
        .lines()
        .find_map(|line| line.strip_prefix("private_listen = \"")?.strip_suffix('"'));
    let arguments = vec!["--config".to_owned(), file];
    Subject {
        role,
        program,
        private: private.unwrap().parse().unwrap(),
        checked: arguments.clone(),
        arguments,
        environment: Vec::new(),
    }
}

/// The fleet has none: it is given the certificate that was made for one.
fn stretcher(work: &Path) -> Subject {
    let (listen, private) = (free_address().unwrap(), free_address().unwrap());
    let of_dbwriter = fs::read_to_string(config(work, "dbwriter-1")).unwrap();
    let tls = of_dbwriter
        .split("[tls]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let tls = tls.replace("dbwriter", "stretcher");
    let head = format!("listen = \"{listen}\"\nprivate_listen = \"{private}\"\ndrain_delay_secs = 0\n");
    fs::write(config(work, "stretcher-1"), format!("{head}[tls]{tls}\n")).unwrap();
    of_tier(work, "stretcher", "foxhold-stretcher")
}

fn single_box(work: &Path) -> Subject {
    let (listen, private) = (free_address().unwrap(), free_address().unwrap());
    let data: PathBuf = work.join("data");
    let file = config(work, "box");
    fs::write(&file, "registration = \"open\"\n").unwrap();
    let told = [
        ("FOXHOLD_LISTEN", listen.to_string()),
        ("FOXHOLD_PRIVATE_LISTEN", private.to_string()),
        ("FOXHOLD_MAIL", "capture".to_owned()),
    ];
    Subject {
        role: "box",
        program: "foxhold",
        arguments: vec!["up".to_owned(), "--data".to_owned(), data.display().to_string()],
        private,
        checked: vec!["--config".to_owned(), file],
        environment: told.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    }
}

async fn try_out(work: &Path, subject: &Subject) {
    let keys = subject.keys();
    for value in [0, LARGEST] {
        let mut taken = Vec::new();
        for key in &keys {
            let complaints = subject.complaints(key, value);
            match &complaints[..] {
                [] => taken.push(key.clone()),
                // Of two numbers that go together either may be named.
                named => assert!(
                    named
                        .iter()
                        .any(|named| named == key || key.starts_with(&format!("{named}."))),
                    "{} with {key} = {value}: {named:?}",
                    subject.role
                ),
            }
        }
        report(&format!(
            "bounds: {} takes {value} as {} of {} numbers",
            subject.role,
            taken.len(),
            keys.len()
        ));
        subject.starts_with(work, &taken, value).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_refuses_absurd_numbers_by_name_or_lives_with_them() {
    let work = WorkFolder::of("config_bounds").unwrap();
    let shape = Shape {
        webheads: 1,
        keysigners: 1,
        dbwriters: 1,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    try_out(work.path(), &stretcher(work.path())).await;
    try_out(work.path(), &of_tier(work.path(), "ops", "foxhold-ops")).await;
    let others = [
        (Tier::Webhead, "webhead", "foxhold-webhead"),
        (Tier::SyncNode, "sync-node", "foxhold-sync-node"),
        (Tier::Keysigner, "keysigner", "foxhold-keysigner"),
        (Tier::Dbwriter, "dbwriter", "foxhold-dbwriter"),
    ];
    for (tier, role, program) in others {
        // It has the addresses.
        fleet.stop(tier, 1).await.unwrap();
        try_out(work.path(), &of_tier(work.path(), role, program)).await;
        fleet.restart(tier, 1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_refuses_absurd_numbers_by_name_or_lives_with_them() {
    let work = WorkFolder::of("config_bounds_box").unwrap();
    try_out(work.path(), &single_box(work.path())).await;
}

//! `cargo xtask test`: the whole test run, on a machine that has a Rust toolchain and a C compiler and nothing else.
//! Each step says what it does and how long it took; the first that fails ends the run. What it has to install, it
//! says; where it may not, it prints the one command and fails.

mod cluster;
mod environment;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::wasm;

/// What `cargo deny` is installed as, where it is missing.
const CARGO_DENY: &str = "0.20.2";

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What every change must pass.
    Ordinary,
    /// And what takes long: tests on bigger clusters, and benchmarks, to see that they run.
    All,
}

/// What must be there before anything can be tested.
const ENVIRONMENT: [Step; 6] = [
    ("system packages", environment::packages),
    ("compiler's WebAssembly target", wasm::add_target),
    ("Python environment of the browser tests", environment::python),
    ("Node's BrowserID libraries", environment::node),
    ("Cassandra's jars", cluster::jars),
    ("toxiproxy", cluster::proxy),
];

/// Installs what the tests need and runs none: for whoever runs single ones.
///
/// # Errors
/// The first step that fails, by its name.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    run_steps(root, &ENVIRONMENT)
}

/// Runs everything.
///
/// # Errors
/// The first step that fails, by its name.
pub(crate) fn run(root: &Path, extent: Extent) -> Result<()> {
    let mut steps: Vec<Step> = ENVIRONMENT.to_vec();
    steps.extend::<[Step; 6]>([
        ("format", |root| cargo(root, "fmt --all --check")),
        ("lints", |root| {
            cargo(
                root,
                "clippy --locked --workspace --all-targets --features foxhold-testkit/long --quiet -- -D warnings",
            )
        }),
        ("build", |root| {
            cargo(root, "build --locked --workspace --bins --quiet")
        }),
        ("tests", tests),
        ("page tests", page),
        ("licences, bans and sources of dependencies", supply_chain),
    ]);
    if extent == Extent::All {
        steps.push(("long tests", |root| {
            // One at a time: each has the machine to itself. Of the whole workspace, so that nothing is compiled again with
            // fewer features.
            cargo(
                root,
                "test --locked --workspace --features foxhold-testkit/long --test long_* --no-fail-fast \
                 -- --test-threads 1 --nocapture",
            )
        }));
        steps.push(("benchmarks of signing", |root| {
            cargo(root, "bench --locked --package foxhold-keysigner --bench rsa")
        }));
    }
    run_steps(root, &steps)
}

fn run_steps(root: &Path, steps: &[Step]) -> Result<()> {
    let began = Instant::now();
    let mut report = String::new();
    for (name, step) in steps {
        say(&format!("== {name}"))?;
        let step_began = Instant::now();
        step(root).with_context(|| format!("step \"{name}\" failed"))?;
        report.push_str(&line(name, step_began.elapsed()));
    }
    report.push_str(&line("all", began.elapsed()));
    say(&format!("== passed\n{}", report.trim_end()))
}

type Step = (&'static str, fn(&Path) -> Result<()>);

fn line(name: &str, took: Duration) -> String {
    format!("{:>7.1} s  {name}\n", took.as_secs_f64())
}

/// Tells the person who watches; results of a test run belong on standard output.
fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to standard output")
}

/// All tests of an ordinary run, with one Cassandra cluster between them.
fn tests(root: &Path) -> Result<()> {
    let shared = cluster::Shared::start(root)?;
    let arguments = "test --locked --workspace --no-fail-fast --quiet";
    must(
        shared
            .tell(Command::new(wasm::cargo()).args(arguments.split_whitespace()))
            .current_dir(root),
    )
}

/// Runs cargo; no argument of ours has a blank in it.
fn cargo(root: &Path, arguments: &str) -> Result<()> {
    must(
        Command::new(wasm::cargo())
            .args(arguments.split_whitespace())
            .current_dir(root),
    )
}

/// Runs a command with our own output; an error unless it succeeds.
fn must(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}

/// The scripts of the sign-in page, outside of a browser.
fn page(root: &Path) -> Result<()> {
    let folder = root.join("services/webhead");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("tests/page"))
        .context("reading the page's tests")?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    files.sort();
    ensure!(!files.is_empty(), "the page has no tests");
    must(Command::new("node").arg("--test").args(files).current_dir(folder))
}

/// The rules of `deny.toml`. Without the check of advisories: that needs a database from elsewhere.
fn supply_chain(root: &Path) -> Result<()> {
    if !environment::succeeds(Command::new(wasm::cargo()).args(["deny", "--version"])) {
        say(&format!(
            "installing cargo-deny {CARGO_DENY} with cargo: takes some minutes, once"
        ))?;
        cargo(
            root,
            &format!("install --quiet --locked --version {CARGO_DENY} cargo-deny"),
        )?;
    }
    cargo(root, "deny --locked --log-level warn check licenses bans sources")
}

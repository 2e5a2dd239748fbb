//! The checker as a process: builds the Go program beside this crate, once, and hands it a history.
//!
//! What must stay true: nothing but a decision of the checker is a verdict. A program that is missing, fails or says
//! something else is an error.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;

use super::{History, Model, Object};
use crate::process::target_folder;

/// How an object's history, or all of them, was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Linearizable.
    Ok,
    /// Not linearizable.
    Illegal,
    /// Not decided in time: no success.
    Unknown,
}

/// The verdict on one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVerdict {
    /// The object.
    pub object: Object,
    /// How it was judged.
    pub judgement: Judgement,
    /// How many operations its history has.
    pub operations: usize,
    /// How many of them have no answer.
    pub unanswered: usize,
}

/// The verdict on a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The worst of all objects'.
    pub judgement: Judgement,
    /// Every object's.
    pub keys: Vec<KeyVerdict>,
    /// A page that shows the first history that is not linearizable.
    pub visualisation: Option<PathBuf>,
}

impl Verdict {
    /// The objects that were judged so.
    pub fn judged(&self, judgement: Judgement) -> impl Iterator<Item = &KeyVerdict> {
        self.keys.iter().filter(move |key| key.judgement == judgement)
    }

    /// Makes everything but a linearizable history an error that names its objects.
    ///
    /// # Errors
    /// When the history is not linearizable, or that was not decided.
    pub fn require(&self) -> Result<()> {
        if self.judgement == Judgement::Ok {
            return Ok(());
        }
        let faults = self.keys.iter().filter(|key| key.judgement != Judgement::Ok);
        let faults: Vec<_> = faults
            .map(|key| format!("{:?} {}: {:?}", key.object.model, key.object.key, key.judgement))
            .collect();
        let drawn = self.visualisation.as_deref().map_or_else(String::new, |path| {
            format!("; the first is drawn in {}", path.display())
        });
        bail!("not shown to be linearizable: {}{drawn}", faults.join(", "));
    }
}

/// Judges a history. It is left in `work/history.jsonl`; if it is not linearizable, `work/history.html` shows why.
///
/// # Errors
/// When the checker cannot be built or run, or cannot use the history: an empty one shows nothing.
pub fn check(history: &History, work: &Path) -> Result<Verdict> {
    fs::create_dir_all(work)?;
    let lines = history.to_json_lines()?;
    fs::write(work.join("history.jsonl"), &lines)?;
    let drawing = work.join("history.html");
    let mut command = Command::new(program()?);
    command.arg("-html").arg(&drawing);
    let output = feed(command, lines)?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let told: Told = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the checker gave no verdict ({}): {complaint}", output.status))?;
    let agreed = match told.verdict {
        Judgement::Ok => 0,
        Judgement::Illegal => 1,
        Judgement::Unknown => 2,
    };
    ensure!(
        output.status.code() == Some(agreed),
        "the checker says {:?} and ends with {}: {complaint}",
        told.verdict,
        output.status
    );
    Ok(told.into())
}

/// Runs `command` with `input`. Written from a thread of its own, so that neither side waits for the other.
fn feed(mut command: Command, input: String) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the checker")?;
    let mut stdin = child.stdin.take().context("the checker has no input")?;
    let writing = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    // One that ends early has said why.
    let _ = writing.join();
    Ok(output)
}

/// Where the program's source is.
fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("linearizability")
}

/// The program, built by the first who asks.
fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built
        .as_deref()
        .map_err(|error| anyhow!("building the checker: {error}"))
}

/// Under a name of its own first: test programs that run at the same time build it, too.
fn build() -> Result<PathBuf> {
    // Beside the folders of the profiles: it is the same for all of them.
    let profile = target_folder()?;
    let target = profile.parent().context("a profile has no target folder")?;
    let folder = target.join("tools");
    fs::create_dir_all(&folder)?;
    let program = folder.join("foxhold-linearizability");
    let fresh = folder.join(format!("foxhold-linearizability.{}", std::process::id()));
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(&fresh).arg(".");
    go(command)?;
    fs::rename(&fresh, &program)?;
    Ok(program)
}

/// Runs a command of Go in the program's folder, and gives what it printed.
///
/// # Errors
/// When it fails; when Go is missing, with the command that installs it.
fn go(mut command: Command) -> Result<String> {
    let output = match command.current_dir(source()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("Go is missing. Install it: apt-get install --no-install-recommends golang-go")
        }
        output => output.with_context(|| format!("starting {command:?}"))?,
    };
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the program prints.
#[derive(Deserialize)]
struct Told {
    verdict: Judgement,
    keys: Vec<ToldKey>,
    visualisation: Option<PathBuf>,
}

#[derive(Deserialize)]
struct ToldKey {
    model: Model,
    key: String,
    verdict: Judgement,
    operations: usize,
    unanswered: usize,
}

impl From<Told> for Verdict {
    fn from(told: Told) -> Self {
        let keys = told.keys.into_iter().map(|told| KeyVerdict {
            object: Object {
                model: told.model,
                key: told.key,
            },
            judgement: told.verdict,
            operations: told.operations,
            unanswered: told.unanswered,
        });
        Self {
            judgement: told.verdict,
            keys: keys.collect(),
            visualisation: told.visualisation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checker's own tests: without them its verdicts would be worth nothing.
    #[test]
    fn the_checkers_own_tests_pass() {
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments);
            go(command).unwrap_or_else(|error| panic!("{error:#}"))
        };
        run("go", &["vet", "."]);
        run("go", &["test", "."]);
        assert_eq!(run("gofmt", &["-l", "."]), "", "these files are not formatted");
    }

    #[test]
    fn what_is_no_history_has_no_verdict() {
        let work = crate::work_folder::WorkFolder::of("history_empty").unwrap();
        let refused = check(&History::default(), work.path()).unwrap_err();
        assert!(
            format!("{refused:#}").contains("the history is empty"),
            "{refused:#}"
        );
    }
}

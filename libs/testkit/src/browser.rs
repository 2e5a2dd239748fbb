//! Real Firefox, driven by `libs/testkit/browser/firefox_flow.py`: the bridge from a Rust test to that program.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::process::target_folder;

/// A script that runs in Firefox and stops after each step until it is told to go on.
#[derive(Debug)]
pub struct BrowserScript {
    child: Child,
    steps: Lines<BufReader<ChildStdout>>,
    go_on: ChildStdin,
    log: PathBuf,
}

/// What a script is run with.
#[derive(Debug, Clone)]
pub struct BrowserOptions<'a> {
    /// The public root that Firefox is pointed at.
    pub root: &'a str,
    /// The captured mailbox.
    pub mailbox: SocketAddr,
    /// Profiles and logs go there.
    pub work: &'a Path,
    /// How many failures of the page and of Sync are answered by trying again, as a person would.
    pub patience: u32,
    /// Options of the script itself, by name.
    pub more: BTreeMap<&'a str, String>,
}

impl BrowserScript {
    /// Starts `script` in a fresh headless Firefox.
    ///
    /// # Errors
    /// When Python's environment or Firefox is missing: `cargo xtask test` installs both.
    pub fn start(script: &str, options: &BrowserOptions<'_>) -> Result<Self> {
        let target = target_folder()?;
        let python = target
            .parent()
            .context("target folder")?
            .join("venv-browser/bin/python");
        ensure!(
            python.exists(),
            "{} is missing: `cargo xtask test` makes it",
            python.display()
        );
        std::fs::create_dir_all(options.work)?;
        let log = options.work.join(format!("browser-{script}.log"));
        let mut command = Command::new(python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/firefox_flow.py"))
            .args([
                "--root",
                options.root,
                "--mailbox",
                &format!("http://{}", options.mailbox),
            ])
            .arg("--work")
            .arg(options.work)
            .args(["--patient", &options.patience.to_string(), "--interactive"]);
        for (name, value) in &options.more {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut child = command
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("starting the browser's driver")?;
        let stdout = child.stdout.take().context("no output")?;
        let go_on = child.stdin.take().context("no input")?;
        Ok(Self {
            child,
            steps: BufReader::new(stdout).lines(),
            go_on,
            log,
        })
    }

    /// The next step's report; `None` once the script has passed.
    ///
    /// # Errors
    /// When the script failed; the message holds the end of the browser's own log.
    pub async fn next_step(&mut self) -> Result<Option<Value>> {
        loop {
            let Some(line) = self.steps.next_line().await? else {
                return self.failed("it ended early");
            };
            let report: Value = serde_json::from_str(&line).with_context(|| format!("no report: {line}"))?;
            if report.get("passed").is_some() {
                ensure!(
                    self.child.wait().await?.success(),
                    "passed, but ended with an error"
                );
                return Ok(None);
            }
            if report.get("failed").is_some() {
                return self.failed(&line);
            }
            // Lines without a step say what was seen on the way.
            if report.get("step").is_some() {
                return Ok(Some(report));
            }
        }
    }

    /// Lets the script go on after a step.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn go_on(&mut self) -> Result<()> {
        self.go_on.write_all(b"\n").await?;
        Ok(self.go_on.flush().await?)
    }

    /// Runs to the end; returns the names of all steps.
    ///
    /// # Errors
    /// As [`Self::next_step`].
    pub async fn finish(mut self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        while let Some(step) = self.next_step().await? {
            names.push(step["step"].as_str().unwrap_or_default().to_owned());
            self.go_on().await?;
        }
        Ok(names)
    }

    fn failed<T>(&self, why: &str) -> Result<T> {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let tail: Vec<&str> = log.lines().rev().take(120).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!("the browser's script failed: {why}\n{}", tail.join("\n"))
    }
}

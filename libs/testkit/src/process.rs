//! Real processes: started with a log of their own, killed with the test, whatever way the test ends.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{bound, wait::wait_until};

pub use crate::ports::free_address;

/// A child process that dies with this value.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts one of the workspace's binaries; its output goes to `work/NAME.log`.
    ///
    /// # Errors
    /// When the binary is not built, or the process cannot be started.
    pub fn start(work: &Path, name: &str, binary: &str, arguments: &[String]) -> Result<Self> {
        let mut command = Command::new(binary_path(binary)?);
        command.args(arguments);
        Self::spawn(work, name, command)
    }

    /// Starts any command; its output goes to `work/NAME.log`, after what an earlier one of that name wrote.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn(work: &Path, name: &str, command: Command) -> Result<Self> {
        Self::spawn_by(|mut command| command.spawn(), work, name, command)
    }

    /// As [`spawn`](Self::spawn), and the kernel kills it if this process is killed itself: see [`bound`].
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn_bound(work: &Path, name: &str, command: &Command) -> Result<Self> {
        Self::spawn_by(bound::spawn, work, name, bound::watched(command))
    }

    /// As [`spawn_bound`](Self::spawn_bound), in another group: as root only.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn_bound_in_group(work: &Path, name: &str, group: u32, command: &Command) -> Result<Self> {
        let command = bound::in_group(group, &bound::watched(command));
        Self::spawn_by(bound::spawn, work, name, command)
    }

    fn spawn_by(
        start: impl FnOnce(Command) -> io::Result<Child>,
        work: &Path,
        name: &str,
        mut command: Command,
    ) -> Result<Self> {
        fs::create_dir_all(work)?;
        let log = work.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = start(command).with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// What it is called in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed or waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, as a supervisor does, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be asked, or does not stop in time.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        let name = self.name.clone();
        let mut status = None;
        wait_until(&format!("{name} to stop"), || {
            status = self.child.try_wait().ok().flatten();
            let stopped = status.is_some();
            async move { stopped }
        })
        .await?;
        status.context("stopped without a status")
    }

    /// Sends it a signal by name: `STOP`, `CONT`, `TERM`, `INT`.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.id().to_string())
            .status()?;
        ensure!(sent.success(), "{signal} to {}", self.name);
        Ok(())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All it has printed so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn output(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo put a binary of the workspace: beside the test that runs.
///
/// # Errors
/// When it is not there: it is built by `cargo build --workspace --bins`, which `cargo xtask test` does first.
pub fn binary_path(binary: &str) -> Result<PathBuf> {
    let path = target_folder()?.join(binary);
    ensure!(
        path.exists(),
        "{} is missing: run `cargo build --workspace --bins` first",
        path.display()
    );
    Ok(path)
}

/// The folder of the profile that the running test was built with, as in `target/debug`.
///
/// # Errors
/// When the program that runs is not in one.
pub fn target_folder() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .ancestors()
        .find(|folder| folder.join(".fingerprint").exists());
    Ok(folder.context("not in a target folder")?.to_owned())
}

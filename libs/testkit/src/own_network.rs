//! A network of a test's own: the test runs again, alone, in a fresh network namespace, where it may cut what it likes and
//! where nobody else is. Needs root. Everything in it ends with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    bound,
    cassandra::CONTACT_POINTS_VARIABLE,
    wait::{pause, within},
    work_folder::WorkFolder,
};

/// Set for a test that runs in its own network: the file it has to write when it has passed.
const PROOF_VARIABLE: &str = "TEST_OWN_NETWORK";

/// How long a test may take there.
const LIMIT: Duration = Duration::from_secs(1800);

/// Runs `body` in a network of its own; to be called by the test with the full name `test` and nothing beside it:
/// the test's program is started again for this one test, and only there the body runs. What it prints is shown.
///
/// # Errors
/// When the network cannot be made, when the body fails or panics, or when the other program did not run it.
pub async fn run(test: &str, body: impl Future<Output = Result<()>>) -> Result<()> {
    if let Some(proof) = proof() {
        open_loopback()?;
        body.await?;
        return fs::write(proof, test).context("writing the proof");
    }
    let folder = WorkFolder::of(&format!("own-network-{test}"))?;
    let proof = folder.path().join("passed");
    let mut program = Program(bound::spawn(bound::watched(&again(test, &proof)?))?);
    let ended = async {
        loop {
            if let Some(status) = program.0.try_wait()? {
                return anyhow::Ok(status);
            }
            pause().await;
        }
    };
    let status = within(LIMIT, test, ended).await??;
    ensure!(
        status.success(),
        "{test} failed in its own network (root is needed for one): {status}"
    );
    let ran = fs::read_to_string(&proof).is_ok_and(|text| text == test);
    ensure!(
        ran,
        "{test} did not run in its own network: is this its full name?"
    );
    Ok(())
}

/// Whether this process is in a network of its own.
#[must_use]
pub fn is_inside() -> bool {
    proof().is_some()
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a test says to itself; no configuration of a service"
)]
fn proof() -> Option<PathBuf> {
    std::env::var_os(PROOF_VARIABLE).map(PathBuf::from)
}

/// This program, once more, for one test. Clusters outside cannot be reached from there.
fn again(test: &str, proof: &Path) -> Result<Command> {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(PROOF_VARIABLE, proof)
        .env_remove(CONTACT_POINTS_VARIABLE);
    Ok(command)
}

/// A fresh network has nothing but a loopback device, switched off.
fn open_loopback() -> Result<()> {
    let status = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .stdin(Stdio::null())
        .status()
        .context("starting ip (Debian: iproute2)")?;
    ensure!(status.success(), "ip link set lo up: {status}");
    Ok(())
}

/// The other program; it ends with this value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

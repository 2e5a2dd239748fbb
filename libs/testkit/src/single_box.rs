//! A running single box: `foxhold up` on a folder of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use hyper::StatusCode;

use crate::{
    http,
    person::Server,
    process::{Process, binary_path, free_address},
    wait::wait_until,
};

/// A single box, its mails captured, its limits off.
#[derive(Debug)]
pub struct SingleBox {
    /// Its public side.
    pub server: Server,
    /// Its private side: mailbox, health.
    pub private: SocketAddr,
    /// Its process.
    pub process: Process,
    work: PathBuf,
    arguments: Vec<String>,
}

impl SingleBox {
    /// Starts a box on `work/data` and waits until it serves. `more` are further arguments.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(work: &Path, more: &[&str]) -> Result<Self> {
        let (listen, private) = (free_address()?, free_address()?);
        let root = format!("http://localhost:{}", listen.port());
        let data = work.join("data").display().to_string();
        let (listen_text, private_text) = (listen.to_string(), private.to_string());
        let arguments = [
            "up",
            "--data",
            &data,
            "--listen",
            &listen_text,
            "--private-listen",
            &private_text,
        ];
        let arguments = arguments.iter().chain(&["--mail", "capture"]).chain(more);
        let arguments: Vec<String> = arguments.map(|&argument| argument.to_owned()).collect();
        let process = spawn(work, &arguments)?;
        let server = Server {
            address: listen,
            root,
        };
        let mut started = Self {
            server,
            private,
            process,
            work: work.to_owned(),
            arguments,
        };
        started.wait_ready().await?;
        Ok(started)
    }

    /// Starts it again after it was killed or stopped: same folder, same addresses.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.work, &self.arguments)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let private = self.private;
        let process = &mut self.process;
        let mut ended = false;
        wait_until("the box to be ready", || {
            ended = !process.is_running();
            let is_over = ended;
            async move { is_over || is_ready(private).await }
        })
        .await?;
        if ended {
            bail!("the box ended:\n{}", self.process.output()?);
        }
        Ok(())
    }
}

/// All users of a test come from one address, so limits by address would end it.
fn spawn(work: &Path, arguments: &[String]) -> Result<Process> {
    let mut command = Command::new(binary_path("foxhold")?);
    command
        .args(arguments)
        .env("FOXHOLD_LIMITS__PROFILE", "off")
        // How full the disk of the machine is that tests run on says nothing of the box.
        .env("FOXHOLD_DISK_USED_MAX_PERCENT", "100");
    Process::spawn(work, "box", command)
}

/// Whether a process says on its private side that it can serve.
pub async fn is_ready(private: SocketAddr) -> bool {
    matches!(http::get(private, "/readyz").await, Ok(answer) if answer.status == StatusCode::OK)
}

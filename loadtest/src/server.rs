//! Servers under measurement: this program again, in a process of its own. A server says its address first, on a line.

use std::{ffi::OsString, io::Write, net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::cpu;

/// A running server; it ends with this value.
pub(crate) struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts this program with `arguments` and waits for its address.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments.into_iter().map(Into::into))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let line = BufReader::new(output)
            .lines()
            .next_line()
            .await?
            .context("the server ended")?;
        Ok(Self {
            address: line.parse()?,
            process,
        })
    }

    /// CPU time it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu::time_of(self.process.id().context("the server ended")?)
    }
}

/// The server's side of [`Server::start`].
///
/// # Errors
/// When nobody listens.
pub(crate) fn say_address(address: SocketAddr) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{address}")?;
    out.flush()?;
    Ok(())
}

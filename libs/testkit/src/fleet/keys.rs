//! What a fleet has before it starts: keys and certificates, by the commands that an operator uses, and a mail server.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use hyper::StatusCode;

use crate::{
    http,
    process::{Process, binary_path, target_folder},
};

pub(super) const TRUST_DOMAIN: &str = "fleet.test";

/// The folder of a region's certificates.
pub(super) fn tls_folder(region: &str) -> String {
    format!("tls-{region}")
}

/// One set of keys, and certificates for each region.
pub(super) fn make(work: &Path, node_root: &str, regions: &[&str]) -> Result<()> {
    let keys = work.join("keys").display().to_string();
    run(&["key", "create", "--out", &keys, "--node", node_root])?;
    for region in regions {
        let tls = work.join(tls_folder(region)).display().to_string();
        let named = ["--trust-domain", TRUST_DOMAIN, "--region", region];
        run(&[&["certificates", "create", "--out", &tls][..], &named].concat())?;
    }
    Ok(())
}

fn run(arguments: &[&str]) -> Result<()> {
    let output = Command::new(binary_path("foxhold")?).args(arguments).output()?;
    ensure!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

pub(super) fn start_mail(work: &Path, smtp: SocketAddr, mailbox: SocketAddr) -> Result<Process> {
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
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("mail/smtp_sink.py"));
    command.args(["--smtp", &smtp.to_string(), "--http", &mailbox.to_string()]);
    Process::spawn(work, "mail", command)
}

/// Whether the mail server keeps mails yet.
pub(super) async fn keeps_mail(mailbox: SocketAddr) -> bool {
    matches!(http::get(mailbox, "/mail/nobody").await, Ok(answer) if answer.status == StatusCode::OK)
}

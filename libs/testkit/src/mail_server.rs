//! A real mail server that keeps what it takes, for whoever sends (`mail/smtp_sink.py`).

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use hyper::StatusCode;
use serde_json::Value;

use crate::{
    http,
    process::{Process, free_address, target_folder},
    wait::wait_until,
};

/// A mail server with a mailbox for everybody. It is off until it is started.
#[derive(Debug)]
pub struct MailServer {
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Where it shows it, in the shape of a captured mailbox.
    pub mailbox: SocketAddr,
    work: PathBuf,
    manners: Manners,
    process: Option<Process>,
}

/// What it wants of those who bring mail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    /// A login, `user:password`.
    login: Option<&'static str>,
    /// TLS, begun by STARTTLS; files with its certificate and the key.
    tls: Option<(PathBuf, PathBuf)>,
}

impl MailServer {
    /// Addresses for one; nobody answers there yet.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn off(work: &Path) -> Result<Self> {
        Ok(Self {
            smtp: free_address()?,
            mailbox: free_address()?,
            work: work.to_owned(),
            manners: Manners::default(),
            process: None,
        })
    }

    /// The same for who logs in so: `user:password`.
    #[must_use]
    pub fn with_login(mut self, login: &'static str) -> Self {
        self.manners.login = Some(login);
        self
    }

    /// From its next start on it takes mail after STARTTLS alone, with this certificate and key (PEM); without them it does not
    /// offer TLS.
    pub fn set_certificate(&mut self, certificate_and_key: Option<(&Path, &Path)>) {
        let owned = |(certificate, key): (&Path, &Path)| (certificate.to_owned(), key.to_owned());
        self.manners.tls = certificate_and_key.map(owned);
    }

    /// Starts it, after it has ended if it runs, and waits until it answers. Mails that it had are gone then.
    ///
    /// # Errors
    /// When Python's environment is missing, or it does not come up.
    pub async fn start(&mut self) -> Result<()> {
        // It needs the address.
        self.process = None;
        self.process = Some(spawn(&self.work, self.smtp, self.mailbox, &self.manners)?);
        let mailbox = self.mailbox;
        wait_until("the mail server", || keeps_mail(mailbox)).await
    }

    /// What a receiver has got, oldest first.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn mails(&self, receiver: &str) -> Result<Vec<Value>> {
        let local_part = receiver.split('@').next().unwrap_or_default();
        let answer = http::get(self.mailbox, &format!("/mail/{local_part}")).await?;
        let mails = answer.json()?;
        mails.as_array().cloned().context("no list of mails")
    }
}

/// Its process alone.
pub(crate) fn spawn(
    work: &Path,
    smtp: SocketAddr,
    mailbox: SocketAddr,
    manners: &Manners,
) -> Result<Process> {
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
    command.args(manners.login.map(|login| format!("--login={login}")));
    if let Some((certificate, key)) = &manners.tls {
        command
            .arg("--certificate")
            .arg(certificate)
            .arg("--key")
            .arg(key);
    }
    Process::spawn(work, "mail", command)
}

/// Whether the mail server keeps mails yet.
pub(crate) async fn keeps_mail(mailbox: SocketAddr) -> bool {
    matches!(http::get(mailbox, "/mail/nobody").await, Ok(answer) if answer.status == StatusCode::OK)
}

//! A running single box: `foxhold up` on a folder of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Result, bail};
use hyper::StatusCode;

use crate::{
    http,
    ledger::Operator,
    person::Server,
    process::{Process, binary_path, free_address},
    wait::wait_until,
};

/// A single box, its mails captured unless it is told of a mail server, its limits off.
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
    environment: Vec<(&'static str, String)>,
}

impl SingleBox {
    /// Starts a box on `work/data` and waits until it serves. `more` are further arguments.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(work: &Path, more: &[&str]) -> Result<Self> {
        let more = [&["--mail", "capture"], more].concat();
        Self::start_with(work, &more, Vec::new()).await
    }

    /// The same where sign-ins are confirmed by mail.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_confirming(work: &Path) -> Result<Self> {
        let confirming = vec![("FOXHOLD_CONFIRM_SIGN_INS", "true".to_owned())];
        Self::start_with(work, &["--mail", "capture"], confirming).await
    }

    /// The same with mails sent through a server, which need not be there.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_mailing(work: &Path, smtp: SocketAddr) -> Result<Self> {
        Self::start_mailing_as(work, smtp, None).await
    }

    /// The same with a login: a user, and the file with the password.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_mailing_as(
        work: &Path,
        smtp: SocketAddr,
        login: Option<(&str, &Path)>,
    ) -> Result<Self> {
        let mut environment = vec![
            ("FOXHOLD_SMTP__HOST", smtp.ip().to_string()),
            ("FOXHOLD_SMTP__PORT", smtp.port().to_string()),
            ("FOXHOLD_SMTP__TLS", "plain".to_owned()),
            ("FOXHOLD_SMTP__FROM", "Foxhold <noreply@example.test>".to_owned()),
        ];
        if let Some((user, file)) = login {
            environment.push(("FOXHOLD_SMTP__USER", user.to_owned()));
            environment.push(("FOXHOLD_SMTP__PASSWORD_FILE", file.display().to_string()));
        }
        Self::start_with(work, &["--mail", "smtp"], environment).await
    }

    /// The same over TLS, begun by STARTTLS, with a server whose certificate leads to this authority (PEM).
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_mailing_over_tls(work: &Path, smtp: SocketAddr, authority: &Path) -> Result<Self> {
        let environment = vec![
            ("FOXHOLD_SMTP__HOST", smtp.ip().to_string()),
            ("FOXHOLD_SMTP__PORT", smtp.port().to_string()),
            ("FOXHOLD_SMTP__TLS", "starttls".to_owned()),
            ("FOXHOLD_SMTP__AUTHORITY_FILE", authority.display().to_string()),
            ("FOXHOLD_SMTP__FROM", "Foxhold <noreply@example.test>".to_owned()),
        ];
        Self::start_with(work, &["--mail", "smtp"], environment).await
    }

    async fn start_with(
        work: &Path,
        more: &[&str],
        environment: Vec<(&'static str, String)>,
    ) -> Result<Self> {
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
        let arguments = arguments.iter().chain(more);
        let arguments: Vec<String> = arguments.map(|&argument| argument.to_owned()).collect();
        let process = spawn(work, &arguments, &environment)?;
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
            environment,
        };
        started.wait_ready().await?;
        Ok(started)
    }

    /// Starts it again after it was killed or stopped: same folder, same addresses.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.work, &self.arguments, &self.environment)?;
        self.wait_ready().await
    }

    /// Where its admin API is served while it runs.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.work.join("data/admin.sock")
    }

    /// Runs a command of the tool on its folder, told what the box is told by variables.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn tool(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(binary_path("foxhold")?);
        command.args(arguments).arg("--data").arg(self.work.join("data"));
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        Ok(command.env("FOXHOLD_MAIL", self.mail_mode()).output()?)
    }

    /// Somebody who looks after its accounts, by the tool, whether it runs or not.
    #[must_use]
    pub fn operator(&self) -> Operator {
        let data = self.work.join("data").display().to_string();
        let environment = [&self.environment[..], &[("FOXHOLD_MAIL", self.mail_mode())]].concat();
        Operator::new(vec!["--data".to_owned(), data], environment)
    }

    /// The mode that the box was started with: a flag, which the tool has not.
    fn mail_mode(&self) -> String {
        let place = self.arguments.iter().position(|argument| argument == "--mail");
        let mode = place.and_then(|place| self.arguments.get(place + 1));
        mode.cloned().unwrap_or_default()
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
fn spawn(work: &Path, arguments: &[String], environment: &[(&'static str, String)]) -> Result<Process> {
    let mut command = Command::new(binary_path("foxhold")?);
    command
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .env("FOXHOLD_LIMITS__PROFILE", "off")
        // How full the disk of the machine is that tests run on says nothing of the box.
        .env("FOXHOLD_DISK_USED_MAX_PERCENT", "100");
    Process::spawn(work, "box", command)
}

/// Whether a process says on its private side that it can serve.
pub async fn is_ready(private: SocketAddr) -> bool {
    matches!(http::get(private, "/readyz").await, Ok(answer) if answer.status == StatusCode::OK)
}

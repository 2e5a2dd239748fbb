//! How mail is delivered, as a configuration says it, and the adapter that does it.

use std::{io, path::PathBuf, sync::Arc};

use foxhold_accounts::mail::MailSwitches;
use foxhold_ports::Mailer;
use foxhold_runtime::{
    Shutdown,
    config::{SecretError, SecretFile, Secrets},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    CaptureMailer, LogMailer, NoMailer, RunningSender, SenderPorts, sender,
    smtp::{Relay, SmtpError, SmtpSettings, SmtpTls},
};

/// How mail is delivered.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum MailSettings {
    /// Shown on standard output.
    Log,
    /// Kept for tests, on the private listener.
    Capture,
    /// Handed to a mail server.
    Smtp(SmtpTable),
    /// Not at all: accounts come out verified.
    None,
}

/// The mail server.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpTable {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port, if not the usual one.
    pub port: Option<u16>,
    /// `starttls` (default), `tls` or `plain` (this machine only).
    #[serde(default)]
    pub tls: SmtpTls,
    /// File with authorities (PEM) that its certificate must lead to, in place of the public ones.
    pub authority_file: Option<PathBuf>,
    /// The sender's address.
    pub from: String,
    /// Login, if the server wants one.
    pub user: Option<String>,
    /// File with the password.
    pub password_file: Option<SecretFile>,
}

/// Mails that are sent only where they are wanted.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailNewsSettings {
    /// Tell an account's owner of each sign-in: template `new_device_login`.
    pub new_device_login: bool,
    /// Tell an account's owner that the address is confirmed: template `post_verify`.
    pub post_verify: bool,
}

impl MailNewsSettings {
    /// As the rules take them.
    #[must_use]
    pub const fn switches(self) -> MailSwitches {
        MailSwitches {
            new_device_login: self.new_device_login,
            post_verify: self.post_verify,
        }
    }
}

/// Mail that cannot be delivered as it is configured.
#[derive(Debug, Error)]
pub enum MailSettingsError {
    /// Half a login.
    #[error("`{0}`: user and password_file go together")]
    Login(&'static str),
    /// The password cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The authorities cannot be read.
    #[error("`{table}.authority_file`: reading {}", path.display())]
    Authorities {
        /// What the table is called.
        table: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The server's settings cannot work.
    #[error("`{table}.{}`", source.key())]
    Smtp {
        /// What the table is called.
        table: &'static str,
        /// Why not.
        source: SmtpError,
    },
    /// No thread for the terminal.
    #[error("`mail`: showing mails")]
    Terminal(#[source] io::Error),
}

/// Mail at work.
pub struct Mail {
    /// Takes mails.
    pub mailer: Arc<dyn Mailer>,
    /// What was captured, if somebody is to look into it.
    pub mailbox: Option<Arc<CaptureMailer>>,
    /// Sends what is in the outbox, in mode `smtp`.
    pub sender: Option<RunningSender>,
}

impl Mail {
    fn of(mailer: impl Mailer + 'static) -> Self {
        Self {
            mailer: Arc::new(mailer),
            mailbox: None,
            sender: None,
        }
    }
}

impl MailSettings {
    /// Checks the settings, and reads the password. `table`: what the configuration calls them.
    ///
    /// # Errors
    /// [`MailSettingsError`]
    pub fn prepare(&self, table: &'static str, secrets: &Secrets) -> Result<PreparedMail, MailSettingsError> {
        Ok(match self {
            Self::Log => PreparedMail::Log,
            Self::Capture => PreparedMail::Capture,
            Self::Smtp(smtp) => PreparedMail::Smtp(smtp.prepare(table, secrets)?),
            Self::None => PreparedMail::None,
        })
    }
}

impl SmtpTable {
    fn prepare(&self, table: &'static str, secrets: &Secrets) -> Result<SmtpSettings, MailSettingsError> {
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                let password = secrets.read_text(&format!("{table}.password_file"), file)?;
                Some((user.clone(), Arc::new(password)))
            }
            (None, None) => None,
            _ => return Err(MailSettingsError::Login(table)),
        };
        let settings = SmtpSettings {
            host: self.host.clone(),
            port: self.port,
            tls: self.tls,
            authorities: self.authorities(table)?,
            login,
            from: self.from.clone(),
        };
        Relay::check(&settings).map_err(|source| MailSettingsError::Smtp { table, source })?;
        Ok(settings)
    }

    fn authorities(&self, table: &'static str) -> Result<Option<Arc<[u8]>>, MailSettingsError> {
        let Some(path) = &self.authority_file else {
            return Ok(None);
        };
        let read = std::fs::read(path).map_err(|source| MailSettingsError::Authorities {
            table,
            path: path.clone(),
            source,
        })?;
        Ok(Some(read.into()))
    }
}

/// Settings that were checked, with their secrets.
pub enum PreparedMail {
    /// See [`MailSettings`].
    Log,
    /// See [`MailSettings`].
    Capture,
    /// See [`MailSettings`].
    Smtp(SmtpSettings),
    /// See [`MailSettings`].
    None,
}

impl PreparedMail {
    /// Starts delivering. To be called inside the runtime.
    ///
    /// # Errors
    /// [`MailSettingsError`]
    pub fn start(&self, ports: SenderPorts, shutdown: &Shutdown) -> Result<Mail, MailSettingsError> {
        Ok(match self {
            Self::Log => Mail::of(LogMailer::stdout().map_err(MailSettingsError::Terminal)?),
            Self::Capture => {
                let mailbox = Arc::new(CaptureMailer::new());
                Mail {
                    mailer: Arc::clone(&mailbox) as _,
                    mailbox: Some(mailbox),
                    sender: None,
                }
            }
            Self::Smtp(settings) => {
                let (mailer, sender) = sender::start(relay(settings)?, ports, shutdown);
                Mail {
                    sender: Some(sender),
                    ..Mail::of(mailer)
                }
            }
            Self::None => Mail::of(NoMailer),
        })
    }
}

/// Of settings that were checked.
fn relay(settings: &SmtpSettings) -> Result<Relay, MailSettingsError> {
    Relay::new(settings).map_err(|source| MailSettingsError::Smtp {
        table: "mail",
        source,
    })
}

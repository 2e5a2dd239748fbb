//! One mail to somebody, step by step, so that an operator sees where it stops: `foxhold mail test`. Or only what comes
//! before a mail: `foxhold config check --online`.

use std::time::Duration;

use lettre::{
    Address,
    transport::smtp::{
        authentication::DEFAULT_MECHANISMS,
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::ClientId,
        response::Response,
    },
};

use super::smtp::{Relay, SmtpError, SmtpSettings, SmtpTls, credentials, tls};

/// How long one step may take.
const STEP_MAX: Duration = Duration::from_secs(30);

/// The step that reaches the server.
pub const CONNECT: &str = "connect";
/// The step that shows a login.
pub const LOG_IN: &str = "log in";

/// A step of the dialogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub step: &'static str,
    /// Whether the server agreed.
    pub is_done: bool,
    /// What it said, or what went wrong.
    pub answer: String,
}

/// A trial that does not begin.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The settings cannot work.
    #[error("`smtp`")]
    Settings(#[from] SmtpError),
    /// No address.
    #[error("{0} is no mail address")]
    Receiver(String),
}

/// The dialogue as far as it came.
struct Trial {
    steps: Vec<Step>,
}

/// A step failed: it is the last one told.
struct Stopped;

/// Sends a mail and tells every step up to the first that fails. `host` is what the mail says that it comes from.
///
/// # Errors
/// [`TrialError`]
pub async fn try_out(settings: &SmtpSettings, to: &str, host: &str) -> Result<Vec<Step>, TrialError> {
    let no_receiver = || TrialError::Receiver(to.to_owned());
    let receiver: Address = to.parse().map_err(|_| no_receiver())?;
    let relay = Relay::new(settings)?;
    let parcel = relay.parcel(words(to, host)).ok_or_else(no_receiver)?;
    let mut trial = Trial { steps: Vec::new() };
    // How far it came is what is told.
    let _ = trial.run(settings, &relay, receiver, &parcel.message).await;
    Ok(trial.steps)
}

/// Does what comes before a mail, and sends none: connects, protects the connection, logs in. Every step up to the first that
/// fails.
///
/// # Errors
/// [`TrialError::Settings`]: nothing was sent, no password either.
pub async fn greet(settings: &SmtpSettings) -> Result<Vec<Step>, TrialError> {
    Relay::new(settings)?;
    let mut trial = Trial { steps: Vec::new() };
    if let Ok(mut server) = trial.entered(settings).await {
        // All that was to be known is known.
        let _ = server.quit().await;
    }
    Ok(trial.steps)
}

fn words(to: &str, host: &str) -> foxhold_ports::mail::Mail {
    let text = format!("This is the mail that `foxhold mail test` sends. {host} can send mail.\n");
    foxhold_ports::mail::Mail {
        to: to.to_owned(),
        subject: format!("{host} can send mail"),
        html: format!("<!doctype html><html lang=\"en\"><body><p>{text}</p></body></html>"),
        text,
        headers: vec![("X-Template-Name", "test".to_owned())],
    }
}

impl Trial {
    async fn run(
        &mut self,
        settings: &SmtpSettings,
        relay: &Relay,
        to: Address,
        message: &[u8],
    ) -> Result<(), Stopped> {
        let mut server = self.entered(settings).await?;
        let from = MailFrom::new(Some(relay.sender()), Vec::new());
        let answered = server.command(from).await;
        self.note("name the sender", answered)?;
        let answered = server.command(Rcpt::new(to, Vec::new())).await;
        self.note("name the receiver", answered)?;
        let answered = server.command(Data).await;
        self.note("begin the mail", answered)?;
        let answered = server.message(message).await;
        self.note("hand it over", answered)?;
        let answered = server.quit().await;
        self.note("say goodbye", answered)
    }

    /// A server that would take a mail now, as far as it knows who brings it.
    async fn entered(&mut self, settings: &SmtpSettings) -> Result<AsyncSmtpConnection, Stopped> {
        let mut server = self.connected(settings).await?;
        if let Some(login) = credentials(settings) {
            let answered = server.auth(DEFAULT_MECHANISMS, &login).await;
            self.note(LOG_IN, answered)?;
        }
        Ok(server)
    }

    async fn connected(&mut self, settings: &SmtpSettings) -> Result<AsyncSmtpConnection, Stopped> {
        let hello = ClientId::default();
        let at_once = match settings.tls {
            SmtpTls::Tls => Some(self.prepared(settings)?),
            SmtpTls::Starttls | SmtpTls::Plain => None,
        };
        let place = (settings.host.as_str(), settings.port());
        let connecting = AsyncSmtpConnection::connect_tokio1(place, Some(STEP_MAX), &hello, at_once, None);
        let connected = connecting.await;
        let mut server = self.made(CONNECT, connected)?;
        let name = server.server_info().name().to_owned();
        self.tell(
            CONNECT,
            true,
            format!("{name} answers on port {}", settings.port()),
        );
        if settings.tls == SmtpTls::Starttls {
            let tls = self.prepared(settings)?;
            if !server.can_starttls() {
                self.tell(
                    "protect the connection",
                    false,
                    "the server does not offer STARTTLS".into(),
                );
                return Err(Stopped);
            }
            let upgraded = server.starttls(tls, &hello).await;
            self.made("protect the connection", upgraded)?;
            self.tell("protect the connection", true, "its certificate is good".into());
        }
        Ok(server)
    }

    fn prepared(&mut self, settings: &SmtpSettings) -> Result<TlsParameters, Stopped> {
        tls(settings).map_err(|error| {
            self.tell("prepare TLS", false, error.to_string());
            Stopped
        })
    }

    fn tell(&mut self, step: &'static str, is_done: bool, answer: String) {
        self.steps.push(Step {
            step,
            is_done,
            answer,
        });
    }

    /// Notes a step only if it failed.
    fn made<T>(
        &mut self,
        step: &'static str,
        made: Result<T, lettre::transport::smtp::Error>,
    ) -> Result<T, Stopped> {
        made.map_err(|error| {
            self.tell(step, false, told(&error));
            Stopped
        })
    }

    fn note(
        &mut self,
        step: &'static str,
        answered: Result<Response, lettre::transport::smtp::Error>,
    ) -> Result<(), Stopped> {
        let response = self.made(step, answered)?;
        let answer = format!(
            "{} {}",
            response.code(),
            response.first_line().unwrap_or_default()
        );
        self.tell(step, true, answer);
        Ok(())
    }
}

/// An error with its causes, in one line. The server's words; the password is not among them.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

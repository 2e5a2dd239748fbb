//! Mode `smtp`: mails go to a mail server. A request only puts its mail into a bounded queue; workers deliver, and try
//! again a bounded number of times what the server cannot take now.
//!
//! Headers are built from typed values, so that no stored address or name can add a line (`security.md` E.2).

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::SecretText;
use foxhold_ports::{
    Mailer,
    mail::{Mail, MailError},
};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{AsyncSmtpTransportBuilder, authentication::Credentials},
};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};

/// Mails waiting for delivery.
const QUEUE_MAX: usize = 1_000;
/// Mails being delivered, or waiting for their next attempt.
const IN_WORK_MAX: usize = 32;
/// How long one command of the dialogue may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Pauses between the attempts: five in all.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(15),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Upgraded by STARTTLS, port 587; refused if the server does not offer it.
    #[default]
    Starttls,
    /// TLS from the first byte, port 465.
    Tls,
    /// Not at all, port 25; only to this machine.
    Plain,
}

/// Where mails go.
#[derive(Clone)]
pub struct SmtpSettings {
    /// The mail server's name, which its certificate must bear.
    pub host: String,
    /// Its port, if not the usual one.
    pub port: Option<u16>,
    /// Protection.
    pub tls: SmtpTls,
    /// User and password, if the server wants them.
    pub login: Option<(String, Arc<SecretText>)>,
    /// `Name <address>` mails come from.
    pub from: String,
}

/// Settings that cannot work.
#[derive(Debug, Error)]
pub enum SmtpError {
    /// No address mails could come from.
    #[error("the sender is no mail address")]
    Sender,
    /// Codes and passwords would cross a network in clear.
    #[error("an unprotected connection is allowed to a loopback address only")]
    PlainNeedsLoopback,
    /// The server's name cannot be in a certificate.
    #[error("the mail server's name is not usable")]
    Host(#[source] lettre::transport::smtp::Error),
}

/// Hands mails to a mail server.
pub struct SmtpMailer {
    from: Mailbox,
    queue: mpsc::Sender<Message>,
}

impl SmtpMailer {
    /// Checks the settings and starts delivering. To be called inside the runtime. Delivery ends, with what is queued
    /// then tried to the end, when the mailer is dropped.
    ///
    /// # Errors
    /// [`SmtpError`]
    pub fn start(settings: &SmtpSettings) -> Result<Self, SmtpError> {
        Self::start_with(settings, &PAUSES)
    }

    fn start_with(settings: &SmtpSettings, pauses: &'static [Duration]) -> Result<Self, SmtpError> {
        let from = settings.from.parse().map_err(|_| SmtpError::Sender)?;
        let transport = transport(settings)?;
        let (queue, mails) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(deliver_all(mails, transport, pauses));
        Ok(Self { from, queue })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn post(&self, mail: Mail) -> Result<(), MailError> {
        let message = message(&self.from, mail).ok_or(MailError)?;
        self.queue.try_send(message).map_err(|_| MailError)
    }
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

fn transport(settings: &SmtpSettings) -> Result<Transport, SmtpError> {
    let host = settings.host.as_str();
    let mut builder: AsyncSmtpTransportBuilder = match settings.tls {
        SmtpTls::Starttls => Transport::starttls_relay(host).map_err(SmtpError::Host)?,
        SmtpTls::Tls => Transport::relay(host).map_err(SmtpError::Host)?,
        SmtpTls::Plain if is_loopback(host) => Transport::builder_dangerous(host),
        SmtpTls::Plain => return Err(SmtpError::PlainNeedsLoopback),
    };
    if let Some(port) = settings.port {
        builder = builder.port(port);
    }
    if let Some((user, password)) = &settings.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.timeout(Some(COMMAND_TIMEOUT)).build())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// `None` for what cannot be a mail: no deliverable address, or a control character where a header stands.
fn message(from: &Mailbox, mail: Mail) -> Option<Message> {
    let address: Address = mail.to.parse().ok()?;
    let values = mail.headers.iter().map(|(_, value)| value);
    if values
        .chain([&mail.subject])
        .any(|value| value.contains(char::is_control))
    {
        return None;
    }
    let mut message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address))
        .subject(mail.subject)
        .message_id(None)
        .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
        .ok()?;
    for (name, value) in mail.headers {
        let name = HeaderName::new_from_ascii(name.to_owned()).ok()?;
        message.headers_mut().insert_raw(HeaderValue::new(name, value));
    }
    Some(message)
}

async fn deliver_all(mut mails: mpsc::Receiver<Message>, transport: Transport, pauses: &'static [Duration]) {
    let in_work = Arc::new(Semaphore::new(IN_WORK_MAX));
    while let Some(mail) = mails.recv().await {
        let Ok(permit) = in_work.clone().acquire_owned().await else {
            return;
        };
        let transport = transport.clone();
        tokio::spawn(async move {
            deliver(&transport, mail, pauses).await;
            drop(permit);
        });
    }
}

/// Tries until the mail is accepted, refused for good, or has been tried often enough. The log tells the server's
/// answer code and nothing of the mail.
async fn deliver(transport: &Transport, mail: Message, pauses: &[Duration]) {
    for attempt in 0..=pauses.len() {
        let Err(error) = transport.send(mail.clone()).await else {
            return;
        };
        let code = error.status().map(|code| code.to_string());
        let pause = if error.is_permanent() {
            None
        } else {
            pauses.get(attempt)
        };
        let Some(pause) = pause else {
            tracing::error!(
                mail.attempts = attempt + 1,
                smtp.code = code,
                "a mail was given up"
            );
            return;
        };
        tracing::warn!(
            mail.attempts = attempt + 1,
            smtp.code = code,
            "a mail was not taken, trying again"
        );
        tokio::time::sleep(*pause).await;
    }
}

#[cfg(test)]
mod tests;

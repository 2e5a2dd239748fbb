//! Mode `smtp`: the mail server, and mails as it takes them. [`sender`](super::sender) hands them over.
//!
//! Headers are built from typed values, so that no stored address or name can add a line (`security.md` E.2).

use std::{net::IpAddr, sync::Arc, time::Duration};

use foxhold_core::SecretText;
use foxhold_ports::mail::Mail;
use foxhold_runtime::metrics::label::mail_template;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        AsyncSmtpTransportBuilder, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
        response::Code,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::parcel::Parcel;

/// How a certificate begins in PEM.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// How long one command of the dialogue may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
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
    /// Authorities (PEM) that the server's certificate must lead to, in place of the public ones.
    pub authorities: Option<Arc<[u8]>>,
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
    /// What the server's certificate would be checked by cannot be used.
    #[error("the mail server's authorities are no certificates in PEM")]
    Authorities,
    /// TLS cannot be begun.
    #[error("TLS to the mail server cannot be prepared")]
    Tls(#[source] lettre::transport::smtp::Error),
}

impl SmtpError {
    /// The setting to look at.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::Sender => "from",
            Self::PlainNeedsLoopback => "tls",
            Self::Authorities => "authority_file",
            Self::Tls(_) => "host",
        }
    }
}

/// A mail server, as a sender sees it.
pub(super) struct Relay {
    from: Mailbox,
    transport: Transport,
}

/// A mail that the server did not take.
#[derive(Debug)]
pub(super) struct NotTaken {
    /// The server's answer code, if it answered.
    pub(super) code: Option<String>,
    /// Whether it will not be taken later either.
    pub(super) is_for_good: bool,
}

impl Relay {
    /// Checks the settings, without a runtime.
    pub(super) fn check(settings: &SmtpSettings) -> Result<(), SmtpError> {
        sender(settings)?;
        protection(settings).map(drop)
    }

    /// Checks the settings. Connects to nobody yet.
    pub(super) fn new(settings: &SmtpSettings) -> Result<Self, SmtpError> {
        Ok(Self {
            from: sender(settings)?,
            transport: transport(settings)?,
        })
    }

    /// `None` for what cannot be a mail.
    pub(super) fn parcel(&self, mail: Mail) -> Option<Parcel> {
        let to: Address = mail.to.parse().ok()?;
        let name = mail.headers.iter().find(|(name, _)| *name == "X-Template-Name");
        let template = mail_template(name.map_or("", |(_, name)| name));
        let message = Zeroizing::new(message(&self.from, mail)?.formatted());
        Some(Parcel {
            template,
            to,
            message,
            invitation: None,
        })
    }

    /// Hands a mail over.
    pub(super) async fn send(&self, parcel: &Parcel) -> Result<(), NotTaken> {
        let from = Some(self.from.email.clone());
        // A sender and one receiver are always an envelope.
        let envelope = Envelope::new(from, vec![parcel.to.clone()]).map_err(|_| NotTaken {
            code: None,
            is_for_good: true,
        })?;
        let sent = self.transport.send_raw(&envelope, &parcel.message).await;
        sent.map(drop).map_err(|error| NotTaken {
            code: error.status().map(|code| code.to_string()),
            is_for_good: error.is_permanent() && !error.status().is_some_and(is_about_us),
        })
    }

    /// Whom mails are from.
    pub(super) fn sender(&self) -> Address {
        self.from.email.clone()
    }
}

/// Answers that say nothing of the mail: the server wants another login, or better protection. An operator mends that, and
/// the mail goes out.
fn is_about_us(code: Code) -> bool {
    matches!(u16::from(code), 530 | 534 | 535 | 538)
}

impl SmtpSettings {
    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::Starttls => SUBMISSION_PORT,
            SmtpTls::Tls => SUBMISSIONS_PORT,
            SmtpTls::Plain => SMTP_PORT,
        })
    }
}

/// The login, as the library takes it.
pub(super) fn credentials(settings: &SmtpSettings) -> Option<Credentials> {
    let (user, password) = settings.login.as_ref()?;
    Some(Credentials::new(user.clone(), password.expose().to_owned()))
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

fn sender(settings: &SmtpSettings) -> Result<Mailbox, SmtpError> {
    settings.from.parse().map_err(|_| SmtpError::Sender)
}

fn transport(settings: &SmtpSettings) -> Result<Transport, SmtpError> {
    let mut builder: AsyncSmtpTransportBuilder = Transport::builder_dangerous(settings.host.as_str())
        .port(settings.port())
        .tls(protection(settings)?);
    if let Some(login) = credentials(settings) {
        builder = builder.credentials(login);
    }
    Ok(builder.timeout(Some(COMMAND_TIMEOUT)).build())
}

fn protection(settings: &SmtpSettings) -> Result<Tls, SmtpError> {
    Ok(match settings.tls {
        SmtpTls::Starttls => Tls::Required(tls(settings)?),
        SmtpTls::Tls => Tls::Wrapper(tls(settings)?),
        SmtpTls::Plain if is_loopback(&settings.host) => Tls::None,
        SmtpTls::Plain => return Err(SmtpError::PlainNeedsLoopback),
    })
}

/// How the server is known: by its name, in a certificate that leads to one of the authorities.
pub(super) fn tls(settings: &SmtpSettings) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(pem) = &settings.authorities {
        let has_any = pem.windows(CERTIFICATE.len()).any(|words| words == CERTIFICATE);
        let authorities = Certificate::from_pem(pem).map_err(|_| SmtpError::Authorities)?;
        if !has_any {
            return Err(SmtpError::Authorities);
        }
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(authorities);
    }
    builder.build_rustls().map_err(SmtpError::Tls)
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

#[cfg(test)]
pub(super) mod tests;

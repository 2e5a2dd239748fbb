//! Ways to deliver mail: adapters of [`foxhold_ports::Mailer`], one per mode of `accounts.md` (i).
//!
//! Must stay true: `post` never waits for a network, a terminal or a disk, what is queued is bounded, and nothing of
//! a mail (address, code, link) reaches the structured log.

pub mod capture;
pub mod log;
pub mod none;
mod settings;
pub mod smtp;

pub use capture::CaptureMailer;
pub use log::LogMailer;
pub use none::NoMailer;
pub use settings::{Mail, MailSettings, MailSettingsError, PreparedMail, SmtpTable};
pub use smtp::SmtpMailer;

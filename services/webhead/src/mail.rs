//! Ways to deliver mail: adapters of [`foxhold_ports::Mailer`], one per mode of `accounts.md` (i).
//!
//! Must stay true: `post` waits for nothing but, in mode `smtp`, the outbox, which makes the mail durable; what is queued
//! is bounded; and nothing of a mail (address, code, link) reaches the structured log.

pub mod capture;
pub mod log;
pub mod none;
mod pacing;
mod parcel;
pub mod sender;
mod settings;
pub mod smtp;
pub mod trial;

pub use capture::CaptureMailer;
pub use log::LogMailer;
pub use none::NoMailer;
pub use sender::{OutboxMailer, RunningSender, SenderPorts};
pub use settings::{Mail, MailNewsSettings, MailSettings, MailSettingsError, PreparedMail, SmtpTable};

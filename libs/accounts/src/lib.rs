//! The rules of accounts (`accounts.md` (a), (c) to (f)): signing up and in, verification, passwords, keys, certificates,
//! OAuth, devices.
//! Called by the webhead's handlers and by the operator's tool.
//!
//! What must stay true: nothing here speaks HTTP, opens a store or socket, reads a clock or draws randomness by itself;
//! all of that is passed in with [`Accounts`]. A read that failed is never taken for an absence.

pub mod access;
pub mod attached;
pub mod certificate;
pub mod codes;
mod confirmation;
pub mod credentials;
pub mod deletion;
pub mod detach;
pub mod device;
pub mod device_commands;
pub mod duplicate;
pub mod email;
pub mod error;
pub mod events;
pub mod field;
#[cfg(test)]
mod fixtures;
pub mod guards;
pub mod invitation;
pub mod invitation_mail;
pub mod keys;
mod language;
pub mod login;
pub mod mail;
pub mod oauth;
pub mod operator;
pub mod password;
mod password_check;
pub mod profile;
pub mod reauth;
pub mod registration;
pub mod scoped_keys;
pub mod service;
pub mod session;
pub mod signup;
pub mod status;
pub mod token;
pub mod user_agent;
pub mod verification;
mod write;

pub use codes::CodeKey;
pub use email::Address;
pub use error::AccountError;
pub use events::{AccountEvent, AccountEvents};
pub use mail::{MailTemplates, VerifyMail};
pub use service::{Accounts, Caller, Settings};
pub use session::SignedIn;

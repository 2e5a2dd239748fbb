//! Handing mail over. Sending never delays or fails a request: `post` returns once the mail is accepted.

use async_trait::async_trait;
use thiserror::Error;

/// A rendered mail. Not shown in Debug: it holds an address and a code.
#[derive(Clone)]
pub struct Mail {
    /// The receiver's address, as registered.
    pub to: String,
    /// Subject; holds no secret.
    pub subject: String,
    /// Plain text, complete alone.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// `X-…` headers of `accounts.md` (i), in order.
    pub headers: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mail(..)")
    }
}

/// A mail that was not even accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the outbox does not take the mail")]
pub struct MailError;

/// Takes mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Accepts a mail for delivery.
    async fn post(&self, mail: Mail) -> Result<(), MailError>;

    /// Whether mails reach anybody. Without, accounts come out verified (`accounts.md` (i), mode `none`).
    fn delivers(&self) -> bool {
        true
    }
}

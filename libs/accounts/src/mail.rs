//! Which mails accounts send, as typed facts. How they read is the templates' business, at the edge.

use foxhold_core::{Uid, record::Account};
use foxhold_ports::mail::{Mail, MailError};
use thiserror::Error;

use crate::Accounts;

/// What a client said that goes back to it through the mail: it comes with the link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailOptions {
    /// `sync`, or nothing.
    pub service: Option<String>,
    /// Where to go after the link.
    pub redirect_to: Option<String>,
    /// The client's own state.
    pub resume: Option<String>,
}

/// The mail that verifies an address (`accounts.md` (i), template `verify`).
pub struct VerifyMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// Code in the link.
    pub link_code: &'a str,
    /// Code to type.
    pub short_code: &'a str,
    /// What the client said.
    pub options: &'a MailOptions,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// A template that does not render.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the mail template does not render")]
pub struct TemplateError;

/// Words mail.
pub trait MailTemplates: Send + Sync {
    /// The mail that verifies an address.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn verify(&self, mail: &VerifyMail<'_>) -> Result<Mail, TemplateError>;
}

impl Accounts {
    /// Hands the verification mail over. Fails only if not even the outbox takes it.
    pub(crate) async fn send_verify_mail(
        &self,
        account: &Account,
        options: &MailOptions,
    ) -> Result<(), MailError> {
        let mail = self.templates.verify(&VerifyMail {
            to: &account.email,
            uid: account.uid,
            link_code: &self.code_key.link_code(account.uid, &account.code_nonce),
            short_code: &self
                .code_key
                .short_code(account.uid, &account.code_nonce, self.now()),
            options,
            locale: account.locale.as_deref(),
        });
        self.mailer.post(mail.map_err(|TemplateError| MailError)?).await
    }
}

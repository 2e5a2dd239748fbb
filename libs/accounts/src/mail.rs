//! Which mails accounts send, as typed facts. How they read is the templates' business, at the edge.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use foxhold_core::{
    Secret, Timestamp, Uid,
    record::{Account, EmailKey},
};
use foxhold_ports::{
    Mailer,
    follow_ups::Attempt,
    limits::{Action, LimitKeys},
    mail::{Mail, MailError},
};
use thiserror::Error;

use crate::{AccountError, Accounts, SignedIn, invitation_mail::InvitationMail};

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

/// What a mailed sign-in is confirmed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmBy {
    /// A link: template `verify_login`.
    Link,
    /// Digits to type where the person signs in: template `verify_login_code`.
    Digits,
}

impl ConfirmBy {
    /// As a client names it in `verificationMethod`; a link where it wishes for nothing that is typed.
    pub(crate) fn wished(method: Option<&str>) -> Self {
        match method {
            Some("email-2fa" | "email-otp") => Self::Digits,
            _ => Self::Link,
        }
    }
}

/// The mail that confirms a sign-in (`accounts.md` (i)).
pub struct SignInMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// What by.
    pub by: ConfirmBy,
    /// The code in the link, or the digits.
    pub code: &'a str,
    /// When the password was given.
    pub at: Timestamp,
    /// What the client said.
    pub options: &'a MailOptions,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// The mail that proves an address to reset its account (`accounts.md` (i), template `recovery`).
pub struct RecoveryMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// The forgot token, for the link.
    pub token: &'a Secret<32>,
    /// Its code.
    pub code: &'a str,
    /// What the client said.
    pub options: &'a MailOptions,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// The mail with digits that prove an address to reset its account (template `password_forgot_otp`).
pub struct OtpMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// What to type.
    pub otp: &'a str,
    /// What the client said.
    pub options: &'a MailOptions,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// How a new password came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordNews {
    /// By whoever knew the old one: template `password_changed`.
    Changed,
    /// By whoever reads the account's mail: template `password_reset`.
    Reset,
    /// The same with the account's recovery key, so that kB stays: template `passwordResetAccountRecoveryEmail`.
    ResetWithRecoveryKey,
}

/// The mail that tells of a new password (`accounts.md` (i)).
pub struct PasswordMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// What has happened.
    pub news: PasswordNews,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// What has become of a guard of an account (`accounts.md` (k)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardNews {
    /// A second factor is asked for: `postAddTwoStepAuthenticationEmail`.
    TotpEnabled,
    /// None is any more: `postRemoveTwoStepAuthenticationEmail`.
    TotpRemoved,
    /// Other backup codes: `postNewRecoveryCodesEmail`.
    NewBackupCodes,
    /// One was used: `postConsumeRecoveryCodeEmail`.
    BackupCodeUsed,
    /// Few are left: `lowRecoveryCodesEmail`.
    FewBackupCodes,
    /// There is a recovery key: `postAddAccountRecoveryEmail`.
    RecoveryKeyAdded,
    /// There is another one: `postChangeAccountRecoveryEmail`.
    RecoveryKeyReplaced,
    /// There is none any more: `postRemoveAccountRecoveryEmail`.
    RecoveryKeyRemoved,
}

impl GuardNews {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TotpEnabled,
        Self::TotpRemoved,
        Self::NewBackupCodes,
        Self::BackupCodeUsed,
        Self::FewBackupCodes,
        Self::RecoveryKeyAdded,
        Self::RecoveryKeyReplaced,
        Self::RecoveryKeyRemoved,
    ];
}

/// The mail that tells of a guard. It bears no key, code or hint.
pub struct GuardMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// What has happened.
    pub news: GuardNews,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// What an account's owner is told where an operator has switched it on (`accounts.md` (i)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountNews {
    /// Somebody has signed in: template `new_device_login`.
    NewDeviceLogin,
    /// The address was verified for the first time: template `post_verify`.
    PostVerify,
}

/// Which of them are switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailSwitches {
    /// At each sign-in to a verified account, once it is verified itself.
    pub new_device_login: bool,
    /// At the first verification.
    pub post_verify: bool,
}

impl MailSwitches {
    const fn is_on(self, news: AccountNews) -> bool {
        match news {
            AccountNews::NewDeviceLogin => self.new_device_login,
            AccountNews::PostVerify => self.post_verify,
        }
    }
}

/// The mail that tells of it.
pub struct AccountMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// Whose account.
    pub uid: Uid,
    /// What has happened.
    pub news: AccountNews,
    /// When.
    pub at: Timestamp,
    /// Accept-Language of the account's owner.
    pub locale: Option<&'a str>,
}

/// A mail that nobody waits for.
struct Notice {
    mailer: Arc<dyn Mailer>,
    mail: Mail,
}

#[async_trait]
impl Attempt for Notice {
    async fn is_done(&self) -> bool {
        self.mailer.post(self.mail.clone()).await.is_ok()
    }
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

    /// The mail that confirms a sign-in.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn sign_in(&self, mail: &SignInMail<'_>) -> Result<Mail, TemplateError>;

    /// The mail that proves an address to reset its account.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn recovery(&self, mail: &RecoveryMail<'_>) -> Result<Mail, TemplateError>;

    /// The mail with digits that prove an address to reset its account.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn forgot_otp(&self, mail: &OtpMail<'_>) -> Result<Mail, TemplateError>;

    /// The mail that tells of a new password.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn password_news(&self, mail: &PasswordMail<'_>) -> Result<Mail, TemplateError>;

    /// The mail that tells of a guard.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn guard_news(&self, mail: &GuardMail<'_>) -> Result<Mail, TemplateError>;

    /// The mail that tells of a sign-in, or of the first verification.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn account_news(&self, mail: &AccountMail<'_>) -> Result<Mail, TemplateError>;

    /// The mail that brings somebody an invitation.
    ///
    /// # Errors
    /// [`TemplateError`] if an operator's template does not render.
    fn invitation(&self, mail: &InvitationMail) -> Result<Mail, TemplateError>;
}

/// Mails to one address are counted by it alone, whoever asks for them and from wherever.
fn mail_keys(to: &EmailKey) -> LimitKeys<'_> {
    LimitKeys {
        email: Some(to.as_str()),
        ..LimitKeys::default()
    }
}

impl Accounts {
    /// Counts a mail that is about to be sent to an address. To be called before anything is spent on it.
    ///
    /// # Errors
    /// [`AccountError`]: 114.
    pub(crate) async fn count_mail(&self, to: &EmailKey) -> Result<(), AccountError> {
        self.count_mail_as(Action::MailTo, to).await
    }

    /// The same of a mail that is counted apart.
    ///
    /// # Errors
    /// [`AccountError`]: 114.
    pub(crate) async fn count_mail_as(&self, action: Action, to: &EmailKey) -> Result<(), AccountError> {
        Ok(self.limits.count(action, mail_keys(to)).await?)
    }

    /// The mail was not sent after all.
    pub(crate) async fn uncount_mail(&self, to: &EmailKey) {
        self.uncount_mail_as(Action::MailTo, to).await;
    }

    /// The same of one that is counted apart.
    pub(crate) async fn uncount_mail_as(&self, action: Action, to: &EmailKey) {
        self.limits.refund(action, mail_keys(to)).await;
    }

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

    /// Hands the mail with a forgot token and its code over.
    pub(crate) async fn send_recovery_mail(
        &self,
        account: &Account,
        token: &Secret<32>,
        code: &str,
        options: &MailOptions,
    ) -> Result<(), MailError> {
        let mail = self.templates.recovery(&RecoveryMail {
            to: &account.email,
            uid: account.uid,
            token,
            code,
            options,
            locale: account.locale.as_deref(),
        });
        self.mailer.post(mail.map_err(|TemplateError| MailError)?).await
    }

    /// Tells the account's owner of a guard, as [`Self::send_news`] does.
    pub(crate) async fn send_guard_mail(&self, account: &Account, news: GuardNews) {
        let mail = || {
            self.templates.guard_news(&GuardMail {
                to: &account.email,
                uid: account.uid,
                news,
                locale: account.locale.as_deref(),
            })
        };
        self.send_news(account, &news, mail).await;
    }

    /// Hands the mail with digits over.
    pub(crate) async fn send_otp_mail(&self, mail: &OtpMail<'_>) -> Result<(), MailError> {
        let mail = self.templates.forgot_otp(mail);
        self.mailer.post(mail.map_err(|TemplateError| MailError)?).await
    }

    /// Tells the account's owner of a new password, as [`Self::send_news`] does.
    pub(crate) async fn send_password_mail(&self, account: &Account, news: PasswordNews) {
        let mail = || {
            self.templates.password_news(&PasswordMail {
                to: &account.email,
                uid: account.uid,
                news,
                locale: account.locale.as_deref(),
            })
        };
        self.send_news(account, &news, mail).await;
    }

    /// Tells the account's owner that somebody has signed in, if that sign-in counts already and an operator wants it told.
    pub(crate) async fn tell_of_sign_in(&self, signed_in: &SignedIn) {
        if signed_in.verified() {
            self.send_notice(&signed_in.account, AccountNews::NewDeviceLogin)
                .await;
        }
    }

    /// Hands a mail that is switched on over beside the call, which neither waits for the outbox nor fails with it. The
    /// address is verified, and not mailed more often than any is.
    pub(crate) async fn send_notice(&self, account: &Account, news: AccountNews) {
        if !self.settings.mail_switches.is_on(news) || !self.mailer.delivers() {
            return;
        }
        if self.count_mail(&account.email_key).await.is_err() {
            tracing::info!(?news, "too many mails to one address: it is not told");
            return;
        }
        let mail = self.templates.account_news(&AccountMail {
            to: &account.email,
            uid: account.uid,
            news,
            at: self.now(),
            locale: account.locale.as_deref(),
        });
        match mail {
            Ok(mail) => self.follow_ups.try_once(Box::new(Notice {
                mailer: Arc::clone(&self.mailer),
                mail,
            })),
            Err(error) => tracing::error!(%error, ?news, "nobody is mailed what has happened"),
        }
    }

    /// Tells the account's owner of what is written already: that its mail does not get out changes nothing of that.
    /// Nobody is mailed whose address was never shown to be theirs, nor more often than any address is.
    async fn send_news(
        &self,
        account: &Account,
        news: &impl Debug,
        mail: impl FnOnce() -> Result<Mail, TemplateError>,
    ) {
        if !self.mailer.delivers() || !account.email_verified {
            return;
        }
        if self.count_mail(&account.email_key).await.is_err() {
            tracing::info!(?news, "too many mails to one address: it is not told");
            return;
        }
        let posted = match mail() {
            Ok(mail) => self.mailer.post(mail).await,
            Err(TemplateError) => Err(MailError),
        };
        if let Err(error) = posted {
            tracing::error!(%error, ?news, "nobody is mailed what has changed");
        }
    }
}

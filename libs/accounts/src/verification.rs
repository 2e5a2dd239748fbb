//! Verifying an address by mailed code (`accounts.md` (c), E-mail). The code of the link and the code to type verify
//! the same thing, and with it the session and the key-fetch tokens of the sign-up.

use foxhold_core::{Uid, record::Account};
use foxhold_ports::limits::{Action, LimitKeys};

use crate::{
    AccountError, Accounts, Caller, SignedIn,
    codes::ShortCode,
    field,
    mail::{AccountNews, MailOptions},
};

impl Accounts {
    /// POST /recovery_email/verify_code: the code of the mail's link. Right again when it was right before.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 105, 107, 114, 201.
    pub async fn verify_by_link(&self, caller: &Caller, uid: Uid, code: &str) -> Result<(), AccountError> {
        let keys = LimitKeys {
            ip: caller.ip,
            email: None,
            uid: Some(uid),
        };
        self.limits.count(Action::RecoveryEmailVerifyCode, keys).await?;
        let checked = self.check_link_code(caller, uid, code).await;
        let wrong = matches!(
            checked,
            Err(AccountError::WrongCode | AccountError::UnknownAccount { .. })
        );
        if !wrong {
            self.limits.refund(Action::RecoveryEmailVerifyCode, keys).await;
        }
        self.mark_verified(caller, &checked?).await
    }

    async fn check_link_code(&self, caller: &Caller, uid: Uid, code: &str) -> Result<Account, AccountError> {
        let account = self.reader.account(caller.deadline, uid).await?;
        let account = account.ok_or(AccountError::UnknownAccount { email: None })?;
        if self.code_key.is_link_code(uid, &account.code_nonce, code) {
            Ok(account)
        } else {
            Err(AccountError::WrongCode)
        }
    }

    /// POST /session/verify_code: the six digits of the mail, in a session of the account.
    ///
    /// # Errors
    /// [`AccountError`]: 105, 114, 201.
    pub async fn verify_by_short_code(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        code: &str,
    ) -> Result<(), AccountError> {
        match self.judge_short_code(caller, signed_in, code).await? {
            ShortCode::Right => self.mark_verified(caller, &signed_in.account).await,
            ShortCode::Expired | ShortCode::Wrong => Err(AccountError::WrongCode),
        }
    }

    /// POST /session/verify/token: the same as older clients ask for it, who are told apart what is wrong.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114, 152, 153, 201.
    pub async fn verify_by_token_code(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        code: &str,
        uid: Option<Uid>,
    ) -> Result<(), AccountError> {
        let account = &signed_in.account;
        field::check("uid", uid.is_none_or(|uid| uid == account.uid))?;
        match self.judge_short_code(caller, signed_in, code).await? {
            ShortCode::Right => self.mark_verified(caller, account).await,
            ShortCode::Expired => Err(AccountError::ExpiredTokenCode),
            ShortCode::Wrong => Err(AccountError::WrongTokenCode),
        }
    }

    async fn judge_short_code(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        code: &str,
    ) -> Result<ShortCode, AccountError> {
        let account = &signed_in.account;
        let keys = LimitKeys {
            ip: caller.ip,
            email: None,
            uid: Some(account.uid),
        };
        self.limits.count(Action::VerifySessionCode, keys).await?;
        let judged = self
            .code_key
            .judge_short_code(account.uid, &account.code_nonce, self.now(), code);
        if judged == ShortCode::Right {
            self.limits.refund(Action::VerifySessionCode, keys).await;
        }
        Ok(judged)
    }

    async fn mark_verified(&self, caller: &Caller, account: &Account) -> Result<(), AccountError> {
        if account.email_verified {
            return Ok(());
        }
        let uid = account.uid;
        self.write(caller, |call| async move {
            self.writer.verify_email(&call, uid).await
        })
        .await?;
        self.send_notice(account, AccountNews::PostVerify).await;
        Ok(())
    }

    /// POST /recovery_email/resend_code and /session/resend_code. Nothing to do for a verified account.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114, 151, 202.
    pub async fn resend_code(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        options: &MailOptions,
    ) -> Result<(), AccountError> {
        field::check_mail_options(options, &self.settings.domain)?;
        let account = &signed_in.account;
        if account.email_verified {
            return Ok(());
        }
        if !self.mailer.delivers() {
            return Err(AccountError::FeatureOff);
        }
        let keys = LimitKeys {
            ip: caller.ip,
            email: Some(account.email_key.as_str()),
            uid: Some(account.uid),
        };
        self.limits.count(Action::RecoveryEmailResendCode, keys).await?;
        self.count_mail(&account.email_key).await?;
        if self.send_verify_mail(account, options).await.is_err() {
            self.uncount_mail(&account.email_key).await;
            return Err(AccountError::MailNotSent { new_address: false });
        }
        Ok(())
    }
}

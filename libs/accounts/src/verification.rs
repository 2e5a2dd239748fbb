//! Verifying an address by mailed code (`accounts.md` (c), E-mail). The code of the link and the code to type verify
//! the same thing, and with it the session and the key-fetch tokens of the sign-up. Codes of a sign-in come by the same
//! calls.

use foxhold_core::{Uid, record::Account};
use foxhold_ports::limits::{Action, LimitKeys};

use crate::{
    AccountError, Accounts, Caller, SignedIn,
    codes::ShortCode,
    field,
    mail::{AccountNews, ConfirmBy, MailOptions},
};

/// What the code of a link shows.
enum Proven {
    /// That the address of the account is its owner's.
    Address(Account),
    /// That a sign-in to it is.
    SignIn(SignedIn),
}

impl Accounts {
    /// POST /recovery_email/verify_code: the code of the mail's link, of the account or of a sign-in to it. Right again when it
    /// was right before.
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
        self.accept(caller, checked?).await
    }

    async fn check_link_code(&self, caller: &Caller, uid: Uid, code: &str) -> Result<Proven, AccountError> {
        let account = self.reader.account(caller.deadline, uid).await?;
        let account = account.ok_or(AccountError::UnknownAccount { email: None })?;
        if self.code_key.is_link_code(uid, &account.code_nonce, code) {
            return Ok(Proven::Address(account));
        }
        let signed_in = self.sign_in_of_link(caller.deadline, account, code).await?;
        signed_in.map(Proven::SignIn).ok_or(AccountError::WrongCode)
    }

    async fn accept(&self, caller: &Caller, proven: Proven) -> Result<(), AccountError> {
        match proven {
            Proven::Address(account) => self.mark_verified(caller, &account).await,
            Proven::SignIn(signed_in) => self.confirm_sign_in(caller, &signed_in).await,
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
            ShortCode::Right => self.accept_digits(caller, signed_in).await,
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
            ShortCode::Right => self.accept_digits(caller, signed_in).await,
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
        let judged = self.judge_digits(signed_in, code);
        if judged == ShortCode::Right {
            self.limits.refund(Action::VerifySessionCode, keys).await;
        }
        Ok(judged)
    }

    /// The digits of a mail are those of the sign-in, or, unless that still waits for them, of the account.
    fn judge_digits(&self, signed_in: &SignedIn, code: &str) -> ShortCode {
        let SignedIn { session, account } = signed_in;
        let (uid, nonce, now) = (account.uid, &account.code_nonce, self.now());
        let of_sign_in = self
            .code_key
            .judge_sign_in_code(uid, nonce, &session.id, now, code);
        if signed_in.awaits_confirmation() || of_sign_in == ShortCode::Right {
            return of_sign_in;
        }
        self.code_key.judge_short_code(uid, nonce, now, code)
    }

    async fn accept_digits(&self, caller: &Caller, signed_in: &SignedIn) -> Result<(), AccountError> {
        if signed_in.awaits_confirmation() {
            self.confirm_sign_in(caller, signed_in).await
        } else {
            self.mark_verified(caller, &signed_in.account).await
        }
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

    /// POST /recovery_email/resend_code and /session/resend_code: the mail that the session waits for, with a link or with
    /// digits where it is one of the two. Nothing to do for a session that waits for none.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 114, 151, 202.
    pub async fn resend_code(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        by: ConfirmBy,
        options: &MailOptions,
    ) -> Result<(), AccountError> {
        field::check_mail_options(options, &self.settings.domain)?;
        let account = &signed_in.account;
        if account.email_verified && !signed_in.awaits_confirmation() {
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
        if account.email_verified {
            return self.mail_sign_in(signed_in, by, options).await;
        }
        self.count_mail(&account.email_key).await?;
        if self.send_verify_mail(account, options).await.is_err() {
            self.uncount_mail(&account.email_key).await;
            return Err(AccountError::MailNotSent { new_address: false });
        }
        Ok(())
    }
}

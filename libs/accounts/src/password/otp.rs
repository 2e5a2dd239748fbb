//! /password/forgot/send_otp and verify_otp: eight digits that are typed where the mailed link of [`super::forgot`] would be
//! opened. They are changed for a forgot token and its code, which are used as those of the link.
//!
//! The digits are drawn, and the token is derived from them and the code key: the store has neither of both, and who tries
//! digits is told nothing but right or wrong. They are of use as often as their token is: once.

use std::cell::Cell;

use foxhold_core::{
    Secret, Uid, random,
    record::{Account, PasswordTokenKind},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::limits::Action;

use super::{PasswordAccess, life_of, record_of, ttl_of};
use crate::{
    AccountError, Accounts, Address, Caller,
    codes::{OTP_SPAN, Otp},
    mail::{MailOptions, OtpMail},
    write::WriteFailure,
};

/// What right digits give.
pub struct OtpVerified {
    /// The forgot token.
    pub token: Secret<32>,
    /// Its code, for POST /password/forgot/verify_code.
    pub code: String,
    /// Whose account.
    pub uid: Uid,
    /// Its address in the spelling that is the salt of version 1.
    pub email: String,
}

impl Accounts {
    /// Mails digits.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 107, 114, 151, 201, 202.
    pub async fn send_reset_otp(
        &self,
        caller: &Caller,
        email: &str,
        options: &MailOptions,
    ) -> Result<(), AccountError> {
        let address = Address::parse(email)?;
        self.check_mailing(options)?;
        let action = Action::PasswordForgotSendOtp;
        let account = self.account_to_mail(caller, &address, action).await?;
        let sent = self.put_otp(caller, &account, options).await;
        self.was_mailed(caller, &address, action, sent).await
    }

    async fn put_otp(
        &self,
        caller: &Caller,
        account: &Account,
        options: &MailOptions,
    ) -> Result<(), WriteFailure> {
        let (minted, otp) = {
            let drawn = Cell::new(Otp::from_number(0));
            let minted = self.mint_of(TokenKind::PasswordForgot, || {
                drawn.set(Otp::from_number(u64::from_be_bytes(random::bytes(&*self.random))));
                self.code_key
                    .otp_token(account.uid, &account.code_nonce, drawn.get())
            });
            (minted.map_err(WriteFailure::NotDone)?, drawn.get())
        };
        let token = record_of(account, PasswordTokenKind::Forgot, minted.keys, self.now());
        self.write(caller, |call| {
            let token = token.clone();
            async move { self.writer.put_password_token(&call, token, None).await }
        })
        .await?;
        let mail = OtpMail {
            to: &account.email,
            uid: account.uid,
            otp: &otp.to_string(),
            options,
            locale: account.locale.as_deref(),
        };
        let sent = self.send_otp_mail(&mail).await;
        sent.map_err(|_| WriteFailure::NotDone(AccountError::MailNotSent { new_address: false }))
    }

    /// Changes digits for a forgot token. Whether there is such an account shows in nothing.
    ///
    /// # Errors
    /// [`AccountError`]: 105, 107, 114, 201.
    pub async fn verify_reset_otp(
        &self,
        caller: &Caller,
        email: &str,
        digits: &str,
    ) -> Result<OtpVerified, AccountError> {
        let address = Address::parse(email)?;
        let otp: Otp = digits.parse().map_err(|_| AccountError::BadParameter("code"))?;
        let (actions, keys) = ([Action::PasswordForgotVerifyOtp], caller.limit_keys(&address));
        self.reserve(&actions, keys).await?;
        let verified = self.look_up_otp(caller, &address, otp).await;
        match &verified {
            Err(AccountError::WrongCode) => self.keep(&actions, keys).await,
            _ => self.give_back(&actions, keys).await,
        }
        verified
    }

    async fn look_up_otp(
        &self,
        caller: &Caller,
        address: &Address,
        otp: Otp,
    ) -> Result<OtpVerified, AccountError> {
        let found = self
            .reader
            .account_by_email(caller.deadline, address.key())
            .await?;
        let account = found.ok_or(AccountError::WrongCode)?;
        let secret = self.code_key.otp_token(account.uid, &account.code_nonce, otp);
        let id = TokenKeys::derive(TokenKind::PasswordForgot, &secret).id;
        let access = self
            .password_access(caller.deadline, PasswordTokenKind::Forgot, id)
            .await?;
        let PasswordAccess { token, .. } = access
            .filter(|access| ttl_of(&access.token, self.now()) + OTP_SPAN > life_of(access.token.kind))
            .ok_or(AccountError::WrongCode)?;
        Ok(OtpVerified {
            token: secret,
            code: self
                .code_key
                .reset_code(account.uid, &account.code_nonce, &token.id),
            uid: account.uid,
            email: account.email,
        })
    }
}

//! /password/forgot/…: a code is mailed, and proves that the account's mail is read. The token that it goes with is bound to
//! three tries; the right one is changed for a reset token.

use std::time::Duration;

use foxhold_core::{
    Deadline, Random, RegionMark, Secret, Timestamp, random,
    record::{Account, PASSWORD_TOKEN_MISSES_MAX, PasswordToken, PasswordTokenKind},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{
    Refusal,
    limits::{Action, LimitKeys},
};

use super::{PasswordAccess, record_of, ttl_of};
use crate::{
    AccountError, Accounts, Address, Caller, CodeKey, field,
    mail::MailOptions,
    service::LOOK_SPAN,
    token::{Minted, mint_in},
    write::WriteFailure,
};

/// Digits of a code.
pub const CODE_LEN: usize = 32;
/// Tokens of one account that can be told apart if they are made in the same millisecond.
const NUMBERS: u16 = 1024;

/// A code was mailed.
pub struct Forgotten {
    /// For the client; the mail's link bears it, too.
    pub token: Secret<32>,
    /// What is left of it.
    pub status: ForgottenStatus,
}

/// What is left of a forgot token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgottenStatus {
    /// How many codes may be tried.
    pub tries: u8,
    /// For how long.
    pub ttl: Duration,
}

impl Accounts {
    /// POST /password/forgot/send_code.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 107, 114, 151, 201, 202.
    pub async fn send_reset_code(
        &self,
        caller: &Caller,
        email: &str,
        options: &MailOptions,
    ) -> Result<Forgotten, AccountError> {
        let address = Address::parse(email)?;
        self.check_mailing(options)?;
        let action = Action::PasswordForgotSendCode;
        let account = self.account_to_mail(caller, &address, action).await?;
        let sent = self.send_counted(caller, &account, options).await;
        self.was_mailed(caller, &address, action, sent).await
    }

    /// The account that somebody without a password wants to have mailed, once that is counted.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 114, 125, 201.
    pub(super) async fn account_to_mail(
        &self,
        caller: &Caller,
        address: &Address,
        action: Action,
    ) -> Result<Account, AccountError> {
        let keys = caller.limit_keys(address);
        let (asked, failed) = ([action], [Action::LoadAccountFailed]);
        self.reserve(&[asked, failed].concat(), keys).await?;
        let found = self.find_to_mail(caller, address).await;
        match &found {
            Err(AccountError::UnknownAccount { .. }) => self.keep(&failed, keys).await,
            _ => self.give_back(&failed, keys).await,
        }
        match &found {
            Err(error) if error.is_ours() => self.give_back(&asked, keys).await,
            _ => self.keep(&asked, keys).await,
        }
        found
    }

    async fn find_to_mail(&self, caller: &Caller, address: &Address) -> Result<Account, AccountError> {
        let found = self
            .reader
            .account_by_email(caller.deadline, address.key())
            .await?;
        let account = found.ok_or_else(|| unknown(address))?;
        if account.is_disabled() {
            return Err(AccountError::AccountDisabled);
        }
        self.count_mail(&account.email_key).await?;
        Ok(account)
    }

    /// What became of the mail. Where something of ours was away nothing was asked for.
    pub(super) async fn was_mailed<T>(
        &self,
        caller: &Caller,
        address: &Address,
        action: Action,
        sent: Result<T, WriteFailure>,
    ) -> Result<T, AccountError> {
        let sent = sent.map_err(|failure| failure.telling(Refusal::UnknownAccount, || unknown(address)));
        if let Err(error) = &sent {
            self.uncount_mail(address.key()).await;
            if error.is_ours() {
                self.limits.refund(action, caller.limit_keys(address)).await;
            }
        }
        sent
    }

    async fn send_counted(
        &self,
        caller: &Caller,
        account: &Account,
        options: &MailOptions,
    ) -> Result<Forgotten, WriteFailure> {
        let now = self.now();
        let minted = self
            .mint_forgot_token(account, now)
            .map_err(WriteFailure::NotDone)?;
        let token = record_of(account, PasswordTokenKind::Forgot, minted.keys, now);
        self.write(caller, |call| {
            let token = token.clone();
            async move { self.writer.put_password_token(&call, token, None).await }
        })
        .await?;
        let mailed = self.mail_code(account, &token, minted.token, options).await;
        mailed.map_err(WriteFailure::NotDone)
    }

    /// POST /password/forgot/resend_code: the same code and the same link once more.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 114, 151, 201, 202.
    pub async fn resend_reset_code(
        &self,
        caller: &Caller,
        access: &PasswordAccess,
        email: &str,
        options: &MailOptions,
    ) -> Result<Forgotten, AccountError> {
        // Whatever address is named: the code goes to the account's own.
        Address::parse(email)?;
        self.check_mailing(options)?;
        let PasswordAccess { token, account } = access;
        let keys = keys_of(caller, account);
        self.limits.count(Action::PasswordForgotResendCode, keys).await?;
        let made_again = self.forgot_token_again(account, token);
        // The code key is another one than when it was made: its code is not good any more either.
        let secret = made_again.ok_or(AccountError::BadToken)?;
        self.count_mail(&account.email_key).await?;
        let sent = self.mail_code(account, token, secret, options).await;
        if sent.is_err() {
            self.uncount_mail(&account.email_key).await;
            self.limits.refund(Action::PasswordForgotResendCode, keys).await;
        }
        sent
    }

    /// GET /password/forgot/status.
    #[must_use]
    pub fn forgotten_status(&self, access: &PasswordAccess) -> ForgottenStatus {
        self.left_of(&access.token)
    }

    /// POST /password/forgot/verify_code: the right code changes the token for one that resets the account. Of parallel uses
    /// one is answered. Whoever calls this lets it end, also when the client has gone: the code works once.
    ///
    /// # Errors
    /// [`AccountError`]: 105, 110, 114, 201.
    pub async fn verify_reset_code(
        &self,
        caller: &Caller,
        access: &PasswordAccess,
        code: &str,
    ) -> Result<Secret<32>, AccountError> {
        let PasswordAccess { token, account } = access;
        let keys = keys_of(caller, account);
        self.limits.count(Action::PasswordForgotVerifyCode, keys).await?;
        if !self
            .code_key
            .is_reset_code(account.uid, &account.code_nonce, &token.id, code)
        {
            return Err(self.miss(caller, token).await?);
        }
        self.limits.refund(Action::PasswordForgotVerifyCode, keys).await;
        let minted = self.mint(TokenKind::AccountReset)?;
        let reset = record_of(account, PasswordTokenKind::Reset, minted.keys, self.now());
        let redeemed = self
            .write(caller, |call| {
                let reset = reset.clone();
                async move { self.writer.redeem_password_token(&call, token.id, reset).await }
            })
            .await;
        match redeemed {
            // The new token is there only if it was done.
            Err(WriteFailure::Unknown) if self.is_kept(&reset).await => Ok(minted.token),
            outcome => outcome.map(|()| minted.token).map_err(AccountError::from),
        }
    }

    async fn is_kept(&self, token: &PasswordToken) -> bool {
        let found = self
            .reader
            .password_token(Deadline::after(LOOK_SPAN), token.id)
            .await;
        matches!(found, Ok(Some(_)))
    }

    /// Counts a wrong code, and says what is told of it.
    async fn miss(&self, caller: &Caller, token: &PasswordToken) -> Result<AccountError, AccountError> {
        let id = token.id;
        let misses = self
            .write(caller, |call| async move {
                self.writer.miss_password_token(&call, id).await
            })
            .await?;
        Ok(AccountError::WrongResetCode {
            tries: PASSWORD_TOKEN_MISSES_MAX.saturating_sub(misses),
            ttl: ttl_of(token, self.now()),
        })
    }

    pub(super) fn check_mailing(&self, options: &MailOptions) -> Result<(), AccountError> {
        field::check_mail_options(options, &self.settings.domain)?;
        if self.mailer.delivers() {
            Ok(())
        } else {
            Err(AccountError::FeatureOff)
        }
    }

    async fn mail_code(
        &self,
        account: &Account,
        token: &PasswordToken,
        secret: Secret<32>,
        options: &MailOptions,
    ) -> Result<Forgotten, AccountError> {
        let code = self
            .code_key
            .reset_code(account.uid, &account.code_nonce, &token.id);
        let sent = self.send_recovery_mail(account, &secret, &code, options).await;
        sent.map_err(|_| AccountError::MailNotSent { new_address: false })?;
        Ok(Forgotten {
            token: secret,
            status: self.left_of(token),
        })
    }

    fn left_of(&self, token: &PasswordToken) -> ForgottenStatus {
        ForgottenStatus {
            tries: PASSWORD_TOKEN_MISSES_MAX.saturating_sub(token.misses),
            ttl: ttl_of(token, self.now()),
        }
    }

    /// Derived, not drawn: a mail that is sent again has the same link, and the store has no token (docs/adr/0008).
    fn mint_forgot_token(&self, account: &Account, now: Timestamp) -> Result<Minted, AccountError> {
        mint_forgot(self.settings.region, &self.code_key, &*self.random, account, now)
    }

    fn forgot_token_again(&self, account: &Account, token: &PasswordToken) -> Option<Secret<32>> {
        let (uid, nonce) = (account.uid, &account.code_nonce);
        (0..NUMBERS)
            .map(|number| self.code_key.forgot_token(uid, nonce, token.created_at, number))
            .find(|secret| TokenKeys::derive(TokenKind::PasswordForgot, secret).id == token.id)
    }
}

/// See [`Accounts::mint_forgot_token`].
pub(crate) fn mint_forgot(
    region: Option<RegionMark>,
    code_key: &CodeKey,
    random: &dyn Random,
    account: &Account,
    now: Timestamp,
) -> Result<Minted, AccountError> {
    let (uid, nonce) = (account.uid, &account.code_nonce);
    mint_in(region, TokenKind::PasswordForgot, || {
        let number = u16::from_be_bytes(random::bytes(random)) % NUMBERS;
        code_key.forgot_token(uid, nonce, now, number)
    })
}

fn unknown(address: &Address) -> AccountError {
    AccountError::UnknownAccount {
        email: Some(address.as_typed().to_owned()),
    }
}

/// Limit keys of a call by whoever holds an account's token.
fn keys_of<'a>(caller: &Caller, account: &'a Account) -> LimitKeys<'a> {
    LimitKeys {
        ip: caller.ip,
        email: Some(account.email_key.as_str()),
        uid: Some(account.uid),
    }
}

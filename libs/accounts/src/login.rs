//! POST /account/login. An unknown address costs the same stretching as a known one, so that the time tells nothing
//! (`security.md` B.4); an attempt is counted before it is made and taken back if it was no wrong guess (B.1).

use foxhold_core::{Secret, Timestamp, Uid, random, record::Account};
use foxhold_ports::{Refusal, limits::Action};

use crate::{
    AccountError, Accounts, Address, Caller,
    credentials::{self, Opened, Version},
    field,
    mail::MailOptions,
    session::{Opening, SignedIn},
};

/// What counts against an attempt, and is taken back if the password was right.
const COUNTED: [Action; 2] = [Action::AccountLogin, Action::PasswordCheckFailed];

/// How a client would like to be verified; named in the answer if it has to be.
const VERIFICATION_METHODS: [&str; 5] = ["email", "email-2fa", "email-captcha", "email-otp", "totp-2fa"];

/// A sign-in.
pub struct LoginRequest {
    /// The address as typed, or in the stored spelling.
    pub email: String,
    /// `authPW` of either version.
    pub auth_pw: Secret<32>,
    /// Whether a key-fetch token is wanted.
    pub keys: bool,
    /// `service`, `redirectTo`, `resume`.
    pub mail: MailOptions,
    /// Why; nothing hangs on it.
    pub reason: Option<String>,
    /// Wished way of verification.
    pub verification_method: Option<String>,
}

/// Signed in.
pub struct LoggedIn {
    /// Session and account.
    pub signed_in: SignedIn,
    /// For the client.
    pub session_token: Secret<32>,
    /// If keys were asked for, with the verifier it belongs to.
    pub key_fetch_token: Option<(Version, Secret<32>)>,
    /// How the session can be verified, if it is not.
    pub verification_method: Option<String>,
}

impl LoggedIn {
    /// Whose.
    #[must_use]
    pub const fn uid(&self) -> Uid {
        self.signed_in.account.uid
    }

    /// When the password was given.
    #[must_use]
    pub const fn auth_at(&self) -> Timestamp {
        self.signed_in.session.auth_at
    }
}

impl Accounts {
    /// Checks a password and opens a session.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 103, 107, 114, 120, 201.
    pub async fn login(&self, caller: &Caller, request: LoginRequest) -> Result<LoggedIn, AccountError> {
        let address = Address::parse(&request.email)?;
        check_fields(&request, &self.settings.domain)?;
        let keys = caller.limit_keys(&address);
        self.reserve(&COUNTED, keys).await?;
        let checked = self.check_password(caller, &address, request.auth_pw).await;
        // An attempt that was right, or that could not be judged for want of a store or a slot, is nobody's guess.
        if !checked.as_ref().is_err_and(is_wrong_guess) {
            self.give_back(&COUNTED, keys).await;
        }
        let (account, opened) = checked?;
        let Opened { wrap_kb, version } = opened;
        let wrap_kbs = request.keys.then(|| vec![wrap_kb]);
        let opening = self.open_for(caller, &account, wrap_kbs.as_deref(), self.now())?;
        self.store_session(caller, &address, &opening).await?;
        Ok(logged_in(account, opening, version, request.verification_method))
    }

    async fn check_password(
        &self,
        caller: &Caller,
        address: &Address,
        auth_pw: Secret<32>,
    ) -> Result<(Account, Opened), AccountError> {
        let account = self
            .reader
            .account_by_email(caller.deadline, address.key())
            .await?;
        let salt = account.as_ref().map_or_else(
            || random::bytes(&*self.random),
            |account| account.credentials.auth_salt,
        );
        let stretched = self.stretcher.stretch(caller.deadline, auth_pw, salt).await?;
        let Some(account) = account else {
            return Err(AccountError::UnknownAccount {
                email: Some(address.as_typed().to_owned()),
            });
        };
        match credentials::open(&account.credentials, &stretched) {
            Some(opened) => Ok((account, opened)),
            // The stored spelling is the salt of version 1: a client that used another one tries again with it.
            None if account.email != address.as_typed() => {
                Err(AccountError::EmailCase { email: account.email })
            }
            None => Err(AccountError::WrongPassword {
                email: address.as_typed().to_owned(),
            }),
        }
    }

    async fn store_session(
        &self,
        caller: &Caller,
        address: &Address,
        opening: &Opening,
    ) -> Result<(), AccountError> {
        let done = self
            .write(caller, |call| {
                let sign_in = opening.sign_in.clone();
                async move { self.writer.open_session(&call, sign_in).await }
            })
            .await;
        // Replaced or deleted between the two: the address has no such account any more.
        done.map_err(|failure| {
            failure.telling(Refusal::UnknownAccount, || AccountError::UnknownAccount {
                email: Some(address.as_typed().to_owned()),
            })
        })
    }
}

const fn is_wrong_guess(error: &AccountError) -> bool {
    matches!(
        error,
        AccountError::UnknownAccount { .. }
            | AccountError::WrongPassword { .. }
            | AccountError::EmailCase { .. }
    )
}

fn check_fields(request: &LoginRequest, domain: &str) -> Result<(), AccountError> {
    field::check_mail_options(&request.mail, domain)?;
    field::check_optional("reason", request.reason.as_deref(), |reason| reason.len() <= 16)?;
    field::check_optional(
        "verificationMethod",
        request.verification_method.as_deref(),
        |method| VERIFICATION_METHODS.contains(&method),
    )
}

fn logged_in(account: Account, opening: Opening, version: Version, wished: Option<String>) -> LoggedIn {
    let signed_in = SignedIn {
        session: opening.sign_in.session,
        account,
    };
    let method = (!signed_in.verified()).then(|| wished.unwrap_or_else(|| "email".to_owned()));
    LoggedIn {
        signed_in,
        session_token: opening.session_token,
        key_fetch_token: opening
            .key_fetch_tokens
            .into_iter()
            .next()
            .map(|token| (version, token)),
        verification_method: method,
    }
}

//! POST /account/login: a password opens a session.

use foxhold_core::{Secret, Timestamp, Uid};
use foxhold_ports::{Refusal, limits::Action};

use crate::{
    AccountError, Accounts, Address, Caller,
    credentials::{Opened, Version},
    field,
    mail::MailOptions,
    password_check::Guess,
    session::{Opening, SignedIn},
};

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

impl LoginRequest {
    /// Whether the fields are well formed; the address is looked at by itself.
    ///
    /// # Errors
    /// [`AccountError`] 107.
    pub(crate) fn check(&self, domain: &str) -> Result<(), AccountError> {
        field::check_mail_options(&self.mail, domain)?;
        field::check_optional("reason", self.reason.as_deref(), field::is_reason)?;
        field::check_optional(
            "verificationMethod",
            self.verification_method.as_deref(),
            |method| VERIFICATION_METHODS.contains(&method),
        )
    }
}

/// Signed in, anew or again.
pub struct LoggedIn {
    /// Session and account.
    pub signed_in: SignedIn,
    /// For the client; absent if the session was there before.
    pub session_token: Option<Secret<32>>,
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
        request.check(&self.settings.domain)?;
        let guess = Guess {
            address: &address,
            auth_pw: request.auth_pw,
            signed_in: None,
            counted: &[Action::AccountLogin],
        };
        let (account, opened) = self.check_password(caller, guess).await?;
        let Opened { wrap_kb, version } = opened;
        let wrap_kbs = request.keys.then(|| vec![wrap_kb]);
        let verification = self.verification_at_sign_in(&account);
        let opening = self.open_as(caller, &account, verification, wrap_kbs.as_deref(), self.now())?;
        self.store_session(caller, &address, &opening).await?;
        let signed_in = SignedIn {
            session: opening.sign_in.session,
            account,
        };
        self.tell_of_sign_in(&signed_in).await;
        self.ask_for_confirmation(&signed_in, request.verification_method.as_deref(), &request.mail)
            .await;
        let key_fetch_token = opening.key_fetch_tokens.into_iter().next();
        Ok(LoggedIn {
            session_token: Some(opening.session_token),
            key_fetch_token: key_fetch_token.map(|token| (version, token)),
            verification_method: method_of(&signed_in, request.verification_method),
            signed_in,
        })
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

/// How a session can be verified that waits for a second factor.
pub(crate) const SECOND_FACTOR: &str = "totp-2fa";

/// How a session can be verified: by the second factor if there is one, as was wished, or by mail. Nothing if it is.
pub(crate) fn method_of(signed_in: &SignedIn, wished: Option<String>) -> Option<String> {
    if signed_in.awaits_second_factor() {
        return Some(SECOND_FACTOR.to_owned());
    }
    // There is no second factor: who has wished for it is verified by mail.
    let wished = wished.filter(|method| method != SECOND_FACTOR);
    (!signed_in.verified()).then(|| wished.unwrap_or_else(|| "email".to_owned()))
}

//! POST /password/change/start and /password/change/finish: a new password by whoever knows the old one. kB stays.

use std::sync::Arc;

use foxhold_core::{
    Secret, TokenId,
    record::{Account, Credentials, PasswordEffect, PasswordTokenKind, Session, Verification},
};
use foxhold_crypto::token::TokenKind;
use foxhold_ports::{Refusal, limits::Action};

use super::{
    PasswordAccess, Renewed, record_of,
    update::{Decision, NewPasswordMade, Wanted},
};
use crate::{
    AccountError, Accounts, Address, Caller, SignedIn,
    credentials::{self, NewPassword, Version},
    mail::PasswordNews,
    password_check::Guess,
};

/// The old password.
pub struct StartRequest {
    /// The address as typed, or in the stored spelling.
    pub email: String,
    /// `oldAuthPW`, of either version.
    pub old_auth_pw: Secret<32>,
}

/// It was right.
pub struct ChangeStarted {
    /// For the client: finishes the change, once.
    pub password_change_token: Secret<32>,
    /// Fetches the keys that the new password has to wrap, with the verifier they belong to.
    pub key_fetch_token: (Version, Secret<32>),
    /// Whether the address is verified: keys are given out only then.
    pub verified: bool,
}

/// The new password.
pub struct FinishRequest {
    /// With kB wrapped for it.
    pub password: NewPassword,
    /// The session this is done in, by its id: a new one is wanted in its place.
    pub session: Option<TokenId>,
    /// Whether key-fetch tokens are wanted with it.
    pub keys: bool,
}

impl Accounts {
    /// Checks the old password, and gives a token to change it with.
    ///
    /// # Errors
    /// [`AccountError`]: 102, 103, 107, 114, 120, 138 where the account has a second factor that was not given in the
    /// session, or sign-ins are confirmed and the session is not, 201.
    pub async fn start_change(
        &self,
        caller: &Caller,
        signed_in: Option<&SignedIn>,
        request: StartRequest,
    ) -> Result<ChangeStarted, AccountError> {
        let address = Address::parse(&request.email)?;
        let guess = Guess {
            address: &address,
            auth_pw: request.old_auth_pw,
            signed_in,
            counted: &[Action::PasswordChange, Action::PasswordChangeStartFailed],
        };
        let (account, opened) = self.check_password(caller, guess).await?;
        let session = session_for_keys(&account, signed_in, self.confirms_sign_ins())?;
        let now = self.now();
        let minted = self.mint(TokenKind::PasswordChange)?;
        let token = record_of(&account, PasswordTokenKind::Change, minted.keys, now);
        let (key_fetch_token, key_fetch) = self.draw_key_fetch(&account, session, &opened.wrap_kb, now)?;
        let kept = self
            .write(caller, |call| {
                let (token, key_fetch) = (token.clone(), key_fetch.clone());
                async move {
                    self.writer
                        .put_password_token(&call, token, Some(key_fetch))
                        .await
                }
            })
            .await;
        // Replaced or deleted between the two: the address has no such account any more.
        kept.map_err(|failure| {
            failure.telling(Refusal::UnknownAccount, || AccountError::UnknownAccount {
                email: Some(request.email),
            })
        })?;
        Ok(ChangeStarted {
            password_change_token: minted.token,
            key_fetch_token: (opened.version, key_fetch_token),
            verified: account.email_verified,
        })
    }

    /// Makes the new password and sets it. One that is the old one again, as when a client only brings the second verifier,
    /// ends nothing and is not told to anybody.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 110, 165, 201.
    pub async fn finish_change(
        &self,
        caller: &Caller,
        access: PasswordAccess,
        request: FinishRequest,
    ) -> Result<Option<Renewed>, AccountError> {
        let made = self.make_change(caller, access, request).await?;
        self.set_password(caller, made).await
    }

    /// Makes the new password: what costs, and writes nothing. It ends with its client.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 108, 110, 201.
    pub async fn make_change(
        &self,
        caller: &Caller,
        access: PasswordAccess,
        request: FinishRequest,
    ) -> Result<NewPasswordMade, AccountError> {
        let FinishRequest {
            password,
            session,
            keys,
        } = request;
        if password.wrap_kb.is_none() {
            return Err(AccountError::MissingParameter("wrapKb"));
        }
        password.check()?;
        let given = match session {
            Some(id) => self.verification_of_session(caller, &access.account, id).await?,
            None => None,
        };
        let plan = self.plan_change(caller, &access.account, password).await?;
        let wanted = Wanted {
            session: session.is_some(),
            verification: given,
            wrap_kbs: keys.then_some(plan.wrap_kbs),
        };
        let new = plan.new;
        let decide = move |account: &Account, at| {
            Ok(match &new {
                New::Password(credentials) => Decision {
                    credentials: Arc::clone(credentials),
                    effect: PasswordEffect::Change { at },
                    news: Some(PasswordNews::Changed),
                },
                New::SecondVerifier(credentials) => Decision::quiet(Arc::clone(credentials)),
                New::Nothing => Decision::quiet(Arc::clone(&account.credentials)),
            })
        };
        Ok(NewPasswordMade {
            access,
            wanted,
            decide: Box::new(decide),
        })
    }

    /// What the session that a client names as the one it is in leaves to the one that replaces it: that a second factor
    /// was given. One that has ended is not replaced.
    async fn verification_of_session(
        &self,
        caller: &Caller,
        account: &Account,
        id: TokenId,
    ) -> Result<Option<Verification>, AccountError> {
        let signed_in = self.signed_in(caller.deadline, id).await?;
        let signed_in = signed_in
            .filter(|signed_in| signed_in.account.uid == account.uid)
            .ok_or(AccountError::BadToken)?;
        Ok(signed_in
            .has_second_factor()
            .then_some(Verification::SecondFactor))
    }

    /// Stretches, and tells what is new. A later round need not stretch again: as long as the token is good, salt and first
    /// verifier of the account are those that were read.
    async fn plan_change(
        &self,
        caller: &Caller,
        account: &Account,
        password: NewPassword,
    ) -> Result<Plan, AccountError> {
        let present = &account.credentials;
        let auth_pw = credentials::copy(&password.auth_pw);
        let stretched = self
            .stretcher
            .stretch(caller.deadline, auth_pw, present.auth_salt)
            .await?;
        let Some(wrap_kb) = credentials::open_version_one(present, &stretched) else {
            let k_a = credentials::copy(&present.k_a);
            let made = self.make_credentials(caller, password, k_a).await?;
            return Ok(Plan {
                new: New::Password(Arc::new(made.credentials)),
                wrap_kbs: made.wrap_kbs,
            });
        };
        let Some(two) = password.version_two else {
            return Ok(Plan {
                new: New::Nothing,
                wrap_kbs: vec![wrap_kb],
            });
        };
        let (version_two, two_wrap_kb) = self.make_version_two(caller, present.auth_salt, two).await?;
        Ok(Plan {
            new: New::SecondVerifier(Arc::new(Credentials {
                auth_salt: present.auth_salt,
                k_a: credentials::copy(&present.k_a),
                version_one: credentials::copy_verifier(&present.version_one),
                version_two: Some(version_two),
            })),
            wrap_kbs: vec![wrap_kb, two_wrap_kb],
        })
    }
}

/// The session that opens the keys which a change has to wrap: one in which the second factor was given, or that is verified
/// where sign-ins are confirmed by mail. Where either is asked for, a password alone gives nobody the keys, and changes no
/// password.
fn session_for_keys<'a>(
    account: &Account,
    signed_in: Option<&'a SignedIn>,
    confirms_sign_ins: bool,
) -> Result<Option<&'a Session>, AccountError> {
    let is_enough: fn(&SignedIn) -> bool = if account.enabled_second_factor().is_some() {
        SignedIn::has_second_factor
    } else if confirms_sign_ins && account.email_verified {
        |signed_in| signed_in.require_verified().is_ok()
    } else {
        return Ok(None);
    };
    let given = signed_in.filter(|signed_in| is_enough(signed_in));
    let given = given.ok_or(AccountError::UnverifiedSession)?;
    Ok(Some(&given.session))
}

/// What a change comes to.
struct Plan {
    new: New,
    /// wrapKb for each verifier that the client has sent.
    wrap_kbs: Vec<Secret<32>>,
}

enum New {
    Password(Arc<Credentials>),
    SecondVerifier(Arc<Credentials>),
    Nothing,
}

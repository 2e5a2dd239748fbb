//! POST /account/create. Order (`accounts.md` (k), Registration; `security.md` A.4): form, limits, the operator's rules,
//! existence, and only then the stretching: a closed server spends nothing.

use std::sync::Arc;

use foxhold_core::{
    Random, Secret, SecretText, Timestamp, Uid, random,
    record::{Account, Credentials},
};
use foxhold_ports::{Refusal, invitations::Invitation, limits::Action};

use crate::{
    AccountError, Accounts, Address, Caller, credentials::NewPassword, field, invitation::proves_address,
    mail::MailOptions, session::Opening, write::WriteFailure,
};

/// A sign-up.
pub struct CreateRequest {
    /// The address as typed.
    pub email: String,
    /// The password, as the page sends it.
    pub password: NewPassword,
    /// Whether key-fetch tokens are wanted.
    pub keys: bool,
    /// For the mail.
    pub mail: MailOptions,
    /// To come out verified, where the operator allows that.
    pub pre_verified: bool,
    /// The code of an invitation.
    pub invite: Option<SecretText>,
}

/// A new account, signed in.
pub struct Created {
    /// Whose.
    pub uid: Uid,
    /// For the client.
    pub session_token: Secret<32>,
    /// Of the first verifier, if keys were asked for.
    pub key_fetch_token: Option<Secret<32>>,
    /// Of the second one, if there is one and keys were asked for.
    pub key_fetch_token_version_two: Option<Secret<32>>,
    /// When the password was given.
    pub auth_at: Timestamp,
}

impl Accounts {
    /// Makes an account and signs it in; an unverified holder of the address is replaced.
    ///
    /// # Errors
    /// [`AccountError`]: 101, 107, 108, 114, 151, 201, 1001 to 1004.
    pub async fn create_account(
        &self,
        caller: &Caller,
        request: CreateRequest,
    ) -> Result<Created, AccountError> {
        let address = Address::parse(&request.email)?;
        request.password.check()?;
        field::check_mail_options(&request.mail, &self.settings.domain)?;
        let keys = caller.limit_keys(&address);
        self.limits.count(Action::AccountCreate, keys).await?;
        let created = self.create_counted(caller, &address, request).await;
        // Clients try again where something of ours was away: that is one sign-up.
        if created.as_ref().is_err_and(AccountError::is_ours) {
            self.limits.refund(Action::AccountCreate, keys).await;
        }
        created
    }

    async fn create_counted(
        &self,
        caller: &Caller,
        address: &Address,
        request: CreateRequest,
    ) -> Result<Created, AccountError> {
        let rules = self.registration.get();
        let code = request.invite.as_ref().map(SecretText::expose);
        let invitation = self.admit(caller, &rules, address, code).await?;
        let holder = self
            .reader
            .account_by_email(caller.deadline, address.key())
            .await?;
        // Whoever was shut out does not come in again by a new account.
        if let Some(holder) = holder.filter(Account::keeps_address) {
            return Err(AccountError::AccountExists { email: holder.email });
        }
        let invitation = invitation.as_ref();
        let pre_verified = (request.pre_verified && self.settings.pre_verified_allowed)
            || invitation.is_some_and(proves_address);
        if pre_verified || !self.mailer.delivers() {
            let (account, opening) = self.store_new(caller, address, request, invitation, true).await?;
            return Ok(created(&account, opening));
        }
        self.count_mail(address.key()).await?;
        let created = self.create_and_mail(caller, address, request, invitation).await;
        if created.is_err() {
            self.uncount_mail(address.key()).await;
        }
        created
    }

    async fn create_and_mail(
        &self,
        caller: &Caller,
        address: &Address,
        mut request: CreateRequest,
        invitation: Option<&Invitation>,
    ) -> Result<Created, AccountError> {
        let options = std::mem::take(&mut request.mail);
        let (account, opening) = self
            .store_new(caller, address, request, invitation, false)
            .await?;
        let sent = self.send_verify_mail(&account, &options).await;
        sent.map_err(|_| AccountError::MailNotSent { new_address: true })?;
        Ok(created(&account, opening))
    }

    /// Stretches, and stores the account with its first session.
    async fn store_new(
        &self,
        caller: &Caller,
        address: &Address,
        request: CreateRequest,
        invitation: Option<&Invitation>,
        email_verified: bool,
    ) -> Result<(Account, Opening), AccountError> {
        let k_a = Secret::new(random::bytes(&*self.random));
        let made = self.make_credentials(caller, request.password, k_a).await?;
        let account = Account {
            email_verified,
            locale: caller.locale.clone(),
            ..new_account(address, made.credentials, self.now(), &*self.random)
        };
        let wrap_kbs = request.keys.then_some(made.wrap_kbs);
        let opening = self.open_for(caller, &account, wrap_kbs.as_deref(), account.created_at)?;
        self.store_account(caller, address, &account, &opening, invitation)
            .await?;
        Ok((account, opening))
    }

    async fn store_account(
        &self,
        caller: &Caller,
        address: &Address,
        account: &Account,
        opening: &Opening,
        invitation: Option<&Invitation>,
    ) -> Result<(), AccountError> {
        let (id, now) = (invitation.map(|invitation| invitation.id), account.created_at);
        let done = self
            .write(caller, |call| {
                let (account, sign_in) = (account.clone(), opening.sign_in.clone());
                async move {
                    let Some(id) = id else {
                        return self.writer.create_account(&call, account, sign_in).await;
                    };
                    let writer = &self.invitation_writer;
                    writer
                        .create_invited_account(&call, account, sign_in, id, now)
                        .await
                }
            })
            .await;
        done.map_err(|failure| match failure {
            // Somebody was faster.
            WriteFailure::Refused(Refusal::TokenSpent) => AccountError::BadInvitation,
            failure => failure.telling(Refusal::EmailTaken, || AccountError::AccountExists {
                email: address.as_typed().to_owned(),
            }),
        })
    }
}

/// An account as nobody has used it yet: not verified, and of no language.
pub(crate) fn new_account(
    address: &Address,
    credentials: Credentials,
    now: Timestamp,
    random: &dyn Random,
) -> Account {
    Account {
        uid: Uid::random(random),
        email: address.as_typed().to_owned(),
        email_key: address.key().clone(),
        email_verified: false,
        credentials: Arc::new(credentials),
        code_nonce: random::bytes(random),
        created_at: now,
        verifier_set_at: now,
        keys_changed_at: now,
        profile_changed_at: now,
        locale: None,
        second_factor: None,
        recovery_key: None,
        disabled: None,
        version: 0,
    }
}

fn created(account: &Account, opening: Opening) -> Created {
    let mut tokens = opening.key_fetch_tokens.into_iter();
    Created {
        uid: account.uid,
        session_token: opening.session_token,
        key_fetch_token: tokens.next(),
        key_fetch_token_version_two: tokens.next(),
        auth_at: opening.sign_in.session.auth_at,
    }
}

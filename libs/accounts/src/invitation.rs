//! Invitations, as who has one sees them (`accounts.md` (k), Registration). Every code that does not help is answered
//! alike: nobody learns whether it was one.

use foxhold_core::Timestamp;
use foxhold_crypto::invitation::InvitationCode;
use foxhold_ports::{
    invitations::{Invitation, Invited, may_use_again},
    limits::{Action, LimitKeys},
};

use crate::{
    AccountError, Accounts, Address, Caller,
    registration::{Registration, RegistrationMode},
};

/// What an invitation says to who has it.
pub struct InvitationStatus {
    /// The address it is for, as it was typed.
    pub email: Option<String>,
    /// The domain whose addresses it is for.
    pub domain: Option<String>,
    /// From when on it invites nobody.
    pub expires_at: Timestamp,
}

impl Accounts {
    /// POST /invitation/status.
    ///
    /// # Errors
    /// [`AccountError`]: 114, 201, 1003.
    pub async fn invitation_status(
        &self,
        caller: &Caller,
        code: &str,
    ) -> Result<InvitationStatus, AccountError> {
        self.count_invitation_check(caller).await?;
        let found = self.find_invitation(caller, code).await?;
        let invitation = found
            .filter(|invitation| invitation.used.is_none() && invitation.terms.expires_at > self.now())
            .ok_or(AccountError::BadInvitation)?;
        let (email, domain) = match invitation.terms.invited {
            Invited::Anybody => (None, None),
            Invited::Address(address, _) => (Some(address), None),
            Invited::Domain(domain) => (None, Some(domain)),
        };
        Ok(InvitationStatus {
            email,
            domain,
            expires_at: invitation.terms.expires_at,
        })
    }

    /// Refuses who may not make an account, and finds the invitation that one is to be made with. An invitation that is
    /// brought must be good, also where none is needed.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        rules: &Registration,
        address: &Address,
        code: Option<&str>,
    ) -> Result<Option<Invitation>, AccountError> {
        match (rules.mode, code) {
            (RegistrationMode::Closed, _) => return Err(AccountError::RegistrationClosed),
            (RegistrationMode::Invitation, None) => return Err(AccountError::InvitationNeeded),
            (RegistrationMode::Open | RegistrationMode::Invitation, _) => {}
        }
        let Some(code) = code else {
            rules.check_domain(address)?;
            return Ok(None);
        };
        let found = self.find_invitation(caller, code).await?;
        let Some(invitation) = found else {
            return Err(self.refused_invitation(caller).await);
        };
        if !self.is_usable(caller, &invitation, address).await? {
            return Err(self.refused_invitation(caller).await);
        }
        if !matches!(invitation.terms.invited, Invited::Address(..)) {
            rules.check_domain(address)?;
        }
        Ok(Some(invitation))
    }

    async fn find_invitation(&self, caller: &Caller, code: &str) -> Result<Option<Invitation>, AccountError> {
        let Some(code) = InvitationCode::parse(code) else {
            return Ok(None);
        };
        let id = self.code_key.invitation_id(&code);
        let found = self.invitation_reader.invitation(caller.deadline, id);
        Ok(found.await?)
    }

    async fn is_usable(
        &self,
        caller: &Caller,
        invitation: &Invitation,
        address: &Address,
    ) -> Result<bool, AccountError> {
        let terms = &invitation.terms;
        if !terms.invited.is(address.key(), address.domain()) || terms.expires_at <= self.now() {
            return Ok(false);
        }
        let Some(used) = invitation.used else {
            return Ok(true);
        };
        let made = self.reader.account(caller.deadline, used.uid).await?;
        Ok(may_use_again(made.as_ref(), address.key()))
    }

    /// A creation that fails for its invitation counts as a guess.
    async fn refused_invitation(&self, caller: &Caller) -> AccountError {
        match self.count_invitation_check(caller).await {
            Ok(()) => AccountError::BadInvitation,
            Err(throttled) => throttled,
        }
    }

    async fn count_invitation_check(&self, caller: &Caller) -> Result<(), AccountError> {
        let keys = LimitKeys {
            ip: caller.ip,
            ..LimitKeys::default()
        };
        Ok(self.limits.count(Action::InvitationCheck, keys).await?)
    }
}

/// Whether an account that is made with it comes out verified: its address has got the code by mail.
pub(crate) const fn proves_address(invitation: &Invitation) -> bool {
    invitation.terms.mailed && matches!(invitation.terms.invited, Invited::Address(..))
}

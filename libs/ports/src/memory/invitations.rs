//! Invitations, in memory.

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp, TokenId, record::Account};

use super::{MemoryStore, store::State};
use crate::{
    Call, Cause, InvitationReader, InvitationWriter, ReadError, Refusal, WriteError,
    accounts::SignIn,
    intent::IntentKind,
    invitations::{Invitation, InvitationTerms, InvitationUse, may_use_again},
};

#[async_trait]
impl InvitationReader for MemoryStore {
    async fn invitation(&self, by: Deadline, id: TokenId) -> Result<Option<Invitation>, ReadError> {
        self.read(by, |state| state.invitations.get(&id).cloned())
    }

    async fn invitations(
        &self,
        by: Deadline,
        after: Option<TokenId>,
        limit: u32,
    ) -> Result<Vec<Invitation>, ReadError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(by, |state| {
            let next = state
                .invitations
                .values()
                .filter(|invitation| after.is_none_or(|after| invitation.id > after));
            next.take(limit).cloned().collect()
        })
    }
}

#[async_trait]
impl InvitationWriter for MemoryStore {
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutInvitation, |state| {
            if state.invitations.contains_key(&id) {
                return Err(WriteError::NotDone(Cause::Fault));
            }
            let used = None;
            state.invitations.insert(id, Invitation { id, terms, used });
            Ok(())
        })
    }

    async fn delete_invitation(&self, call: &Call, id: TokenId, _now: Timestamp) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteInvitation, |state| {
            let is_used = |invitation: &Invitation| invitation.used.is_some();
            if state.invitations.get(&id).is_some_and(is_used) {
                return Err(Refusal::Conflict.into());
            }
            state.invitations.remove(&id);
            Ok(())
        })
    }

    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CreateInvitedAccount, |state| {
            let used = InvitationUse {
                uid: account.uid,
                at: now,
            };
            if !state.is_usable(invitation, &account, now) {
                return Err(Refusal::TokenSpent.into());
            }
            state.create_account(account, sign_in)?;
            if let Some(invitation) = state.invitations.get_mut(&invitation) {
                invitation.used = Some(used);
            }
            Ok(())
        })
    }
}

impl State {
    fn is_usable(&self, id: TokenId, account: &Account, now: Timestamp) -> bool {
        let Some(invitation) = self.invitations.get(&id) else {
            return false;
        };
        let is_free = invitation
            .used
            .is_none_or(|used| may_use_again(self.accounts.get(&used.uid), &account.email_key));
        is_free && invitation.terms.expires_at > now
    }
}

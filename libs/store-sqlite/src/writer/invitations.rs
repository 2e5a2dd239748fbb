//! `InvitationWriter`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{Timestamp, TokenId, record::Account};
use foxhold_ports::{
    Call, IntentKind, InvitationWriter, WriteError, accounts::SignIn, invitations::InvitationTerms,
};

use super::SqliteStore;
use crate::invitations;

#[async_trait]
impl InvitationWriter for SqliteStore {
    async fn put_invitation(
        &self,
        call: &Call,
        id: TokenId,
        terms: InvitationTerms,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutInvitation, move |db| {
            invitations::put(db, id, &terms)
        })
        .await
    }

    async fn delete_invitation(&self, call: &Call, id: TokenId, _now: Timestamp) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteInvitation, move |db| {
            invitations::delete(db, id)
        })
        .await
    }

    async fn create_invited_account(
        &self,
        call: &Call,
        account: Account,
        sign_in: SignIn,
        invitation: TokenId,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CreateInvitedAccount, move |db| {
            invitations::create_account(db, &account, &sign_in, invitation, now)
        })
        .await
    }
}

//! `ClientAdmin` and `GrantWriter`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Uid,
    record::{Grant, RegisteredClient},
};
use foxhold_ports::{
    Call, ClientAdmin, GrantWriter, IntentKind, WriteError, openid::spent::Replacement, outbox::put_at,
};

use super::SqliteStore;
use crate::{accounts::replaced_token, openid};

#[async_trait]
impl ClientAdmin for SqliteStore {
    async fn put_client(&self, call: &Call, client: RegisteredClient) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutClient, move |db| {
            openid::put_client(db, &client)
        })
        .await
    }

    async fn delete_client(&self, call: &Call, id: ClientId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteClient, move |db| {
            openid::delete_client(db, id)
        })
        .await
    }
}

#[async_trait]
impl GrantWriter for SqliteStore {
    async fn put_grant(&self, call: &Call, grant: Grant) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutGrant, move |db| {
            openid::put_grant(db, &grant)
        })
        .await
    }

    async fn end_grant(&self, call: &Call, uid: Uid, client: ClientId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::EndGrant, move |db| {
            openid::end_grant(db, uid, client)
        })
        .await
    }

    async fn replace_refresh_token(&self, call: &Call, replacement: Replacement) -> Result<(), WriteError> {
        let at = put_at(call.op);
        self.intent(call, IntentKind::ReplaceRefreshToken, move |db| {
            replaced_token::replace(db, &replacement, at)
        })
        .await
    }
}

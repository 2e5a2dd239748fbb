//! Registered clients, grants, and what is left of what was used under them, in memory.

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, Timestamp, TokenId, Uid,
    record::{AuthorizationCode, Grant, RegisteredClient},
};

use super::{MemoryStore, store::State};
use crate::{
    Call, Cause, ClientAdmin, ClientRegistry, GrantReader, GrantWriter, ReadError, Refusal, WriteError,
    intent::IntentKind,
    openid::spent::{ReplacedToken, Replacement, SpentCode},
    outbox::put_at,
};

#[async_trait]
impl ClientRegistry for MemoryStore {
    async fn client(&self, by: Deadline, id: ClientId) -> Result<Option<RegisteredClient>, ReadError> {
        self.read(by, |state| state.clients.get(&id).cloned().flatten())
    }

    async fn clients(&self, by: Deadline) -> Result<Vec<RegisteredClient>, ReadError> {
        self.read(by, |state| state.clients.values().flatten().cloned().collect())
    }
}

#[async_trait]
impl ClientAdmin for MemoryStore {
    async fn put_client(&self, call: &Call, client: RegisteredClient) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutClient, |state| {
            let fits = match state.clients.get(&client.id) {
                None => client.version == 1,
                Some(None) => false,
                Some(Some(there)) => client.version == there.version + 1,
            };
            if !fits {
                return Err(Refusal::Conflict.into());
            }
            state.clients.insert(client.id, Some(client));
            Ok(())
        })
    }

    async fn delete_client(&self, call: &Call, id: ClientId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::DeleteClient, |state| {
            if let Some(there) = state.clients.get_mut(&id) {
                *there = None;
            }
            Ok(())
        })
    }
}

#[async_trait]
impl GrantReader for MemoryStore {
    async fn grant(&self, by: Deadline, uid: Uid, client: ClientId) -> Result<Option<Grant>, ReadError> {
        self.read(by, |state| state.grants.get(&(uid, client)).cloned())
    }

    async fn grants(&self, by: Deadline, uid: Uid) -> Result<Vec<Grant>, ReadError> {
        self.read(by, |state| {
            let mut of_user: Vec<_> = state
                .grants
                .values()
                .filter(|grant| grant.uid == uid)
                .cloned()
                .collect();
            of_user.sort_by_key(|grant| grant.client);
            of_user
        })
    }

    async fn spent_code(&self, by: Deadline, id: TokenId) -> Result<Option<SpentCode>, ReadError> {
        self.read(by, |state| state.spent_codes.get(&id).cloned())
    }

    async fn replaced_token(&self, by: Deadline, id: TokenId) -> Result<Option<ReplacedToken>, ReadError> {
        self.read(by, |state| state.replaced_tokens.get(&id).cloned())
    }
}

#[async_trait]
impl GrantWriter for MemoryStore {
    async fn put_grant(&self, call: &Call, grant: Grant) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutGrant, |state| {
            if state.accounts.contains_key(&grant.uid) {
                state.grants.insert((grant.uid, grant.client), grant);
            }
            Ok(())
        })
    }

    async fn end_grant(&self, call: &Call, uid: Uid, client: ClientId) -> Result<(), WriteError> {
        self.intent(call, IntentKind::EndGrant, |state| {
            state.grants.remove(&(uid, client));
            Ok(())
        })
    }

    async fn replace_refresh_token(&self, call: &Call, replacement: Replacement) -> Result<(), WriteError> {
        self.intent(call, IntentKind::ReplaceRefreshToken, |state| {
            state.replace_refresh_token(replacement, put_at(call.op))
        })
    }
}

impl State {
    /// Spends a code, and keeps what is left of it.
    pub(super) fn spend_code(&mut self, id: TokenId, spent_at: Timestamp) -> Result<(), WriteError> {
        let code = self.codes.remove(&id).ok_or(Refusal::TokenSpent)?;
        let code = AuthorizationCode {
            keys_jwe: None,
            ..code
        };
        self.spent_codes.insert(id, SpentCode { code, spent_at });
        Ok(())
    }

    fn replace_refresh_token(
        &mut self,
        replacement: Replacement,
        replaced_at: Timestamp,
    ) -> Result<(), WriteError> {
        let old = self.refresh_tokens.get(&replacement.replaces);
        if !old.is_some_and(|old| replacement.fits(old)) {
            return Err(Refusal::TokenSpent.into());
        }
        if self.refresh_tokens.contains_key(&replacement.token.id) {
            return Err(WriteError::NotDone(Cause::Fault));
        }
        let trace = replacement.trace(replaced_at);
        self.refresh_tokens.remove(&trace.id);
        self.replaced_tokens.insert(trace.id, trace);
        self.refresh_tokens
            .insert(replacement.token.id, replacement.token);
        Ok(())
    }
}

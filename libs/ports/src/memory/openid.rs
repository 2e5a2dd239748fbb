//! Registered clients and grants, in memory.

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, Uid,
    record::{Grant, RegisteredClient},
};

use super::MemoryStore;
use crate::{
    Call, ClientAdmin, ClientRegistry, GrantReader, GrantWriter, ReadError, Refusal, WriteError,
    intent::IntentKind,
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
}

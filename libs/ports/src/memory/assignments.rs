//! Assignment ports in memory: exact figures under one lock.

use async_trait::async_trait;
use foxhold_core::{
    Deadline, NodeId, ServiceUid, Timestamp,
    record::{NodeFigures, NodeRecord, Service, ServiceKey, UserKey, UserRecord},
};

use super::store::{MemoryStore, State, StoredService};
use crate::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, ReadError, Refusal, WriteError,
    assignments::{
        FIRST_UID, NewNode, RecordRef, UserValues,
        change::{self, Place},
        choice::{self, Candidate},
    },
    intent::IntentKind,
};

#[async_trait]
impl AssignmentReader for MemoryStore {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.read(by, |state| {
            state
                .services
                .values()
                .map(|stored| stored.service.clone())
                .collect()
        })
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        self.read(by, |state| {
            let of_service = state.nodes.iter().filter(|node| node.service == *service);
            of_service.cloned().collect()
        })
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        let key = (service.clone(), user.clone());
        self.read(by, |state| state.users.get(&key).cloned())
    }
}

#[async_trait]
impl AssignmentWriter for MemoryStore {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Assign, |state| {
            let service = state.services.get(&at.service).ok_or(Refusal::UnknownService)?;
            let before = state.user(at);
            change::check_version(at, before)?;
            let mut candidates = state.candidates(&at.service);
            let id = choice::take_slot(&mut candidates).ok_or(Refusal::NoNode)?;
            let uid = service.free_uid().ok_or(Refusal::NoUid)?;
            let place = state.place(id).ok_or(Refusal::NoNode)?;
            let after = change::replaced(before, values, uid, place, now);
            state.set_figures(&candidates);
            state.keep(at, uid, &after);
            Ok(after)
        })
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Raise, |state| {
            let after = change::raised(change::active(at, state.user(at))?, values);
            state.keep(at, after.current.uid, &after);
            Ok(after)
        })
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Rekey, |state| {
            let before = change::active(at, state.user(at))?;
            let service = state.services.get(&at.service).ok_or(Refusal::Conflict)?;
            let uid = service.free_uid().ok_or(Refusal::NoUid)?;
            let place = Place {
                node: before.current.node.clone().ok_or(Refusal::Conflict)?,
                node_type: before.current.node_type.clone(),
            };
            let after = change::replaced(Some(before), values, uid, place, now);
            state.keep(at, uid, &after);
            Ok(after)
        })
    }
}

#[async_trait]
impl AssignmentAdmin for MemoryStore {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutService, |state| {
            let known = state.services.get(&service.key);
            let next_uid = known.map_or(FIRST_UID.get(), |stored| stored.next_uid);
            state
                .services
                .insert(service.key.clone(), StoredService { service, next_uid });
            Ok(())
        })
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CreateNode, |state| {
            if !state.services.contains_key(&node.service) {
                return Err(Refusal::UnknownService.into());
            }
            let is_it = |known: &NodeRecord| known.service == node.service && known.url == node.url;
            if !state.nodes.iter().any(is_it) {
                let id = NodeId(state.nodes.len() as u64 + 1);
                state.nodes.push(NodeRecord {
                    id,
                    service: node.service,
                    url: node.url,
                    node_type: node.node_type,
                    figures: NodeFigures {
                        capacity: node.capacity,
                        available: node.available,
                        ..NodeFigures::default()
                    },
                });
            }
            Ok(())
        })
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::RenameNode, |state| {
            if !state.services.contains_key(service) {
                return Err(Refusal::UnknownService.into());
            }
            match (state.has_node(service, from), state.has_node(service, to)) {
                (true, true) if from != to => Err(Refusal::Conflict.into()),
                (false, false) => Err(Refusal::UnknownNode.into()),
                (_, true) => Ok(()),
                (true, false) => {
                    state.rename(service, from, to);
                    Ok(())
                }
            }
        })
    }
}

impl StoredService {
    fn free_uid(&self) -> Option<ServiceUid> {
        ServiceUid::new(self.next_uid).filter(|uid| uid.get() <= self.service.uid_ceiling)
    }
}

impl State {
    fn user(&self, at: &RecordRef) -> Option<&UserRecord> {
        self.users.get(&(at.service.clone(), at.user.clone()))
    }

    fn has_node(&self, service: &ServiceKey, url: &str) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|node| node.service == *service && node.url == url)
    }

    /// Records hold their node's URL here, so they are changed with it.
    fn rename(&mut self, service: &ServiceKey, from: &str, to: &str) {
        for node in &mut self.nodes {
            if node.service == *service && node.url == from {
                to.clone_into(&mut node.url);
            }
        }
        for ((of, _), record) in &mut self.users {
            if of == service && record.current.node.as_deref() == Some(from) {
                record.current.node = Some(to.to_owned());
            }
        }
    }

    fn candidates(&self, service: &ServiceKey) -> Vec<Candidate> {
        let of_service = self.nodes.iter().filter(|node| node.service == *service);
        of_service
            .map(|node| Candidate {
                id: node.id,
                figures: node.figures,
            })
            .collect()
    }

    fn place(&self, id: NodeId) -> Option<Place> {
        let node = self.nodes.iter().find(|node| node.id == id)?;
        Some(Place {
            node: node.url.clone(),
            node_type: node.node_type.clone(),
        })
    }

    fn set_figures(&mut self, candidates: &[Candidate]) {
        for node in &mut self.nodes {
            if let Some(candidate) = candidates.iter().find(|candidate| candidate.id == node.id) {
                node.figures = candidate.figures;
            }
        }
    }

    /// Keeps a user's records, and never hands out `uid` again.
    fn keep(&mut self, at: &RecordRef, uid: ServiceUid, record: &UserRecord) {
        if let Some(service) = self.services.get_mut(&at.service) {
            service.next_uid = service.next_uid.max(uid.get() + 1);
        }
        self.users
            .insert((at.service.clone(), at.user.clone()), record.clone());
    }
}

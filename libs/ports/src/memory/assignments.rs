//! Assignment ports in memory: exact figures under one lock.

use async_trait::async_trait;
use foxhold_core::{
    Deadline, NodeId, ServiceUid, Timestamp,
    record::{NodeFigures, NodeRecord, Service, ServiceKey, UserKey, UserRecord},
};

use super::store::{MemoryStore, State, StoredService};
use crate::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, Cause, ReadError, Refusal, WriteError,
    assignments::{
        FIRST_UID, ImportedUser, NewNode, NodeChange, RecordCursor, RecordPage, RecordRef, Target,
        UserValues,
        change::{self, Place},
        choice::{self, Candidate},
        import::{self, Imported},
        page_size,
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

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        let after = match after {
            Some(cursor) => Some(UserKey(text(cursor)?)),
            None => None,
        };
        self.read(by, |state| state.page(service, after.as_ref(), page_size(limit)))
    }
}

#[async_trait]
impl AssignmentWriter for MemoryStore {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Assign, |state| {
            let service = state.services.get(&at.service).ok_or(Refusal::UnknownService)?;
            let before = state.user(at);
            change::check_version(at, before)?;
            before.map_or(Ok(()), change::check_past)?;
            let mut candidates = state.candidates(&at.service, target);
            let users = || Ok::<u64, Refusal>(candidates.iter().map(|node| node.figures.current_load).sum());
            change::check_admission(at, &service.service.policy.admission, users)?;
            let id = choice::take_slot(&mut candidates, target).ok_or(Refusal::NoNode)?;
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
            let after = change::raised(change::known(at, state.user(at))?, values);
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
            change::check_past(before)?;
            let service = state.services.get(&at.service).ok_or(Refusal::Conflict)?;
            let uid = service.free_uid().ok_or(Refusal::NoUid)?;
            let after = change::rekeyed(before, values, uid, now);
            state.keep(at, uid, &after);
            Ok(after)
        })
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Retire, |state| {
            let after = change::retired(change::known(at, state.user(at))?, now);
            state.keep(at, after.current.uid, &after);
            Ok(after)
        })
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Unassign, |state| {
            let after = change::unassigned(change::known(at, state.user(at))?, now);
            state.keep(at, after.current.uid, &after);
            Ok(after)
        })
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::Forget, |state| {
            let forgotten = change::forgotten(change::known(at, state.user(at))?, uid)?;
            if let Some(url) = &forgotten.freed
                && let Some(node) = state.node(&at.service, url)
            {
                choice::give_back(&mut node.figures);
            }
            let after = forgotten.record;
            state.keep(at, after.current.uid, &after);
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
            if !state.has_node(&node.service, &node.url) {
                state.nodes_made += 1;
                let id = NodeId(state.nodes_made);
                state.nodes.push(NodeRecord {
                    id,
                    service: node.service,
                    url: node.url,
                    node_type: node.node_type,
                    pool: node.pool,
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

    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::UpdateNode, |state| {
            if !state.services.contains_key(service) {
                return Err(Refusal::UnknownService.into());
            }
            let node = state.node(service, url).ok_or(Refusal::UnknownNode)?;
            node.figures = choice::changed(&node.figures, &change);
            if let Some(pool) = change.pool {
                node.pool = pool;
            }
            Ok(())
        })
    }

    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError> {
        self.intent(call, IntentKind::RemoveNode, |state| {
            state.remove(service, url);
            Ok(())
        })
    }

    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        self.intent(call, IntentKind::ImportUser, |state| {
            if !state.services.contains_key(&at.service) {
                return Err(Refusal::UnknownService.into());
            }
            change::check_version(at, state.user(at))?;
            state.check_uids(at, user)?;
            let is_node = |url: &str| state.has_node(&at.service, url);
            let Imported {
                mut record,
                takes,
                frees,
            } = import::imported(state.user(at), user, is_node)?;
            record.current.node_type = state.node_type(&at.service, record.current.node.as_deref());
            let mut nodes = state.nodes.clone();
            occupy(&mut nodes, &at.service, &takes)?;
            for url in &frees {
                let freed = nodes.iter_mut().find(|node| is_at(node, &at.service, url));
                freed
                    .into_iter()
                    .for_each(|node| choice::give_back(&mut node.figures));
            }
            state.nodes = nodes;
            let highest = user.records.iter().map(|record| record.uid).max();
            state.keep(at, highest.unwrap_or(record.current.uid), &record);
            Ok(record)
        })
    }

    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError> {
        self.intent(call, IntentKind::ReserveUids, |state| {
            let stored = state.services.get_mut(service).ok_or(Refusal::UnknownService)?;
            if through.get() > stored.service.uid_ceiling {
                return Err(Refusal::NoUid.into());
            }
            stored.next_uid = stored.next_uid.max(through.get() + 1);
            Ok(())
        })
    }
}

/// Takes a slot of each node named.
fn occupy(nodes: &mut [NodeRecord], service: &ServiceKey, urls: &[String]) -> Result<(), Refusal> {
    for url in urls {
        let node = nodes.iter_mut().find(|node| is_at(node, service, url));
        let is_taken = node.is_some_and(|node| choice::occupy(&mut node.figures));
        is_taken.then_some(()).ok_or(Refusal::NoNode)?;
    }
    Ok(())
}

fn is_at(node: &NodeRecord, service: &ServiceKey, url: &str) -> bool {
    node.service == *service && node.url == url
}

/// What a cursor of this store says: the key of the last user before it.
fn text(cursor: &RecordCursor) -> Result<String, ReadError> {
    String::from_utf8(cursor.0.clone()).map_err(|_| ReadError(Cause::Fault))
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
        self.nodes.iter().any(|node| is_at(node, service, url))
    }

    fn node(&mut self, service: &ServiceKey, url: &str) -> Option<&mut NodeRecord> {
        self.nodes.iter_mut().find(|node| is_at(node, service, url))
    }

    fn node_type(&self, service: &ServiceKey, url: Option<&str>) -> Option<String> {
        let url = url?;
        let node = self.nodes.iter().find(|node| is_at(node, service, url))?;
        node.node_type.clone()
    }

    /// Whether no record of another user has one of these uids.
    fn check_uids(&self, at: &RecordRef, user: &ImportedUser) -> Result<(), Refusal> {
        let others = self.users.iter();
        let others = others.filter(|((service, key), _)| *service == at.service && *key != at.user);
        let has = |record: &UserRecord, uid| {
            record.current.uid == uid || record.past.iter().any(|past| past.uid == uid)
        };
        let mut taken =
            others.flat_map(|(_, record)| user.records.iter().map(move |new| has(record, new.uid)));
        (!taken.any(|taken| taken)).then_some(()).ok_or(Refusal::Conflict)
    }

    fn rename(&mut self, service: &ServiceKey, from: &str, to: &str) {
        if let Some(node) = self.node(service, from) {
            to.clone_into(&mut node.url);
        }
        self.point_elsewhere(service, from, Some(to));
    }

    fn remove(&mut self, service: &ServiceKey, url: &str) {
        self.nodes
            .retain(|node| node.service != *service || node.url != url);
        self.point_elsewhere(service, url, None);
    }

    /// Records hold their node's URL here, so they are changed with it.
    fn point_elsewhere(&mut self, service: &ServiceKey, from: &str, to: Option<&str>) {
        let of_service = self.users.iter_mut().filter(|((of, _), _)| of == service);
        for (_, record) in of_service {
            if record.current.node.as_deref() == Some(from) {
                record.current.node = to.map(str::to_owned);
                record.current.node_type.take_if(|_| to.is_none());
            }
            for past in &mut record.past {
                if past.node.as_deref() == Some(from) {
                    past.node = to.map(str::to_owned);
                    past.holds_slot &= to.is_some();
                }
            }
        }
    }

    /// Users in the order of their keys.
    fn page(&self, service: &ServiceKey, after: Option<&UserKey>, size: usize) -> RecordPage {
        let is_next = |user: &UserKey| after.is_none_or(|after| user > after);
        let of_service = self.users.iter().filter(|((of, _), _)| of == service);
        let rest = of_service.filter(|((_, user), _)| is_next(user));
        let mut records: Vec<_> = rest
            .map(|((_, user), record)| (user.clone(), record.clone()))
            .collect();
        records.sort_by(|(a, _), (b, _)| a.cmp(b));
        let goes_on = records.len() > size;
        records.truncate(size);
        let last = records.last().filter(|_| goes_on);
        let next = last.map(|(user, _)| RecordCursor(user.0.clone().into_bytes()));
        RecordPage { records, next }
    }

    fn candidates(&self, service: &ServiceKey, target: &Target) -> Vec<Candidate> {
        let of_service = self.nodes.iter().filter(|node| node.service == *service);
        of_service
            .map(|node| Candidate {
                id: node.id,
                fits: target.includes(&node.url, node.pool.as_ref()),
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

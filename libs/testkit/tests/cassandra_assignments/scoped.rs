//! Stores of one keyspace as the suite wants them: empty. The keys of services get a prefix of the case's own on their
//! way in, and lose it on their way out. Calls go to the stores in turn.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, ServiceUid, Timestamp,
    record::{NodeRecord, Service, ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, JobTurns, ReadError, WriteError,
    assignments::{
        ImportedUser, NewNode, NodeChange, RecordCursor, RecordPage, RecordRef, Target, UserValues,
    },
    conformance::{Subject, turns::Turns},
    jobs::{Job, Runner},
    memory::MemoryStore,
};
use foxhold_store_cassandra::CassandraStore;

/// Stores behind a prefix.
pub(crate) struct Scoped {
    prefix: String,
    stores: Turns<CassandraStore>,
}

impl Scoped {
    /// An empty store for a case about assignments.
    pub(crate) fn subject(prefix: String, stores: Vec<Arc<CassandraStore>>) -> Subject {
        let scoped = Arc::new(Self {
            prefix,
            stores: Turns::new(stores),
        });
        let accounts = Arc::new(MemoryStore::new());
        Subject {
            account_reader: accounts.clone(),
            account_writer: accounts.clone(),
            account_guards: accounts.clone(),
            account_directory: accounts.clone(),
            account_admin: accounts.clone(),
            command_reader: accounts.clone(),
            command_writer: accounts.clone(),
            invitation_reader: accounts.clone(),
            invitation_writer: accounts,
            assignment_reader: scoped.clone(),
            assignment_writer: scoped.clone(),
            assignment_admin: scoped.clone(),
            job_turns: scoped,
            remembers: false,
            knows_uids: false,
            keep: Box::new(()),
        }
    }

    fn store(&self) -> &CassandraStore {
        self.stores.next()
    }

    fn inward(&self, key: &ServiceKey) -> ServiceKey {
        ServiceKey(format!("{}/{}", self.prefix, key.0))
    }

    fn outward(&self, key: &ServiceKey) -> Option<ServiceKey> {
        let rest = key.0.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        Some(ServiceKey(rest.to_owned()))
    }

    fn at(&self, at: &RecordRef) -> RecordRef {
        RecordRef {
            service: self.inward(&at.service),
            ..at.clone()
        }
    }
}

#[async_trait]
impl AssignmentReader for Scoped {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        let all = self.store().services(by).await?;
        let own = all.into_iter().filter_map(|service| {
            let key = self.outward(&service.key)?;
            Some(Service { key, ..service })
        });
        Ok(own.collect())
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        let nodes = self.store().nodes(by, &self.inward(service)).await?;
        let nodes = nodes.into_iter().map(|node| NodeRecord {
            service: service.clone(),
            ..node
        });
        Ok(nodes.collect())
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        self.store().user_record(by, &self.inward(service), user).await
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        let service = self.inward(service);
        self.store().records(by, &service, after, limit).await
    }
}

#[async_trait]
impl AssignmentWriter for Scoped {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.store().assign(call, &self.at(at), values, target, now).await
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.store().raise(call, &self.at(at), values).await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        self.store().rekey(call, &self.at(at), values, now).await
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.store().retire(call, &self.at(at), now).await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.store().unassign(call, &self.at(at), now).await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.store().forget(call, &self.at(at), uid).await
    }
}

#[async_trait]
impl AssignmentAdmin for Scoped {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        let key = self.inward(&service.key);
        self.store().put_service(call, Service { key, ..service }).await
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        let service = self.inward(&node.service);
        self.store().create_node(call, NewNode { service, ..node }).await
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        self.store()
            .rename_node(call, &self.inward(service), from, to)
            .await
    }

    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        self.store()
            .update_node(call, &self.inward(service), url, change)
            .await
    }

    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError> {
        self.store().remove_node(call, &self.inward(service), url).await
    }

    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        self.store().import_user(call, &self.at(at), user).await
    }

    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError> {
        self.store()
            .reserve_uids(call, &self.inward(service), through)
            .await
    }
}

#[async_trait]
impl JobTurns for Scoped {
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError> {
        self.store().take_turn(call, job, runner, now).await
    }

    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError> {
        self.store().end_turn(call, job, runner).await
    }
}

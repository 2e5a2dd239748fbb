//! Administration of services and nodes.

use async_trait::async_trait;
use foxhold_core::{
    ServiceUid,
    record::{Service, ServiceKey, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin, Call, IntentKind, WriteError,
    assignments::{ImportedUser, NewNode, NodeChange, RecordRef},
};

use crate::{CassandraStore, placement::rules};

#[async_trait]
impl AssignmentAdmin for CassandraStore {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        let key = service.key.clone();
        self.placements
            .change(call, &key, IntentKind::PutService, |state| {
                Ok(rules::put_service(state, service.clone()))
            })
            .await
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        let key = node.service.clone();
        let done = self
            .placements
            .change(call, &key, IntentKind::CreateNode, |state| {
                rules::create_node(state, node.clone())
            })
            .await;
        self.reader.nodes.tables.forget(&key);
        done
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        let done = self
            .placements
            .change(call, service, IntentKind::RenameNode, |state| {
                rules::rename_node(state, from, to)
            })
            .await;
        self.reader.nodes.tables.forget(service);
        done
    }

    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        self.placements.update_node(call, service, url, &change).await
    }

    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError> {
        let done = self
            .placements
            .change(call, service, IntentKind::RemoveNode, |state| {
                Ok(rules::remove_node(state, url))
            })
            .await;
        self.reader.nodes.tables.forget(service);
        done
    }

    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        self.import(call, at, user).await
    }

    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError> {
        self.reserve(call, service, through, rules::reserve_uids).await
    }
}

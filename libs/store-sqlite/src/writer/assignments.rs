//! `AssignmentWriter` and `AssignmentAdmin`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{
    Timestamp,
    record::{Service, ServiceKey, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentWriter, Call, IntentKind, WriteError,
    assignments::{NewNode, RecordRef, UserValues},
};

use super::SqliteStore;
use crate::assignments::{self, node, service};

#[async_trait]
impl AssignmentWriter for SqliteStore {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let (at, values) = (at.clone(), values.clone());
        self.intent(call, IntentKind::Assign, move |db| {
            assignments::assign(db, &at, &values, now)
        })
        .await
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        let (at, values) = (at.clone(), values.clone());
        self.intent(call, IntentKind::Raise, move |db| {
            assignments::raise(db, &at, &values)
        })
        .await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let (at, values) = (at.clone(), values.clone());
        self.intent(call, IntentKind::Rekey, move |db| {
            assignments::rekey(db, &at, &values, now)
        })
        .await
    }
}

#[async_trait]
impl AssignmentAdmin for SqliteStore {
    async fn put_service(&self, call: &Call, service: Service) -> Result<(), WriteError> {
        self.intent(call, IntentKind::PutService, move |db| {
            Ok(service::put(db, &service)?)
        })
        .await
    }

    async fn create_node(&self, call: &Call, node: NewNode) -> Result<(), WriteError> {
        self.intent(call, IntentKind::CreateNode, move |db| node::create(db, &node))
            .await
    }

    async fn rename_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        let (service, from, to) = (service.clone(), from.to_owned(), to.to_owned());
        self.intent(call, IntentKind::RenameNode, move |db| {
            node::rename(db, &service, &from, &to)
        })
        .await
    }
}

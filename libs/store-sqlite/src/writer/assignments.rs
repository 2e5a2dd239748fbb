//! `AssignmentWriter` and `AssignmentAdmin`: each method names its intent and hands over.

use async_trait::async_trait;
use foxhold_core::{
    ServiceUid, Timestamp,
    record::{Service, ServiceKey, UserRecord},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentWriter, Call, IntentKind, WriteError,
    assignments::{ImportedUser, NewNode, NodeChange, RecordRef, Target, UserValues},
};

use super::SqliteStore;
use crate::assignments::{self, import, node, service};

#[async_trait]
impl AssignmentWriter for SqliteStore {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let (at, values, target) = (at.clone(), values.clone(), target.clone());
        self.intent(call, IntentKind::Assign, move |db| {
            assignments::assign(db, &at, &values, &target, now)
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

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        let at = at.clone();
        self.intent(call, IntentKind::Retire, move |db| {
            assignments::retire(db, &at, now)
        })
        .await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        let at = at.clone();
        self.intent(call, IntentKind::Unassign, move |db| {
            assignments::unassign(db, &at, now)
        })
        .await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        let at = at.clone();
        self.intent(call, IntentKind::Forget, move |db| {
            assignments::forget(db, &at, uid)
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

    async fn update_node(
        &self,
        call: &Call,
        service: &ServiceKey,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        let (service, url) = (service.clone(), url.to_owned());
        self.intent(call, IntentKind::UpdateNode, move |db| {
            node::update(db, &service, &url, &change)
        })
        .await
    }

    async fn remove_node(&self, call: &Call, service: &ServiceKey, url: &str) -> Result<(), WriteError> {
        let (service, url) = (service.clone(), url.to_owned());
        self.intent(call, IntentKind::RemoveNode, move |db| {
            node::remove(db, &service, &url)
        })
        .await
    }

    async fn import_user(
        &self,
        call: &Call,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        let (at, user) = (at.clone(), user.clone());
        self.intent(call, IntentKind::ImportUser, move |db| {
            import::user(db, &at, &user)
        })
        .await
    }

    async fn reserve_uids(
        &self,
        call: &Call,
        service: &ServiceKey,
        through: ServiceUid,
    ) -> Result<(), WriteError> {
        let service = service.clone();
        self.intent(call, IntentKind::ReserveUids, move |db| {
            service::reserve_uids(db, &service, through)
        })
        .await
    }
}

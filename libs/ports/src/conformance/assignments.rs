//! What every store of assignments promises.

mod catalogue;
mod operations;
mod races;
mod records;

use foxhold_core::{
    Timestamp,
    record::{NodeRecord, Service, UserRecord},
};

use super::{
    Case, Subject,
    fixtures::{Maker, node, service, soon},
};
use crate::{
    WriteError,
    assignments::{RecordRef, UserValues},
};

pub(super) fn cases() -> Vec<Case> {
    [catalogue::CASES, records::CASES, operations::CASES, races::CASES].concat()
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const LATER: Timestamp = Timestamp::from_secs(1_800_000_060);

/// What the cases do most; an error here is a failure of the store, not of the case.
impl Subject {
    /// A service with one node of that capacity.
    async fn served(&self, make: &Maker, capacity: u64) -> Service {
        let service = service("sync-1.5");
        self.put_service(make, &service).await;
        self.add_node(make, &service, "https://node-1.example", capacity)
            .await;
        service
    }

    async fn put_service(&self, make: &Maker, service: &Service) {
        let done = self
            .assignment_admin
            .put_service(&make.call(), service.clone())
            .await;
        assert_eq!(done, Ok(()));
    }

    async fn add_node(&self, make: &Maker, service: &Service, url: &str, capacity: u64) {
        let node = node(service, url, capacity);
        assert_eq!(
            self.assignment_admin.create_node(&make.call(), node).await,
            Ok(())
        );
    }

    async fn rename_node(
        &self,
        make: &Maker,
        service: &Service,
        from: &str,
        to: &str,
    ) -> Result<(), WriteError> {
        let call = make.call();
        self.assignment_admin
            .rename_node(&call, &service.key, from, to)
            .await
    }

    async fn assign(&self, make: &Maker, at: &RecordRef, values: &UserValues) -> UserRecord {
        let done = self.try_assign(make, at, values).await;
        done.expect("there is room for the user")
    }

    async fn try_assign(
        &self,
        make: &Maker,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.assignment_writer.assign(&make.call(), at, values, NOW).await
    }

    async fn record(&self, at: &RecordRef) -> Option<UserRecord> {
        let found = self
            .assignment_reader
            .user_record(soon(), &at.service, &at.user)
            .await;
        found.expect("the store reads")
    }

    async fn nodes(&self, service: &Service) -> Vec<NodeRecord> {
        let nodes = self.assignment_reader.nodes(soon(), &service.key).await;
        nodes.expect("the store reads")
    }

    /// Users assigned, over all nodes of a service.
    async fn load(&self, service: &Service) -> u64 {
        self.nodes(service)
            .await
            .iter()
            .map(|node| node.figures.current_load)
            .sum()
    }
}

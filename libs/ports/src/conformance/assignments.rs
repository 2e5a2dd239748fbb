//! What every store of assignments promises.

mod admission;
mod catalogue;
mod imports;
mod log;
mod node_changes;
mod operations;
mod pages;
mod past;
mod pools;
mod races;
mod records;
mod targets;
mod too_many;
mod uids;

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{NodeFigures, NodeRecord, Service, UserRecord},
};

use super::{
    Case, Subject,
    fixtures::{Maker, node, service, soon, user, values},
};
use crate::{
    WriteError,
    assignments::{ImportedUser, NodeChange, RecordPage, RecordRef, Target, UserValues},
};

pub(super) fn cases() -> Vec<Case> {
    [
        catalogue::CASES,
        node_changes::CASES,
        records::CASES,
        past::CASES,
        pools::CASES,
        targets::CASES,
        too_many::CASES,
        uids::CASES,
        imports::CASES,
        pages::CASES,
        admission::CASES,
        operations::CASES,
        races::CASES,
    ]
    .concat()
}

pub(super) fn log_cases() -> Vec<Case> {
    log::CASES.to_vec()
}

pub(super) fn races() -> Vec<Case> {
    races::CASES.to_vec()
}

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const LATER: Timestamp = Timestamp::from_secs(1_800_000_060);

/// A user's records, and how the next decision on them names them.
#[derive(Debug, Clone)]
struct OfUser {
    at: RecordRef,
    record: UserRecord,
}

impl OfUser {
    fn new(at: &RecordRef, record: UserRecord) -> Self {
        let at = RecordRef {
            version: Some(record.version),
            ..at.clone()
        };
        Self { at, record }
    }

    /// What an intent that was decided on these answered.
    fn after(&self, done: Result<UserRecord, WriteError>) -> Self {
        let record = done.expect("the version is current");
        assert!(record.version > self.record.version, "{record:?}");
        Self::new(&self.at, record)
    }

    const fn uid(&self) -> ServiceUid {
        self.record.current.uid
    }

    /// Uids of past records, and whether they hold a slot.
    fn past(&self) -> Vec<(ServiceUid, bool)> {
        let past = self.record.past.iter();
        past.map(|past| (past.uid, past.holds_slot)).collect()
    }
}

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

    async fn update_node(
        &self,
        make: &Maker,
        service: &Service,
        url: &str,
        change: NodeChange,
    ) -> Result<(), WriteError> {
        let call = make.call();
        self.assignment_admin
            .update_node(&call, &service.key, url, change)
            .await
    }

    async fn remove_node(&self, make: &Maker, service: &Service, url: &str) {
        let call = make.call();
        let done = self.assignment_admin.remove_node(&call, &service.key, url).await;
        assert_eq!(done, Ok(()));
    }

    async fn assign(&self, make: &Maker, at: &RecordRef, values: &UserValues) -> UserRecord {
        let done = self.try_assign(make, at, values).await;
        done.expect("there is room for the user")
    }

    async fn assign_to(
        &self,
        make: &Maker,
        at: &RecordRef,
        target: &Target,
    ) -> Result<UserRecord, WriteError> {
        let (call, values) = (make.call(), values(1, 1, b"a"));
        self.assignment_writer
            .assign(&call, at, &values, target, NOW)
            .await
    }

    async fn import(
        &self,
        make: &Maker,
        at: &RecordRef,
        user: &ImportedUser,
    ) -> Result<UserRecord, WriteError> {
        self.assignment_admin.import_user(&make.call(), at, user).await
    }

    async fn try_assign(
        &self,
        make: &Maker,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.assignment_writer
            .assign(&make.call(), at, values, &Target::DEFAULT, NOW)
            .await
    }

    /// A record in place of the one that was read.
    async fn assign_again(&self, make: &Maker, before: &OfUser, values: &UserValues) -> OfUser {
        let done = self
            .assignment_writer
            .assign(&make.call(), &before.at, values, &Target::DEFAULT, LATER)
            .await;
        before.after(done)
    }

    /// The first record of a user.
    async fn user(&self, make: &Maker, service: &Service, number: u64) -> OfUser {
        let at = user(service, number, None);
        let record = self.assign(make, &at, &values(1, 1, b"a")).await;
        OfUser::new(&at, record)
    }

    async fn rekey(&self, make: &Maker, before: &OfUser, values: &UserValues) -> OfUser {
        let done = self
            .assignment_writer
            .rekey(&make.call(), &before.at, values, LATER)
            .await;
        before.after(done)
    }

    async fn retire(&self, make: &Maker, before: &OfUser, now: Timestamp) -> OfUser {
        let done = self.assignment_writer.retire(&make.call(), &before.at, now).await;
        before.after(done)
    }

    async fn unassign(&self, make: &Maker, before: &OfUser, now: Timestamp) -> OfUser {
        let done = self
            .assignment_writer
            .unassign(&make.call(), &before.at, now)
            .await;
        before.after(done)
    }

    async fn forget(&self, make: &Maker, before: &OfUser, uid: ServiceUid) -> OfUser {
        let done = self.assignment_writer.forget(&make.call(), &before.at, uid).await;
        before.after(done)
    }

    /// All users of a service, in pages of a size.
    async fn pages(&self, service: &Service, size: u32) -> Vec<RecordPage> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .assignment_reader
                .records(soon(), &service.key, after.as_ref(), size)
                .await
                .expect("the store reads");
            after.clone_from(&page.next);
            pages.push(page);
            assert!(pages.len() < 10_000, "the pages have no end");
            if after.is_none() {
                return pages;
            }
        }
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

    async fn node_at(&self, service: &Service, url: &str) -> NodeRecord {
        let mut nodes = self.nodes(service).await.into_iter();
        nodes.find(|node| node.url == url).expect("the node is listed")
    }

    /// Users assigned to the node at a URL, and slots released there.
    async fn load_at(&self, service: &Service, url: &str) -> (u64, u64) {
        let NodeFigures {
            current_load,
            available,
            ..
        } = self.node_at(service, url).await.figures;
        (current_load, available)
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

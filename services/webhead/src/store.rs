//! The store a webhead reads from, open: SQLite or Cassandra, the rest of the process does not know which.

use std::sync::Arc;

use foxhold_core::RegionMark;
use foxhold_ports::{
    AccountReader, AssignmentReader, ClientRegistry, CommandReader, GrantReader, InvitationReader,
    OutboxReader,
};
use foxhold_runtime::store::Store;
use foxhold_store_open::Reader;

/// What is read through.
pub(crate) struct Readers {
    /// Accounts.
    pub(crate) accounts: Arc<dyn AccountReader>,
    /// What waits for devices.
    pub(crate) commands: Arc<dyn CommandReader>,
    /// Invitations.
    pub(crate) invitations: Arc<dyn InvitationReader>,
    /// Services, nodes, users' records.
    pub(crate) assignments: Arc<dyn AssignmentReader>,
    /// Mail that waits.
    pub(crate) outbox: Arc<dyn OutboxReader>,
    /// Registered clients.
    pub(crate) registry: Arc<dyn ClientRegistry>,
    /// What users have agreed to.
    pub(crate) grants: Arc<dyn GrantReader>,
    /// The mark that tokens issued here bear, where there are several regions.
    pub(crate) region: Option<RegionMark>,
}

/// Opens the store; waits a while for one that is not there yet.
pub(crate) async fn open(settings: Store) -> anyhow::Result<Readers> {
    Ok(match foxhold_store_open::reader(settings).await? {
        Reader::Sqlite(reader) => Readers::of(reader, None),
        Reader::Cassandra(reader) => {
            let region = reader.regions().mark();
            Readers::of(reader, region)
        }
    })
}

impl Readers {
    fn of<R>(reader: Arc<R>, region: Option<RegionMark>) -> Self
    where
        R: AccountReader
            + AssignmentReader
            + ClientRegistry
            + CommandReader
            + GrantReader
            + InvitationReader
            + OutboxReader
            + 'static,
    {
        Self {
            registry: Arc::clone(&reader) as _,
            grants: Arc::clone(&reader) as _,
            accounts: Arc::clone(&reader) as _,
            outbox: Arc::clone(&reader) as _,
            commands: Arc::clone(&reader) as _,
            invitations: Arc::clone(&reader) as _,
            assignments: reader,
            region,
        }
    }
}

//! The store that is read, open: SQLite or Cassandra, the rest of the process does not know which. Writing is the dbwriters'.

use std::sync::Arc;

use foxhold_core::RegionMark;
use foxhold_ports::{AccountDirectory, AccountReader, AssignmentReader, ClientRegistry, InvitationReader};
use foxhold_runtime::store::Store;
use foxhold_store_open::Reader;

/// What is read through.
pub(crate) struct Readers {
    /// Services, nodes, users' records.
    pub(crate) assignments: Arc<dyn AssignmentReader>,
    /// Accounts.
    pub(crate) accounts: Arc<dyn AccountReader>,
    /// All accounts.
    pub(crate) directory: Arc<dyn AccountDirectory>,
    /// The mark that tokens issued here bear, where there are several regions.
    pub(crate) region: Option<RegionMark>,
    /// Registered clients.
    pub(crate) registry: Arc<dyn ClientRegistry>,
    /// Invitations.
    pub(crate) invitations: Arc<dyn InvitationReader>,
}

impl Readers {
    fn of<R>(reader: Arc<R>, region: Option<RegionMark>) -> Self
    where
        R: AccountReader + AccountDirectory + AssignmentReader + ClientRegistry + InvitationReader + 'static,
    {
        Self {
            accounts: Arc::clone(&reader) as _,
            directory: Arc::clone(&reader) as _,
            assignments: Arc::clone(&reader) as _,
            registry: Arc::clone(&reader) as _,
            invitations: reader,
            region,
        }
    }
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

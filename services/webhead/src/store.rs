//! The store a webhead reads from, open: SQLite or Cassandra, the rest of the process does not know which.

use std::sync::Arc;

use anyhow::Context as _;
use foxhold_core::RegionMark;
use foxhold_ports::{
    AccountReader, AssignmentReader, ClientRegistry, CommandReader, GrantReader, InvitationReader,
    OutboxReader,
};
use foxhold_runtime::store::{self, Cluster, Store};
use foxhold_store_cassandra::{CassandraReader, ConnectError, ConnectSettings, TlsConfig, migrate};
use foxhold_store_sqlite::SqliteReader;

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

/// Opens the store; waits a while for one that is not there yet: the file is the dbwriters' to make, and a cluster may be
/// starting. What waiting does not mend is told at once.
pub(crate) async fn open(settings: Store) -> anyhow::Result<Readers> {
    match settings {
        Store::Sqlite { path, connections } => {
            let open = || {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteReader::open(path, connections));
                async {
                    opened
                        .await
                        .context("opening the store")?
                        .map_err(anyhow::Error::from)
                }
            };
            let reader = store::opened(open, |_| false).await;
            let reader = reader.with_context(|| format!("`store.path`: reading {}", path.display()))?;
            store::tell_schema(foxhold_store_sqlite::latest());
            Ok(Readers::of(Arc::new(reader), None))
        }
        Store::Cassandra(cluster) => {
            let settings = connect_settings(cluster);
            let reader = store::opened(|| CassandraReader::connect(&settings), ConnectError::is_lasting)
                .await
                .context("`store`")?;
            store::tell_schema(migrate::latest());
            let region = reader.regions().mark();
            Ok(Readers::of(Arc::new(reader), region))
        }
    }
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

fn connect_settings(cluster: Cluster) -> ConnectSettings {
    ConnectSettings {
        contact_points: cluster.contact_points,
        keyspace: cluster.keyspace,
        region: cluster.region,
        login: cluster.login,
        tls: cluster.tls.map(|tls| TlsConfig::from(tls.into_config())),
        local_address: cluster.local_address,
        node_table_age: cluster.node_table_age,
    }
}

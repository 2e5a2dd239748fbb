//! Opening the store that a process was configured with: where the `[store]` table meets the stores there are.
//!
//! Must stay true: a store that is not there yet is waited for a while. What waiting does not mend is told at once.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use foxhold_runtime::store::{self, Cluster, Store};
use foxhold_store_cassandra::{CassandraReader, ConnectError, ConnectSettings, TlsConfig, migrate};
use foxhold_store_sqlite::SqliteReader;

/// A store that is read, open. Writing is the dbwriters'.
pub enum Reader {
    /// One file.
    Sqlite(Arc<SqliteReader>),
    /// A cluster.
    Cassandra(Arc<CassandraReader>),
}

/// Opens a store for reading; waits a while for one that is not there yet: the file is the dbwriters' to make, and a cluster
/// may be starting.
///
/// # Errors
/// It cannot be read, in words for an operator.
pub async fn reader(settings: Store) -> anyhow::Result<Reader> {
    match settings {
        Store::Sqlite { path, connections } => {
            let opened = store::opened(|| file(path.clone(), connections), |_| false).await;
            let reader = opened.with_context(|| format!("`store.path`: reading {}", path.display()))?;
            store::tell_schema(foxhold_store_sqlite::latest());
            Ok(Reader::Sqlite(Arc::new(reader)))
        }
        Store::Cassandra(cluster) => {
            let settings = connect_settings(cluster);
            let connect = || CassandraReader::connect(&settings);
            let opened = store::opened(connect, ConnectError::is_lasting).await;
            let reader = opened.context("`store`")?;
            store::tell_schema(migrate::latest());
            Ok(Reader::Cassandra(Arc::new(reader)))
        }
    }
}

async fn file(path: PathBuf, connections: usize) -> anyhow::Result<SqliteReader> {
    let opened = tokio::task::spawn_blocking(move || SqliteReader::open(path, connections)).await;
    Ok(opened.context("opening the store")??)
}

/// A configured cluster as its driver takes it.
#[must_use]
pub fn connect_settings(cluster: Cluster) -> ConnectSettings {
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

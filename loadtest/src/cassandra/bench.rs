//! A cluster, a keyspace with a service and a node in it, and a store that is connected.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::{CassandraStore, ConnectSettings, migrate::apply};
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options, PASSWORD, USER},
    fleet::Cassandra,
    work_folder::WorkFolder,
};
use scylla::client::{session::Session, session_builder::SessionBuilder};

use crate::exchange::world;

/// All that is measured with.
pub(super) struct Bench {
    pub(super) store: Arc<CassandraStore>,
    /// The driver alone, in the keyspace.
    pub(super) driver: Arc<Session>,
    _cluster: Cluster,
    _work: WorkFolder,
}

impl Bench {
    pub(super) async fn start(nodes_core: Option<usize>) -> Result<Self> {
        let work = WorkFolder::of("loadtest-cassandra")?;
        let options = Options {
            optimised: true,
            core: nodes_core,
            ..Options::default()
        };
        let cluster = Cluster::start(work.path(), Layout::three(), options).await?;
        let keyspace = Cassandra::on(&cluster);
        let settings = ConnectSettings {
            node_table_age: Duration::from_secs(1),
            ..keyspace.as_superuser(0)
        };
        apply(&settings, &keyspace.plan(), &SystemRandom).await?;
        let store = CassandraStore::connect(&settings, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
        world::fill(&store).await?;
        let driver = SessionBuilder::new()
            .known_nodes(&settings.contact_points)
            .user(USER, PASSWORD)
            .prefer_datacenter(keyspace.regions[0].data_centre.clone())
            .use_keyspace(&keyspace.keyspace, true)
            .build()
            .await?;
        Ok(Self {
            store: Arc::new(store),
            driver: Arc::new(driver),
            _cluster: cluster,
            _work: work,
        })
    }
}

/// The text of a statement, as the store puts it.
pub(super) fn statement(name: &str) -> Result<&'static str> {
    let found = foxhold_store_cassandra::exchange_statements().find(|(known, _)| *known == name);
    found
        .map(|(_, cql)| cql)
        .with_context(|| format!("the store has no statement called {name}"))
}

//! A keyspace over all regions of a cluster, and stores in them.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use foxhold_core::SecretText;
use foxhold_runtime::{SystemClock, SystemRandom};
use foxhold_store_cassandra::{
    CassandraStore, ConnectSettings, SerialLevel,
    audit::{self, Options},
    migrate::{self, Plan, RegionPlan},
};

use crate::{
    cassandra::{Cluster, PASSWORD, USER, cql::Connection, fresh_keyspace_name},
    wait::{patiently, pause},
};

/// What the regions are called, in the order of the data centres.
const NAMES: [&str; 9] = ["eu", "us", "ap", "sa", "af", "oc", "me", "in", "ca"];

/// Whom tiers and operators log in as. Not the superuser that every cluster starts with: nodes look that one up at a
/// quorum of all regions, and let nobody in by that name while one is away (Cassandra's `CassandraRoleManager`).
const ROLE: &str = "foxhold_test";

/// A keyspace of its own. It knows the cluster's addresses only, so that nodes can be taken away meanwhile.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// What was made.
    pub plan: Plan,
    sides: Vec<Side>,
}

#[derive(Debug, Clone)]
struct Side {
    nodes: Vec<SocketAddr>,
    clients: IpAddr,
}

/// A store of one region; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<CassandraStore>);

impl Deref for Store {
    type Target = CassandraStore;

    fn deref(&self) -> &CassandraStore {
        &self.0
    }
}

impl Store {
    /// The store, to be shared.
    #[must_use]
    pub fn shared(&self) -> &Arc<CassandraStore> {
        &self.0
    }
}

impl Deployment {
    /// Makes a fresh keyspace: a region for every data centre, a copy of every row on every node, decisions at SERIAL.
    ///
    /// # Errors
    /// When the schema cannot be made.
    pub async fn make(cluster: &Cluster) -> Result<Self> {
        let centres = cluster.data_centres();
        let sides: Vec<Side> = (1..=centres.len())
            .map(|number| Side {
                nodes: cluster.contact_points_of(number),
                clients: cluster.client_address(number),
            })
            .collect();
        let region = |((name, data_centre), side): ((&str, String), &Side)| RegionPlan {
            name: name.to_owned(),
            data_centre,
            replication: u32::try_from(side.nodes.len()).expect("a layout has few nodes"),
        };
        let deployment = Self {
            plan: Plan {
                keyspace: fresh_keyspace_name(),
                regions: NAMES.into_iter().zip(centres).zip(&sides).map(region).collect(),
                serial: SerialLevel::Serial,
                stripes: 4,
            },
            sides,
        };
        deployment.make_role().await?;
        let made = migrate::apply(&deployment.settings(1), &deployment.plan, &SystemRandom).await;
        made.context("making the schema")?;
        Ok(deployment)
    }

    /// The name of a region (from 1).
    #[must_use]
    pub fn region(&self, number: usize) -> &str {
        &self.plan.regions[number - 1].name
    }

    /// How a tier of a region (from 1) connects: from an address of its data centre, to the nodes there.
    #[must_use]
    pub fn settings(&self, region: usize) -> ConnectSettings {
        let side = &self.sides[region - 1];
        ConnectSettings {
            contact_points: side.nodes.iter().map(ToString::to_string).collect(),
            keyspace: self.plan.keyspace.clone(),
            region: self.region(region).to_owned(),
            login: Some((ROLE.to_owned(), SecretText::new(PASSWORD.to_owned()))),
            tls: None,
            local_address: Some(side.clients),
            node_table_age: Duration::from_secs(1),
        }
    }

    /// A store of a region (from 1).
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn store(&self, region: usize) -> Result<Store> {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let store = CassandraStore::connect(&self.settings(region), clock, random).await;
        let store = store.with_context(|| format!("connecting in region {region}"))?;
        Ok(Store(Arc::new(store)))
    }

    /// A store in every region, in order.
    ///
    /// # Errors
    /// When one cannot connect.
    pub async fn stores(&self) -> Result<Vec<Store>> {
        let mut stores = Vec::with_capacity(self.sides.len());
        for region in 1..=self.sides.len() {
            stores.push(self.store(region).await?);
        }
        Ok(stores)
    }

    /// Goes through all tables while nobody writes; an error that names what does not fit together. How many rows there
    /// were.
    ///
    /// # Errors
    /// When anything is found, or the audit cannot be ended.
    pub async fn audit(&self, store: &Store) -> Result<u64> {
        let options = Options {
            settled: true,
            ..Options::default()
        };
        let report = audit::run(store, options, &mut |_| ())
            .await
            .context("the audit")?;
        let findings: Vec<_> = report.findings().collect();
        ensure!(
            report.contradictions_left() == 0 && report.unsettled() == 0,
            "the audit found {findings:?}, and {} unsettled",
            report.unsettled()
        );
        Ok(report.rows())
    }

    /// Carries out a statement by hand at QUORUM, in region 1. `{}` stands for the keyspace.
    ///
    /// # Errors
    /// What the node says against it.
    pub async fn execute(&self, statement: &str) -> Result<()> {
        self.by_hand()
            .await?
            .execute_at_quorum(&self.within(statement))
            .await
    }

    /// The number a statement yields, asked for by hand at QUORUM, in region 1. `{}` stands for the keyspace.
    ///
    /// # Errors
    /// What the node says against it.
    pub async fn number(&self, statement: &str) -> Result<i64> {
        self.by_hand().await?.number(&self.within(statement)).await
    }

    fn within(&self, statement: &str) -> String {
        statement.replace("{}", &self.plan.keyspace)
    }

    /// On every node, which learn of it one after the other.
    async fn make_role(&self) -> Result<()> {
        let text = format!(
            "CREATE ROLE IF NOT EXISTS {ROLE} WITH PASSWORD = '{PASSWORD}' AND LOGIN = true AND SUPERUSER = true"
        );
        let mut superuser = login(self.sides[0].nodes[0], USER).await?;
        superuser.execute(&text).await.context("making a role")?;
        for node in self.sides.iter().flat_map(|side| &side.nodes) {
            login(*node, ROLE).await?;
        }
        Ok(())
    }

    async fn by_hand(&self) -> Result<Connection> {
        login(self.sides[0].nodes[0], ROLE).await
    }
}

/// Logs in, as soon as the node knows the role.
async fn login(node: SocketAddr, user: &str) -> Result<Connection> {
    let asking = async {
        loop {
            match Connection::login(node, user, PASSWORD).await {
                Ok(connection) => return connection,
                Err(_) => pause().await,
            }
        }
    };
    patiently("a login", asking).await
}

/// Waits until no node keeps a write for another any more: what was missed in a cut or a stop has arrived.
///
/// # Errors
/// When that takes too long.
pub async fn wait_for_hints(cluster: &Cluster, nodes: impl IntoIterator<Item = usize>) -> Result<()> {
    for node in nodes {
        let what = format!("node {node} to have nothing left for others");
        let asking = async {
            loop {
                let told = cluster.nodetool(node, &["listpendinghints"]).await?;
                if told.contains("does not have any pending hints") {
                    return anyhow::Ok(());
                }
                pause().await;
            }
        };
        patiently(&what, asking).await??;
    }
    Ok(())
}

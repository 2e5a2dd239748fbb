//! What a fleet consists of, and where it keeps what it knows.

use std::net::{IpAddr, SocketAddr};

use foxhold_core::SecretText;
use foxhold_store_cassandra::{
    ConnectSettings, SerialLevel,
    migrate::{Plan, RegionPlan},
};

use crate::cassandra::{Cluster, PASSWORD, SharedCluster, USER, fresh_keyspace_name};

/// A tier's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// `foxhold-webhead`
    Webhead,
    /// `foxhold-keysigner`
    Keysigner,
    /// `foxhold-dbwriter`
    Dbwriter,
    /// `foxhold-sync-node`
    SyncNode,
    /// `foxhold-ops`: runs once [`Fleet::administrate`](super::Fleet::administrate) was asked for.
    Ops,
}

impl Tier {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Webhead => "webhead",
            Self::Keysigner => "keysigner",
            Self::Dbwriter => "dbwriter",
            Self::SyncNode => "sync-node",
            Self::Ops => "ops",
        }
    }
}

/// How many of each in every region, over which store.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Webheads.
    pub webheads: usize,
    /// Keysigners.
    pub keysigners: usize,
    /// Dbwriters.
    pub dbwriters: usize,
    /// What they share.
    pub store: Store,
}

impl Shape {
    pub(super) const fn regions(&self) -> usize {
        match &self.store {
            Store::Sqlite => 1,
            Store::Cassandra(cassandra) => cassandra.regions.len(),
        }
    }

    pub(super) fn region_names(&self) -> Vec<&str> {
        match &self.store {
            Store::Sqlite => vec!["one"],
            Store::Cassandra(cassandra) => {
                let names = cassandra.regions.iter().map(|region| region.name.as_str());
                names.collect()
            }
        }
    }
}

/// What the tiers share.
#[derive(Debug, Clone)]
pub enum Store {
    /// One file, one region.
    Sqlite,
    /// A cluster, in a keyspace of the fleet's own.
    Cassandra(Cassandra),
}

/// A keyspace of a cluster. The fleet makes its tables, and roles by which webheads may only read.
#[derive(Debug, Clone)]
pub struct Cassandra {
    /// Its name; the names of the roles begin with it.
    pub keyspace: String,
    /// One or several.
    pub regions: Vec<Region>,
}

/// A data centre with its own tiers.
#[derive(Debug, Clone)]
pub struct Region {
    /// What operators call it.
    pub name: String,
    /// The data centre.
    pub data_centre: String,
    /// Copies of every row in it.
    pub replication: u32,
    /// Its nodes, or the proxies before them.
    pub contact_points: Vec<SocketAddr>,
    /// Where its tiers connect from, so that they are cut off with it; anywhere when absent.
    pub local_address: Option<IpAddr>,
}

impl Cassandra {
    /// A fresh keyspace on a cluster of this test: a region for each data centre, with up to three copies.
    #[must_use]
    pub fn on(cluster: &Cluster) -> Self {
        let numbered = cluster.data_centres().into_iter().zip(1..);
        let regions = numbered.map(|(data_centre, number)| {
            let contact_points = cluster.contact_points_of(number);
            Region {
                name: format!("region{number}"),
                data_centre,
                replication: copies(&contact_points),
                contact_points,
                local_address: Some(cluster.client_address(number)),
            }
        });
        Self {
            keyspace: fresh_keyspace_name(),
            regions: regions.collect(),
        }
    }

    /// A fresh keyspace on the cluster of the whole run, whose nodes must not be made to fail.
    #[must_use]
    pub fn on_shared(cluster: &SharedCluster) -> Self {
        Self {
            keyspace: fresh_keyspace_name(),
            regions: vec![Region {
                name: "region1".to_owned(),
                data_centre: cluster.data_centre.clone(),
                replication: copies(&cluster.contact_points),
                contact_points: cluster.contact_points.clone(),
                local_address: None,
            }],
        }
    }

    /// How a test reaches the keyspace as the superuser, from the region of this index.
    ///
    /// # Panics
    /// When there is no such region.
    #[must_use]
    pub fn as_superuser(&self, region: usize) -> ConnectSettings {
        let region = &self.regions[region];
        ConnectSettings {
            contact_points: region.contact_points.iter().map(ToString::to_string).collect(),
            keyspace: self.keyspace.clone(),
            region: region.name.clone(),
            login: Some((USER.to_owned(), SecretText::new(PASSWORD.to_owned()))),
            tls: None,
            local_address: region.local_address,
            node_table_age: std::time::Duration::ZERO,
        }
    }

    /// What the keyspace is made by.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let region = |region: &Region| RegionPlan {
            name: region.name.clone(),
            data_centre: region.data_centre.clone(),
            replication: region.replication,
        };
        Plan {
            keyspace: self.keyspace.clone(),
            regions: self.regions.iter().map(region).collect(),
            serial: SerialLevel::Serial,
            stripes: 4,
        }
    }

    /// The role of a tier.
    pub(super) fn role(&self, tier: Tier) -> String {
        format!("{}_{}", self.keyspace, tier.name())
    }
}

fn copies(nodes: &[SocketAddr]) -> u32 {
    u32::try_from(nodes.len().min(3)).unwrap_or(3)
}

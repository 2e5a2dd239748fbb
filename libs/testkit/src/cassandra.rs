//! Real Cassandra clusters for tests: [`Cluster`] starts nodes on loopback addresses nobody else has, makes them fail,
//! and ends them with the test, whatever way it ends. [`shared`] is the one cluster of a whole test run. Configured as
//! production would be (authentication on, `paxos_variant: v2`) except where that costs start-up time and no test
//! can tell the difference.

mod address;
mod cluster;
pub mod cql;
mod false_clock;
mod install;
mod layout;
mod node;
mod partition;
mod proxies;
mod settings;
mod shared;
mod view;

pub use cluster::Cluster;
pub use layout::Layout;
pub use partition::Partition;
pub use settings::{ClientTls, Options};
pub use shared::{CONTACT_POINTS_VARIABLE, SharedCluster, fresh_keyspace_name, shared};

/// The superuser that every cluster starts with.
pub const USER: &str = "cassandra";

/// Its password.
pub const PASSWORD: &str = "cassandra";

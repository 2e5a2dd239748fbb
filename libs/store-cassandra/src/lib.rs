//! The store of a fleet: accounts and assignments in Cassandra, over one or several regions (`security.md` D).
//!
//! [`CassandraReader`] reads (webhead: a role that may only SELECT), [`CassandraStore`] writes (dbwriter), `migrate` makes
//! the tables, `audit` looks for contradictions. Must stay true: a table is either written by conditions only or never
//! by them; a partition has one serial level; an intent answers *done* only after a quorum of the region has it; nothing
//! is absent because somebody could not be asked.

mod accounts;
mod assignments;
pub mod audit;
#[cfg(test)]
mod catalogue;
mod cql;
mod jobs;
pub mod migrate;
mod openid;
mod outbox;
mod placement;
mod probe;
mod regions;
mod settings;
mod stores;
mod uids;

pub use cql::{ConnectError, Requests};
#[doc(hidden)]
pub use placement::LeaseTimes;
pub use probe::{ClockSkew, Probe};
pub use regions::{Region, RegionState, Regions};
pub use settings::{ConnectSettings, SerialLevel, TlsConfig};
pub use stores::{CassandraReader, CassandraStore};

/// Name and text of what an exchange and an assignment put: a benchmark puts the same by the driver alone.
#[doc(hidden)]
pub fn exchange_statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    let sets = [
        assignments::table::AssignmentReads::CATALOGUE,
        assignments::table::AssignmentWrites::CATALOGUE,
        placement::table::PlacementWrites::CATALOGUE,
    ];
    sets.into_iter().flatten().map(|entry| (entry.name, entry.cql))
}

/// Ends the process if a test armed this point. The name is `<intent>.<step done>`.
#[cfg(feature = "fail-points")]
pub(crate) fn fail_point(name: &'static str) {
    fail_points::reach(name);
}

#[cfg(not(feature = "fail-points"))]
pub(crate) const fn fail_point(_: &'static str) {}

#[cfg(feature = "fail-points")]
pub mod fail_points;

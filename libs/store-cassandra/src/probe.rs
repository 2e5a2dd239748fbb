//! What a process asks the cluster now and then about itself: whether it answers, and whether the own clock agrees with
//! its nodes' (`security.md` D.5). Webhead and dbwriter turn the answers into health.

mod skew;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use foxhold_core::{Clock, Deadline, Timestamp};
use foxhold_ports::ReadError;
use futures_util::future::join_all;
use scylla::{
    cluster::Node,
    policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy},
    statement::Consistency,
    value::CqlTimestamp,
};

pub use skew::ClockSkew;
use skew::Reading;

use crate::{
    CassandraReader, CassandraStore, ConnectError,
    cql::{Cql, statements},
};

/// Nodes whose clocks are asked.
const CLOCKS: usize = 5;

statements! {
    /// What a probe asks.
    ProbeStatements {
        /// A row that is always there; a quorum must answer.
        alive: Read = "SELECT id FROM deployment WHERE id = 1";
        /// A node's own clock.
        clock: Read = "SELECT toTimestamp(now()) FROM system.local";
    }
}

/// Asks the cluster on behalf of one process.
pub struct Probe {
    cql: Arc<Cql>,
    statements: ProbeStatements,
}

impl CassandraReader {
    /// A probe over the same connection.
    ///
    /// # Errors
    /// [`ConnectError::Statement`]
    pub async fn probe(&self) -> Result<Probe, ConnectError> {
        Ok(Probe {
            statements: ProbeStatements::prepare(&self.cql).await?,
            cql: Arc::clone(&self.cql),
        })
    }
}

impl CassandraStore {
    /// A probe over the same connection.
    ///
    /// # Errors
    /// [`ConnectError::Statement`]
    pub async fn probe(&self) -> Result<Probe, ConnectError> {
        self.reader.probe().await
    }
}

impl Probe {
    /// Whether a quorum of the region answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn answers(&self, by: Deadline) -> Result<(), ReadError> {
        self.cql
            .rows::<(i32,)>(by, &self.statements.alive, ())
            .await
            .map(drop)
    }

    /// How far `clock` is off the clocks of several nodes, those of the own region first; `None` if none of them answers.
    pub async fn clock_skew(&self, by: Deadline, clock: &dyn Clock) -> Option<ClockSkew> {
        let readings = self
            .nodes()
            .into_iter()
            .map(|node| self.read_clock(node, by, clock));
        let readings: Vec<Reading> = join_all(readings).await.into_iter().flatten().collect();
        ClockSkew::of(&readings)
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        let own = self.cql.regions().own().data_centre.clone();
        let state = self.cql.session().get_cluster_state();
        let mut nodes: Vec<_> = state.get_nodes_info().iter().map(Arc::clone).collect();
        nodes.retain(|node| node.is_connected());
        nodes.sort_by_key(|node| node.datacenter.as_deref() != Some(own.as_str()));
        nodes.truncate(CLOCKS);
        nodes
    }

    async fn read_clock(&self, node: Arc<Node>, by: Deadline, clock: &dyn Clock) -> Option<Reading> {
        let mut statement = self.statements.clock.prepared().clone();
        let target = SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(node), None);
        statement.set_load_balancing_policy(Some(target));
        // The node itself, and nobody else.
        statement.set_consistency(Consistency::One);
        let (own, began) = (clock.now(), Instant::now());
        let asked = self.cql.session().execute_unpaged(&statement, ());
        let answer = tokio::time::timeout_at(by.instant().into(), asked).await;
        let round_trip = began.elapsed();
        let rows = answer.ok()?.ok()?.into_rows_result().ok()?;
        let (CqlTimestamp(millis),) = rows.first_row().ok()?;
        Some(Reading {
            own: own.plus(half(round_trip)),
            node: Timestamp::from_millis(u64::try_from(millis).ok()?),
            doubt: half(round_trip),
        })
    }
}

fn half(span: Duration) -> Duration {
    span / 2
}

//! Which node has which URL: remembered for a moment, so that a returning user costs one read and not two.
//!
//! Must stay true: nothing older than the age the deployment allows is answered from; that there is no such node is said
//! only after a look, which then holds for as long.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use foxhold_core::{Deadline, NodeId, record::ServiceKey};
use foxhold_ports::{ReadError, assignments::change::Place};
use scylla::DeserializeRow;

use crate::{
    cql::{Cql, Level, as_upkeep, fault},
    placement::table::{Damaged, NO_URL, PlacementReads, node_id},
};

/// Services remembered at a time.
const TABLES_MAX: usize = 1024;

/// Numbers that are no node's, remembered of a service at a time: damaged records name them, so there are few.
const ABSENT_MAX: usize = 1024;

/// Reading one ahead takes no longer.
const AHEAD_MAX: Duration = Duration::from_secs(2);

/// Nodes by number; `None` = it was removed, for good.
pub(super) type Nodes = Arc<HashMap<NodeId, Option<Place>>>;

/// The nodes of all services that are asked for.
#[derive(Debug, Default)]
pub(crate) struct NodeTables {
    tables: Mutex<HashMap<ServiceKey, Table>>,
}

#[derive(Debug)]
struct Table {
    nodes: Nodes,
    /// Numbers of no node, then: what was looked for, and not found by a look that says so for sure.
    absent: HashSet<NodeId>,
    /// No later than they were so.
    at: Instant,
    is_read_ahead: bool,
}

#[derive(DeserializeRow)]
struct Row {
    id: Vec<u8>,
    url: Option<String>,
    node_type: Option<String>,
}

impl NodeTables {
    /// What is remembered, if it is young enough; `ahead` = it is time for the caller to read it again beside its work.
    fn remembered(&self, service: &ServiceKey, age_max: Duration) -> Option<(Nodes, bool)> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.get_mut(service)?;
        let age = table.at.elapsed();
        if age >= age_max {
            return None;
        }
        let ahead = age >= age_max / 2 && !table.is_read_ahead;
        table.is_read_ahead |= ahead;
        Some((Arc::clone(&table.nodes), ahead))
    }

    fn remember(&self, service: &ServiceKey, nodes: &Nodes, at: Instant) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.len() >= TABLES_MAX && !tables.contains_key(service) {
            tables.clear();
        }
        let newer = tables.get(service).is_none_or(|table| table.at <= at);
        if newer {
            let table = Table {
                nodes: Arc::clone(nodes),
                absent: HashSet::new(),
                at,
                is_read_ahead: false,
            };
            tables.insert(service.clone(), table);
        }
    }

    /// Whether all of these are known to be no node's.
    fn are_absent(&self, service: &ServiceKey, age_max: Duration, numbers: &[NodeId]) -> bool {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.get(service).filter(|table| table.at.elapsed() < age_max);
        table.is_some_and(|table| numbers.iter().all(|number| table.absent.contains(number)))
    }

    /// Remembers what these nodes, read for sure, do not have.
    fn remember_absent(&self, service: &ServiceKey, nodes: &Nodes, numbers: &[NodeId]) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        // Only beside the very table that was looked at: a younger one may have more.
        let table = tables
            .get_mut(service)
            .filter(|table| Arc::ptr_eq(&table.nodes, nodes));
        if let Some(table) = table.filter(|table| table.absent.len() < ABSENT_MAX) {
            let absent = numbers.iter().filter(|number| !nodes.contains_key(number));
            table.absent.extend(absent);
        }
    }

    /// Whoever reads ahead has not succeeded: the next one may.
    fn give_up(&self, service: &ServiceKey) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get_mut(service) {
            table.is_read_ahead = false;
        }
    }

    /// Forgets a service's nodes: they were changed by this process.
    pub(crate) fn forget(&self, service: &ServiceKey) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.remove(service);
    }
}

/// What it takes to read node tables.
#[derive(Clone)]
pub(crate) struct NodeLookup {
    pub(crate) cql: Arc<Cql>,
    pub(crate) reads: PlacementReads,
    pub(crate) tables: Arc<NodeTables>,
}

impl NodeLookup {
    /// The nodes, from memory or from the cluster; and whether they were read just now.
    pub(super) async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<(Nodes, bool), ReadError> {
        let Some((nodes, ahead)) = self.tables.remembered(service, self.cql.node_table_age()) else {
            return Ok((self.read(by, service).await?, true));
        };
        if ahead {
            let (lookup, service) = (self.clone(), service.clone());
            tokio::spawn(as_upkeep(async move {
                if lookup.read(Deadline::after(AHEAD_MAX), &service).await.is_err() {
                    lookup.tables.give_up(&service);
                }
            }));
        }
        Ok((nodes, false))
    }

    /// The nodes, read again if one of these is neither there nor known to be removed. Where there are several regions a
    /// user's record may come here before the node does that it names, and a user whose node is gone is moved: so that is
    /// said only after a serial read.
    pub(super) async fn knowing(
        &self,
        by: Deadline,
        service: &ServiceKey,
        wanted: impl Iterator<Item = NodeId>,
        (nodes, is_fresh): (Nodes, bool),
    ) -> Result<Nodes, ReadError> {
        let missing: Vec<_> = wanted.filter(|node| !nodes.contains_key(node)).collect();
        let age_max = self.cql.node_table_age();
        if missing.is_empty() || self.tables.are_absent(service, age_max, &missing) {
            return Ok(nodes);
        }
        let nodes = if self.cql.regions().all().len() > 1 {
            self.read_serially(by, service).await?
        } else if is_fresh {
            nodes
        } else {
            self.read(by, service).await?
        };
        self.tables.remember_absent(service, &nodes, &missing);
        Ok(nodes)
    }

    async fn read(&self, by: Deadline, service: &ServiceKey) -> Result<Nodes, ReadError> {
        let at = Instant::now();
        let rows = self.cql.rows(by, &self.reads.addresses, (&service.0,)).await?;
        self.remember(service, rows, at)
    }

    async fn read_serially(&self, by: Deadline, service: &ServiceKey) -> Result<Nodes, ReadError> {
        let at = Instant::now();
        let (statement, values) = (&self.reads.addresses, (&service.0,));
        let rows = self.cql.serial_rows(Level::Deployment, by, statement, values);
        self.remember(service, rows.await?, at)
    }

    fn remember(&self, service: &ServiceKey, rows: Vec<Row>, at: Instant) -> Result<Nodes, ReadError> {
        let mut nodes = HashMap::with_capacity(rows.len());
        for row in rows {
            let (Some(id), Some(node)) = (node_id(&row.id), row.url) else {
                return Err(fault(&Damaged));
            };
            let place = (node != NO_URL).then_some(Place {
                node,
                node_type: row.node_type,
            });
            nodes.insert(id, place);
        }
        let nodes = Arc::new(nodes);
        if !nodes.is_empty() {
            self.tables.remember(service, &nodes, at);
        }
        Ok(nodes)
    }
}

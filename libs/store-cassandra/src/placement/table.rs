//! The partition of a service as rows: read whole, written as what differs, in one conditional batch.
//!
//! Must stay true: no row is ever deleted (`rows`); where a lease or a writer was, zeros stand, and where a node was, no URL.

mod changes;
#[cfg(test)]
mod tests;

use foxhold_core::{
    Deadline, NodeId, OpId,
    record::{NodeFigures, PoolName, Service, ServiceKey},
};
use foxhold_ports::{ReadError, assignments::encoding::policy};
use scylla::{DeserializeRow, value::CqlTimestamp};

pub(crate) use changes::{next_version, write};

use super::{
    returns::Returns,
    rows::RowNumber,
    state::{Lease, LeaseId, Node, Placement, Recall, Writer, WriterId},
};
use crate::{
    Region,
    cql::{Cql, Level, fault, statements},
};

/// Before all others: see `services`.
const POLICY: i8 = -1;
const NODE: i8 = 0;
const LEASE: i8 = 1;
const WRITER: i8 = 2;
const OPERATION: i8 = 3;
const RECALL: i8 = 4;
const RETURNS: i8 = 5;

statements! {
    /// Reads of placements.
    PlacementReads {
        whole: Read = "SELECT kind, id, pattern, scope, token_lifetime_secs, uid_ceiling, uids_from, version, policy,
            url, node_type, pool, capacity, available, current_load, returned, downed, backoff, unhealthy, lease, writer,
            node, size, spent, freed, region, renewed_at, returns FROM placement WHERE service = ?";
        services: Read = "SELECT service, pattern, scope, token_lifetime_secs, uid_ceiling, policy FROM placement
            PER PARTITION LIMIT 1";
        names: Read = "SELECT DISTINCT service FROM placement";
        addresses: Read = "SELECT id, url, node_type FROM placement WHERE service = ? AND kind = 0";
        slots: Read = "SELECT number, op, user FROM lease_slots WHERE lease = ?";
        mark: Read = "SELECT kind FROM assignments WHERE service = ? AND user = ? AND op = ?";
    }
}

statements! {
    /// Writes of placements.
    PlacementWrites {
        version: Conditional = "UPDATE placement SET version = ? WHERE service = ? IF version = ?";
        settings: Member = "UPDATE placement SET pattern = ?, scope = ?, token_lifetime_secs = ?, uid_ceiling = ?
            WHERE service = ?";
        uids: Member = "UPDATE placement SET uids_from = ? WHERE service = ?";
        policy: Member = "INSERT INTO placement (service, kind, id, policy) VALUES (?, -1, ?, ?)";
        node: Member = "INSERT INTO placement (service, kind, id, url, node_type, pool, capacity, available,
            current_load, returned, downed, backoff, unhealthy) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        lease: Member = "INSERT INTO placement (service, kind, id, lease, writer, node, size, spent, freed)
            VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)";
        writer: Member = "INSERT INTO placement (service, kind, id, writer, region, renewed_at)
            VALUES (?, 2, ?, ?, ?, ?)";
        operation: Member = "INSERT INTO placement (service, kind, id, op_kind) VALUES (?, 3, ?, ?)
            USING TTL 86400";
        recall: Member = "INSERT INTO placement (service, kind, id, writer, renewed_at) VALUES (?, 4, ?, ?, ?)";
        returns: Member = "INSERT INTO placement (service, kind, id, returns) VALUES (?, 5, ?, ?)";
        note_slot: Plain = "INSERT INTO lease_slots (lease, number, op, user) VALUES (?, ?, ?, ?)
            USING TIMESTAMP ?";
        forget_slot: Plain = "DELETE FROM lease_slots USING TIMESTAMP ? WHERE lease = ? AND number = ?";
        forget_slots: Plain = "DELETE FROM lease_slots USING TIMESTAMP ? WHERE lease = ?";
    }
}

/// How a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// At a quorum of the region: good enough to compute a change from, which is conditional.
    Quorum,
    /// After every change that can still be applied: what refusals are based on.
    Serial,
}

/// Reads a service's partition.
pub(crate) async fn read(
    cql: &Cql,
    reads: &PlacementReads,
    how: How,
    by: Deadline,
    service: &ServiceKey,
) -> Result<Placement, ReadError> {
    let rows = match how {
        How::Quorum => cql.rows(by, &reads.whole, (&service.0,)).await?,
        How::Serial => {
            let values = (&service.0,);
            cql.serial_rows(Level::Deployment, by, &reads.whole, values)
                .await?
        }
    };
    placement(service, rows)
}

/// Reads a service's partition as it is known in another region.
pub(crate) async fn read_in(
    cql: &Cql,
    reads: &PlacementReads,
    region: &Region,
    by: Deadline,
    service: &ServiceKey,
) -> Result<Placement, ReadError> {
    let rows = cql.rows_in(region, by, &reads.whole, (&service.0,)).await?;
    placement(service, rows)
}

#[derive(DeserializeRow)]
#[cfg_attr(test, derive(Default))]
struct Row {
    kind: Option<i8>,
    id: Option<Vec<u8>>,
    pattern: Option<String>,
    scope: Option<String>,
    token_lifetime_secs: Option<i64>,
    uid_ceiling: Option<i64>,
    uids_from: Option<i64>,
    version: Option<i64>,
    policy: Option<Vec<u8>>,
    url: Option<String>,
    node_type: Option<String>,
    pool: Option<String>,
    capacity: Option<i64>,
    available: Option<i64>,
    current_load: Option<i64>,
    returned: Option<i64>,
    downed: Option<bool>,
    backoff: Option<bool>,
    unhealthy: Option<bool>,
    lease: Option<Vec<u8>>,
    writer: Option<Vec<u8>>,
    node: Option<i64>,
    size: Option<i64>,
    spent: Option<i64>,
    freed: Option<i64>,
    region: Option<String>,
    renewed_at: Option<CqlTimestamp>,
    returns: Option<Vec<u8>>,
}

/// A row that nobody of ours has written so.
#[derive(Debug, thiserror::Error)]
#[error("a row of a placement is damaged")]
pub(crate) struct Damaged;

fn placement(service: &ServiceKey, rows: Vec<Row>) -> Result<Placement, ReadError> {
    let mut placement = Placement::default();
    for row in rows {
        add(&mut placement, service, row).ok_or_else(|| fault(&Damaged))?;
    }
    Ok(placement)
}

/// `None` = damaged.
fn add(to: &mut Placement, key: &ServiceKey, row: Row) -> Option<()> {
    if to.version.is_none() {
        to.version = match row.version {
            Some(version) => Some(unsigned(version)?),
            None => None,
        };
        let settings = Settings {
            pattern: row.pattern,
            scope: row.scope,
            token_lifetime_secs: row.token_lifetime_secs,
            uid_ceiling: row.uid_ceiling,
            policy: row.policy,
        };
        to.service = settings.of(key)?;
        to.uids_from = unsigned(row.uids_from.unwrap_or(0))?;
    }
    let (Some(kind), Some(id)) = (row.kind, row.id) else {
        return Some(());
    };
    match kind {
        // It was read with the settings.
        POLICY => {}
        NODE if row.url.as_deref() == Some(NO_URL) => {
            to.removed.insert(node_id(&id)?);
        }
        NODE => {
            let figures = NodeFigures {
                capacity: unsigned(row.capacity?)?,
                available: unsigned(row.available?)?,
                current_load: unsigned(row.current_load?)?,
                downed: row.downed?,
                backoff: row.backoff?,
                unhealthy: row.unhealthy.unwrap_or(false),
            };
            let node = Node {
                url: row.url?,
                node_type: row.node_type,
                pool: match row.pool.as_deref() {
                    None | Some(DEFAULT_POOL) => None,
                    Some(name) => Some(PoolName::new(name)?),
                },
                figures,
                returned: unsigned(row.returned.unwrap_or(0))?,
            };
            to.nodes.insert(node_id(&id)?, node);
        }
        LEASE => {
            let number = RowNumber::from_slice(&id)?;
            let lease = Lease {
                id: LeaseId(row.lease?.try_into().ok()?),
                writer: WriterId(row.writer?.try_into().ok()?),
                node: NodeId(unsigned(row.node?)?),
                size: unsigned(row.size?)?,
                spent: unsigned(row.spent?)?,
                freed: unsigned(row.freed.unwrap_or(0))?,
            };
            if lease.id == NO_LEASE.id {
                to.leases.vacate(number);
            } else {
                to.leases.put(number, lease);
            }
        }
        WRITER => {
            let number = RowNumber::from_slice(&id)?;
            let writer = Writer {
                id: WriterId(row.writer?.try_into().ok()?),
                region: row.region?,
                renewed_at: unsigned(row.renewed_at?.0)?,
            };
            if writer.id == NO_WRITER {
                to.writers.vacate(number);
            } else {
                to.writers.put(number, writer);
            }
        }
        OPERATION => {
            to.done.insert(OpId::from_slice(&id)?);
        }
        RECALL => {
            to.recall = Some(Recall {
                writer: WriterId(row.writer?.try_into().ok()?),
                at: unsigned(row.renewed_at?.0)?,
            });
        }
        RETURNS => to.returns = Returns::decode(&row.returns?)?,
        // Written by a later release: it knows what it means.
        _ => {}
    }
    Some(())
}

/// What stands where a lease was.
const NO_LEASE: Lease = Lease {
    id: LeaseId([0; 16]),
    writer: NO_WRITER,
    node: NodeId(0),
    size: 0,
    spent: 0,
    freed: 0,
};
/// What stands where the URL of a node was that is removed. Its number is not used again.
pub(crate) const NO_URL: &str = "";
/// What stands where the name of a pool would: the node is of the default one.
const DEFAULT_POOL: &str = "";
/// What stands where a writer was, beside no region and no time.
const NO_WRITER: WriterId = WriterId([0; 16]);
/// There is one recall, the last one.
const RECALL_ROW: RowNumber = RowNumber(0);
/// There is one policy.
const POLICY_ROW: RowNumber = RowNumber(0);
/// There is one list of what came back.
const RETURNS_ROW: RowNumber = RowNumber(0);

/// The settings of a service, as its first row has them.
pub(crate) struct Settings {
    pub(crate) pattern: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) token_lifetime_secs: Option<i64>,
    pub(crate) uid_ceiling: Option<i64>,
    pub(crate) policy: Option<Vec<u8>>,
}

impl Settings {
    /// Outer `None` = damaged, inner = there is no such service.
    #[expect(clippy::option_option, reason = "the two say different things")]
    pub(crate) fn of(self, key: &ServiceKey) -> Option<Option<Service>> {
        let Some(pattern) = self.pattern else {
            return Some(None);
        };
        Some(Some(Service {
            key: key.clone(),
            pattern,
            scope: self.scope?,
            token_lifetime_secs: unsigned(self.token_lifetime_secs?)?,
            uid_ceiling: unsigned(self.uid_ceiling?)?,
            policy: policy::decode(&self.policy?)?,
        }))
    }
}

fn unsigned(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

/// Numbers above the largest signed one cannot be stored, and are no sensible figures.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A node's id from its row.
pub(crate) fn node_id(id: &[u8]) -> Option<NodeId> {
    id.try_into().ok().map(|bytes| NodeId(u64::from_be_bytes(bytes)))
}

//! What stands in the partition of a service: its settings, its nodes, leases of their slots, the writers that hold them.
//!
//! Must stay true, for each node: users assigned, slots released and slots leased are together no more than its capacity,
//! unless an administrator has made that smaller since: then no more slots are released until there is room again.

use std::collections::{BTreeMap, BTreeSet};

use foxhold_core::{
    NodeId, OpId, Random, random,
    record::{NodeFigures, PoolName, Service},
};

use super::{
    returns::Returns,
    rows::{RowNumber, Rows},
};

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) [u8; 16]);

        impl $name {
            pub(crate) fn random(source: &dyn Random) -> Self {
                Self(random::bytes(source))
            }
        }
    };
}

random_id!(
    /// A process that writes, as long as it runs.
    WriterId
);
random_id!(
    /// One lease; its slots are noted under it. Never used again.
    LeaseId
);

/// A service's partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Placement {
    /// Counts changes; absent = nothing was ever written.
    pub(crate) version: Option<u64>,
    /// The settings; absent = there is no such service.
    pub(crate) service: Option<Service>,
    /// The lowest uid that may be handed out: those below may be on records that came from elsewhere. 0 = any may.
    pub(crate) uids_from: u64,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    /// Numbers of nodes that were removed. Records may name them; none is used again.
    pub(crate) removed: BTreeSet<NodeId>,
    /// Leases that are open.
    pub(crate) leases: Rows<Lease>,
    /// Writers that hold leases.
    pub(crate) writers: Rows<Writer>,
    /// The last recall. Whoever writes another has heard this one: every change is made to what its writer has read.
    pub(crate) recall: Option<Recall>,
    /// Operations of administrators that were done lately.
    pub(crate) done: BTreeSet<OpId>,
    /// Slots that came back.
    pub(crate) returns: Returns,
}

/// A node's row. `available` and `current_load` are without what is leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) url: String,
    pub(crate) node_type: Option<String>,
    /// Whose users come here; `None` = the default pool's.
    pub(crate) pool: Option<PoolName>,
    pub(crate) figures: NodeFigures,
    /// Slots that ever came back, their records forgotten: for the audit, which counts while they do.
    pub(crate) returned: u64,
}

/// Slots of a node that one writer may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    pub(crate) writer: WriterId,
    pub(crate) node: NodeId,
    /// Slots, spent ones included, without those that came back.
    pub(crate) size: u64,
    /// How many of them its holder had spent when it last said so.
    pub(crate) spent: u64,
    /// Slots that were spent and came back since: they are the node's again, no matter when the lease ends.
    pub(crate) freed: u64,
}

/// The row of a writer that holds leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) id: WriterId,
    /// The region it runs in: its notes of spent slots are there first.
    pub(crate) region: String,
    /// Never the same twice. Others only look whether it changes, and time that by their own clocks.
    pub(crate) renewed_at: u64,
}

/// A writer has found no room, and asks the others to hand back what they do not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recall {
    pub(crate) writer: WriterId,
    /// When, by its own clock, but never the same twice: a new time is a new recall.
    pub(crate) at: u64,
}

impl Placement {
    /// Slots of a node that are leased, to whomever.
    pub(crate) fn leased(&self, node: NodeId) -> u64 {
        let leases = self.leases.values().filter(|lease| lease.node == node);
        leases.map(|lease| lease.size).sum()
    }

    /// Leases of one writer.
    pub(crate) fn of(&self, writer: WriterId) -> impl Iterator<Item = (RowNumber, Lease)> {
        let own = self
            .leases
            .iter()
            .filter(move |(_, lease)| lease.writer == writer);
        own.map(|(row, lease)| (row, *lease))
    }

    /// A writer that holds leases.
    pub(crate) fn writer(&self, id: WriterId) -> Option<&Writer> {
        self.writers.values().find(|writer| writer.id == id)
    }

    /// The last sign of life of a writer; `None` = it has none.
    pub(crate) fn sign(&self, writer: WriterId) -> Option<u64> {
        self.writer(writer).map(|writer| writer.renewed_at)
    }

    /// Writes over the row of a writer, or gives it one.
    pub(crate) fn put_writer(&mut self, writer: Writer) {
        match self.row(writer.id) {
            Some(row) => self.writers.put(row, writer),
            None => self.writers.add(writer),
        }
    }

    /// Leaves the row of a writer, if it has one, to others.
    pub(super) fn forget_writer(&mut self, id: WriterId) {
        while let Some(row) = self.row(id) {
            self.writers.vacate(row);
        }
    }

    fn row(&self, writer: WriterId) -> Option<RowNumber> {
        let mut rows = self.writers.iter();
        rows.find_map(|(row, known)| (known.id == writer).then_some(row))
    }

    /// Changes the figures of a node, if it is there.
    pub(super) fn figures(&mut self, node: NodeId, change: impl FnOnce(&mut NodeFigures)) {
        if let Some(node) = self.nodes.get_mut(&node) {
            change(&mut node.figures);
        }
    }
}

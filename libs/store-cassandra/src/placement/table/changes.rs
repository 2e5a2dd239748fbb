//! A change of a placement as one conditional batch: the rows that differ.

use foxhold_core::{
    Deadline,
    record::{PoolName, ServiceKey},
};
use foxhold_ports::{IntentKind, WriteError, assignments::encoding::policy};
use scylla::{
    serialize::{
        SerializationError,
        row::{RowSerializationContext, SerializeRow},
        writers::RowWriter,
    },
    statement::prepared::PreparedStatement,
    value::{CqlTimestamp, MaybeUnset},
};

use super::{
    DEFAULT_POOL, NO_LEASE, NO_URL, NO_WRITER, POLICY_ROW, PlacementWrites, RECALL_ROW, RETURNS_ROW, signed,
};
use crate::{
    cql::{Cql, Outcome},
    placement::{
        rows::RowNumber,
        state::{Lease, Node, Placement, Recall, WriterId},
    },
};

/// Writes what differs, and that this operation was done, if it is one; the version goes up by one. Nothing is written
/// unless the partition is still as it was `before`.
/// An error is always [`WriteError::NotDone`].
pub(crate) async fn write(
    cql: &Cql,
    writes: &PlacementWrites,
    by: Deadline,
    service: &ServiceKey,
    before: &Placement,
    after: &Placement,
    kind: Option<IntentKind>,
) -> Result<Outcome, WriteError> {
    let mut batch = Changes {
        writes,
        service: &service.0,
        statements: Vec::new(),
        rows: Vec::new(),
    };
    let version = (next_version(before), before.version.map(signed));
    batch.add(
        &writes.version,
        ChangedRow::Version(signed(version.0), &service.0, version.1),
    );
    batch.settings(before, after);
    batch.uids(before, after);
    batch.nodes(before, after);
    batch.leases(before, after);
    batch.writers(before, after);
    batch.recall(before, after);
    batch.returns(before, after);
    for op in after.done.difference(&before.done) {
        let number = kind.map_or(0, |kind| kind.number().cast_signed());
        batch.add_member(
            &writes.operation,
            ChangedRow::Operation(&service.0, op.as_bytes(), number),
        );
    }
    cql.decide_together(by, batch.statements, batch.rows).await
}

/// The version that a change of `before` has.
pub(crate) fn next_version(before: &Placement) -> u64 {
    before.version.map_or(1, |version| version + 1)
}

struct Changes<'a> {
    writes: &'a PlacementWrites,
    service: &'a str,
    statements: Vec<PreparedStatement>,
    rows: Vec<ChangedRow<'a>>,
}

impl<'a> Changes<'a> {
    fn add(&mut self, statement: &crate::cql::Conditional, row: ChangedRow<'a>) {
        self.statements.push(statement.prepared().clone());
        self.rows.push(row);
    }

    fn add_member(&mut self, statement: &crate::cql::Member, row: ChangedRow<'a>) {
        self.statements.push(statement.prepared().clone());
        self.rows.push(row);
    }

    fn settings(&mut self, before: &Placement, after: &'a Placement) {
        if before.service == after.service {
            return;
        }
        if let Some(service) = &after.service {
            let row = ChangedRow::Settings(
                &service.pattern,
                &service.scope,
                signed(service.token_lifetime_secs),
                signed(service.uid_ceiling),
                self.service,
            );
            self.add_member(&self.writes.settings, row);
            let row = ChangedRow::Policy(self.service, policy::encode(&service.policy));
            self.add_member(&self.writes.policy, row);
        }
    }

    fn uids(&mut self, before: &Placement, after: &Placement) {
        if before.uids_from != after.uids_from {
            let row = ChangedRow::Uids(signed(after.uids_from), self.service);
            self.add_member(&self.writes.uids, row);
        }
    }

    fn nodes(&mut self, before: &Placement, after: &'a Placement) {
        for (id, node) in &after.nodes {
            if before.nodes.get(id) != Some(node) {
                let row = ChangedRow::Node(self.service, id.0.to_be_bytes(), node);
                self.add_member(&self.writes.node, row);
            }
        }
        for id in after.removed.difference(&before.removed) {
            let row = ChangedRow::NoNode(self.service, id.0.to_be_bytes());
            self.add_member(&self.writes.node, row);
        }
    }

    fn leases(&mut self, before: &Placement, after: &Placement) {
        for (number, lease) in after.leases.iter() {
            if before.leases.get(number) != Some(lease) {
                let row = ChangedRow::Lease(self.service, number, *lease);
                self.add_member(&self.writes.lease, row);
            }
        }
        for number in after.leases.vacated(&before.leases) {
            let row = ChangedRow::Lease(self.service, number, NO_LEASE);
            self.add_member(&self.writes.lease, row);
        }
    }

    fn writers(&mut self, before: &Placement, after: &'a Placement) {
        for (number, writer) in after.writers.iter() {
            if before.writers.get(number) != Some(writer) {
                let at = CqlTimestamp(signed(writer.renewed_at));
                let row = ChangedRow::Writer(self.service, number, writer.id, &writer.region, at);
                self.add_member(&self.writes.writer, row);
            }
        }
        for number in after.writers.vacated(&before.writers) {
            let row = ChangedRow::Writer(self.service, number, NO_WRITER, "", CqlTimestamp(0));
            self.add_member(&self.writes.writer, row);
        }
    }

    fn recall(&mut self, before: &Placement, after: &Placement) {
        if let Some(recall) = after.recall.filter(|recall| before.recall != Some(*recall)) {
            self.add_member(&self.writes.recall, ChangedRow::Recall(self.service, recall));
        }
    }

    fn returns(&mut self, before: &Placement, after: &Placement) {
        if before.returns != after.returns {
            let row = ChangedRow::Returns(self.service, after.returns.encode());
            self.add_member(&self.writes.returns, row);
        }
    }
}

/// The values of one statement of a batch.
enum ChangedRow<'a> {
    Version(i64, &'a str, Option<i64>),
    Settings(&'a str, &'a str, i64, i64, &'a str),
    Uids(i64, &'a str),
    Policy(&'a str, Vec<u8>),
    Node(&'a str, [u8; 8], &'a Node),
    NoNode(&'a str, [u8; 8]),
    Lease(&'a str, RowNumber, Lease),
    Writer(&'a str, RowNumber, WriterId, &'a str, CqlTimestamp),
    Operation(&'a str, &'a [u8; 16], i8),
    Recall(&'a str, Recall),
    Returns(&'a str, Vec<u8>),
}

/// The row of a node that was removed, in the order of [`ChangedRow::Node`].
type NoNode<'a> = (
    &'a str,
    &'a [u8],
    &'static str,
    MaybeUnset<&'static str>,
    &'static str,
    i64,
    i64,
    i64,
    i64,
    bool,
    bool,
    bool,
);

const fn no_node<'a>(service: &'a str, id: &'a [u8]) -> NoNode<'a> {
    let none = MaybeUnset::Unset;
    (
        service,
        id,
        NO_URL,
        none,
        DEFAULT_POOL,
        0,
        0,
        0,
        0,
        false,
        false,
        false,
    )
}

impl SerializeRow for ChangedRow<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Version(next, service, before) => (next, service, before).serialize(context, writer),
            Self::Settings(pattern, scope, lifetime, ceiling, service) => {
                (pattern, scope, lifetime, ceiling, service).serialize(context, writer)
            }
            Self::Uids(from, service) => (from, service).serialize(context, writer),
            Self::Policy(service, cell) => {
                (service, &POLICY_ROW.to_bytes()[..], &cell[..]).serialize(context, writer)
            }
            Self::Node(service, id, node) => (
                service,
                &id[..],
                &node.url,
                MaybeUnset::from_option(node.node_type.as_ref()),
                node.pool.as_ref().map_or(DEFAULT_POOL, PoolName::as_str),
                signed(node.figures.capacity),
                signed(node.figures.available),
                signed(node.figures.current_load),
                signed(node.returned),
                node.figures.downed,
                node.figures.backoff,
                node.figures.unhealthy,
            )
                .serialize(context, writer),
            Self::NoNode(service, id) => no_node(service, id).serialize(context, writer),
            Self::Lease(service, number, lease) => (
                service,
                &number.to_bytes()[..],
                &lease.id.0[..],
                &lease.writer.0[..],
                signed(lease.node.0),
                signed(lease.size),
                signed(lease.spent),
                signed(lease.freed),
            )
                .serialize(context, writer),
            Self::Writer(service, number, id, region, at) => {
                (service, &number.to_bytes()[..], &id.0[..], region, at).serialize(context, writer)
            }
            Self::Operation(service, op, kind) => (service, &op[..], kind).serialize(context, writer),
            Self::Recall(service, recall) => (
                service,
                &RECALL_ROW.to_bytes()[..],
                &recall.writer.0[..],
                CqlTimestamp(signed(recall.at)),
            )
                .serialize(context, writer),
            Self::Returns(service, cell) => {
                (service, &RETURNS_ROW.to_bytes()[..], &cell[..]).serialize(context, writer)
            }
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

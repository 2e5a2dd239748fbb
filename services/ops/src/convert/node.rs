//! Nodes.

use foxhold_core::record::{NodeFigures, NodeRecord, PoolName, ServiceKey};
use foxhold_ports::assignments::{self, choice};

use super::{new_node_url, pool_name, within};
use crate::{
    refused::fault,
    wire::{FieldFault, NewNode, Node, NodeChange},
};

/// More users than any machine serves, and few enough that figures never overflow.
const CAPACITY_MAX: u64 = 1 << 40;
/// The longest label.
const NODE_TYPE_LEN_MAX: usize = 64;

/// As it is told.
pub(crate) fn node(of: NodeRecord) -> Node {
    let figures = of.figures;
    Node {
        id: of.id.0,
        url: of.url,
        node_type: of.node_type,
        pool: of.pool.map(|pool| pool.as_str().to_owned()),
        capacity: figures.capacity,
        available: figures.available,
        current_load: figures.current_load,
        downed: figures.downed,
        backoff: figures.backoff,
        unhealthy: figures.unhealthy,
    }
}

/// As the ports take it, and what has to be changed of it at once.
///
/// # Errors
/// What cannot be meant.
pub(crate) fn new_node(
    service: &ServiceKey,
    of: NewNode,
) -> Result<(assignments::NewNode, assignments::NodeChange), FieldFault> {
    new_node_url("url", &of.url)?;
    if let Some(label) = &of.node_type {
        let is_label = (1..=NODE_TYPE_LEN_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_label {
            return Err(fault("node_type", "give 1 to 64 visible characters"));
        }
    }
    within("capacity", of.capacity, 0, CAPACITY_MAX)?;
    let available = of.available.unwrap_or_else(|| choice::first_release(of.capacity));
    if available > of.capacity {
        return Err(fault("available", "give no more than `capacity`"));
    }
    let pool = of
        .pool
        .as_deref()
        .map(|pool| pool_name("pool", pool))
        .transpose()?;
    let new = assignments::NewNode {
        service: service.clone(),
        url: of.url,
        node_type: of.node_type,
        pool,
        capacity: of.capacity,
        available,
    };
    let flags = assignments::NodeChange {
        downed: of.downed.then_some(true),
        backoff: of.backoff.then_some(true),
        ..assignments::NodeChange::default()
    };
    Ok((new, flags))
}

/// As the ports take it.
///
/// # Errors
/// What cannot be meant.
pub(crate) fn changed(of: NodeChange) -> Result<assignments::NodeChange, FieldFault> {
    for (field, number) in [("capacity", of.capacity), ("available", of.available)] {
        within(field, number.unwrap_or_default(), 0, CAPACITY_MAX)?;
    }
    let pool = |name: Option<String>| -> Result<Option<PoolName>, FieldFault> {
        name.as_deref().map(|name| pool_name("pool", name)).transpose()
    };
    Ok(assignments::NodeChange {
        capacity: of.capacity,
        available: of.available,
        downed: of.downed,
        backoff: of.backoff,
        unhealthy: of.unhealthy,
        pool: of.pool.map(pool).transpose()?,
    })
}

/// A node after a change.
pub(crate) fn after(node: &NodeRecord, change: &assignments::NodeChange) -> NodeRecord {
    let figures: NodeFigures = choice::changed(&node.figures, change);
    let pool = change.pool.clone().unwrap_or_else(|| node.pool.clone());
    NodeRecord {
        figures,
        pool,
        ..node.clone()
    }
}

//! What administrators change of nodes.

use foxhold_core::{NodeId, record::NodeFigures};
use foxhold_ports::{
    Refusal,
    assignments::{NewNode, NodeChange, choice},
};

use crate::placement::state::{Node, Placement};

/// Makes a node, unless there is one at its URL.
///
/// # Errors
/// [`Refusal::UnknownService`]
pub(crate) fn create_node(state: &Placement, node: NewNode) -> Result<Placement, Refusal> {
    state.service.as_ref().ok_or(Refusal::UnknownService)?;
    let mut after = state.clone();
    if at_url(state, &node.url).is_none() {
        // Of those that were removed, too: records name them.
        let last = state.nodes.keys().next_back().max(state.removed.last());
        let figures = NodeFigures {
            capacity: node.capacity,
            available: node.available,
            ..NodeFigures::default()
        };
        let node = Node {
            url: node.url,
            node_type: node.node_type,
            pool: node.pool,
            figures,
            returned: 0,
        };
        after
            .nodes
            .insert(NodeId(last.map_or(1, |last| last.0 + 1)), node);
    }
    Ok(after)
}

/// Gives the node at one URL another.
///
/// # Errors
/// [`Refusal::UnknownService`], [`Refusal::UnknownNode`], [`Refusal::Conflict`]: as the port says.
pub(crate) fn rename_node(state: &Placement, from: &str, to: &str) -> Result<Placement, Refusal> {
    state.service.as_ref().ok_or(Refusal::UnknownService)?;
    let mut after = state.clone();
    match (at_url(state, from), at_url(state, to)) {
        (Some(_), Some(_)) if from != to => return Err(Refusal::Conflict),
        (None, None) => return Err(Refusal::UnknownNode),
        (_, Some(_)) => {}
        (Some(id), None) => {
            if let Some(node) = after.nodes.get_mut(&id) {
                to.clone_into(&mut node.url);
            }
        }
    }
    Ok(after)
}

/// Changes what is given of a node. Slots of it that are leased stay promised.
///
/// # Errors
/// [`Refusal::UnknownService`], [`Refusal::UnknownNode`]
pub(crate) fn update_node(state: &Placement, url: &str, change: &NodeChange) -> Result<Placement, Refusal> {
    state.service.as_ref().ok_or(Refusal::UnknownService)?;
    let id = at_url(state, url).ok_or(Refusal::UnknownNode)?;
    let (leased, unspent) = (state.leased(id), unspent(state, id));
    let mut after = state.clone();
    if let (Some(pool), Some(node)) = (&change.pool, after.nodes.get_mut(&id)) {
        node.pool.clone_from(pool);
    }
    after.figures(id, |figures| {
        // What is given is what everybody sees: there slots that are leased and not spent are available.
        let seen = NodeFigures {
            current_load: figures.current_load + leased - unspent,
            available: figures.available + unspent,
            ..*figures
        };
        let seen = choice::changed(&seen, change);
        *figures = NodeFigures {
            current_load: figures.current_load,
            available: seen.available.saturating_sub(unspent),
            ..seen
        };
    });
    Ok(after)
}

/// Slots of a node that are leased and that nobody has said to have spent.
fn unspent(state: &Placement, node: NodeId) -> u64 {
    let leases = state.leases.values().filter(|lease| lease.node == node);
    leases.map(|lease| lease.size.saturating_sub(lease.spent)).sum()
}

/// Removes a node, and ends the leases of its slots: nobody who holds one spends it any more.
pub(crate) fn remove_node(state: &Placement, url: &str) -> Placement {
    let mut after = state.clone();
    if let Some(id) = at_url(state, url) {
        after.nodes.remove(&id);
        after.removed.insert(id);
        let leases = state.leases.iter().filter(|(_, lease)| lease.node == id);
        leases.for_each(|(row, _)| after.leases.vacate(row));
    }
    after
}

/// The node at a URL.
pub(crate) fn at_url(state: &Placement, url: &str) -> Option<NodeId> {
    let mut nodes = state.nodes.iter();
    nodes.find(|(_, node)| node.url == url).map(|(id, _)| *id)
}

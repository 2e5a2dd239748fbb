//! The slot of a record that was forgotten, on its way back.

use foxhold_core::OpId;

use super::give_back;
use crate::placement::{
    returns::{Fate, Return},
    rows::RowNumber,
    state::{Lease, Placement},
};

/// Brings a slot back to its node. `false` = nothing was done: it has come back, or that cannot be told any more, or the
/// node is removed.
///
/// Where its lease has ended, the slot is in the load. Where that is open, it is among those that the holder has spent:
/// then it leaves the lease, so that the load does not get it when that ends.
pub(crate) fn come_back(state: &mut Placement, op: OpId, slot: &Return) -> bool {
    if state.returns.fate(&op, slot) != Fate::NotYet {
        return false;
    }
    let Some(node) = state.nodes.get_mut(&slot.node) else {
        return false;
    };
    node.returned += 1;
    match lease(state, slot) {
        Some((row, lease)) => {
            let size = lease.size.saturating_sub(1);
            let left = Lease {
                size,
                // Its holder may not have told of this one yet: rather too few.
                spent: lease.spent.saturating_sub(1).min(size),
                freed: lease.freed + 1,
                ..lease
            };
            state.leases.put(row, left);
        }
        None => state.figures(slot.node, |figures| {
            figures.current_load = figures.current_load.saturating_sub(1);
        }),
    }
    give_back(state, slot.node, 1);
    state.returns.add(op);
    true
}

/// The lease it is of, if that is open.
fn lease(state: &Placement, slot: &Return) -> Option<(RowNumber, Lease)> {
    let mut open = state.leases.iter();
    let found = open.find(|(_, lease)| Some(lease.id) == slot.lease && lease.node == slot.node);
    found.map(|(row, lease)| (row, *lease))
}

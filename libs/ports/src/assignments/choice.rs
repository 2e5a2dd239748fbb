//! Which node a new user goes to, and when more slots are released (`tokenserver.md` 9). Pure: stores that hold exact
//! figures call it inside the transaction that writes them back.
//!
//! Must stay true: a choice never lifts a node's load above its capacity.

use std::cmp::Ordering;

use foxhold_core::{NodeId, record::NodeFigures};

/// A node as far as the choice looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number: the last tie-break.
    pub id: NodeId,
    /// Its figures, changed by [`take_slot`].
    pub figures: NodeFigures,
}

/// One slot in this many of a node's capacity is released at a time (rate 0.1).
const RELEASED_PART: u64 = 10;

/// Slots that a new node starts with: a tenth of its capacity, rounded up.
#[must_use]
pub const fn first_release(capacity: u64) -> u64 {
    capacity.div_ceil(RELEASED_PART)
}

/// Takes a slot on the least loaded node that has one, releasing more slots if none has. Changes the figures in place;
/// `None` = no node has room, and then no slot was taken.
///
/// One release is enough with exact figures: it reaches every node that could take a user at all, so a second one
/// would find nothing new.
pub fn take_slot(nodes: &mut [Candidate]) -> Option<NodeId> {
    if let Some(id) = take_released_slot(nodes) {
        return Some(id);
    }
    for node in nodes.iter_mut() {
        release(&mut node.figures);
    }
    take_released_slot(nodes)
}

fn take_released_slot(nodes: &mut [Candidate]) -> Option<NodeId> {
    let node = nodes
        .iter_mut()
        .filter(|node| has_slot(&node.figures))
        .min_by(|a, b| preference(a, b))?;
    node.figures.current_load += 1;
    node.figures.available -= 1;
    Some(node.id)
}

const fn has_slot(figures: &NodeFigures) -> bool {
    figures.available > 0 && has_room(figures) && !figures.downed && !figures.backoff
}

const fn has_room(figures: &NodeFigures) -> bool {
    figures.capacity > figures.current_load
}

/// Lowest load for its capacity first; then most available; then lowest id.
fn preference(a: &Candidate, b: &Candidate) -> Ordering {
    // load/capacity compared crosswise: exact for any size.
    let crosswise =
        |x: &Candidate, y: &Candidate| u128::from(x.figures.current_load) * u128::from(y.figures.capacity);
    crosswise(a, b)
        .cmp(&crosswise(b, a))
        .then(b.figures.available.cmp(&a.figures.available))
        .then(a.id.cmp(&b.id))
}

/// A node in backoff has its slots released too: it will be back (`tokenserver.md` 9).
fn release(figures: &mut NodeFigures) {
    if figures.available == 0 && has_room(figures) && !figures.downed {
        figures.available = first_release(figures.capacity).min(figures.capacity - figures.current_load);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u64, current_load: u64, capacity: u64, available: u64) -> Candidate {
        let figures = NodeFigures {
            capacity,
            available,
            current_load,
            ..NodeFigures::default()
        };
        Candidate {
            id: NodeId(id),
            figures,
        }
    }

    fn available(nodes: &[Candidate]) -> Vec<u64> {
        nodes.iter().map(|node| node.figures.available).collect()
    }

    /// The check values of `tokenserver.md` 9.
    #[test]
    fn release_reaches_every_node_but_the_downed_one() {
        let mut nodes = [
            node(1, 99, 100, 0),
            node(2, 90, 100, 0),
            node(3, 80, 81, 0),
            node(4, 70, 71, 0),
            node(5, 60, 61, 0),
        ];
        nodes[3].figures.backoff = true;
        nodes[4].figures.downed = true;
        assert_eq!(take_slot(&mut nodes), Some(NodeId(2)));
        assert_eq!(available(&nodes), [1, 9, 1, 1, 0]);
        assert_eq!(nodes[1].figures.current_load, 91);
    }

    #[test]
    fn full_nodes_take_nobody_and_stay_as_they_are() {
        let full = [node(1, 10, 10, 0), node(2, 20, 20, 0), node(3, 30, 30, 5)];
        let mut nodes = full;
        assert_eq!(take_slot(&mut nodes), None);
        assert_eq!(nodes, full);
        assert_eq!(take_slot(&mut []), None);
    }

    #[test]
    fn order_of_preference() {
        let cases: [(&str, [Candidate; 2], u64); 5] = [
            ("lower ratio", [node(1, 5, 10, 9), node(2, 4, 10, 1)], 2),
            ("ratio, not load", [node(1, 5, 10, 1), node(2, 6, 100, 1)], 2),
            ("then most available", [node(1, 1, 10, 1), node(2, 10, 100, 2)], 2),
            ("then lowest id", [node(7, 0, 10, 3), node(3, 0, 10, 3)], 3),
            (
                "no product overflows",
                [node(1, u64::MAX - 1, u64::MAX, 1), node(2, 1, 2, 1)],
                2,
            ),
        ];
        for (name, mut nodes, expected) in cases {
            assert_eq!(take_slot(&mut nodes), Some(NodeId(expected)), "{name}");
        }
    }

    #[test]
    fn a_node_fills_to_its_capacity_and_no_further() {
        let mut nodes = [node(1, 0, 7, first_release(7)), node(2, 0, 95, first_release(95))];
        for user in 0..102 {
            assert!(take_slot(&mut nodes).is_some(), "user {user}");
            assert!(nodes.iter().all(|n| n.figures.current_load <= n.figures.capacity));
        }
        assert_eq!(take_slot(&mut nodes), None);
    }
}

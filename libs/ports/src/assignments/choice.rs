//! Which node a new user goes to, and when more slots are released (`tokenserver.md` 9). Pure: stores that hold exact
//! figures call it inside the transaction that writes them back.
//!
//! Must stay true: a choice never lifts a node's load above its capacity.

use std::cmp::Ordering;

use foxhold_core::{NodeId, record::NodeFigures};

use super::{NodeChange, Target};

/// A node as far as the choice looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number: the last tie-break.
    pub id: NodeId,
    /// Whether the user may be placed there: [`Target::includes`].
    pub fits: bool,
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

/// Takes a slot where the user is to go: of a pool, on the least loaded node that has one, releasing more slots if none
/// has. Changes the figures in place; `None` = no node has room, and then no slot was taken.
///
/// One release is enough with exact figures: it reaches every node that could take a user at all, so a second one
/// would find nothing new.
pub fn take_slot(nodes: &mut [Candidate], target: &Target) -> Option<NodeId> {
    match target {
        Target::Pool(_) => take_slot_of_pool(nodes),
        Target::Node(_) => take_slot_on(nodes.iter_mut().find(|node| node.fits)?),
    }
}

fn take_slot_of_pool(nodes: &mut [Candidate]) -> Option<NodeId> {
    if let Some(id) = take_released_slot(nodes) {
        return Some(id);
    }
    for node in nodes.iter_mut().filter(|node| node.fits) {
        release(&mut node.figures);
    }
    take_released_slot(nodes)
}

fn take_slot_on(node: &mut Candidate) -> Option<NodeId> {
    let figures = &mut node.figures;
    if !has_room(figures) || is_out(figures) {
        return None;
    }
    release(figures);
    figures.current_load += 1;
    figures.available -= 1;
    Some(node.id)
}

/// Occupies a slot for a record that comes from elsewhere, whatever is released and whether or not the node serves.
/// `false` = it is full, and nothing was done.
pub const fn occupy(figures: &mut NodeFigures) -> bool {
    if !has_room(figures) {
        return false;
    }
    figures.current_load += 1;
    figures.available = figures.available.saturating_sub(1);
    true
}

/// Takes back a slot whose record is forgotten. More than the capacity leaves is never released.
pub const fn give_back(figures: &mut NodeFigures) {
    figures.current_load = figures.current_load.saturating_sub(1);
    if figures.available < room(figures) {
        figures.available += 1;
    }
}

/// A node's figures after `update_node`.
#[must_use]
pub fn changed(figures: &NodeFigures, change: &NodeChange) -> NodeFigures {
    let mut after = NodeFigures {
        capacity: change.capacity.unwrap_or(figures.capacity),
        available: change.available.unwrap_or(figures.available),
        current_load: figures.current_load,
        downed: change.downed.unwrap_or(figures.downed),
        backoff: change.backoff.unwrap_or(figures.backoff),
        unhealthy: change.unhealthy.unwrap_or(figures.unhealthy),
    };
    after.available = after.available.min(room(&after));
    after
}

fn take_released_slot(nodes: &mut [Candidate]) -> Option<NodeId> {
    let node = nodes
        .iter_mut()
        .filter(|node| node.fits && has_slot(&node.figures))
        .min_by(|a, b| preference(a, b))?;
    node.figures.current_load += 1;
    node.figures.available -= 1;
    Some(node.id)
}

const fn has_slot(figures: &NodeFigures) -> bool {
    figures.available > 0 && has_room(figures) && !is_out(figures) && !figures.backoff
}

/// Whether a node is out of service, by whomever's word.
#[must_use]
pub const fn is_out(figures: &NodeFigures) -> bool {
    figures.downed || figures.unhealthy
}

const fn has_room(figures: &NodeFigures) -> bool {
    room(figures) > 0
}

/// How many more users it could hold.
const fn room(figures: &NodeFigures) -> u64 {
    figures.capacity.saturating_sub(figures.current_load)
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
    if figures.available == 0 && has_room(figures) && !is_out(figures) {
        figures.available = first_release(figures.capacity).min(room(figures));
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
            fits: true,
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
        assert_eq!(take_slot(&mut nodes, &Target::default()), Some(NodeId(2)));
        assert_eq!(available(&nodes), [1, 9, 1, 1, 0]);
        assert_eq!(nodes[1].figures.current_load, 91);
    }

    #[test]
    fn full_nodes_take_nobody_and_stay_as_they_are() {
        let full = [node(1, 10, 10, 0), node(2, 20, 20, 0), node(3, 30, 30, 5)];
        let mut nodes = full;
        assert_eq!(take_slot(&mut nodes, &Target::default()), None);
        assert_eq!(nodes, full);
        assert_eq!(take_slot(&mut [], &Target::default()), None);
    }

    #[test]
    fn a_pool_s_users_stay_in_it() {
        let mut nodes = [node(1, 0, 100, 10), node(2, 90, 100, 0), node(3, 95, 100, 0)];
        nodes[0].fits = false;
        let pool = Target::default();
        assert_eq!(take_slot(&mut nodes, &pool), Some(NodeId(2)));
        assert_eq!(available(&nodes), [10, 9, 5], "other pools release nothing");
        nodes[1].fits = false;
        nodes[2].fits = false;
        assert_eq!(take_slot(&mut nodes, &pool), None);
    }

    #[test]
    fn a_named_node_takes_whom_it_has_room_for() {
        let of = |change: fn(&mut NodeFigures)| {
            let mut node = node(1, 5, 10, 0);
            change(&mut node.figures);
            node
        };
        for (name, node, expected) in [
            ("released", of(|figures| figures.available = 3), Some((6, 2))),
            ("nothing released", of(|_| {}), Some((6, 0))),
            ("in backoff", of(|figures| figures.backoff = true), Some((6, 0))),
            ("downed", of(|figures| figures.downed = true), None),
            ("unhealthy", of(|figures| figures.unhealthy = true), None),
            ("full", of(|figures| figures.current_load = 10), None),
            ("overfull", of(|figures| figures.current_load = 11), None),
        ] {
            let mut nodes = [self::node(2, 0, 10, 5), node];
            nodes[0].fits = false;
            let taken = take_slot(&mut nodes, &Target::Node(String::new()));
            let figures = nodes[1].figures;
            let found = taken.map(|_| (figures.current_load, figures.available));
            assert_eq!(found, expected, "{name}");
            assert_eq!(nodes[0].figures, self::node(2, 0, 10, 5).figures, "{name}");
        }
    }

    #[test]
    fn a_record_from_elsewhere_takes_any_room() {
        for (name, (load, capacity, available), expected) in [
            ("released", (5, 10, 2), Some((6, 1))),
            ("nothing released", (5, 10, 0), Some((6, 0))),
            ("all released", (5, 10, 5), Some((6, 4))),
            ("full", (10, 10, 0), None),
        ] {
            let mut figures = node(1, load, capacity, available).figures;
            figures.downed = true;
            let found = occupy(&mut figures).then_some((figures.current_load, figures.available));
            assert_eq!(found, expected, "{name}");
        }
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
            assert_eq!(
                take_slot(&mut nodes, &Target::default()),
                Some(NodeId(expected)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_node_fills_to_its_capacity_and_no_further() {
        let mut nodes = [node(1, 0, 7, first_release(7)), node(2, 0, 95, first_release(95))];
        for user in 0..102 {
            assert!(take_slot(&mut nodes, &Target::default()).is_some(), "user {user}");
            assert!(nodes.iter().all(|n| n.figures.current_load <= n.figures.capacity));
        }
        assert_eq!(take_slot(&mut nodes, &Target::default()), None);
    }

    #[test]
    fn a_slot_given_back_stays_within_zero_and_the_capacity() {
        let cases = [
            ("usual", (5, 10, 3), (4, 4)),
            ("full", (10, 10, 0), (9, 1)),
            ("all else released", (5, 10, 5), (4, 6)),
            ("over capacity", (12, 10, 0), (11, 0)),
            ("nobody there", (0, 10, 10), (0, 10)),
            ("more released than there is", (5, 10, 9), (4, 9)),
        ];
        for (name, (load, capacity, available), expected) in cases {
            let mut figures = node(1, load, capacity, available).figures;
            give_back(&mut figures);
            assert_eq!((figures.current_load, figures.available), expected, "{name}");
        }
    }

    #[test]
    fn a_changed_node_offers_no_more_than_it_has() {
        let before = NodeFigures {
            backoff: true,
            ..node(1, 5, 10, 3).figures
        };
        let change = NodeChange::default;
        let (capacity, available) = (Some(20), Some(9));
        let cases = [
            ("nothing", change(), before),
            (
                "all",
                NodeChange {
                    capacity,
                    available,
                    downed: Some(true),
                    backoff: Some(false),
                    unhealthy: Some(true),
                    pool: None,
                },
                NodeFigures {
                    downed: true,
                    unhealthy: true,
                    ..node(1, 5, 20, 9).figures
                },
            ),
            (
                "too many slots",
                NodeChange {
                    available,
                    ..change()
                },
                NodeFigures {
                    available: 5,
                    ..before
                },
            ),
            (
                "less capacity than load",
                NodeChange {
                    capacity: Some(4),
                    ..change()
                },
                NodeFigures {
                    capacity: 4,
                    available: 0,
                    ..before
                },
            ),
        ];
        for (name, change, expected) in cases {
            assert_eq!(changed(&before, &change), expected, "{name}");
        }
    }
}

//! The load of nodes against the records on them.
//!
//! A node's load is the number of records that hold a slot of it, without those whose slots are of leases that are still
//! open: these are counted when their lease ends. Users come while records are counted, and records are forgotten, so a
//! difference says something only if the node had the same load and the same leases before and after, and no slot came
//! back between.

use std::collections::{BTreeMap, BTreeSet};

use foxhold_core::{NodeId, record::NodeFigures};

use super::{Audit, AuditError, Finding, Notes, Verdict, records::Service, scan::settle};
use crate::placement::state::{LeaseId, Placement};

/// Records by node.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// All of them.
    all: BTreeMap<NodeId, u64>,
    /// Those whose lease had ended when the counting began, or that never had one.
    settled: BTreeMap<NodeId, u64>,
}

impl Counted {
    pub(super) fn add(&mut self, node: NodeId, is_settled: bool) {
        *self.all.entry(node).or_default() += 1;
        *self.settled.entry(node).or_default() += u64::from(is_settled);
    }

    fn all(&self, node: NodeId) -> u64 {
        self.all.get(&node).copied().unwrap_or(0)
    }

    fn settled(&self, node: NodeId) -> u64 {
        self.settled.get(&node).copied().unwrap_or(0)
    }
}

/// What the counting says about a node.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Fine,
    /// Too much was going on.
    Unsettled,
    /// The load should be this.
    Off(Finding, u64),
    /// The load is too low, and what it should be changes all the time.
    TooLow,
}

fn judge(id: NodeId, before: &Placement, now: &Placement, counted: &Counted) -> Judged {
    let load = |state: &Placement| state.nodes.get(&id).map(|node| node.figures.current_load);
    let (Some(load_before), Some(load_now)) = (load(before), load(now)) else {
        return Judged::Fine;
    };
    let returned = |state: &Placement| state.nodes.get(&id).map_or(0, |node| node.returned);
    let came_back = returned(now).saturating_sub(returned(before));
    let should_be = counted.settled(id);
    if load_before == load_now && came_back == 0 && leases(before, id) == leases(now, id) {
        return match load_now.cmp(&should_be) {
            std::cmp::Ordering::Less => Judged::Off(Finding::LoadBelowRecords, should_be),
            std::cmp::Ordering::Equal => Judged::Fine,
            std::cmp::Ordering::Greater => Judged::Off(Finding::LoadAboveRecords, should_be),
        };
    }
    // What came back may have been counted before it did.
    if counted.all(id) > load_now + now.leased(id) + came_back {
        Judged::TooLow
    } else if load_before == should_be {
        Judged::Fine
    } else {
        Judged::Unsettled
    }
}

fn leases(state: &Placement, node: NodeId) -> BTreeSet<LeaseId> {
    let leases = state.leases.values().filter(|lease| lease.node == node);
    leases.map(|lease| lease.id).collect()
}

/// The figures with the right load, and no more slots released than there is room for beside it.
fn corrected(figures: NodeFigures, leased: u64, load: u64) -> NodeFigures {
    let room = figures.capacity.saturating_sub(load + leased);
    NodeFigures {
        current_load: load,
        available: figures.available.min(room),
        ..figures
    }
}

pub(super) async fn compare(
    audit: &Audit<'_>,
    notes: &mut Notes<'_>,
    service: &Service,
) -> Result<(), AuditError> {
    for id in service.before.nodes.keys() {
        settle(notes, async || look(audit, service, *id).await).await?;
    }
    Ok(())
}

async fn look(audit: &Audit<'_>, service: &Service, id: NodeId) -> Result<Verdict, AuditError> {
    let now = audit.placement(&service.key).await?;
    let example = format!("service {}, node {}", service.key.0, id.0);
    let (finding, load) = match judge(id, &service.before, &now, &service.counted) {
        Judged::Fine => return Ok(Verdict::Fine),
        Judged::Unsettled => return Ok(Verdict::Unsettled),
        Judged::TooLow => return Ok(Verdict::Found(Finding::LoadBelowRecords, example)),
        Judged::Off(finding, load) => (finding, load),
    };
    if !audit.options.repair {
        return Ok(Verdict::Found(finding, example));
    }
    let mut after = now.clone();
    let leased = now.leased(id);
    if let Some(node) = after.nodes.get_mut(&id) {
        node.figures = corrected(node.figures, leased, load);
    }
    // The record of a slot that is on its way back was not counted, or will be found next time.
    after.returns.close(id);
    Ok(if audit.change_placement(&service.key, &now, &after).await? {
        Verdict::Repaired(finding, example)
    } else {
        Verdict::Changed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::{
        rows::Rows,
        state::{Lease, Node, WriterId},
    };

    const ID: NodeId = NodeId(1);

    fn placement(load: u64, leases: &[(u8, u64)]) -> Placement {
        let figures = NodeFigures {
            capacity: 100,
            available: 50,
            current_load: load,
            ..NodeFigures::default()
        };
        let node = Node {
            url: "https://node.example".into(),
            node_type: None,
            pool: None,
            figures,
            returned: 0,
        };
        let mut rows = Rows::default();
        for (id, size) in leases {
            rows.add(Lease {
                id: LeaseId([*id; 16]),
                writer: WriterId([1; 16]),
                node: ID,
                size: *size,
                spent: 0,
                freed: 0,
            });
        }
        Placement {
            nodes: BTreeMap::from([(ID, node)]),
            leases: rows,
            ..Placement::default()
        }
    }

    /// The same after that many slots came back.
    fn returned(mut state: Placement, slots: u64) -> Placement {
        state.nodes.get_mut(&ID).unwrap().returned = slots;
        state
    }

    fn counted(settled: u64, later: u64) -> Counted {
        let mut counted = Counted::default();
        for number in 0..settled + later {
            counted.add(ID, number < settled);
        }
        counted
    }

    #[test]
    fn a_difference_counts_only_while_nothing_moves() {
        use Finding::{LoadAboveRecords, LoadBelowRecords};
        let table = [
            (
                "as it should be",
                placement(3, &[]),
                placement(3, &[]),
                counted(3, 0),
                Judged::Fine,
            ),
            (
                "slots of a lease count later",
                placement(3, &[(1, 8)]),
                placement(3, &[(1, 8)]),
                counted(3, 5),
                Judged::Fine,
            ),
            (
                "too low",
                placement(3, &[]),
                placement(3, &[]),
                counted(4, 0),
                Judged::Off(LoadBelowRecords, 4),
            ),
            (
                "too high",
                placement(3, &[(1, 8)]),
                placement(3, &[(1, 8)]),
                counted(2, 1),
                Judged::Off(LoadAboveRecords, 2),
            ),
            (
                "a lease ended meanwhile",
                placement(3, &[(1, 8)]),
                placement(8, &[]),
                counted(3, 5),
                Judged::Fine,
            ),
            (
                "one was drawn and ended",
                placement(3, &[]),
                placement(8, &[]),
                counted(8, 0),
                Judged::Unsettled,
            ),
            (
                "one was drawn",
                placement(3, &[]),
                placement(3, &[(1, 8)]),
                counted(5, 0),
                Judged::Unsettled,
            ),
            (
                "whatever moves, too low",
                placement(3, &[]),
                placement(3, &[(1, 1)]),
                counted(5, 0),
                Judged::TooLow,
            ),
            (
                "a slot came back after its record was counted",
                placement(3, &[]),
                returned(placement(2, &[]), 1),
                counted(3, 0),
                Judged::Fine,
            ),
            (
                "or before, as nobody knows",
                placement(3, &[]),
                returned(placement(2, &[]), 1),
                counted(2, 0),
                Judged::Unsettled,
            ),
            (
                "the load is the same, and not the records",
                placement(3, &[]),
                returned(placement(3, &[]), 1),
                counted(4, 0),
                Judged::Unsettled,
            ),
            (
                "too low, whatever came back",
                placement(3, &[]),
                returned(placement(2, &[]), 1),
                counted(4, 0),
                Judged::TooLow,
            ),
            (
                "the node has gone",
                placement(3, &[]),
                Placement::default(),
                counted(5, 0),
                Judged::Fine,
            ),
        ];
        for (name, before, now, counted, expected) in table {
            assert_eq!(judge(ID, &before, &now, &counted), expected, "{name}");
        }
    }

    #[test]
    fn no_more_slots_are_released_than_there_is_room_for() {
        let figures = placement(10, &[]).nodes[&ID].figures;
        for (leased, load, available) in [(0, 10, 50), (10, 30, 50), (10, 60, 30), (10, 90, 0), (50, 90, 0)] {
            let corrected = corrected(figures, leased, load);
            assert_eq!(
                (corrected.current_load, corrected.available),
                (load, available),
                "{load}"
            );
        }
    }
}

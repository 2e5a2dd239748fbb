//! Slots that come back to their node because the record that held them is forgotten (`tokenserver.md` 11).
//!
//! The record goes first, then the slot: whoever repeats the operation has to find out whether the slot has come back
//! already. Records are forgotten by the hundred thousand, so no row is left for each; one cell names those that came back
//! last, and how many there were. Must stay true: a slot comes back at most once. Where that cannot be told any more, it
//! does not: then the load of its node is too high, which the audit finds.

use std::collections::{BTreeMap, VecDeque};

use foxhold_core::{NodeId, OpId};
use foxhold_ports::cell::{Decoder, Encoder};

use super::state::LeaseId;

/// Operations that are named: many times as many as a process lets wait at once (`returning`), so that a slot whose record
/// was just forgotten still finds its way back behind those of all the others.
pub(super) const LAST_MAX: usize = 1024;
const FORMAT: u8 = 2;
const SLOT_FORMAT: u8 = 1;

/// What stands among the operations for a node that was counted anew. No operation has this id.
const COUNTED_ANEW: OpId = OpId::from_bytes([0; 16]);

/// What has come back to the nodes of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Returns {
    /// Slots that ever came back, and times when nobody may say so any more.
    count: u64,
    /// The operations that brought the last ones, oldest first.
    last: VecDeque<OpId>,
    /// Nodes whose load was counted anew, each with the count then: which slots had come back was counted with it.
    counted: BTreeMap<NodeId, u64>,
}

/// A slot that is to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Return {
    /// Where to.
    pub(crate) node: NodeId,
    /// The lease it was spent from; absent = from none.
    pub(crate) lease: Option<LeaseId>,
    /// [`Returns::count`] at some time before its record was forgotten.
    pub(crate) since: u64,
}

/// Whether a slot has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Back,
    NotYet,
    /// Too much has come back since.
    Forgotten,
}

impl Returns {
    /// How many there were.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// What became of the slot that this operation was to bring back, and cannot have before the count was `slot.since`. A
    /// state that is older than that knows nothing of it, and nothing that is computed from it can be written.
    pub(crate) fn fate(&self, op: &OpId, slot: &Return) -> Fate {
        let counted_since = self.counted.get(&slot.node).is_some_and(|at| *at > slot.since);
        if self.last.contains(op) {
            Fate::Back
        } else if !counted_since && self.count.saturating_sub(slot.since) <= self.last.len() as u64 {
            Fate::NotYet
        } else {
            Fate::Forgotten
        }
    }

    pub(super) fn add(&mut self, op: OpId) {
        if self.last.len() == LAST_MAX {
            self.last.pop_front();
        }
        self.last.push_back(op);
        self.count += 1;
    }

    /// From here on nothing comes back to this node whose record was forgotten before: it was counted otherwise. Those of
    /// other nodes do.
    pub(crate) fn close(&mut self, node: NodeId) {
        self.add(COUNTED_ANEW);
        self.counted.insert(node, self.count);
        // What was counted before all that are named says no more than those do.
        let named = self.last.len() as u64;
        let first = self.count.saturating_sub(named);
        self.counted.retain(|_, at| *at > first);
    }

    /// As it stands in the table.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut cell = Encoder::new(FORMAT);
        cell.number(self.count);
        cell.number(self.counted.len() as u64);
        for (node, at) in &self.counted {
            cell.number(node.0);
            cell.number(*at);
        }
        for op in &self.last {
            cell.bytes(op.as_bytes());
        }
        cell.finish_plain()
    }

    /// `None` = damaged.
    pub(super) fn decode(cell: &[u8]) -> Option<Self> {
        let mut cell = Decoder::new(cell, FORMAT)?;
        let mut returns = Self {
            count: cell.number()?,
            counted: cell.list(|cell| Some((NodeId(cell.number()?), cell.number()?)))?,
            last: VecDeque::new(),
        };
        while !cell.is_empty() {
            returns.last.push_back(OpId::from_bytes(cell.array()?));
        }
        Some(returns)
    }
}

impl Return {
    /// As it stands beside the operation.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut cell = Encoder::new(SLOT_FORMAT);
        cell.number(self.node.0);
        cell.option(self.lease, |cell, lease| cell.bytes(&lease.0));
        cell.number(self.since);
        cell.finish_plain()
    }

    /// `None` = damaged.
    pub(crate) fn decode(cell: &[u8]) -> Option<Self> {
        let mut cell = Decoder::new(cell, SLOT_FORMAT)?;
        let slot = Self {
            node: NodeId(cell.number()?),
            lease: cell.option(|cell| cell.array().map(LeaseId))?,
            since: cell.number()?,
        };
        cell.finish(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(3);

    fn op(number: u64) -> OpId {
        OpId::from_bytes((u128::from(number) + 1).to_be_bytes())
    }

    fn after(ops: impl IntoIterator<Item = u64>) -> Returns {
        let mut returns = Returns::default();
        ops.into_iter().for_each(|number| returns.add(op(number)));
        returns
    }

    fn slot(since: u64) -> Return {
        Return {
            node: NODE,
            lease: None,
            since,
        }
    }

    #[test]
    fn a_slot_comes_back_once_and_not_at_all_if_nobody_can_tell() {
        const MANY: u64 = LAST_MAX as u64;
        let counted = |node: NodeId| {
            let mut returns = after(1..=3);
            returns.close(node);
            returns
        };
        // The operation asked about is the first, or none of these.
        let table = [
            ("nothing came back", after([]), 1, 0, Fate::NotYet),
            ("it did", after([1]), 1, 0, Fate::Back),
            ("others did", after(2..=9), 1, 0, Fate::NotYet),
            ("and it did, too", after(1..=9), 1, 0, Fate::Back),
            ("as many as are named", after(1..=MANY), 1, 0, Fate::Back),
            (
                "one more: it was the first",
                after(1..=MANY + 1),
                1,
                0,
                Fate::Forgotten,
            ),
            (
                "one more: it was none",
                after(1..=MANY + 1),
                9999,
                0,
                Fate::Forgotten,
            ),
            (
                "one more, but one was before",
                after(1..=MANY + 1),
                9999,
                1,
                Fate::NotYet,
            ),
            ("a state of before", after([]), 1, 5, Fate::NotYet),
            ("counted anew since", counted(NODE), 9, 3, Fate::Forgotten),
            (
                "counted anew, and nothing before",
                counted(NODE),
                9,
                0,
                Fate::Forgotten,
            ),
            ("counted anew before", counted(NODE), 9, 4, Fate::NotYet),
            ("it came back before that", counted(NODE), 2, 0, Fate::Back),
            (
                "another node was counted anew",
                counted(NodeId(4)),
                9,
                0,
                Fate::NotYet,
            ),
        ];
        for (name, returns, asked, since, expected) in table {
            assert_eq!(returns.fate(&op(asked), &slot(since)), expected, "{name}");
        }
    }

    /// Once it cannot be told, it never can be again.
    #[test]
    fn what_is_forgotten_stays_so() {
        let mut returns = after([]);
        returns.close(NODE);
        for number in 0..2 * LAST_MAX as u64 {
            assert_eq!(returns.fate(&op(999_999), &slot(0)), Fate::Forgotten, "{number}");
            returns.add(op(number));
            returns.close(NodeId(number % 7 + 10));
        }
        assert_eq!((returns.last.len(), returns.counted.len()), (LAST_MAX, 7));
        assert_eq!(returns.count(), 1 + 4 * LAST_MAX as u64);
    }

    #[test]
    fn both_survive_the_table() {
        let mut counted = after(0..5);
        counted.close(NODE);
        for returns in [after([]), after([1, 2]), after(0..2000), counted] {
            assert_eq!(Returns::decode(&returns.encode()), Some(returns));
        }
        assert_eq!(Returns::decode(&[2, 0, 0]), None);
        assert_eq!(Returns::decode(&[&after([1]).encode()[..], &[0]].concat()), None);
        for lease in [None, Some(LeaseId([7; 16]))] {
            let slot = Return { lease, ..slot(4) };
            assert_eq!(Return::decode(&slot.encode()), Some(slot));
        }
        assert_eq!(Return::decode(&[]), None);
    }

    /// Cells like these lie in stores.
    #[test]
    fn the_formats_are_these_for_good() {
        let number = |number: u64| number.to_be_bytes().to_vec();
        let mut returns = after([1]);
        returns.close(NODE);
        let op = 2_u128.to_be_bytes().to_vec();
        let counted = [number(1), number(3), number(2)].concat();
        let expected = [vec![2], number(2), counted, op, vec![0; 16]].concat();
        assert_eq!(returns.encode(), expected);
        let slot = Return {
            lease: Some(LeaseId([7; 16])),
            ..slot(4)
        };
        let expected = [vec![1], number(3), vec![1], vec![7; 16], number(4)].concat();
        assert_eq!(slot.encode(), expected);
    }
}

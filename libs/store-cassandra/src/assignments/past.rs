//! A user's past records as one cell, the nodes and slots by what they are in the store.

use std::num::NonZeroU64;

use foxhold_core::{
    NodeId, ServiceUid, Timestamp,
    record::{ClientState, Generation, PastRecord},
};
use foxhold_ports::cell::{Decoder, Encoder};

const FORMAT: u8 = 1;

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seat {
    /// Its node's number; there may be no such node any more.
    pub(crate) node: Option<NodeId>,
    /// The slot it was made with, if it still has that.
    pub(crate) slot: Option<Vec<u8>>,
}

/// A past record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// The record, its node left out.
    pub(crate) record: PastRecord,
    pub(crate) seat: Seat,
}

/// The cell.
pub(crate) fn encode(records: &[Past]) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    for Past { record, seat } in records {
        cell.number(record.uid.get());
        cell.number(record.generation.0);
        cell.number(record.keys_changed_at.map_or(0, NonZeroU64::get));
        cell.sized(record.client_state.as_bytes());
        cell.number(record.created_at.as_millis());
        cell.number(record.replaced_at.as_millis());
        cell.option(record.holds_slot.then_some(()), |_, ()| ());
        cell.option(seat.node, |cell, node| cell.number(node.0));
        cell.option(seat.slot.as_deref(), Encoder::sized);
    }
    cell.finish_plain()
}

/// What a cell holds; `None` = it is damaged or of another format.
pub(crate) fn decode(cell: &[u8]) -> Option<Vec<Past>> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let mut records = Vec::new();
    while !cell.is_empty() {
        records.push(next(&mut cell)?);
    }
    Some(records)
}

fn next(cell: &mut Decoder<'_>) -> Option<Past> {
    let record = PastRecord {
        uid: ServiceUid::new(cell.number()?)?,
        generation: Generation(cell.number()?),
        keys_changed_at: NonZeroU64::new(cell.number()?),
        client_state: ClientState::new(cell.sized()?.to_vec())?,
        created_at: Timestamp::from_millis(cell.number()?),
        replaced_at: Timestamp::from_millis(cell.number()?),
        node: None,
        holds_slot: cell.option(|_| Some(()))?.is_some(),
    };
    let seat = Seat {
        node: cell.option(|cell| cell.number().map(NodeId))?,
        slot: cell.option(|cell| cell.sized().map(<[u8]>::to_vec))?,
    };
    Some(Past { record, seat })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(uid: u64, holds_slot: bool, seat: Seat) -> Past {
        Past {
            record: PastRecord {
                uid: ServiceUid::new(uid).unwrap(),
                generation: Generation(2),
                keys_changed_at: NonZeroU64::new(3),
                client_state: ClientState::new(b"ab".to_vec()).unwrap(),
                created_at: Timestamp::from_millis(4),
                replaced_at: Timestamp::from_millis(5),
                node: None,
                holds_slot,
            },
            seat,
        }
    }

    fn on(node: u64, slot: Option<Vec<u8>>) -> Seat {
        Seat {
            node: Some(NodeId(node)),
            slot,
        }
    }

    #[test]
    fn past_records_survive() {
        let some = vec![
            past(1, false, Seat::default()),
            past(2, true, on(7, None)),
            past(3, true, on(8, Some(vec![9; 24]))),
        ];
        for records in [vec![], some[..1].to_vec(), some.clone()] {
            let cell = encode(&records);
            assert_eq!(decode(&cell), Some(records));
        }
        let cell = encode(&some);
        let cuts: Vec<_> = (0..cell.len()).filter_map(|len| decode(&cell[..len])).collect();
        assert_eq!(
            cuts,
            [vec![], some[..1].to_vec(), some[..2].to_vec()],
            "only between records"
        );
        assert_eq!(decode(&[2]), None, "another format");
    }

    /// Cells like these lie in tables.
    #[test]
    fn the_format_is_this_one_for_good() {
        let number = |number: u64| number.to_be_bytes().to_vec();
        let expected = [
            vec![1],
            [number(1), number(2), number(3)].concat(),
            [number(2), b"ab".to_vec()].concat(),
            [number(4), number(5)].concat(),
            [vec![1], vec![1], number(7)].concat(),
            [vec![1], number(2), vec![8, 9]].concat(),
        ];
        let record = past(1, true, on(7, Some(vec![8, 9])));
        assert_eq!(encode(&[record]), expected.concat());
    }
}

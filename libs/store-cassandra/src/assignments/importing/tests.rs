//! Where records from elsewhere are put, and which of them get slots.

use std::collections::BTreeMap;

use foxhold_core::{
    Timestamp,
    record::{ClientState, Generation, NodeFigures},
};
use foxhold_ports::assignments::ImportedRecord;
use scylla::value::CqlTimestamp;

use super::*;
use crate::{assignments::record::Columns, placement::state::Node};

const SLOT: [u8; 24] = [7; 24];

fn url(number: u64) -> String {
    format!("https://n{number}.example")
}

/// Nodes 1 and 2; 3 was removed.
fn placement() -> Placement {
    let node = |number: u64| Node {
        url: url(number),
        node_type: Some(format!("type {number}")),
        pool: None,
        figures: NodeFigures::default(),
        returned: 0,
    };
    Placement {
        nodes: BTreeMap::from([1, 2].map(|number| (NodeId(number), node(number)))),
        removed: [NodeId(3)].into(),
        ..Placement::default()
    }
}

fn uid(number: u64) -> ServiceUid {
    ServiceUid::new(number).unwrap()
}

fn state(number: u64) -> ClientState {
    ClientState::new(vec![number as u8]).unwrap()
}

/// A record whose numbers and times are its uid, on a node at that URL.
fn record(number: u64, node: Option<String>) -> ImportedRecord {
    ImportedRecord {
        uid: uid(number),
        generation: Generation(number),
        keys_changed_at: None,
        client_state: state(number),
        created_at: Timestamp::from_secs(number),
        replaced_at: None,
        node,
        holds_slot: None,
    }
}

/// Somebody who is here already: uid 2 on the node with this number, after uid 1 there, which handed its slot on.
fn known(node: u64) -> Before {
    let past = Past {
        record: PastRecord {
            uid: uid(1),
            generation: Generation(1),
            keys_changed_at: None,
            client_state: state(1),
            created_at: Timestamp::from_secs(1),
            replaced_at: Timestamp::from_secs(2),
            node: None,
            holds_slot: false,
        },
        seat: Seat {
            node: Some(NodeId(node)),
            slot: None,
        },
    };
    let columns = Columns {
        uid: Some(2),
        generation: Some(2),
        client_state: Some(vec![2]),
        keys_changed_at: Some(0),
        created_at: Some(CqlTimestamp(2000)),
        node: Some(node.cast_signed()),
        slot: Some(SLOT.to_vec()),
        past: Some(crate::assignments::past::encode(&[past])),
        first_seen_at: Some(CqlTimestamp(1000)),
        version: Some(5),
        ..Columns::default()
    };
    let stored = columns.stored().unwrap().unwrap();
    let nodes = |number: u64| {
        let place = foxhold_ports::assignments::change::Place {
            node: url(number),
            node_type: None,
        };
        (NodeId(number), Some(place).filter(|_| number < 3))
    };
    let record = stored.on(&Arc::new([1, 2, 3].map(nodes).into()));
    Some((stored, record))
}

fn seated(before: &Before, records: Vec<ImportedRecord>) -> Seated {
    let placement = placement();
    let user = ImportedUser {
        records,
        old_client_states: vec![],
        first_seen_at: None,
    };
    let known = before.as_ref().map(|(_, record)| record);
    let merged = imported(known, &user, |url| rules::at_url(&placement, url).is_some()).unwrap();
    Seated::of(before, merged, &placement).expect("it adds up")
}

/// The nodes of the past records and the current one, those with slots, and who is to get one.
type Expected = (Vec<Option<u64>>, Vec<bool>, Vec<(usize, u64)>);

#[test]
fn each_record_that_holds_a_slot_has_one_of_its_own() {
    let at = |number| Some(url(number));
    let table: [(&str, Before, Vec<ImportedRecord>, Expected); 7] = [
        (
            "a newcomer",
            None,
            vec![record(1, at(1))],
            (vec![Some(1)], vec![false], vec![(0, 1)]),
        ),
        (
            "nodes that are not there",
            None,
            vec![record(1, at(9)), record(2, at(3))],
            (vec![None, None], vec![false, false], vec![]),
        ),
        (
            "who stayed and then moved",
            None,
            vec![record(1, at(1)), record(2, at(1)), record(3, at(2))],
            (
                vec![Some(1), Some(1), Some(2)],
                vec![false; 3],
                vec![(1, 1), (2, 2)],
            ),
        ),
        (
            "nothing new",
            known(1),
            vec![record(1, at(1)), record(2, at(1))],
            (vec![Some(1), Some(1)], vec![false, true], vec![]),
        ),
        (
            "a newer one elsewhere",
            known(1),
            vec![record(3, at(2))],
            (
                vec![Some(1), Some(1), Some(2)],
                vec![false, true, false],
                vec![(2, 2)],
            ),
        ),
        (
            "the past one is the newer one after all",
            known(1),
            vec![ImportedRecord {
                generation: Generation(9),
                ..record(1, at(2))
            }],
            (vec![Some(1), Some(1)], vec![true, false], vec![(1, 1)]),
        ),
        (
            "whose node was removed",
            known(3),
            vec![record(2, at(1)), record(3, at(1))],
            (vec![Some(3), Some(3), Some(1)], vec![false; 3], vec![(2, 1)]),
        ),
    ];
    for (name, before, records, expected) in table {
        let seated = seated(&before, records);
        let seats = seated.past.iter().map(|past| &past.seat).chain([&seated.seat]);
        let nodes = seats.clone().map(|seat| seat.node.map(|node| node.0)).collect();
        let slots = seats.map(|seat| seat.slot.is_some()).collect();
        let takes = seated
            .takes
            .iter()
            .map(|(place, node)| (*place, node.0))
            .collect();
        assert_eq!((nodes, slots, takes), expected, "{name}");
        assert!(
            seated.past.iter().all(|past| past.record.node.is_none()),
            "{name}"
        );
    }
}

#[test]
fn the_current_record_bears_the_label_of_its_node() {
    for (node, expected) in [(1, Some("type 1")), (2, Some("type 2")), (9, None)] {
        let seated = seated(&None, vec![record(1, Some(url(node)))]);
        assert_eq!(seated.record.current.node_type.as_deref(), expected, "{node}");
    }
}

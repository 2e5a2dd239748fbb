//! A user's records as one cell: what an intent answered, for a store to keep beside its operation. A service's policy as
//! one cell: [`policy`].

pub mod policy;

use std::num::NonZeroU64;

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{Assignment, ClientState, Generation, PastRecord, UserRecord},
};

use crate::cell::{Decoder, Encoder};

const FORMAT: u8 = 1;

/// The cell.
#[must_use]
pub fn encode(record: &UserRecord) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    let current = &record.current;
    cell.number(current.uid.get());
    cell.number(current.generation.0);
    cell.number(current.keys_changed_at.map_or(0, NonZeroU64::get));
    cell.sized(current.client_state.as_bytes());
    cell.number(current.created_at.as_millis());
    cell.option(current.replaced_at, |cell, at| cell.number(at.as_millis()));
    for text in [&current.node, &current.node_type] {
        cell.option(text.as_ref(), |cell, text| cell.sized(text.as_bytes()));
    }
    cell.number(record.first_seen_at.as_millis());
    cell.number(record.version);
    cell.number(record.past.len() as u64);
    for past in &record.past {
        encode_past(&mut cell, past);
    }
    for state in &record.old_client_states {
        cell.sized(state.as_bytes());
    }
    cell.finish_plain()
}

/// What a cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode(cell: &[u8]) -> Option<UserRecord> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let current = Assignment {
        uid: ServiceUid::new(cell.number()?)?,
        generation: Generation(cell.number()?),
        keys_changed_at: NonZeroU64::new(cell.number()?),
        client_state: client_state(&mut cell)?,
        created_at: Timestamp::from_millis(cell.number()?),
        replaced_at: cell.option(|cell| cell.number().map(Timestamp::from_millis))?,
        node: cell.option(Decoder::text)?,
        node_type: cell.option(Decoder::text)?,
    };
    let first_seen_at = Timestamp::from_millis(cell.number()?);
    let version = cell.number()?;
    let past = cell.list(decode_past)?;
    let mut old_client_states = Vec::new();
    while !cell.is_empty() {
        old_client_states.push(client_state(&mut cell)?);
    }
    Some(UserRecord {
        current,
        past,
        old_client_states,
        first_seen_at,
        version,
    })
}

fn encode_past(cell: &mut Encoder, past: &PastRecord) {
    cell.number(past.uid.get());
    cell.number(past.generation.0);
    cell.number(past.keys_changed_at.map_or(0, NonZeroU64::get));
    cell.sized(past.client_state.as_bytes());
    cell.number(past.created_at.as_millis());
    cell.number(past.replaced_at.as_millis());
    cell.option(past.node.as_ref(), |cell, node| cell.sized(node.as_bytes()));
    cell.bytes(&[u8::from(past.holds_slot)]);
}

fn decode_past(cell: &mut Decoder<'_>) -> Option<PastRecord> {
    Some(PastRecord {
        uid: ServiceUid::new(cell.number()?)?,
        generation: Generation(cell.number()?),
        keys_changed_at: NonZeroU64::new(cell.number()?),
        client_state: client_state(cell)?,
        created_at: Timestamp::from_millis(cell.number()?),
        replaced_at: Timestamp::from_millis(cell.number()?),
        node: cell.option(Decoder::text)?,
        holds_slot: match cell.take(1)? {
            [0] => false,
            [1] => true,
            _ => return None,
        },
    })
}

fn client_state(cell: &mut Decoder<'_>) -> Option<ClientState> {
    ClientState::new(cell.sized()?.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cell::tests::{check, must_not_panic};

    fn any_client_state() -> impl Strategy<Value = ClientState> {
        proptest::collection::vec(any::<u8>(), 0..=16).prop_map(|bytes| ClientState::new(bytes).unwrap())
    }

    fn record() -> impl Strategy<Value = UserRecord> {
        let current = (
            1..=ServiceUid::MAX,
            any::<(u64, u64, u64, Option<u64>)>(),
            any_client_state(),
            any::<(Option<String>, Option<String>)>(),
        );
        let current = current.prop_map(
            |(uid, (generation, keys, created, replaced), client_state, place)| Assignment {
                uid: ServiceUid::new(uid).unwrap(),
                generation: Generation(generation),
                keys_changed_at: NonZeroU64::new(keys),
                client_state,
                created_at: Timestamp::from_millis(created),
                replaced_at: replaced.map(Timestamp::from_millis),
                node: place.0,
                node_type: place.1,
            },
        );
        let old = proptest::collection::vec(any_client_state(), 0..5);
        let past = proptest::collection::vec(past(), 0..4);
        (current, past, old, any::<(u64, u64)>()).prop_map(
            |(current, past, old_client_states, (first_seen_at, version))| UserRecord {
                current,
                past,
                old_client_states,
                first_seen_at: Timestamp::from_millis(first_seen_at),
                version,
            },
        )
    }

    fn past() -> impl Strategy<Value = PastRecord> {
        let numbers = any::<(u64, u64, u64, u64)>();
        let place = any::<(Option<String>, bool)>();
        (1..=ServiceUid::MAX, numbers, any_client_state(), place).prop_map(
            |(uid, (generation, keys, created, replaced), client_state, (node, holds_slot))| PastRecord {
                uid: ServiceUid::new(uid).unwrap(),
                generation: Generation(generation),
                keys_changed_at: NonZeroU64::new(keys),
                client_state,
                created_at: Timestamp::from_millis(created),
                replaced_at: Timestamp::from_millis(replaced),
                node,
                holds_slot,
            },
        )
    }

    proptest! {
        #[test]
        fn records_survive(record in record()) {
            check(&record, &encode(&record), decode);
        }

        #[test]
        fn no_bytes_panic(cell in proptest::collection::vec(any::<u8>(), 0..400)) {
            must_not_panic(cell, decode);
        }
    }

    /// Cells like these lie in stores.
    #[test]
    fn the_format_is_this_one_for_good() {
        let state = |bytes: &[u8]| ClientState::new(bytes.to_vec()).unwrap();
        let record = UserRecord {
            current: Assignment {
                uid: ServiceUid::new(1).unwrap(),
                generation: Generation(2),
                keys_changed_at: None,
                client_state: state(b"ab"),
                created_at: Timestamp::from_millis(3),
                replaced_at: Some(Timestamp::from_millis(4)),
                node: Some("n".into()),
                node_type: None,
            },
            past: vec![PastRecord {
                uid: ServiceUid::new(7).unwrap(),
                generation: Generation(8),
                keys_changed_at: NonZeroU64::new(9),
                client_state: state(b"d"),
                created_at: Timestamp::from_millis(10),
                replaced_at: Timestamp::from_millis(11),
                node: Some("m".into()),
                holds_slot: true,
            }],
            old_client_states: vec![state(b"c"), state(b"")],
            first_seen_at: Timestamp::from_millis(5),
            version: 6,
        };
        let number = |number: u64| number.to_be_bytes().to_vec();
        let expected = [
            vec![1],
            [number(1), number(2), number(0)].concat(),
            [number(2), b"ab".to_vec()].concat(),
            number(3),
            [vec![1], number(4)].concat(),
            [vec![1], number(1), b"n".to_vec()].concat(),
            vec![0],
            [number(5), number(6)].concat(),
            [number(1), number(7), number(8), number(9)].concat(),
            [number(1), b"d".to_vec(), number(10), number(11)].concat(),
            [vec![1], number(1), b"m".to_vec(), vec![1]].concat(),
            [number(1), b"c".to_vec(), number(0)].concat(),
        ];
        assert_eq!(encode(&record), expected.concat());
    }
}

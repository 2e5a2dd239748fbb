//! A user's records as an intent answered them, for the operation log.

use std::num::NonZeroU64;

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{Assignment, ClientState, Generation, UserRecord},
};

use super::{DAMAGED, Decoder, Encoder};
use crate::error::StoreError;

const FORMAT: u8 = 1;

pub(crate) fn encode_record(record: &UserRecord) -> Vec<u8> {
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
    for state in &record.old_client_states {
        cell.sized(state.as_bytes());
    }
    cell.0.to_vec()
}

pub(crate) fn decode_record(cell: &[u8]) -> Result<UserRecord, StoreError> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let current = Assignment {
        uid: ServiceUid::new(cell.number()?).ok_or(DAMAGED)?,
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
    let mut old_client_states = Vec::new();
    while !cell.is_empty() {
        old_client_states.push(client_state(&mut cell)?);
    }
    Ok(UserRecord {
        current,
        old_client_states,
        first_seen_at,
        version,
    })
}

fn client_state(cell: &mut Decoder<'_>) -> Result<ClientState, StoreError> {
    ClientState::new(cell.sized()?.to_vec()).ok_or(DAMAGED)
}

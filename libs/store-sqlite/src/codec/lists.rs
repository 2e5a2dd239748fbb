//! Small lists and groups: old client states, a device's commands, its push endpoint.

use std::collections::BTreeMap;

use foxhold_core::record::{ClientState, PushEndpoint};

use super::{DAMAGED, Decoder, Encoder};
use crate::error::StoreError;

const FORMAT: u8 = 1;

pub(crate) fn encode_client_states(states: &[ClientState]) -> Vec<u8> {
    // Seventeen bytes for each: this is the cell that every token exchange reads.
    let mut cell = vec![FORMAT];
    for state in states {
        cell.push(state.as_bytes().len() as u8); // A client state has at most 16 bytes.
        cell.extend_from_slice(state.as_bytes());
    }
    cell
}

pub(crate) fn decode_client_states(cell: &[u8]) -> Result<Vec<ClientState>, StoreError> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let mut states = Vec::new();
    while !cell.is_empty() {
        let [len] = cell.array()?;
        let state = cell.take(usize::from(len))?;
        states.push(ClientState::new(state.to_vec()).ok_or(DAMAGED)?);
    }
    Ok(states)
}

pub(crate) fn encode_commands(commands: &BTreeMap<String, String>) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    for (name, value) in commands {
        cell.sized(name.as_bytes());
        cell.sized(value.as_bytes());
    }
    cell.0.to_vec()
}

pub(crate) fn decode_commands(cell: &[u8]) -> Result<BTreeMap<String, String>, StoreError> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let mut commands = BTreeMap::new();
    while !cell.is_empty() {
        let name = cell.text()?;
        commands.insert(name, cell.text()?);
    }
    Ok(commands)
}

pub(crate) fn encode_push(push: &PushEndpoint) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    for text in [&push.callback, &push.public_key, &push.auth_key] {
        cell.sized(text.as_bytes());
    }
    cell.0.to_vec()
}

pub(crate) fn decode_push(cell: &[u8]) -> Result<PushEndpoint, StoreError> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let push = PushEndpoint {
        callback: cell.text()?,
        public_key: cell.text()?,
        auth_key: cell.text()?,
    };
    cell.finish()?;
    Ok(push)
}

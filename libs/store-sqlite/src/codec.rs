//! Cells that hold more than one value: those that all stores share, with this store's error, and small lists and
//! groups of its own: old client states, a device's commands, its push endpoint.
//!
//! Must stay true: decoding never panics, whatever the bytes.

use std::collections::BTreeMap;

use foxhold_core::record::{
    ClientState, Credentials, PushEndpoint, RecoveryKey, SecondFactor, ServicePolicy, UserRecord,
};
use foxhold_ports::{
    accounts, assignments,
    cell::{Decoder, Encoder},
    guards,
};
use zeroize::Zeroizing;

use crate::error::StoreError;

const FORMAT: u8 = 1;
const DAMAGED: StoreError = StoreError::Corrupt("a cell cannot be decoded");

pub(crate) fn encode_credentials(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    accounts::encoding::encode(credentials)
}

pub(crate) fn decode_credentials(cell: &[u8]) -> Result<Credentials, StoreError> {
    accounts::encoding::decode(cell).ok_or(DAMAGED)
}

pub(crate) fn decode_second_factor(cell: &[u8]) -> Result<SecondFactor, StoreError> {
    guards::encoding::decode_second_factor(cell).ok_or(DAMAGED)
}

pub(crate) fn decode_recovery_key(cell: &[u8]) -> Result<RecoveryKey, StoreError> {
    guards::encoding::decode_recovery_key(cell).ok_or(DAMAGED)
}

pub(crate) fn encode_record(record: &UserRecord) -> Vec<u8> {
    assignments::encoding::encode(record)
}

pub(crate) fn decode_record(cell: &[u8]) -> Result<UserRecord, StoreError> {
    assignments::encoding::decode(cell).ok_or(DAMAGED)
}

pub(crate) fn encode_policy(policy: &ServicePolicy) -> Vec<u8> {
    assignments::encoding::policy::encode(policy)
}

pub(crate) fn decode_policy(cell: &[u8]) -> Result<ServicePolicy, StoreError> {
    assignments::encoding::policy::decode(cell).ok_or(DAMAGED)
}

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
    client_states(cell).ok_or(DAMAGED)
}

fn client_states(cell: &[u8]) -> Option<Vec<ClientState>> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let mut states = Vec::new();
    while !cell.is_empty() {
        let [len] = cell.array()?;
        let state = cell.take(usize::from(len))?;
        states.push(ClientState::new(state.to_vec())?);
    }
    Some(states)
}

pub(crate) fn encode_commands(commands: &BTreeMap<String, String>) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    for (name, value) in commands {
        cell.sized(name.as_bytes());
        cell.sized(value.as_bytes());
    }
    cell.finish_plain()
}

pub(crate) fn decode_commands(cell: &[u8]) -> Result<BTreeMap<String, String>, StoreError> {
    commands(cell).ok_or(DAMAGED)
}

fn commands(cell: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let mut commands = BTreeMap::new();
    while !cell.is_empty() {
        let name = cell.text()?;
        commands.insert(name, cell.text()?);
    }
    Some(commands)
}

pub(crate) fn encode_push(push: &PushEndpoint) -> Vec<u8> {
    let mut cell = Encoder::new(FORMAT);
    for text in [&push.callback, &push.public_key, &push.auth_key] {
        cell.sized(text.as_bytes());
    }
    cell.finish_plain()
}

pub(crate) fn decode_push(cell: &[u8]) -> Result<PushEndpoint, StoreError> {
    push(cell).ok_or(DAMAGED)
}

fn push(cell: &[u8]) -> Option<PushEndpoint> {
    let mut cell = Decoder::new(cell, FORMAT)?;
    let push = PushEndpoint {
        callback: cell.text()?,
        public_key: cell.text()?,
        auth_key: cell.text()?,
    };
    cell.finish(push)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    /// What was encoded is decoded; a cut, lengthened or renumbered cell is refused.
    fn check<T: PartialEq + Debug>(value: &T, cell: &[u8], decode: fn(&[u8]) -> Result<T, StoreError>) {
        assert_eq!(&decode(cell).unwrap(), value);
        let mut longer = cell.to_vec();
        longer.push(0);
        let mut other_format = cell.to_vec();
        other_format[0] ^= 0x80;
        assert!(decode(&other_format).is_err());
        assert!(decode(&[]).is_err());
        // A list may well end earlier or go on: then it must be another one.
        for changed in [&longer, &cell[..cell.len() - 1].to_vec()] {
            assert!(decode(changed).map_or(true, |other| other != *value));
        }
    }

    fn client_state() -> impl Strategy<Value = ClientState> {
        proptest::collection::vec(any::<u8>(), 0..=16).prop_map(|bytes| ClientState::new(bytes).unwrap())
    }

    proptest! {
        #[test]
        fn client_states_survive(states in proptest::collection::vec(client_state(), 0..50)) {
            check(&states, &encode_client_states(&states), decode_client_states);
        }

        #[test]
        fn commands_survive(commands in any::<BTreeMap<String, String>>()) {
            check(&commands, &encode_commands(&commands), decode_commands);
        }

        #[test]
        fn push_endpoints_survive((callback, public_key, auth_key) in any::<(String, String, String)>()) {
            let push = PushEndpoint { callback, public_key, auth_key };
            check(&push, &encode_push(&push), decode_push);
        }

        #[test]
        fn no_bytes_panic(mut cell in proptest::collection::vec(any::<u8>(), 0..400)) {
            for format in [1, cell.first().copied().unwrap_or(0)] {
                if let Some(first) = cell.first_mut() {
                    *first = format;
                }
                let _ = decode_credentials(&cell);
                let _ = decode_record(&cell);
                let _ = decode_policy(&cell);
                let _ = decode_client_states(&cell);
                let _ = decode_commands(&cell);
                let _ = decode_push(&cell);
            }
        }
    }
}

//! The binary form of cells that hold more than one value. Each begins with the number of its format, so that a later
//! one can be told from it. Lengths go before what they measure; numbers are big-endian.
//!
//! Must stay true: decoding never panics, whatever the bytes.

mod credentials;
mod lists;
mod record;

pub(crate) use credentials::{decode_credentials, encode_credentials};
pub(crate) use lists::{
    decode_client_states, decode_commands, decode_push, encode_client_states, encode_commands, encode_push,
};
pub(crate) use record::{decode_record, encode_record};

use zeroize::Zeroizing;

use crate::error::StoreError;

const DAMAGED: StoreError = StoreError::Corrupt("a cell cannot be decoded");

/// Writes a cell. Wiped when dropped, since some cells are secrets.
struct Encoder(Zeroizing<Vec<u8>>);

impl Encoder {
    /// Room for every cell but the largest lists: growing would leave a copy behind that is not wiped.
    const USUAL_LEN: usize = 512;

    fn new(format: u8) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::USUAL_LEN));
        bytes.push(format);
        Self(bytes)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes(bytes);
    }

    fn option<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            encode(self, value);
        }
    }
}

/// Reads a cell.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn new(cell: &'a [u8], format: u8) -> Result<Self, StoreError> {
        match cell.split_first() {
            Some((found, rest)) if *found == format => Ok(Self(rest)),
            _ => Err(DAMAGED),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.take(N)?.try_into().map_err(|_| DAMAGED)
    }

    fn number(&mut self) -> Result<u64, StoreError> {
        self.array().map(u64::from_be_bytes)
    }

    fn sized(&mut self) -> Result<&'a [u8], StoreError> {
        let len = usize::try_from(self.number()?).map_err(|_| DAMAGED)?;
        self.take(len)
    }

    fn text(&mut self) -> Result<String, StoreError> {
        let text = std::str::from_utf8(self.sized()?).map_err(|_| DAMAGED)?;
        Ok(text.to_owned())
    }

    fn option<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.take(1)? {
            [0] => Ok(None),
            [1] => decode(self).map(Some),
            _ => Err(DAMAGED),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn finish(self) -> Result<(), StoreError> {
        if self.is_empty() { Ok(()) } else { Err(DAMAGED) }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Debug, num::NonZeroU64};

    use foxhold_core::{
        Secret, ServiceUid, Timestamp,
        record::{
            Assignment, ClientState, Credentials, Generation, PushEndpoint, UserRecord, Verifier, VersionTwo,
        },
    };
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

    fn verifier() -> impl Strategy<Value = Verifier> {
        any::<([u8; 32], [u8; 32])>().prop_map(|(verify_hash, wrap_wrap_kb)| Verifier {
            verify_hash: Secret::new(verify_hash),
            wrap_wrap_kb: Secret::new(wrap_wrap_kb),
        })
    }

    fn credentials() -> impl Strategy<Value = Credentials> {
        let version_two = (verifier(), any::<String>()).prop_map(|(verifier, client_salt)| VersionTwo {
            verifier,
            client_salt,
        });
        (
            any::<[u8; 32]>(),
            any::<[u8; 32]>(),
            verifier(),
            proptest::option::of(version_two),
        )
            .prop_map(|(auth_salt, k_a, version_one, version_two)| Credentials {
                auth_salt,
                k_a: Secret::new(k_a),
                version_one,
                version_two,
            })
    }

    fn client_state() -> impl Strategy<Value = ClientState> {
        proptest::collection::vec(any::<u8>(), 0..=16).prop_map(|bytes| ClientState::new(bytes).unwrap())
    }

    fn record() -> impl Strategy<Value = UserRecord> {
        let current = (
            1..=ServiceUid::MAX,
            any::<(u64, u64, u64, Option<u64>)>(),
            client_state(),
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
        let old = proptest::collection::vec(client_state(), 0..5);
        (current, old, any::<(u64, u64)>()).prop_map(
            |(current, old_client_states, (first_seen_at, version))| UserRecord {
                current,
                old_client_states,
                first_seen_at: Timestamp::from_millis(first_seen_at),
                version,
            },
        )
    }

    proptest! {
        #[test]
        fn credentials_survive(credentials in credentials()) {
            let cell = encode_credentials(&credentials);
            check(&credentials, &cell, decode_credentials);
        }

        #[test]
        fn records_survive(record in record()) {
            check(&record, &encode_record(&record), decode_record);
        }

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
                let _ = decode_client_states(&cell);
                let _ = decode_commands(&cell);
                let _ = decode_push(&cell);
            }
        }
    }

    #[test]
    fn credentials_do_not_outgrow_their_buffer() {
        let secret = || Secret::new([7; 32]);
        let verifier = || Verifier {
            verify_hash: secret(),
            wrap_wrap_kb: secret(),
        };
        let cell = encode_credentials(&Credentials {
            auth_salt: [7; 32],
            k_a: secret(),
            version_one: verifier(),
            version_two: Some(VersionTwo {
                verifier: verifier(),
                client_salt: format!("identity.mozilla.com/picl/v1/quickStretchV2:{}", "0".repeat(32)),
            }),
        });
        assert!(cell.len() <= Encoder::USUAL_LEN);
    }
}

//! Records from elsewhere: `foxhold.dbwriter.v1` and `foxhold_ports::assignments`.

use std::num::NonZeroU64;

use foxhold_core::{
    Timestamp,
    record::{ClientState, Generation},
};
use foxhold_ports::assignments::{ImportedRecord, ImportedUser};

use super::{
    FieldError,
    assignment::{client_state, client_states, keys_changed_at},
    messages, service_uid, time,
};
use crate::wire::dbwriter as pb;

impl TryFrom<pb::ImportedRecord> for ImportedRecord {
    type Error = FieldError;

    fn try_from(wire: pb::ImportedRecord) -> Result<Self, FieldError> {
        Ok(Self {
            uid: service_uid("uid", wire.uid)?,
            generation: Generation(wire.generation),
            keys_changed_at: keys_changed_at(wire.keys_changed_at)?,
            client_state: client_state(wire.client_state)?,
            created_at: time(wire.created_at_ms),
            replaced_at: wire.replaced_at_ms.map(time),
            node: wire.node,
            holds_slot: wire.holds_slot,
        })
    }
}

impl From<&ImportedRecord> for pb::ImportedRecord {
    fn from(record: &ImportedRecord) -> Self {
        Self {
            uid: record.uid.get(),
            generation: record.generation.0,
            keys_changed_at: record.keys_changed_at.map(NonZeroU64::get),
            client_state: record.client_state.as_bytes().to_vec(),
            created_at_ms: record.created_at.as_millis(),
            replaced_at_ms: record.replaced_at.map(Timestamp::as_millis),
            node: record.node.clone(),
            holds_slot: record.holds_slot,
        }
    }
}

impl TryFrom<pb::ImportedUser> for ImportedUser {
    type Error = FieldError;

    fn try_from(wire: pb::ImportedUser) -> Result<Self, FieldError> {
        Ok(Self {
            records: messages("records", wire.records)?,
            old_client_states: client_states("old_client_states", wire.old_client_states)?,
            first_seen_at: wire.first_seen_at_ms.map(time),
        })
    }
}

impl From<&ImportedUser> for pb::ImportedUser {
    fn from(user: &ImportedUser) -> Self {
        let bytes = |state: &ClientState| state.as_bytes().to_vec();
        Self {
            records: user.records.iter().map(Into::into).collect(),
            old_client_states: user.old_client_states.iter().map(bytes).collect(),
            first_seen_at_ms: user.first_seen_at.map(Timestamp::as_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::ServiceUid;

    use super::*;

    fn user() -> ImportedUser {
        let state = |bytes: &[u8]| ClientState::new(bytes.to_vec()).unwrap();
        let record = ImportedRecord {
            uid: ServiceUid::new(1).unwrap(),
            generation: Generation(2),
            keys_changed_at: NonZeroU64::new(3),
            client_state: state(b"a"),
            created_at: Timestamp::from_millis(4),
            replaced_at: Some(Timestamp::from_millis(5)),
            node: Some("https://node".into()),
            holds_slot: Some(false),
        };
        let plain = ImportedRecord {
            keys_changed_at: None,
            replaced_at: None,
            node: None,
            holds_slot: None,
            ..record.clone()
        };
        ImportedUser {
            records: vec![record, plain],
            old_client_states: vec![state(b"b"), state(b"")],
            first_seen_at: Some(Timestamp::from_millis(6)),
        }
    }

    #[test]
    fn users_survive_the_wire() {
        let nobody = ImportedUser {
            records: vec![],
            old_client_states: vec![],
            first_seen_at: None,
        };
        for user in [user(), nobody] {
            assert_eq!(ImportedUser::try_from(pb::ImportedUser::from(&user)), Ok(user));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        type Row = (fn(&mut pb::ImportedUser), FieldError);
        let in_records = |name| FieldError::new(name).under("records");
        let table: [Row; 4] = [
            (|wire| wire.records[1].uid = 0, in_records("uid")),
            (
                |wire| wire.records[0].keys_changed_at = Some(0),
                in_records("keys_changed_at"),
            ),
            (
                |wire| wire.records[0].client_state = vec![0; 17],
                in_records("client_state"),
            ),
            (
                |wire| wire.old_client_states.push(vec![0; 17]),
                FieldError::new("old_client_states"),
            ),
        ];
        for (change, expected) in table {
            let mut wire = pb::ImportedUser::from(&user());
            change(&mut wire);
            assert_eq!(ImportedUser::try_from(wire), Err(expected));
        }
    }
}

//! Services, nodes and users' records: `foxhold.dbwriter.v1` and `foxhold_core::record`.

use std::num::NonZeroU64;

use foxhold_core::{
    ServiceUid,
    record::{Assignment, ClientState, Generation, Service, ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::assignments::{NewNode, RecordRef, UserValues, is_node_url};

use super::{FieldError, field, message, time};
use crate::wire::dbwriter as pb;

/// Absent is "never reported"; zero would be a second way to say so and is refused.
pub(super) fn keys_changed_at(wire: Option<u64>) -> Result<Option<NonZeroU64>, FieldError> {
    wire.map(|millis| field("keys_changed_at", NonZeroU64::new(millis)))
        .transpose()
}

/// At most 16 bytes.
pub(super) fn client_state(wire: Vec<u8>) -> Result<ClientState, FieldError> {
    field("client_state", ClientState::new(wire))
}

/// A node has a URL that can be one.
pub(crate) fn node_url(name: &'static str, wire: String) -> Result<String, FieldError> {
    field(name, is_node_url(&wire).then_some(wire))
}

/// A service is named.
pub(crate) fn service_key(name: &'static str, wire: String) -> Result<ServiceKey, FieldError> {
    field(name, (!wire.is_empty()).then_some(ServiceKey(wire)))
}

impl TryFrom<pb::Service> for Service {
    type Error = FieldError;

    fn try_from(wire: pb::Service) -> Result<Self, FieldError> {
        Ok(Self {
            key: service_key("key", wire.key)?,
            pattern: wire.pattern,
            scope: wire.scope,
            token_lifetime_secs: wire.token_lifetime_secs,
            uid_ceiling: wire.uid_ceiling,
            accepts_new_users: wire.accepts_new_users,
        })
    }
}

impl From<Service> for pb::Service {
    fn from(service: Service) -> Self {
        Self {
            key: service.key.0,
            pattern: service.pattern,
            scope: service.scope,
            token_lifetime_secs: service.token_lifetime_secs,
            uid_ceiling: service.uid_ceiling,
            accepts_new_users: service.accepts_new_users,
        }
    }
}

impl TryFrom<pb::NewNode> for NewNode {
    type Error = FieldError;

    fn try_from(wire: pb::NewNode) -> Result<Self, FieldError> {
        Ok(Self {
            service: service_key("service", wire.service)?,
            url: node_url("url", wire.url)?,
            node_type: wire.node_type,
            capacity: wire.capacity,
            available: wire.available,
        })
    }
}

impl From<NewNode> for pb::NewNode {
    fn from(node: NewNode) -> Self {
        Self {
            service: node.service.0,
            url: node.url,
            node_type: node.node_type,
            capacity: node.capacity,
            available: node.available,
        }
    }
}

impl TryFrom<pb::UserValues> for UserValues {
    type Error = FieldError;

    fn try_from(wire: pb::UserValues) -> Result<Self, FieldError> {
        Ok(Self {
            generation: Generation(wire.generation),
            keys_changed_at: keys_changed_at(wire.keys_changed_at)?,
            client_state: client_state(wire.client_state)?,
        })
    }
}

impl From<&UserValues> for pb::UserValues {
    fn from(values: &UserValues) -> Self {
        Self {
            generation: values.generation.0,
            keys_changed_at: values.keys_changed_at.map(NonZeroU64::get),
            client_state: values.client_state.as_bytes().to_vec(),
        }
    }
}

impl TryFrom<pb::RecordRef> for RecordRef {
    type Error = FieldError;

    fn try_from(wire: pb::RecordRef) -> Result<Self, FieldError> {
        Ok(Self {
            service: service_key("service", wire.service)?,
            user: field("user", (!wire.user.is_empty()).then_some(UserKey(wire.user)))?,
            version: wire.version,
        })
    }
}

impl From<&RecordRef> for pb::RecordRef {
    fn from(at: &RecordRef) -> Self {
        Self {
            service: at.service.0.clone(),
            user: at.user.0.clone(),
            version: at.version,
        }
    }
}

impl TryFrom<pb::Assignment> for Assignment {
    type Error = FieldError;

    fn try_from(wire: pb::Assignment) -> Result<Self, FieldError> {
        Ok(Self {
            uid: field("uid", ServiceUid::new(wire.uid))?,
            generation: Generation(wire.generation),
            keys_changed_at: keys_changed_at(wire.keys_changed_at)?,
            client_state: client_state(wire.client_state)?,
            created_at: time(wire.created_at_ms),
            replaced_at: wire.replaced_at_ms.map(time),
            node: wire.node,
            node_type: wire.node_type,
        })
    }
}

impl From<Assignment> for pb::Assignment {
    fn from(assignment: Assignment) -> Self {
        Self {
            uid: assignment.uid.get(),
            generation: assignment.generation.0,
            keys_changed_at: assignment.keys_changed_at.map(NonZeroU64::get),
            client_state: assignment.client_state.as_bytes().to_vec(),
            created_at_ms: assignment.created_at.as_millis(),
            replaced_at_ms: assignment.replaced_at.map(foxhold_core::Timestamp::as_millis),
            node: assignment.node,
            node_type: assignment.node_type,
        }
    }
}

impl TryFrom<pb::UserRecord> for UserRecord {
    type Error = FieldError;

    fn try_from(wire: pb::UserRecord) -> Result<Self, FieldError> {
        let old_client_states = wire
            .old_client_states
            .into_iter()
            .map(|state| field("old_client_states", ClientState::new(state)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            current: message("current", wire.current)?,
            old_client_states,
            first_seen_at: time(wire.first_seen_at_ms),
            version: wire.version,
        })
    }
}

impl From<UserRecord> for pb::UserRecord {
    fn from(record: UserRecord) -> Self {
        Self {
            current: Some(record.current.into()),
            old_client_states: record
                .old_client_states
                .iter()
                .map(|state| state.as_bytes().to_vec())
                .collect(),
            first_seen_at_ms: record.first_seen_at.as_millis(),
            version: record.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Timestamp;

    use super::*;

    fn assignment() -> Assignment {
        Assignment {
            uid: ServiceUid::new(7).unwrap(),
            generation: Generation(8),
            keys_changed_at: NonZeroU64::new(9),
            client_state: ClientState::new(vec![1; 16]).unwrap(),
            created_at: Timestamp::from_millis(10),
            replaced_at: Some(Timestamp::from_millis(11)),
            node: Some("https://node".into()),
            node_type: None,
        }
    }

    #[test]
    fn records_survive_the_wire() {
        let record = UserRecord {
            current: assignment(),
            old_client_states: vec![ClientState::default(), ClientState::new(vec![2; 3]).unwrap()],
            first_seen_at: Timestamp::from_millis(1),
            version: 3,
        };
        assert_eq!(
            UserRecord::try_from(pb::UserRecord::from(record.clone())),
            Ok(record)
        );

        let at = RecordRef {
            service: ServiceKey("sync-1.5".into()),
            user: UserKey("u@d".into()),
            version: None,
        };
        assert_eq!(RecordRef::try_from(pb::RecordRef::from(&at)), Ok(at));

        let values = UserValues {
            generation: Generation::RETIRED,
            keys_changed_at: None,
            client_state: ClientState::default(),
        };
        assert_eq!(UserValues::try_from(pb::UserValues::from(&values)), Ok(values));
    }

    #[test]
    fn services_and_nodes_survive_the_wire() {
        let service = Service {
            key: ServiceKey("sync-1.5".into()),
            pattern: "{node}/1.5/{uid}".into(),
            scope: "s".into(),
            token_lifetime_secs: 3600,
            uid_ceiling: 9,
            accepts_new_users: true,
        };
        assert_eq!(Service::try_from(pb::Service::from(service.clone())), Ok(service));
        let node = NewNode {
            service: ServiceKey("sync-1.5".into()),
            url: "https://node".into(),
            node_type: Some("a".into()),
            capacity: 10,
            available: 5,
        };
        assert_eq!(NewNode::try_from(pb::NewNode::from(node.clone())), Ok(node));
    }

    #[test]
    fn services_and_nodes_have_names() {
        for wrong in [
            "",
            "node",
            "https://",
            "https://node/",
            "ftp://node",
            "https://a node",
        ] {
            let refused = node_url("from", wrong.to_owned());
            assert_eq!(refused, Err(FieldError::new("from")), "{wrong}");
        }
        assert_eq!(node_url("to", "https://n".into()), Ok("https://n".into()));
        assert_eq!(
            service_key("service", String::new()),
            Err(FieldError::new("service"))
        );
    }

    #[test]
    fn out_of_range_values_are_refused() {
        let wire = pb::Assignment::from(assignment());
        let cases = [
            (
                "uid",
                pb::Assignment {
                    uid: 0,
                    ..wire.clone()
                },
            ),
            (
                "uid",
                pb::Assignment {
                    uid: ServiceUid::MAX + 1,
                    ..wire.clone()
                },
            ),
            (
                "keys_changed_at",
                pb::Assignment {
                    keys_changed_at: Some(0),
                    ..wire.clone()
                },
            ),
            (
                "client_state",
                pb::Assignment {
                    client_state: vec![0; 17],
                    ..wire
                },
            ),
        ];
        for (name, broken) in cases {
            assert_eq!(Assignment::try_from(broken).unwrap_err(), FieldError::new(name));
        }
    }
}

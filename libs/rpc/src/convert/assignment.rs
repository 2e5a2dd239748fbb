//! Services, nodes and users' records: `foxhold.dbwriter.v1` and `foxhold_core::record`.

use std::num::NonZeroU64;

use foxhold_core::{
    ServiceUid,
    record::{Assignment, ClientState, Generation, PastRecord, Service, ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::assignments::{NewNode, NodeChange, RecordRef, UserValues, is_node_url};

use super::{FieldError, allocation::optional_pool, field, message, messages, time};
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

/// Each at most 16 bytes.
pub(super) fn client_states(name: &'static str, wire: Vec<Vec<u8>>) -> Result<Vec<ClientState>, FieldError> {
    let states = wire.into_iter();
    states.map(|state| field(name, ClientState::new(state))).collect()
}

/// The number of a record.
pub(crate) fn service_uid(name: &'static str, wire: u64) -> Result<ServiceUid, FieldError> {
    field(name, ServiceUid::new(wire))
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
            policy: message("policy", wire.policy)?,
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
            policy: Some(service.policy.into()),
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
            pool: optional_pool("pool", wire.pool)?,
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
            pool: node.pool.map(|pool| pool.to_string()),
        }
    }
}

impl TryFrom<pb::NodeChange> for NodeChange {
    type Error = FieldError;

    fn try_from(wire: pb::NodeChange) -> Result<Self, FieldError> {
        Ok(Self {
            capacity: wire.capacity,
            available: wire.available,
            downed: wire.downed,
            backoff: wire.backoff,
            unhealthy: wire.unhealthy,
            pool: wire
                .pool
                .map(|change| optional_pool("pool", change.pool))
                .transpose()?,
        })
    }
}

impl From<NodeChange> for pb::NodeChange {
    fn from(change: NodeChange) -> Self {
        Self {
            capacity: change.capacity,
            available: change.available,
            downed: change.downed,
            backoff: change.backoff,
            unhealthy: change.unhealthy,
            pool: change.pool.map(|pool| pb::PoolChange {
                pool: pool.map(|pool| pool.to_string()),
            }),
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
            uid: service_uid("uid", wire.uid)?,
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

impl TryFrom<pb::PastRecord> for PastRecord {
    type Error = FieldError;

    fn try_from(wire: pb::PastRecord) -> Result<Self, FieldError> {
        Ok(Self {
            uid: service_uid("uid", wire.uid)?,
            generation: Generation(wire.generation),
            keys_changed_at: keys_changed_at(wire.keys_changed_at)?,
            client_state: client_state(wire.client_state)?,
            created_at: time(wire.created_at_ms),
            replaced_at: time(wire.replaced_at_ms),
            node: wire.node,
            holds_slot: wire.holds_slot,
        })
    }
}

impl From<PastRecord> for pb::PastRecord {
    fn from(past: PastRecord) -> Self {
        Self {
            uid: past.uid.get(),
            generation: past.generation.0,
            keys_changed_at: past.keys_changed_at.map(NonZeroU64::get),
            client_state: past.client_state.as_bytes().to_vec(),
            created_at_ms: past.created_at.as_millis(),
            replaced_at_ms: past.replaced_at.as_millis(),
            node: past.node,
            holds_slot: past.holds_slot,
        }
    }
}

impl TryFrom<pb::UserRecord> for UserRecord {
    type Error = FieldError;

    fn try_from(wire: pb::UserRecord) -> Result<Self, FieldError> {
        Ok(Self {
            current: message("current", wire.current)?,
            past: messages("past", wire.past)?,
            old_client_states: client_states("old_client_states", wire.old_client_states)?,
            first_seen_at: time(wire.first_seen_at_ms),
            version: wire.version,
        })
    }
}

impl From<UserRecord> for pb::UserRecord {
    fn from(record: UserRecord) -> Self {
        Self {
            current: Some(record.current.into()),
            past: record.past.into_iter().map(Into::into).collect(),
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
    use foxhold_core::{
        Timestamp,
        record::{PoolName, ServicePolicy},
    };

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

    fn past(node: Option<&str>) -> PastRecord {
        PastRecord {
            uid: ServiceUid::new(3).unwrap(),
            generation: Generation(4),
            keys_changed_at: None,
            client_state: ClientState::new(vec![5]).unwrap(),
            created_at: Timestamp::from_millis(6),
            replaced_at: Timestamp::from_millis(7),
            node: node.map(str::to_owned),
            holds_slot: node.is_some(),
        }
    }

    #[test]
    fn records_survive_the_wire() {
        let record = UserRecord {
            current: assignment(),
            past: vec![past(None), past(Some("https://gone"))],
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
            policy: ServicePolicy::default(),
        };
        let mut wire = pb::Service::from(service.clone());
        assert_eq!(Service::try_from(wire.clone()), Ok(service));
        wire.policy = None;
        assert_eq!(Service::try_from(wire), Err(FieldError::new("policy")));
        let node = NewNode {
            service: ServiceKey("sync-1.5".into()),
            url: "https://node".into(),
            node_type: Some("a".into()),
            pool: PoolName::new("b"),
            capacity: 10,
            available: 5,
        };
        assert_eq!(NewNode::try_from(pb::NewNode::from(node.clone())), Ok(node));
        let change = NodeChange {
            capacity: Some(0),
            available: None,
            downed: Some(true),
            backoff: Some(false),
            unhealthy: Some(true),
            pool: Some(PoolName::new("b")),
        };
        let to_default = NodeChange {
            pool: Some(None),
            ..change.clone()
        };
        for change in [change, to_default, NodeChange::default()] {
            let wire = pb::NodeChange::from(change.clone());
            assert_eq!(NodeChange::try_from(wire), Ok(change));
        }
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
        assert_eq!(service_uid("uid", 0), Err(FieldError::new("uid")));
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

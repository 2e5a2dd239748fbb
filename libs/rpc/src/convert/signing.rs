//! Orders to the signer and what it answers: `foxhold.keysigner.v1` and `foxhold_ports::signer`.

use std::num::NonZeroU64;

use foxhold_core::{ClientId, ServiceUid, Timestamp, Uid, record::Generation};
use foxhold_ports::signer::{AccessTokenOrder, NodeToken, NodeTokenOrder, PublicKey};

use super::{
    FieldError, array,
    assignment::{client_state, keys_changed_at, service_key},
    field, secret_text, time,
};
use crate::wire::keysigner as pb;

impl TryFrom<pb::SignAccessTokenRequest> for AccessTokenOrder {
    type Error = FieldError;

    fn try_from(wire: pb::SignAccessTokenRequest) -> Result<Self, FieldError> {
        Ok(Self {
            uid: field("uid", Uid::from_slice(&wire.uid))?,
            client: field("client", ClientId::from_slice(&wire.client))?,
            audience: wire.audience,
            scope: wire.scope,
            lifetime_secs: wire.lifetime_secs,
            jti: array("jti", &wire.jti)?,
            generation: time(wire.generation_ms),
            profile_changed_at: time(wire.profile_changed_at_ms),
        })
    }
}

impl From<&AccessTokenOrder> for pb::SignAccessTokenRequest {
    fn from(order: &AccessTokenOrder) -> Self {
        Self {
            uid: order.uid.as_bytes().to_vec(),
            client: order.client.as_bytes().to_vec(),
            audience: order.audience.clone(),
            scope: order.scope.clone(),
            lifetime_secs: order.lifetime_secs,
            jti: order.jti.to_vec(),
            generation_ms: order.generation.as_millis(),
            profile_changed_at_ms: order.profile_changed_at.as_millis(),
        }
    }
}

impl TryFrom<pb::MintNodeTokenRequest> for NodeTokenOrder {
    type Error = FieldError;

    fn try_from(wire: pb::MintNodeTokenRequest) -> Result<Self, FieldError> {
        Ok(Self {
            service: service_key("service", wire.service)?,
            node: field("node", (!wire.node.is_empty()).then_some(wire.node))?,
            uid: field("uid", ServiceUid::new(wire.uid))?,
            fxa_uid: wire.fxa_uid,
            generation: Generation(wire.generation),
            keys_changed_at: keys_changed_at(wire.keys_changed_at)?,
            client_state: client_state(wire.client_state)?,
            hashed_fxa_uid: wire.hashed_fxa_uid,
            hashed_device_id: wire.hashed_device_id,
            lifetime_secs: wire.lifetime_secs,
        })
    }
}

impl From<&NodeTokenOrder> for pb::MintNodeTokenRequest {
    fn from(order: &NodeTokenOrder) -> Self {
        Self {
            service: order.service.0.clone(),
            node: order.node.clone(),
            uid: order.uid.get(),
            fxa_uid: order.fxa_uid.clone(),
            generation: order.generation.0,
            keys_changed_at: order.keys_changed_at.map(NonZeroU64::get),
            client_state: order.client_state.as_bytes().to_vec(),
            hashed_fxa_uid: order.hashed_fxa_uid.clone(),
            hashed_device_id: order.hashed_device_id.clone(),
            lifetime_secs: order.lifetime_secs,
        }
    }
}

impl TryFrom<pb::MintNodeTokenResponse> for NodeToken {
    type Error = FieldError;

    fn try_from(wire: pb::MintNodeTokenResponse) -> Result<Self, FieldError> {
        Ok(Self {
            token: secret_text("token", wire.token)?,
            key: secret_text("key", wire.key)?,
        })
    }
}

impl From<NodeToken> for pb::MintNodeTokenResponse {
    fn from(minted: NodeToken) -> Self {
        Self {
            token: minted.token.expose().to_owned(),
            key: minted.key.expose().to_owned(),
        }
    }
}

impl TryFrom<pb::PublicKey> for PublicKey {
    type Error = FieldError;

    fn try_from(wire: pb::PublicKey) -> Result<Self, FieldError> {
        Ok(Self {
            kid: field("kid", (!wire.kid.is_empty()).then_some(wire.kid))?,
            n: field("n", (!wire.n.is_empty()).then_some(wire.n))?,
            e: field("e", (!wire.e.is_empty()).then_some(wire.e))?,
            created_at: time(wire.created_at_ms),
            retires_at: wire.retires_at_ms.map(time),
        })
    }
}

impl From<PublicKey> for pb::PublicKey {
    fn from(key: PublicKey) -> Self {
        Self {
            kid: key.kid,
            n: key.n,
            e: key.e,
            created_at_ms: key.created_at.as_millis(),
            retires_at_ms: key.retires_at.map(Timestamp::as_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::{ClientState, ServiceKey};

    use super::*;

    fn access_order() -> AccessTokenOrder {
        AccessTokenOrder {
            uid: Uid::from_bytes([1; 16]),
            client: ClientId::from_bytes([2; 8]),
            audience: "https://token".into(),
            scope: "profile".into(),
            lifetime_secs: 3600,
            jti: [3; 32],
            generation: Timestamp::from_millis(4),
            profile_changed_at: Timestamp::from_millis(5),
        }
    }

    fn node_order() -> NodeTokenOrder {
        NodeTokenOrder {
            service: ServiceKey("sync-1.5".into()),
            node: "https://node".into(),
            uid: ServiceUid::new(6).unwrap(),
            fxa_uid: "0".repeat(32),
            generation: Generation(7),
            keys_changed_at: NonZeroU64::new(8),
            client_state: ClientState::new(vec![9; 16]).unwrap(),
            hashed_fxa_uid: "a".repeat(32),
            hashed_device_id: "b".repeat(32),
            lifetime_secs: 300,
        }
    }

    #[test]
    fn orders_and_keys_survive_the_wire() {
        let order = access_order();
        assert_eq!(
            AccessTokenOrder::try_from(pb::SignAccessTokenRequest::from(&order)),
            Ok(order)
        );
        let order = node_order();
        assert_eq!(
            NodeTokenOrder::try_from(pb::MintNodeTokenRequest::from(&order)),
            Ok(order)
        );
        let key = PublicKey {
            kid: "k".into(),
            n: vec![1, 2],
            e: vec![1, 0, 1],
            created_at: Timestamp::from_millis(1),
            retires_at: Some(Timestamp::from_millis(2)),
        };
        assert_eq!(PublicKey::try_from(pb::PublicKey::from(key.clone())), Ok(key));
    }

    #[test]
    fn broken_orders_are_refused_by_field() {
        let wire = pb::SignAccessTokenRequest::from(&access_order());
        let cases = [
            (
                "uid",
                pb::SignAccessTokenRequest {
                    uid: vec![0; 15],
                    ..wire.clone()
                },
            ),
            (
                "client",
                pb::SignAccessTokenRequest {
                    client: vec![],
                    ..wire.clone()
                },
            ),
            (
                "jti",
                pb::SignAccessTokenRequest {
                    jti: vec![0; 33],
                    ..wire
                },
            ),
        ];
        for (name, broken) in cases {
            assert_eq!(AccessTokenOrder::try_from(broken), Err(FieldError::new(name)));
        }
        let wire = pb::MintNodeTokenRequest::from(&node_order());
        let cases = [
            (
                "service",
                pb::MintNodeTokenRequest {
                    service: String::new(),
                    ..wire.clone()
                },
            ),
            (
                "node",
                pb::MintNodeTokenRequest {
                    node: String::new(),
                    ..wire.clone()
                },
            ),
            (
                "uid",
                pb::MintNodeTokenRequest {
                    uid: 0,
                    ..wire.clone()
                },
            ),
            (
                "keys_changed_at",
                pb::MintNodeTokenRequest {
                    keys_changed_at: Some(0),
                    ..wire.clone()
                },
            ),
            (
                "client_state",
                pb::MintNodeTokenRequest {
                    client_state: vec![0; 17],
                    ..wire
                },
            ),
        ];
        for (name, broken) in cases {
            assert_eq!(NodeTokenOrder::try_from(broken), Err(FieldError::new(name)));
        }
    }

    #[test]
    fn an_empty_token_is_no_token() {
        let empty = pb::MintNodeTokenResponse {
            token: String::new(),
            key: "k".into(),
        };
        assert_eq!(NodeToken::try_from(empty).unwrap_err(), FieldError::new("token"));
    }
}

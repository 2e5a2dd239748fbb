//! Tables of orders that are refused, and the claims that come out of good ones.

use std::num::NonZeroU64;

use foxhold_core::{
    ServiceUid,
    record::{ClientState, Generation, ServiceKey},
};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn access_order() -> AccessTokenOrder {
    AccessTokenOrder {
        uid: "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap(),
        client: "5882386c6d801776".parse().unwrap(),
        audience: "https://token.example.test".into(),
        scope: "profile https://identity.mozilla.com/apps/oldsync".into(),
        lifetime_secs: 21_600,
        jti: [0x12; 32],
        generation: Timestamp::from_millis(1_600_000_000_123),
        profile_changed_at: Timestamp::from_millis(1_600_000_000_456),
    }
}

fn node_order() -> NodeTokenOrder {
    NodeTokenOrder {
        service: ServiceKey("sync-1.5".into()),
        node: "https://sync-1.example.com".into(),
        uid: ServiceUid::new(42).unwrap(),
        fxa_uid: "a1b2c3d4e5f60718293a4b5c6d7e8f90".into(),
        generation: Generation(1234),
        keys_changed_at: NonZeroU64::new(1_510_726_317_000),
        client_state: ClientState::new(vec![0xaa; 2]).unwrap(),
        hashed_fxa_uid: "7274c705df1ec833444a175b1d34eb37".into(),
        hashed_device_id: "1af774d3de55e6d70e950353f2df662f".into(),
        lifetime_secs: 3600,
    }
}

type Change<O> = fn(&mut O);

#[test]
fn access_token_orders_outside_the_rules_are_refused() {
    let table: [(&str, Change<AccessTokenOrder>, &str); 11] = [
        ("no life", |order| order.lifetime_secs = 0, "lifetime"),
        (
            "15 days",
            |order| order.lifetime_secs = LIFETIME_SECS_MAX + 1,
            "lifetime",
        ),
        ("endless", |order| order.lifetime_secs = u64::MAX, "lifetime"),
        ("no audience", |order| order.audience.clear(), "audience"),
        (
            "long audience",
            |order| order.audience = "a".repeat(257),
            "audience",
        ),
        ("two audiences", |order| order.audience = "a b".into(), "audience"),
        (
            "line end in the audience",
            |order| order.audience = "a\nb".into(),
            "audience",
        ),
        ("long scope", |order| order.scope = "a".repeat(1025), "scope"),
        (
            "look-alike letters in the scope",
            |order| order.scope = "pr\u{43e}file".into(),
            "scope",
        ),
        (
            "generation of tomorrow",
            |order| order.generation = NOW.plus(Duration::from_secs(86_400)),
            "generation",
        ),
        (
            "profile of tomorrow",
            |order| order.profile_changed_at = Timestamp::from_millis(u64::MAX),
            "profile change",
        ),
    ];
    for (name, change, field) in table {
        let mut order = access_order();
        change(&mut order);
        assert_eq!(
            access_token(&order, "https://i.test", "k", NOW),
            Err(Refusal(field)),
            "{name}"
        );
    }
    for lifetime_secs in [1, LIFETIME_SECS_MAX] {
        let order = AccessTokenOrder {
            lifetime_secs,
            ..access_order()
        };
        assert!(
            access_token(&order, "https://i.test", "k", NOW).is_ok(),
            "{lifetime_secs}"
        );
    }
    let scopeless = AccessTokenOrder {
        scope: String::new(),
        ..access_order()
    };
    assert!(access_token(&scopeless, "https://i.test", "k", NOW).is_ok());
}

#[test]
fn node_token_orders_outside_the_rules_are_refused() {
    let table: [(&str, Change<NodeTokenOrder>, &str); 13] = [
        ("no life", |order| order.lifetime_secs = 0, "lifetime"),
        (
            "15 days",
            |order| order.lifetime_secs = LIFETIME_SECS_MAX + 1,
            "lifetime",
        ),
        ("no node", |order| order.node.clear(), "node"),
        (
            "node without scheme",
            |order| order.node = "sync-1.example.com".into(),
            "node",
        ),
        (
            "node without host",
            |order| order.node = "https://".into(),
            "node",
        ),
        ("trailing slash", |order| order.node.push('/'), "node"),
        (
            "long node",
            |order| order.node = format!("https://{}", "a".repeat(256)),
            "node",
        ),
        ("no uid", |order| order.fxa_uid.clear(), "fxa uid"),
        (
            "uid with domain",
            |order| order.fxa_uid.push_str("@example.com"),
            "fxa uid",
        ),
        ("long uid", |order| order.fxa_uid = "a".repeat(65), "fxa uid"),
        (
            "uid with a quote is plain, with a line end not",
            |order| order.fxa_uid.push('\n'),
            "fxa uid",
        ),
        (
            "short hash",
            |order| order.hashed_fxa_uid.truncate(31),
            "hashed fxa uid",
        ),
        (
            "hash not hex",
            |order| order.hashed_device_id = "g".repeat(32),
            "hashed device id",
        ),
    ];
    for (name, change, field) in table {
        let mut order = node_order();
        change(&mut order);
        assert_eq!(node_token(&order, [1, 2, 3], NOW), Err(Refusal(field)), "{name}");
    }
}

#[test]
fn a_node_tokens_key_id_is_of_the_key_change_or_else_of_the_generation() {
    let claims = node_token(&node_order(), [1, 2, 3], NOW).unwrap();
    assert_eq!(claims.fxa_kid, "1510726317000-qqo");
    assert_eq!((claims.expires_secs, claims.salt), (1_700_003_600, [1, 2, 3]));
    let unchanged = NodeTokenOrder {
        keys_changed_at: None,
        ..node_order()
    };
    assert_eq!(
        node_token(&unchanged, [0; 3], NOW).unwrap().fxa_kid,
        "0000000001234-qqo"
    );
}

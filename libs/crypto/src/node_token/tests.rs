//! Vectors V1, V2 and V3 of `tokenserver.md`, and what a node refuses.

use proptest::prelude::*;

use super::*;

const V1_TOKEN: &str = "eyJub2RlIjoiaHR0cHM6Ly9zeW5jLTEuZXhhbXBsZS5jb20iLCJmeGFfa2lkIjoiMTUxMDcyNjMxNzAwMC1BU05GWjRtcnplOEJJMFZuaWF2Tjd3IiwiZnhhX3VpZCI6ImExYjJjM2Q0ZTVmNjA3MTgyOTNhNGI1YzZkN2U4ZjkwIiwiaGFzaGVkX2RldmljZV9pZCI6IjFhZjc3NGQzZGU1NWU2ZDcwZTk1MDM1M2YyZGY2NjJmIiwiaGFzaGVkX2Z4YV91aWQiOiI3Mjc0YzcwNWRmMWVjODMzNDQ0YTE3NWIxZDM0ZWIzNyIsImV4cGlyZXMiOjE4OTM0NTYwMDAsInVpZCI6NDIsInRva2Vuc2VydmVyX29yaWdpbiI6InJ1c3QiLCJzYWx0IjoiYTFiMmMzIn0Zkh7OVzLxdZ18R0PLyzi0sf_2z7wBC-8fRDvyu3Vr7w==";
const V1_KEY: &str = "hVoV5k2-8wFeSb3nM6swG0faglJpDMEIFBZ7hnNiy10=";
const V2_TOKEN: &str = "eyJ1aWQiOiA0MiwgIm5vZGUiOiAiaHR0cHM6Ly9leGFtcGxlLmNvbSIsICJleHBpcmVzIjogMTg5MzQ1NjAwMCwgImZ4YV91aWQiOiAidGVzdHVzZXIiLCAiZnhhX2tpZCI6ICIwMDAwMDAwMDAxMjM0LXFxbyIsICJzYWx0IjogIjAwZmYxMCJ9s3PWfDVac5rv1jrXPSCi_Ymsw67Th18ccc8L7pjzxLA=";

fn secret(text: &str) -> NodeSecret {
    NodeSecret::new(SecretText::new(text.to_owned()))
}

fn secrets(oldest_first: &[&str]) -> NodeSecrets {
    NodeSecrets::new(oldest_first.iter().map(|text| secret(text)).collect()).unwrap()
}

fn metrics_key() -> SecretText {
    SecretText::new("super-sekrit".to_owned())
}

fn v1_claims() -> NodeTokenClaims {
    let fxa_uid = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    let ids = MetricsIds::derive(&metrics_key(), fxa_uid, None);
    let client_state: [u8; 16] = hex::decode("0123456789abcdef0123456789abcdef").unwrap();
    NodeTokenClaims {
        node: "https://sync-1.example.com".to_owned(),
        fxa_kid: fxa_kid(1_510_726_317_000, &client_state),
        fxa_uid: fxa_uid.to_owned(),
        hashed_device_id: ids.hashed_device_id.clone(),
        hashed_fxa_uid: ids.hashed_fxa_uid().to_owned(),
        expires_secs: 1_893_456_000,
        uid: ServiceUid::new(42).unwrap(),
        salt: [0xa1, 0xb2, 0xc3],
    }
}

#[test]
fn v1_mints_byte_for_byte() {
    let secret = secret("Ted Koppel is a robot");
    assert_eq!(
        hex::encode(secret.signing_key().expose()),
        "ca50531355a39e0d3e20e0d998b389fde44fdb5ad41a300869dec7fdff788784"
    );
    let minted = mint(&v1_claims(), &secret);
    assert_eq!(minted.token, V1_TOKEN);
    assert_eq!(minted.key.expose(), V1_KEY);
}

#[test]
fn v1_verifies_with_any_secret_of_the_node() {
    for list in [
        &["Ted Koppel is a robot"][..],
        &["Ted Koppel is a robot", "new"],
        &["old", "Ted Koppel is a robot"],
    ] {
        let token = verify(V1_TOKEN, &secrets(list)).unwrap();
        assert_eq!(token.key.expose(), V1_KEY);
        assert_eq!(
            (token.node.as_str(), token.uid.get()),
            ("https://sync-1.example.com", 42)
        );
        assert_eq!(token.expires, Timestamp::from_secs(1_893_456_000));
        assert_eq!(
            token.fxa_kid.as_deref(),
            Some("1510726317000-ASNFZ4mrze8BI0VniavN7w")
        );
        assert_eq!(token.fxa_uid.as_deref(), Some("a1b2c3d4e5f60718293a4b5c6d7e8f90"));
        assert_eq!(
            token.hashed_fxa_uid.as_deref(),
            Some("7274c705df1ec833444a175b1d34eb37")
        );
        assert_eq!(
            token.hashed_device_id.as_deref(),
            Some("1af774d3de55e6d70e950353f2df662f")
        );
    }
}

#[test]
fn v2_with_other_spacing_and_fewer_members_verifies() {
    let secret0 = secret("secret0");
    let payload = r#"{"uid": 42, "node": "https://example.com", "expires": 1893456000, "fxa_uid": "testuser", "fxa_kid": "0000000001234-qqo", "salt": "00ff10"}"#;
    assert_eq!(
        hex::encode(secret0.signing_key().expose()),
        "d97f4804f510ebf3161e7c140bde92f3e988b59f5d90dd38e7bf5382ddddaf91"
    );
    assert_eq!(seal(payload.as_bytes().to_vec(), &secret0), V2_TOKEN);
    let token = verify(V2_TOKEN, &secrets(&["secret0"])).unwrap();
    assert_eq!(token.key.expose(), "Md8sY1QsFGemRCuFDy1EL3JQEyNKt9caaSPzx2Hr98k=");
    assert_eq!(token.fxa_kid.as_deref(), Some("0000000001234-qqo"));
    assert_eq!(token.hashed_fxa_uid, None);
}

#[test]
fn v3_is_v1_under_a_derived_secret() {
    let master =
        SecretText::new("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".to_owned());
    let secret = NodeSecret::from_master(&master, "https://sync-1.example.com").unwrap();
    let minted = mint(&v1_claims(), &secret);
    let signature = "2hAtZoxYv2zayH6U5QTr0kT4ucWb5GWbeNTUOtXqlkEg==";
    assert_eq!(minted.token, format!("{}{signature}", &V1_TOKEN[..414]));
    assert_eq!(
        minted.key.expose(),
        "ZEca1F5eBFVhRMaVvKBXFyr6pkOYIBsTUvOMer7PTI4="
    );
}

#[test]
fn metrics_ids_and_key_ids_are_those_of_the_contract() {
    let uid = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    let ids = MetricsIds::derive(&metrics_key(), uid, Some("0123456789abcdef0123456789abcdef"));
    assert_eq!(
        ids.full,
        "7274c705df1ec833444a175b1d34eb37bd78010db46f224b5869f708f82919b2"
    );
    assert_eq!(ids.hashed_fxa_uid(), "7274c705df1ec833444a175b1d34eb37");
    assert_eq!(ids.hashed_device_id, "a840331dcc7dc832eb17e37e0746269c");
    let with_domain = MetricsIds::derive(&metrics_key(), &format!("{uid}@example.com"), None);
    assert_eq!(with_domain.full, ids.full);
    assert_eq!(fxa_kid(1234, &[0xaa, 0xaa]), "0000000001234-qqo");
}

#[test]
fn what_a_node_refuses() {
    let list = secrets(&["secret0"]);
    let of = |payload: &str| seal(payload.as_bytes().to_vec(), &secret("secret0"));
    let only_a_mac =
        BASE64_URL_SAFE.encode(mac::hmac_sha256(secret("secret0").signing_key().expose(), &[b""]));
    let table = [
        ("empty", String::new(), NodeTokenError::Malformed),
        ("only a mac", only_a_mac, NodeTokenError::Malformed),
        (
            "padding lost",
            V2_TOKEN.trim_end_matches('=').to_owned(),
            NodeTokenError::Malformed,
        ),
        (
            "standard alphabet",
            V2_TOKEN.replace('_', "/"),
            NodeTokenError::Malformed,
        ),
        ("line break", format!("{V2_TOKEN}\n"), NodeTokenError::Malformed),
        ("too long", "A".repeat(5000), NodeTokenError::Malformed),
        (
            "another secret",
            V1_TOKEN.to_owned(),
            NodeTokenError::WrongSignature,
        ),
        (
            "changed",
            V2_TOKEN.replacen("eyJ1", "eyJ2", 1),
            NodeTokenError::WrongSignature,
        ),
        ("no json", of("x"), NodeTokenError::WrongPayload),
        (
            "no uid",
            of(r#"{"node":"n","expires":1,"salt":""}"#),
            NodeTokenError::WrongPayload,
        ),
        (
            "uid 0",
            of(r#"{"uid":0,"node":"n","expires":1,"salt":""}"#),
            NodeTokenError::WrongPayload,
        ),
        (
            "uid text",
            of(r#"{"uid":"1","node":"n","expires":1,"salt":""}"#),
            NodeTokenError::WrongPayload,
        ),
        (
            "no salt",
            of(r#"{"uid":1,"node":"n","expires":1}"#),
            NodeTokenError::WrongPayload,
        ),
        (
            "expires text",
            of(r#"{"uid":1,"node":"n","expires":"1","salt":""}"#),
            NodeTokenError::WrongPayload,
        ),
    ];
    for (name, token, expected) in table {
        assert_eq!(verify(&token, &list).err(), Some(expected), "{name}");
    }
}

#[test]
fn a_fraction_of_a_second_counts() {
    let token = seal(
        br#"{"uid":1,"node":"n","expires":1893456000.5,"salt":"","more":[1]}"#.to_vec(),
        &secret("secret0"),
    );
    let verified = verify(&token, &secrets(&["secret0"])).unwrap();
    assert_eq!(verified.expires, Timestamp::from_millis(1_893_456_000_500));
    assert_eq!(timestamp(-1.0), Timestamp::from_millis(0));
    assert_eq!(timestamp(f64::NAN), Timestamp::from_millis(0));
}

proptest! {
    #[test]
    fn what_is_minted_verifies(
        node in ".{0,40}", fxa_kid in ".{0,40}", fxa_uid in ".{0,40}",
        uid in 1..=ServiceUid::MAX, expires_secs in 0..4_000_000_000_u64, salt: [u8; 3], text in ".{0,80}",
    ) {
        let claims = NodeTokenClaims {
            node, fxa_kid, fxa_uid, uid: ServiceUid::new(uid).unwrap(), expires_secs, salt, ..v1_claims()
        };
        let minted = mint(&claims, &secret(&text));
        let verified = verify(&minted.token, &secrets(&["other", &text])).unwrap();
        prop_assert_eq!(verified.key, minted.key);
        prop_assert_eq!(verified.node, claims.node);
        prop_assert_eq!(verified.fxa_uid, Some(claims.fxa_uid));
        prop_assert_eq!(verified.uid, claims.uid);
        prop_assert_eq!(verified.expires, Timestamp::from_secs(expires_secs));
    }

    #[test]
    fn no_text_panics_the_check(text in "\\PC{0,100}", payload in proptest::collection::vec(any::<u8>(), 0..100)) {
        let list = secrets(&["secret0"]);
        let _ = verify(&text, &list);
        let _ = verify(&seal(payload, &secret("secret0")), &list);
    }
}

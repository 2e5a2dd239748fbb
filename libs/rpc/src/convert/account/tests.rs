//! Every record of an account survives the wire, and a message with one field broken is refused by that field's path.

use std::collections::BTreeMap;

use foxhold_core::{Secret, Timestamp};

use super::*;

fn verifier(fill: u8) -> Verifier {
    Verifier {
        verify_hash: Secret::new([fill; 32]),
        wrap_wrap_kb: Secret::new([fill + 1; 32]),
    }
}

fn account() -> Account {
    Account {
        uid: Uid::from_bytes([1; 16]),
        email: "Me@Example.org".into(),
        email_key: EmailKey::from_normalized("me@example.org".into()),
        email_verified: true,
        credentials: Arc::new(Credentials {
            auth_salt: [2; 32],
            k_a: Secret::new([3; 32]),
            version_one: verifier(4),
            version_two: Some(VersionTwo {
                verifier: verifier(6),
                client_salt: "salt".into(),
            }),
        }),
        code_nonce: [8; 16],
        created_at: Timestamp::from_millis(1),
        verifier_set_at: Timestamp::from_millis(2),
        keys_changed_at: Timestamp::from_millis(3),
        profile_changed_at: Timestamp::from_millis(4),
        locale: Some("de".into()),
        second_factor: None,
        recovery_key: None,
        disabled: None,
        version: 5,
    }
}

fn session() -> Session {
    Session {
        id: TokenId::from_bytes([1; 32]),
        key: Arc::new(Secret::new([2; 32])),
        uid: Uid::from_bytes([3; 16]),
        created_at: Timestamp::from_millis(1),
        auth_at: Timestamp::from_millis(2),
        verification: Verification::WithAccount,
        must_verify: true,
        generation: Timestamp::from_millis(3),
        user_agent: "Firefox".into(),
    }
}

fn key_fetch() -> KeyFetch {
    KeyFetch {
        id: TokenId::from_bytes([1; 32]),
        key: Arc::new(Secret::new([2; 32])),
        bundle: Arc::new(Secret::new([3; 96])),
        uid: Uid::from_bytes([4; 16]),
        created_at: Timestamp::from_millis(1),
        verification: Verification::Verified,
        session: None,
        generation: Timestamp::from_millis(2),
    }
}

/// Messages have no Debug, on purpose; what differs is told by the assertion's place.
fn assert_same<T: PartialEq>(one: &T, other: &T) {
    assert!(one == other, "the record does not survive the wire");
}

#[test]
fn accounts_survive_the_wire() {
    let wire = pb::Account::from(account());
    let back = Account::try_from(wire.clone()).unwrap();
    assert_eq!(back.email_key, account().email_key);
    assert_eq!(back.credentials.k_a, account().credentials.k_a);
    assert_same(&pb::Account::from(back), &wire);

    let lean = pb::Account {
        locale: None,
        credentials: wire.credentials.clone().map(|credentials| pb::Credentials {
            version_two: None,
            ..credentials
        }),
        ..wire
    };
    assert_same(
        &pb::Account::from(Account::try_from(lean.clone()).unwrap()),
        &lean,
    );
}

#[test]
fn sign_ins_survive_the_wire() {
    let sign_in = SignIn {
        session: session(),
        key_fetches: vec![key_fetch(), key_fetch()],
    };
    let wire = pb::SignIn::from(sign_in);
    assert_same(&pb::SignIn::from(SignIn::try_from(wire.clone()).unwrap()), &wire);
}

#[test]
fn devices_and_grants_survive_the_wire() {
    let device = Device {
        id: DeviceId::from_bytes([1; 16]),
        uid: Uid::from_bytes([2; 16]),
        session: TokenId::from_bytes([3; 32]),
        name: "Laptop".into(),
        kind: "desktop".into(),
        created_at: Timestamp::from_millis(1),
        last_access_at: Timestamp::from_millis(2),
        push: Some(PushEndpoint {
            callback: "https://push".into(),
            public_key: "p".into(),
            auth_key: "a".into(),
        }),
        available_commands: BTreeMap::from([("open".into(), "{}".into())]),
    };
    assert_eq!(Device::try_from(pb::Device::from(device.clone())), Ok(device));

    let code = AuthorizationCode {
        id: TokenId::from_bytes([1; 32]),
        uid: Uid::from_bytes([2; 16]),
        client: ClientId::from_bytes([3; 8]),
        scope: "a b".into(),
        session: TokenId::from_bytes([4; 32]),
        code_challenge: "c".into(),
        redirect_uri: Some("r".into()),
        nonce: Some("n".into()),
        keys_jwe: None,
        offline: true,
        auth_at: Timestamp::from_millis(1),
        created_at: Timestamp::from_millis(2),
        generation: Timestamp::from_millis(3),
    };
    assert_eq!(
        AuthorizationCode::try_from(pb::AuthorizationCode::from(code.clone())),
        Ok(code)
    );

    for session in [None, Some(TokenId::from_bytes([5; 32]))] {
        let token = RefreshToken {
            id: TokenId::from_bytes([1; 32]),
            uid: Uid::from_bytes([2; 16]),
            client: ClientId::from_bytes([3; 8]),
            scope: "a".into(),
            session,
            created_at: Timestamp::from_millis(1),
            generation: Timestamp::from_millis(2),
        };
        assert_eq!(
            RefreshToken::try_from(pb::RefreshToken::from(token.clone())),
            Ok(token)
        );
    }
}

#[test]
fn a_broken_field_is_named_with_its_path() {
    type Break = fn(&mut pb::Account);
    let table: [(&str, Break); 7] = [
        ("uid", |a| a.uid.truncate(15)),
        ("email", |a| a.email.clear()),
        ("email_key", |a| a.email_key.clear()),
        ("credentials", |a| a.credentials = None),
        ("credentials.k_a", |a| a.credentials.as_mut().unwrap().k_a.push(0)),
        ("credentials.version_one", |a| {
            a.credentials.as_mut().unwrap().version_one = None;
        }),
        ("credentials.version_two.verifier", |a| {
            let credentials = a.credentials.as_mut().unwrap();
            credentials.version_two.as_mut().unwrap().verifier = None;
        }),
    ];
    for (path, break_it) in table {
        let mut wire = pb::Account::from(account());
        break_it(&mut wire);
        let error = Account::try_from(wire).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the field {path} is missing or has the wrong form")
        );
    }
}

#[test]
fn an_unknown_verification_is_none() {
    for wire in [0, 9, -1] {
        let session = pb::Session {
            verification: wire,
            ..pb::Session::from(session())
        };
        assert_eq!(
            Session::try_from(session).unwrap_err(),
            FieldError::new("verification")
        );
    }
}

#[test]
fn a_third_key_fetch_token_is_refused() {
    let wire = pb::SignIn {
        session: Some(session().into()),
        key_fetches: vec![key_fetch().into(); 3],
    };
    assert_eq!(
        SignIn::try_from(wire).unwrap_err(),
        FieldError::new("key_fetches")
    );
}

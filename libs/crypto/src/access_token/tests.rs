//! The form of a new token and the table of claims a relying party meets.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::jws::tests::{KID, keys, signed};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const UID: &str = "aeaa1725c7a24ff983c6295725d5fc9b";

fn new_token() -> NewAccessToken<'static> {
    NewAccessToken {
        issuer: "https://accounts.example.test",
        uid: UID.parse().unwrap(),
        audience: "https://token.example.test",
        client_id: "5882386c6d801776".parse().unwrap(),
        issued_at: NOW,
        expires: Timestamp::from_secs(1_700_021_600),
        jti: "1234567812345678123456781234567812345678123456781234567812345678",
        scope: "profile https://identity.mozilla.com/apps/oldsync",
        generation: Timestamp::from_millis(1_600_000_000_123),
        profile_changed_at: Some(Timestamp::from_millis(1_600_000_000_456)),
    }
}

/// A signed token of the right type with these claims.
fn token(claims: &Value) -> String {
    signed(Unsigned::new(KID, "at+jwt", claims))
}

#[test]
fn a_new_token_has_the_claims_in_this_order() {
    let unsigned = new_token().unsigned(KID);
    let input = String::from_utf8(unsigned.signing_input().to_vec()).unwrap();
    let decoded: Vec<_> = input.split('.').map(decoded).collect();
    assert_eq!(
        decoded,
        [
            r#"{"alg":"RS256","kid":"test-1","typ":"at+jwt"}"#.to_owned(),
            [
                r#"{"iss":"https://accounts.example.test","sub":"aeaa1725c7a24ff983c6295725d5fc9b","#,
                r#""aud":"https://token.example.test","client_id":"5882386c6d801776","iat":1700000000,"#,
                r#""exp":1700021600,"jti":"1234567812345678123456781234567812345678123456781234567812345678","#,
                r#""scope":"profile https://identity.mozilla.com/apps/oldsync","#,
                r#""fxa-generation":1600000000123,"fxa-profileChangedAt":1600000000456}"#,
            ]
            .concat(),
        ]
    );
    assert_eq!(new_token().unsigned(KID), unsigned);
    let compact = signed(unsigned);
    assert!(
        compact.len() <= 1024,
        "older servers take no more: {}",
        compact.len()
    );
}

fn decoded(part: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_new_token_checks() {
    let checked = check(&signed(new_token().unsigned(KID)), &keys(), NOW).unwrap();
    assert_eq!(checked.issuer.as_deref(), Some("https://accounts.example.test"));
    assert_eq!(checked.subject, UID);
    assert_eq!(checked.client_id.as_deref(), Some("5882386c6d801776"));
    assert_eq!(checked.jti.as_deref(), Some(new_token().jti));
    assert_eq!(checked.scope, new_token().scope);
    assert_eq!(checked.generation, Some(new_token().generation));
    assert_eq!(checked.issued, Some(NOW));
    assert_eq!(checked.expires, new_token().expires);
}

#[test]
fn times_are_checked_with_a_minute_of_tolerance() {
    let now = NOW.as_secs();
    let table = [
        ("expired 60 s ago", json!({"exp": now - 60}), Ok(())),
        (
            "expired 61 s ago",
            json!({"exp": now - 61}),
            Err(AccessTokenError::Expired),
        ),
        ("a fraction", json!({"exp": now as f64 + 0.5}), Ok(())),
        (
            "long past",
            json!({"exp": -1e300}),
            Err(AccessTokenError::Expired),
        ),
        ("no end", json!({}), Err(AccessTokenError::Claims)),
        ("end as text", json!({"exp": "1"}), Err(AccessTokenError::Claims)),
        ("end null", json!({"exp": null}), Err(AccessTokenError::Claims)),
        (
            "issued in 60 s",
            json!({"exp": now + 100, "iat": now + 60}),
            Ok(()),
        ),
        (
            "issued in 61 s",
            json!({"exp": now + 100, "iat": now + 61}),
            Err(AccessTokenError::NotYetValid),
        ),
        (
            "valid in 60 s",
            json!({"exp": now + 100, "nbf": now + 60}),
            Ok(()),
        ),
        (
            "valid in 61 s",
            json!({"exp": now + 100, "nbf": now + 61}),
            Err(AccessTokenError::NotYetValid),
        ),
        (
            "valid from text",
            json!({"exp": now + 100, "nbf": "x"}),
            Err(AccessTokenError::Claims),
        ),
    ];
    for (name, mut claims, expected) in table {
        claims["sub"] = json!(UID);
        assert_eq!(check(&token(&claims), &keys(), NOW).map(drop), expected, "{name}");
    }
}

#[test]
fn an_unusable_generation_is_told_apart() {
    let table = [
        ("absent", None, Ok(None)),
        ("zero", Some(json!(0)), Ok(Some(0))),
        (
            "milliseconds",
            Some(json!(1_600_000_000_123_u64)),
            Ok(Some(1_600_000_000_123)),
        ),
        ("null", Some(json!(null)), Err(AccessTokenError::Generation)),
        ("text", Some(json!("1")), Err(AccessTokenError::Generation)),
        ("fraction", Some(json!(1.5)), Err(AccessTokenError::Generation)),
        ("negative", Some(json!(-1)), Err(AccessTokenError::Generation)),
        ("list", Some(json!([1])), Err(AccessTokenError::Generation)),
        ("bool", Some(json!(true)), Err(AccessTokenError::Generation)),
    ];
    for (name, generation, expected) in table {
        let mut claims = json!({"sub": UID, "exp": NOW.as_secs()});
        if let Some(generation) = generation {
            claims["fxa-generation"] = generation;
        }
        let found = check(&token(&claims), &keys(), NOW).map(|token| token.generation);
        assert_eq!(
            found,
            expected.map(|millis| millis.map(Timestamp::from_millis)),
            "{name}"
        );
    }
}

#[test]
fn claims_of_other_kinds_are_refused() {
    let exp = NOW.as_secs();
    let table = [
        ("no subject", json!({"exp": exp})),
        ("subject a number", json!({"exp": exp, "sub": 1})),
        (
            "scope a list",
            json!({"exp": exp, "sub": "s", "scope": ["profile"]}),
        ),
        ("issuer a number", json!({"exp": exp, "sub": "s", "iss": 1})),
        ("a list", json!([1])),
        ("a text", json!("x")),
    ];
    for (name, claims) in table {
        assert_eq!(
            check(&token(&claims), &keys(), NOW),
            Err(AccessTokenError::Claims),
            "{name}"
        );
    }
    let few = check(
        &token(&json!({"exp": exp, "sub": "s", "aud": ["x"], "more": {}})),
        &keys(),
        NOW,
    )
    .unwrap();
    assert_eq!(
        (
            few.subject.as_str(),
            few.scope.as_str(),
            few.issuer,
            few.generation
        ),
        ("s", "", None, None)
    );
}

#[test]
fn tokens_of_another_type_or_signature_are_refused() {
    let claims = json!({"exp": NOW.as_secs(), "sub": "s"});
    let other = signed(Unsigned::new(KID, "JWT", &claims));
    assert_eq!(
        check(&other, &keys(), NOW),
        Err(AccessTokenError::Jws(JwsError::Type))
    );
    let unsigned = Unsigned::new(KID, "at+jwt", &claims).with_signature(&[]);
    assert_eq!(
        check(&unsigned, &keys(), NOW),
        Err(AccessTokenError::Jws(JwsError::Signature))
    );
    assert_eq!(
        check("opaque", &keys(), NOW),
        Err(AccessTokenError::Jws(JwsError::Malformed))
    );
}

/// Claims as nobody would write them: any value under each name that is read.
fn any_claims() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(json!([{}])),
    ];
    let names = [
        "iss",
        "sub",
        "client_id",
        "jti",
        "scope",
        "exp",
        "nbf",
        "iat",
        "fxa-generation",
    ];
    proptest::collection::btree_map(proptest::sample::select(names.to_vec()), value, 0..9).prop_map(
        |members| {
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_claims_panic(mut claims in any_claims(), with_subject: bool, now: u64) {
        if with_subject {
            claims["sub"] = json!(UID);
            claims["exp"] = json!(f64::MAX);
        }
        let _ = check(&token(&claims), &keys(), Timestamp::from_millis(now));
    }

    #[test]
    fn what_is_written_is_read(scope in "\\PC{0,40}", uid: [u8; 16], generation: u64, jti in "\\PC{0,20}") {
        let new = NewAccessToken {
            scope: &scope,
            jti: &jti,
            uid: Uid::from_bytes(uid),
            generation: Timestamp::from_millis(generation),
            ..new_token()
        };
        let read = check(&signed(new.unsigned(KID)), &keys(), NOW).unwrap();
        prop_assert_eq!(read.scope.as_str(), new.scope);
        prop_assert_eq!(read.subject.parse(), Ok(new.uid));
        prop_assert_eq!(read.generation, Some(new.generation));
        prop_assert_eq!(read.jti.as_deref(), Some(new.jti));
    }
}

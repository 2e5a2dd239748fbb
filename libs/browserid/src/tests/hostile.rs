//! Anything may come in: no input panics, and nothing but the bundle itself verifies.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::forge::*;
use crate::{Bundle, Document, PublicKey};

static GOOD: LazyLock<String> = LazyLock::new(|| Parts::good().bundle());

/// JSON of every type, a few levels deep, with the names that are looked for.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("alg".to_owned()),
        Just("algorithm".to_owned()),
        Just("keys".to_owned()),
        Just("public-key".to_owned()),
        Just("email".to_owned()),
        Just("n".to_owned()),
        "[a-z-]{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[0-9a-f]{0,600}".prop_map(Value::from),
        prop_oneof![
            Just("RS"),
            Just("DS"),
            Just("RSA"),
            Just("RS256"),
            Just("uid@example.org")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", digits in "[A-Za-z0-9_.~=-]{0,200}") {
        prop_assert!(Bundle::parse(&text).is_err());
        prop_assert!(Bundle::parse(&digits).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        prop_assert!(Document::parse(&bytes).is_err());
        prop_assert!(PublicKey::from_json(&bytes).is_err());
    }

    #[test]
    fn no_claims_panic(parts in [any_json(), any_json(), any_json(), any_json()]) {
        let [certificate_header, certificate, assertion_header, assertion] = parts.map(|part| base64(part.to_string()));
        let _ = Bundle::parse(&format!("{certificate_header}.{certificate}.AAAA~{assertion_header}.{assertion}.AAAA"));
    }

    #[test]
    fn no_claim_of_another_type_panics(index in 0..14_usize, value in any_json()) {
        let mut parts = Parts::good();
        let claims = parts.certificate.as_object_mut().unwrap();
        let name = claims.keys().nth(index).unwrap().clone();
        claims.insert(name, value);
        let certificate = format!("{}.{}.AAAA", base64(parts.certificate_header.to_string()), base64(parts.certificate.to_string()));
        let _ = verdict(&format!("{certificate}~{}", &GOOD[GOOD.find('~').unwrap() + 1..]), &Published::good());
    }

    #[test]
    fn no_key_panics(kind in "RS|DS", members in prop::collection::btree_map("[nepqgy]", "[0-9a-fA-F]{0,800}", 0..6)) {
        let mut key = json!({"algorithm": kind});
        for (name, digits) in members {
            key[name] = json!(digits);
        }
        let _ = PublicKey::from_members(key.as_object().unwrap());
    }

    #[test]
    fn no_document_panics(value in any_json(), name in "public-key|keys|authority|disabled|authentication") {
        let mut spoilt = document();
        spoilt[name] = value;
        let _ = Document::parse(spoilt.to_string().as_bytes());
    }

    #[test]
    fn a_changed_bundle_never_verifies(place: prop::sample::Index, with in "[A-Za-z0-9_.~-]") {
        let place = place.index(GOOD.len());
        let changed = format!("{}{with}{}", &GOOD[..place], &GOOD[place + 1..]);
        prop_assume!(changed != *GOOD);
        prop_assert!(verdict(&changed, &Published::good()).is_err());
    }

    #[test]
    fn a_cut_or_lengthened_bundle_never_verifies(place: prop::sample::Index, with in "[A-Za-z0-9_.~ =-]{1,3}") {
        let place = place.index(GOOD.len());
        prop_assert!(verdict(&GOOD[..place], &Published::good()).is_err());
        let longer = format!("{}{with}{}", &GOOD[..place], &GOOD[place..]);
        prop_assert!(verdict(&longer, &Published::good()).is_err());
    }
}

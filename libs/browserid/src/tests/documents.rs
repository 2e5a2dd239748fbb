//! Support documents: what is one, and where they may lead.

use serde_json::{Value, json};

use super::forge::*;
use crate::{Document, DocumentError, FetchError, PublicKey, VerifyError};

#[test]
fn a_document_has_its_keys_in_order_and_each_once() {
    let Document::Keys(keys) = parsed(&document()) else {
        panic!("no keys");
    };
    assert_eq!(keys.len(), 1, "both spellings are one key");
    assert_eq!(keys[0].kid.as_deref(), Some("now"));

    let mut two = document();
    two["keys"] = json!([Signer::User.public_key(), {"kty": "EC"}, "no key", two["public-key"]]);
    let Document::Keys(keys) = parsed(&two) else {
        panic!("no keys");
    };
    let expected = [Signer::Issuer, Signer::User].map(|signer| {
        let members = signer.public_key();
        PublicKey::from_members(members.as_object().unwrap()).unwrap()
    });
    assert_eq!(keys.into_iter().map(|key| key.key).collect::<Vec<_>>(), expected);
}

#[test]
fn what_lacks_something_is_no_document() {
    let with = |member: &str, value: Value| {
        let mut spoilt = document();
        spoilt[member] = value;
        spoilt
    };
    let paths_and = |keys: Value| json!({"authentication": "/", "provisioning": "/", "keys": keys});
    let mut encrypting = document()["keys"].clone();
    encrypting[0]["use"] = json!("enc");
    let table = [
        ("a list", json!([])),
        ("empty", json!({})),
        ("no authentication", with("authentication", Value::Null)),
        ("no provisioning", with("provisioning", Value::Null)),
        ("authentication a number", with("authentication", json!(1))),
        (
            "authentication elsewhere",
            with("authentication", json!("https://evil.example/")),
        ),
        ("keys an object", with("keys", json!({}))),
        ("too many keys", with("keys", json!(vec![0; 9]))),
        ("no key", paths_and(json!([]))),
        ("no usable key", paths_and(json!([{"kty": "EC"}]))),
        ("a key to encrypt with", paths_and(encrypting)),
        ("disabled a string", with("disabled", json!("false"))),
        ("authority a number", with("authority", json!(1))),
        ("authority null", with("authority", Value::Null)),
        ("authority in capitals", with("authority", json!("Example.org"))),
        (
            "authority with port",
            with("authority", json!("example.org:8443")),
        ),
        (
            "authority with user-info",
            with("authority", json!("a@example.org")),
        ),
    ];
    for (name, spoilt) in table {
        let result = Document::parse(spoilt.to_string().as_bytes());
        assert_eq!(result, Err(DocumentError::Malformed), "{name}");
    }
}

#[test]
fn what_is_not_one_json_object_of_bounded_length_is_no_document() {
    let good = document().to_string();
    let texts = [
        ("a member twice", good.replacen('{', r#"{"provisioning":"/","#, 1)),
        ("something behind", format!("{good}x")),
        ("no end of depth", format!(r#"{{"x":{}"#, "[".repeat(60_000))),
        ("HTML", "<!DOCTYPE html>".to_owned()),
    ];
    for (name, text) in texts {
        assert_eq!(
            Document::parse(text.as_bytes()),
            Err(DocumentError::Malformed),
            "{name}"
        );
    }
    let padding = " ".repeat(Document::LEN_MAX - good.len());
    assert!(Document::parse(format!("{good}{padding}").as_bytes()).is_ok());
    let too_long = Document::parse(format!("{good}{padding} ").as_bytes());
    assert_eq!(too_long, Err(DocumentError::TooLong));
    assert_eq!(FetchError::from(DocumentError::TooLong), FetchError::Forbidden);
    assert_eq!(
        FetchError::from(DocumentError::Malformed),
        FetchError::Unavailable
    );
}

#[test]
fn a_document_may_refer_to_another_or_to_none() {
    let refer = parsed(&json!({"authority": "idp.example", "disabled": false}));
    assert_eq!(refer, Document::Authority("idp.example".to_owned()));
    assert_eq!(parsed(&json!({"disabled": true})), Document::Disabled);
    let documents = Published::new([(ISSUER.to_owned(), Ok(Document::Disabled))]);
    assert_eq!(
        verdict(&Parts::good().bundle(), &documents),
        Err(VerifyError::NoIssuer)
    );
}

/// The issuer's document leads over so many others to the one with the keys.
fn chain(delegations: usize) -> Published {
    let name = |step: usize| {
        if step == 0 {
            ISSUER.to_owned()
        } else {
            format!("idp{step}.example")
        }
    };
    let steps = (0..delegations).map(|step| (name(step), Ok(Document::Authority(name(step + 1)))));
    Published::new(steps.chain([(name(delegations), Ok(parsed(&document())))]))
}

#[test]
fn delegations_are_followed_five_times() {
    let bundle = Parts::good().bundle();
    for delegations in 0..=5 {
        let documents = chain(delegations);
        assert!(verdict(&bundle, &documents).is_ok(), "{delegations}");
        assert_eq!(documents.asked().len(), delegations + 1);
    }
    for delegations in [6, 7] {
        let documents = chain(delegations);
        assert_eq!(
            verdict(&bundle, &documents),
            Err(VerifyError::Delegation),
            "{delegations}"
        );
        assert_eq!(documents.asked().len(), 6);
    }
}

#[test]
fn delegations_in_a_circle_end() {
    let bundle = Parts::good().bundle();
    let to = |domain: &str| Ok(Document::Authority(domain.to_owned()));
    let circles = [
        ("to itself", vec![(ISSUER, to(ISSUER))], 1),
        (
            "there and back",
            vec![(ISSUER, to("a.example")), ("a.example", to(ISSUER))],
            2,
        ),
        (
            "a circle further on",
            vec![
                (ISSUER, to("a.example")),
                ("a.example", to("b.example")),
                ("b.example", to("a.example")),
            ],
            3,
        ),
    ];
    for (name, circle, fetches) in circles {
        let documents = Published::new(circle.into_iter().map(|(domain, to)| (domain.to_owned(), to)));
        assert_eq!(
            verdict(&bundle, &documents),
            Err(VerifyError::Delegation),
            "{name}"
        );
        assert_eq!(documents.asked().len(), fetches, "{name}");
    }
}

/// What it delegates to may be away, too, and that is an outage.
#[test]
fn a_delegation_into_the_void_is_what_the_void_says() {
    let bundle = Parts::good().bundle();
    for (answer, expected) in [
        (Err(FetchError::Unavailable), VerifyError::IssuerUnavailable),
        (Err(FetchError::Forbidden), VerifyError::IssuerForbidden),
        (Ok(Document::Disabled), VerifyError::NoIssuer),
    ] {
        let documents = Published::new([
            (
                ISSUER.to_owned(),
                Ok(Document::Authority("idp.example".to_owned())),
            ),
            ("idp.example".to_owned(), answer),
        ]);
        assert_eq!(verdict(&bundle, &documents), Err(expected));
    }
}

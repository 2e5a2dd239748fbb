//! Every refusal of a well-formed bundle, each by one that is good but for one thing (`security.md` E.2). Signatures are
//! made after the change, so none of these fails for a wrong signature but where that is the row.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::forge::*;
use crate::{FetchError, Row, VerifyError, VerifyError as E};

/// Nothing is asked of anybody for a bundle that is refused for another reason than these.
const ASKED_FIRST: [VerifyError; 5] = [
    E::CertificateSignature,
    E::AssertionSignature,
    E::TokenUnverified,
    E::Generation,
    E::KeysChangedAt,
];

#[derive(Clone, Copy)]
enum Part {
    CertHead,
    Cert,
    AssertHead,
    Assert,
}

use Part::{Assert, AssertHead, Cert, CertHead};

impl Part {
    fn of(self, parts: &mut Parts) -> &mut Value {
        match self {
            CertHead => &mut parts.certificate_header,
            Cert => &mut parts.certificate,
            AssertHead => &mut parts.assertion_header,
            Assert => &mut parts.assertion,
        }
    }
}

/// The good bundle is refused when the member of the part is any of `values`, and once it is missing if there are none.
fn check(part: Part, member: &str, expected: VerifyError, values: &[Value]) {
    let spoilt = values.iter().map(Some);
    let missing = values.is_empty().then_some(None);
    for value in spoilt.chain(missing) {
        let mut parts = Parts::good();
        match value {
            Some(value) => part.of(&mut parts)[member] = value.clone(),
            None => drop(part.of(&mut parts).as_object_mut().unwrap().remove(member)),
        }
        let documents = Published::good();
        let result = verdict(&parts.bundle(), &documents);
        assert_eq!(result, Err(expected), "{member}: {value:?}");
        let may_ask = ASKED_FIRST.contains(&expected);
        assert!(
            may_ask || documents.asked().is_empty(),
            "{member}: {value:?}: the issuer was asked"
        );
    }
}

#[test]
fn algorithms_that_are_not_taken() {
    let unknown = [
        "none", "NONE", "HS256", "ES256", "PS256", "RS64", "DS64", "rs256", "",
    ];
    for part in [CertHead, AssertHead] {
        check(part, "alg", E::Algorithm, &unknown.map(Value::from));
        check(part, "alg", E::Algorithm, &[json!(["RS256"]), Value::Null]);
        check(part, "alg", E::Algorithm, &[]);
    }
    // The user's key is RSA of 2048 bits.
    check(
        AssertHead,
        "alg",
        E::Algorithm,
        &["RS128", "DS128", "DS256"].map(Value::from),
    );
    // Too short for an issuer, and not the kind of its key.
    check(
        CertHead,
        "alg",
        E::Algorithm,
        &["RS128", "DS128"].map(Value::from),
    );
    check(CertHead, "alg", E::CertificateSignature, &[json!("DS256")]);
}

#[test]
fn headers_that_choose_their_own_rules() {
    for part in [CertHead, AssertHead] {
        check(part, "jwk", E::Header, &[Signer::User.public_key(), Value::Null]);
        check(part, "jku", E::Header, &[json!("https://evil.example/keys")]);
        check(part, "x5u", E::Header, &[json!("https://evil.example/chain")]);
        check(part, "x5c", E::Header, &[json!([])]);
        check(part, "crit", E::Header, &[json!(["exp"]), Value::Null]);
        check(part, "b64", E::Header, &[json!(false), json!(true)]);
        check(part, "kid", E::Header, &[json!(1), json!("k".repeat(257))]);
    }
}

#[test]
fn claims_of_another_type() {
    let names = [
        "Accounts.example.org",
        "https://accounts.example.org",
        "accounts.example.org:443",
        "accounts.example.org.",
        "a@accounts.example.org",
        "",
    ];
    check(Cert, "iss", E::Claims, &names.map(Value::from));
    check(Cert, "iss", E::Claims, &[json!(1), Value::Null]);
    let times = [
        json!("1"),
        json!(1.7e12 + 0.5),
        json!(-1),
        json!(u64::MAX),
        Value::Null,
    ];
    for (part, member) in [(Cert, "iat"), (Cert, "exp"), (Assert, "iat"), (Assert, "exp")] {
        check(part, member, E::Claims, &times);
    }
    check(
        Assert,
        "aud",
        E::Claims,
        &[json!([AUDIENCE]), json!(1), Value::Null],
    );
    check(
        Cert,
        "public-key",
        E::PublicKey,
        &[json!("RS"), json!([]), json!({})],
    );
}

#[test]
fn claims_that_are_missing() {
    let table = [
        (Cert, "iss", E::Claims),
        (Cert, "iat", E::Claims),
        (Cert, "exp", E::Claims),
        (Cert, "principal", E::Principal),
        (Cert, "public-key", E::PublicKey),
        (Assert, "exp", E::Claims),
        (Assert, "aud", E::Claims),
    ];
    for (part, member, expected) in table {
        check(part, member, expected, &[]);
    }
}

#[test]
fn principals_that_are_not_uid_at_domain() {
    let emails = [
        UID,
        "@accounts.example.org",
        "a@b@accounts.example.org",
        "a\r\nb@accounts.example.org",
        "a b@accounts.example.org",
        "\"a\"@accounts.example.org",
        "uid@Accounts.Example.ORG",
        "uid@accounts.example.org.",
    ];
    check(
        Cert,
        "principal",
        E::Principal,
        &emails.map(|email| json!({"email": email})),
    );
    let others = [
        json!(format!("{UID}@{ISSUER}")),
        json!({"host": ISSUER}),
        json!({"email": 1}),
    ];
    check(Cert, "principal", E::Principal, &others);
}

#[test]
fn keys_that_are_too_weak() {
    let with = |member: &str, value: &str| {
        let mut key = Signer::User.public_key();
        key[member] = json!(value);
        key
    };
    let weak = [with("e", "1"), with("e", "2"), with("n", &decimal(&[0xff; 64]))];
    check(Cert, "public-key", E::PublicKey, &weak);
}

#[test]
fn times_that_do_not_fit() {
    // Two minutes over, and seconds where milliseconds belong.
    let over = [json!(NOW - 120_000), json!(0), json!(NOW / 1000 + 300)];
    check(Assert, "exp", E::AssertionExpired, &over);
    check(Cert, "exp", E::CertificateExpired, &[json!(NOW), json!(0)]);
    check(Cert, "iat", E::NotYetValid, &[json!(NOW + 10_001)]);
    check(Assert, "iat", E::NotYetValid, &[json!(NOW + 120_001)]);
    check(
        Cert,
        "iat",
        E::CertificateLifetime,
        &[json!(NOW - 10_001), json!(0)],
    );
    check(Cert, "exp", E::CertificateLifetime, &[json!(NOW + DAY + 1)]);
}

#[test]
fn audiences_and_issuers_that_do_not_fit() {
    let audiences = [
        "https://token.example.org.evil",
        "https://token.example.org:443",
        "https://token.example.org.",
        "https://token.example.org/",
        "https://a@token.example.org",
        "https://Token.example.org",
        "http://token.example.org",
        "token.example.org",
        "*",
        "",
    ];
    check(Assert, "aud", E::Audience, &audiences.map(Value::from));
    let issuers = ["example.org", "a.accounts.example.org", "xaccounts.example.org"];
    check(Cert, "iss", E::IssuerOfDomain, &issuers.map(Value::from));
}

#[test]
fn signatures_of_others() {
    let cases = [
        ("certificate", Signer::User, Signer::User, E::CertificateSignature),
        ("assertion", Signer::Issuer, Signer::Issuer, E::AssertionSignature),
        (
            "assertion, other kind",
            Signer::Issuer,
            Signer::OldUser,
            E::AssertionSignature,
        ),
    ];
    for (name, certified_by, asserted_by, expected) in cases {
        let parts = Parts {
            certified_by,
            asserted_by,
            ..Parts::good()
        };
        assert_eq!(
            verdict(&parts.bundle(), &Published::good()),
            Err(expected),
            "{name}"
        );
    }
    let other = Signer::Issuer.public_key();
    check(Cert, "public-key", E::AssertionSignature, &[other]);
}

#[test]
fn claims_of_a_signed_certificate_that_refuse_it() {
    let untrue = [json!(false), Value::Null, json!("true"), json!(1)];
    check(Cert, "fxa-tokenVerified", E::TokenUnverified, &untrue);
    let no_millis = [
        Value::Null,
        json!("1"),
        json!([1]),
        json!(true),
        json!(1.5),
        json!(1.0),
        json!(-1),
        // The tombstone of retired users.
        json!(i64::MAX),
    ];
    check(Cert, "fxa-generation", E::Generation, &no_millis);
    check(Cert, "fxa-keysChangedAt", E::KeysChangedAt, &no_millis);
    for device_id in [json!(1), json!("0".repeat(256))] {
        let mut parts = Parts::good();
        parts.certificate["fxa-deviceId"] = device_id;
        assert_eq!(verdict(&parts.bundle(), &Published::good()), Err(E::Claims));
    }
}

/// Of an unverified certificate nothing is reported but that it is not verified.
#[test]
fn a_forged_certificate_is_refused_as_forged() {
    let mut parts = Parts::good();
    parts.certified_by = Signer::User;
    parts.certificate["fxa-generation"] = Value::Null;
    parts.certificate["fxa-tokenVerified"] = json!(false);
    assert_eq!(
        verdict(&parts.bundle(), &Published::good()),
        Err(E::CertificateSignature)
    );
}

#[test]
fn issuers_that_are_not_allowed() {
    let own = Parts::good().bundle();
    let mut parts = Parts::good();
    parts.certificate["principal"]["email"] = json!("somebody@example.com");
    let foreign = parts.bundle();
    type Names = &'static [&'static str];
    let cases: [(&str, &str, Names, Names, VerifyError); 7] = [
        ("none allowed", &own, &[], &[], E::IssuerNotAllowed),
        (
            "another allowed",
            &own,
            &["example.org"],
            &[],
            E::IssuerNotAllowed,
        ),
        (
            "one of whose name it is the end",
            &own,
            &["counts.example.org"],
            &[],
            E::IssuerNotAllowed,
        ),
        (
            "a star among others",
            &own,
            &["*", "example.org"],
            &[],
            E::IssuerNotAllowed,
        ),
        (
            "trusted but not allowed",
            &own,
            &[],
            &[ISSUER],
            E::IssuerNotAllowed,
        ),
        (
            "the domain allowed, not the issuer",
            &foreign,
            &["example.com"],
            &[ISSUER],
            E::IssuerNotAllowed,
        ),
        (
            "any allowed, none trusted",
            &foreign,
            &["*"],
            &[],
            E::IssuerOfDomain,
        ),
    ];
    for (name, bundle, allowed, trusted, expected) in cases {
        let documents = Published::good();
        let result = Server::taking(allowed, trusted).verdict(bundle, &documents);
        assert_eq!(result, Err(expected), "{name}");
        assert!(documents.asked().is_empty(), "{name}");
    }
}

#[test]
fn users_of_domains_that_are_not_listed() {
    for domains in [vec![], vec!["example.com".to_owned()]] {
        let server = Server {
            allowed_email_domains: Some(domains),
            ..Server::default()
        };
        let documents = Published::good();
        let result = server.verdict(&Parts::good().bundle(), &documents);
        assert_eq!(result, Err(E::EmailDomainNotAllowed));
        assert!(documents.asked().is_empty());
    }
}

#[test]
fn issuers_that_cannot_be_asked() {
    let bundle = Parts::good().bundle();
    for (answer, expected, row) in [
        (FetchError::Forbidden, E::IssuerForbidden, Row::InvalidCredentials),
        (FetchError::Absent, E::NoIssuer, Row::InvalidCredentials),
        (FetchError::Unavailable, E::IssuerUnavailable, Row::Unavailable),
    ] {
        let documents = Published::new([(ISSUER.to_owned(), Err(answer))]);
        let refusal = verdict(&bundle, &documents).unwrap_err();
        assert_eq!((refusal, refusal.row()), (expected, row));
    }
}

/// Only an outage is none of the four 401; and each reason has a word of its own.
#[test]
fn every_reason_has_its_row_and_its_word() {
    let of = |row: Row| {
        let reasons = E::ALL.iter().filter(|reason| reason.row() == row);
        reasons.copied().collect::<Vec<_>>()
    };
    assert_eq!(of(Row::Unavailable), [E::IssuerUnavailable]);
    assert_eq!(of(Row::InvalidGeneration), [E::Generation]);
    assert_eq!(of(Row::InvalidKeysChangedAt), [E::KeysChangedAt]);
    assert_eq!(
        of(Row::InvalidTimestamp),
        [
            E::AssertionExpired,
            E::CertificateExpired,
            E::NotYetValid,
            E::VerifierTime
        ]
    );
    let words: BTreeSet<&str> = E::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(words.len(), E::ALL.len());
}

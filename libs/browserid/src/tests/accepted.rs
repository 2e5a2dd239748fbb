//! What is taken, and what it then says.

use std::num::NonZeroU64;

use foxhold_core::{Timestamp, record::Generation};
use serde_json::json;

use super::forge::*;

/// An assertion that another implementation signed with RSA-1024.
const RS128: &str = "eyJhbGciOiJSUzEyOCJ9.eyJleHAiOjQxMDI0NDQ4MDAwMDAsImF1ZCI6Imh0dHBzOi8vdG9rZW4uZXhhbXBsZS5vcmcifQ.naXbL7asBHmgCO_zgMNoOpsdXnj2QdXTjuawUQlCI1EaIcpTjaiBtZaVqQT6L0g3J9W3fX36EwUad39WtKDyZI5uAwzUgdqrMkGVsOXnB95waCPoLQCcBebGQQi18rzLtXMPJanpXIcNdhbvTYnnFtcJLNTiicZxpcPs8dyk4Jk";
const RS128_MODULUS: &str = "174635839251201739391609814406746879255100817047180136584923203917811385328599787981337001569477004948873952911139918345139927428687238423561293042873263751407988775552729085852279738147088395799296420990281967871284987168064780871932383703233545838829399348825439832459395972422292861132543133449841315961337";

#[test]
fn a_good_bundle_proves_all_it_says() {
    let documents = Published::good();
    let identity = verdict(&Parts::good().bundle(), &documents).unwrap();
    assert_eq!(identity.email, format!("{UID}@{ISSUER}"));
    assert_eq!((identity.uid.as_str(), identity.domain.as_str()), (UID, ISSUER));
    assert_eq!(identity.issuer, ISSUER);
    assert_eq!(identity.generation, Generation(1_600_000_000_001));
    assert_eq!(identity.keys_changed_at, NonZeroU64::new(1_600_000_000_002));
    assert_eq!(
        identity.device_id.as_deref(),
        Some("0123456789abcdef0123456789abcdef")
    );
    assert_eq!(identity.last_auth_at, Some(Timestamp::from_secs(1_600_000_000)));
    assert_eq!(identity.expires, Timestamp::from_millis(NOW + 300_000));
    assert_eq!(documents.asked(), [ISSUER]);
    let shown = format!("{identity:?}");
    assert!(
        !shown.contains(UID) && !shown.contains("0123456789abcdef"),
        "{shown}"
    );
}

#[test]
fn every_algorithm_of_users_and_of_issuers_is_taken() {
    for user in [Signer::User, Signer::OldUser, Signer::LongUser] {
        let parts = Parts::good_of(user);
        assert!(
            verdict(&parts.bundle(), &Published::good()).is_ok(),
            "{}",
            user.algorithm()
        );
    }
    let mut parts = Parts::good();
    parts.certificate["public-key"] = json!({"algorithm": "RS", "n": RS128_MODULUS, "e": "65537"});
    let bundle = format!("{}~{RS128}", parts.certificate_text());
    assert_eq!(
        verdict(&bundle, &Published::good()).map(|identity| identity.uid),
        Ok(UID.to_owned())
    );

    let mut parts = Parts::good();
    parts.certificate_header = json!({"alg": "DS256"});
    parts.certified_by = Signer::LongUser;
    let mut other = document();
    other["public-key"] = Signer::LongUser.public_key();
    let documents = Published::new([(ISSUER.to_owned(), Ok(parsed(&other)))]);
    assert!(
        verdict(&parts.bundle(), &documents).is_ok(),
        "an issuer with a DSA key"
    );
}

#[test]
fn claims_that_are_absent_have_their_defaults() {
    let mut parts = Parts::good();
    let claims = parts.certificate.as_object_mut().unwrap();
    claims.retain(|name, _| !name.starts_with("fxa-"));
    let identity = verdict(&parts.bundle(), &Published::good()).unwrap();
    assert_eq!(identity.generation, Generation(0));
    assert_eq!(identity.keys_changed_at, None);
    assert_eq!(identity.device_id, None);
    assert_eq!(identity.last_auth_at, None);
}

#[test]
fn claims_nobody_needs_may_be_anything() {
    let changes = [
        ("fxa-keysChangedAt", json!(0)),
        ("fxa-generation", json!(0)),
        ("fxa-deviceId", json!(null)),
        ("fxa-lastAuthAt", json!("yesterday")),
        ("fxa-verifiedEmail", json!(null)),
        ("fxa-aal", json!([])),
        ("__proto__", json!({})),
        ("alg", json!("none")),
    ];
    for (name, value) in changes {
        let mut parts = Parts::good();
        parts.certificate[name] = value.clone();
        assert!(
            verdict(&parts.bundle(), &Published::good()).is_ok(),
            "{name}: {value}"
        );
    }
    let mut parts = Parts::good();
    parts.assertion["iss"] = json!("127.0.0.1");
    parts.assertion["iat"] = json!(NOW);
    parts.assertion_header["typ"] = json!("JWT");
    assert!(verdict(&parts.bundle(), &Published::good()).is_ok());
}

/// The last moment at which each of the times is still good; the moments after are in the table of refusals.
#[test]
fn times_are_good_up_to_their_limits() {
    let table = [
        ("assertion", "exp", NOW - 119_999),
        ("assertion", "iat", NOW + 120_000),
        ("certificate", "exp", NOW + 1),
        ("certificate", "iat", NOW + 10_000),
        // The longest duration one may ask for, set back as issuers do.
        ("certificate", "iat", NOW - 10_000),
    ];
    for (part, name, value) in table {
        let mut parts = Parts::good();
        let claims = if part == "assertion" {
            &mut parts.assertion
        } else {
            &mut parts.certificate
        };
        claims[name] = json!(value);
        assert!(
            verdict(&parts.bundle(), &Published::good()).is_ok(),
            "{part} {name} {value}"
        );
    }
}

/// Firefox's assertions end in 25 years. What ends the proof is the certificate.
#[test]
fn an_assertion_lasts_no_longer_than_its_certificate() {
    let mut parts = Parts::good();
    parts.assertion["exp"] = json!(NOW + 25 * 365 * DAY);
    let bundle = parts.bundle();
    let identity = verdict(&bundle, &Published::good()).unwrap();
    assert_eq!(identity.expires, Timestamp::from_millis(NOW + DAY));
    let tomorrow = Server {
        now: NOW + DAY,
        ..Server::default()
    };
    let later = tomorrow.verdict(&bundle, &Published::good());
    assert_eq!(later, Err(crate::VerifyError::CertificateExpired));
}

#[test]
fn issuers_are_taken_by_name_by_star_and_for_others_if_trusted() {
    let mut parts = Parts::good();
    parts.certificate["principal"]["email"] = json!("somebody@example.com");
    let foreign = parts.bundle();
    let own = Parts::good().bundle();
    type Names = &'static [&'static str];
    let cases: [(&str, &str, Names, Names); 4] = [
        ("own, by name", &own, &["other.example", ISSUER], &[]),
        ("own, any", &own, &["*"], &[]),
        (
            "foreign, trusted, by name",
            &foreign,
            &[ISSUER],
            &["other.example", ISSUER],
        ),
        ("foreign, trusted, any", &foreign, &["*"], &[ISSUER]),
    ];
    for (name, bundle, allowed, trusted) in cases {
        let result = Server::taking(allowed, trusted).verdict(bundle, &Published::good());
        assert_eq!(
            result.map(|identity| identity.issuer),
            Ok(ISSUER.to_owned()),
            "{name}"
        );
    }
}

#[test]
fn users_of_listed_domains_are_taken() {
    let server = Server {
        allowed_email_domains: Some(vec!["example.com".to_owned(), ISSUER.to_owned()]),
        ..Server::default()
    };
    assert!(
        server
            .verdict(&Parts::good().bundle(), &Published::good())
            .is_ok()
    );
}

/// Keys rotate: the certificate may be of the previous key, may name none, or one the document does not know.
#[test]
fn any_key_of_the_issuer_may_have_signed() {
    let mut two = document();
    let mut previous = Signer::User.public_key();
    previous["kid"] = json!("before");
    two["keys"] = json!([two["public-key"], previous]);
    for (kid, signer) in [
        (Some("now"), Signer::Issuer),
        (Some("before"), Signer::User),
        (None, Signer::User),
        (Some("other"), Signer::User),
    ] {
        let mut parts = Parts::good_of(Signer::OldUser);
        parts.certified_by = signer;
        parts.certificate_header = json!({"alg": "RS256"});
        if let Some(kid) = kid {
            parts.certificate_header["kid"] = json!(kid);
        }
        let documents = Published::new([(ISSUER.to_owned(), Ok(parsed(&two)))]);
        assert!(verdict(&parts.bundle(), &documents).is_ok(), "{kid:?}");
    }
}

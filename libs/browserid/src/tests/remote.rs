//! What a remote verifier is asked, and what its answers come to.

use foxhold_core::{Timestamp, record::Generation};
use serde_json::{Value, json};

use super::forge::*;
use crate::{AnswerError, Expectations, Identity, VerifyError as E, question, read_answer};

const TRUSTED: &str = "trusted.example";

fn with_expectations<T>(check: impl FnOnce(&Expectations<'_>) -> T) -> T {
    let (allowed, trusted) = ([ISSUER.to_owned(), TRUSTED.to_owned()], [TRUSTED.to_owned()]);
    check(&Expectations {
        audience: AUDIENCE,
        allowed_issuers: &allowed,
        trusted_issuers: &trusted,
        allowed_email_domains: None,
        now: Timestamp::from_millis(NOW),
        skew: std::time::Duration::from_secs(120),
    })
}

fn read(answer: &Value) -> Result<Identity, AnswerError> {
    with_expectations(|expected| read_answer(answer.to_string().as_bytes(), expected))
}

fn okay() -> Value {
    json!({
        "status": "okay",
        "audience": AUDIENCE,
        "email": format!("{UID}@{ISSUER}"),
        "issuer": ISSUER,
        "expires": NOW + 1,
        "idpClaims": {"fxa-generation": 12, "fxa-keysChangedAt": 13, "fxa-deviceId": "d", "fxa-lastAuthAt": 14},
    })
}

#[test]
fn the_question_names_all_that_matters() {
    let bundle = Parts::good().bundle();
    let asked = with_expectations(|expected| question(&bundle, expected)).unwrap();
    let asked: Value = serde_json::from_slice(&asked).unwrap();
    let expected = json!({"assertion": bundle, "audience": AUDIENCE, "trustedIssuers": [TRUSTED]});
    assert_eq!(asked, expected);
}

#[test]
fn what_cannot_be_a_bundle_is_not_asked_about() {
    let good = Parts::good().bundle();
    let (certificate, assertion) = good.split_once('~').unwrap();
    let table = [
        ("nothing", String::new(), E::CertificateCount),
        ("assertion alone", assertion.to_owned(), E::CertificateCount),
        (
            "two certificates",
            format!("{certificate}~{good}"),
            E::CertificateCount,
        ),
        ("two parts", format!("{certificate}~a.b"), E::Malformed),
        ("four parts", format!("{certificate}~{assertion}.a"), E::Malformed),
        ("no signature", format!("{certificate}~a.b."), E::Malformed),
        ("padded", format!("{good}="), E::Malformed),
        ("blank", format!("{certificate} ~{assertion}"), E::Malformed),
        ("long", format!("{good}{}", "a".repeat(16 * 1024)), E::TooLong),
    ];
    for (name, bundle, expected) in table {
        let asked = with_expectations(|expected| question(&bundle, expected));
        assert_eq!(asked, Err(expected), "{name}");
    }
}

#[test]
fn a_good_answer_says_what_a_certificate_would() {
    let identity = read(&okay()).unwrap();
    assert_eq!((identity.uid.as_str(), identity.domain.as_str()), (UID, ISSUER));
    assert_eq!(identity.generation, Generation(12));
    assert_eq!(identity.keys_changed_at.map(u64::from), Some(13));
    assert_eq!(identity.device_id.as_deref(), Some("d"));
    assert_eq!(identity.last_auth_at, Some(Timestamp::from_secs(14)));
    assert_eq!(identity.expires, Timestamp::from_millis(NOW + 1));
    let bare = json!({"status": "okay", "email": format!("{UID}@third.example"), "issuer": TRUSTED});
    let identity = read(&bare).unwrap();
    assert_eq!(
        (identity.domain.as_str(), identity.issuer.as_str()),
        ("third.example", TRUSTED)
    );
    assert_eq!(identity.generation, Generation(0));
}

#[test]
fn reasons_of_failures() {
    let table = [
        ("assertion has expired", E::VerifierTime),
        ("certificate expired", E::VerifierTime),
        ("assertion issued later than verification date", E::VerifierTime),
        ("audience mismatch: domain mismatch", E::VerifierRefused),
        ("untrusted issuer", E::VerifierRefused),
        ("", E::VerifierRefused),
    ];
    for (reason, expected) in table {
        let answer = json!({"status": "failure", "reason": reason});
        assert_eq!(read(&answer), Err(AnswerError::Refused(expected)), "{reason}");
    }
    let wordless = read(&json!({"status": "failure"}));
    assert_eq!(wordless, Err(AnswerError::Refused(E::VerifierRefused)));
}

/// Whatever it vouches for: who may speak for whom, and what claims mean, is decided here.
#[test]
fn answers_that_are_refused_and_answers_that_say_nothing() {
    let refused = |error| Err(AnswerError::Refused(error));
    let table: [(&str, Value, Result<(), AnswerError>); 16] = [
        ("issuer", json!("third.example"), refused(E::IssuerOfDomain)),
        (
            "email",
            json!(format!("{UID}@third.example")),
            refused(E::IssuerOfDomain),
        ),
        ("email", json!("no-domain"), refused(E::Principal)),
        ("email", json!("a@b@accounts.example.org"), refused(E::Principal)),
        (
            "idpClaims",
            json!({"fxa-tokenVerified": false}),
            refused(E::TokenUnverified),
        ),
        (
            "idpClaims",
            json!({"fxa-generation": "1"}),
            refused(E::Generation),
        ),
        (
            "idpClaims",
            json!({"fxa-generation": null}),
            refused(E::Generation),
        ),
        (
            "idpClaims",
            json!({"fxa-keysChangedAt": 1.5}),
            refused(E::KeysChangedAt),
        ),
        ("idpClaims", json!({"fxa-deviceId": 1}), refused(E::Claims)),
        ("idpClaims", json!([]), Err(AnswerError::Unusable)),
        (
            "issuer",
            json!("https://accounts.example.org"),
            Err(AnswerError::Unusable),
        ),
        ("issuer", Value::Null, Err(AnswerError::Unusable)),
        ("email", json!(1), Err(AnswerError::Unusable)),
        (
            "audience",
            json!("https://other.example"),
            Err(AnswerError::Unusable),
        ),
        ("expires", json!("soon"), Err(AnswerError::Unusable)),
        ("status", json!("ok"), Err(AnswerError::Unusable)),
    ];
    for (member, value, expected) in table {
        let mut answer = okay();
        answer[member] = value.clone();
        assert_eq!(read(&answer).map(|_| ()), expected, "{member}: {value}");
    }
    for body in [
        "",
        "[]",
        "null",
        "<html>",
        r#"{"status":"okay"}"#,
        r#"{"status":"okay","status":"failure"}"#,
    ] {
        let said = with_expectations(|expected| read_answer(body.as_bytes(), expected));
        assert_eq!(said.map(|_| ()), Err(AnswerError::Unusable), "{body}");
    }
}

/// Issuers that the service does not take stay outside, also with a verifier that trusts them.
#[test]
fn the_list_of_issuers_counts() {
    let nobody: [String; 0] = [];
    let expected = Expectations {
        audience: AUDIENCE,
        allowed_issuers: &nobody,
        trusted_issuers: &nobody,
        allowed_email_domains: None,
        now: Timestamp::from_millis(NOW),
        skew: std::time::Duration::ZERO,
    };
    let said = read_answer(okay().to_string().as_bytes(), &expected);
    assert_eq!(said, Err(AnswerError::Refused(E::IssuerNotAllowed)));
}

//! Texts that are no bundle, and JSON that could be read in two ways (`security.md` E.2).

use serde_json::json;

use super::forge::*;
use crate::{LEN_MAX, VerifyError as E};

#[test]
fn texts_that_are_no_bundle() {
    let parts = Parts::good();
    let (certificate, assertion) = (parts.certificate_text(), parts.assertion_text());
    let good = format!("{certificate}~{assertion}");
    let pieces: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = [pieces[0], pieces[1], pieces[2]];
    // The last digit of a signature of 256 bytes holds four bits that must be zero.
    let loose = format!(
        "{}{}",
        &signature[..signature.len() - 1],
        if signature.ends_with('A') { 'B' } else { 'D' }
    );
    let with = |assertion: &str| format!("{certificate}~{assertion}");
    let table = [
        ("empty", String::new(), E::CertificateCount),
        ("an assertion alone", assertion.clone(), E::CertificateCount),
        ("no certificate", format!("~{assertion}"), E::Malformed),
        ("no assertion", format!("{certificate}~"), E::Malformed),
        (
            "two certificates",
            format!("{certificate}~{good}"),
            E::CertificateCount,
        ),
        (
            "two assertions",
            format!("{good}~{assertion}"),
            E::CertificateCount,
        ),
        ("final tilde", format!("{good}~"), E::CertificateCount),
        ("two parts", with(&format!("{header}.{claims}")), E::Malformed),
        (
            "four parts",
            with(&format!("{assertion}.{signature}")),
            E::Malformed,
        ),
        ("no signature", with(&format!("{header}.{claims}.")), E::Malformed),
        ("no header", with(&format!(".{claims}.{signature}")), E::Malformed),
        (
            "padded",
            with(&format!("{header}=.{claims}.{signature}")),
            E::Malformed,
        ),
        ("padded at the end", format!("{good}=="), E::Malformed),
        (
            "bits that do not count",
            with(&format!("{header}.{claims}.{loose}")),
            E::Malformed,
        ),
        ("blank before", format!(" {good}"), E::Malformed),
        ("blank behind", format!("{good} "), E::Malformed),
        ("line break", good.replacen('.', ".\n", 1), E::Malformed),
        (
            "other alphabet",
            with(&format!("{header}.{claims}.+{}", &signature[1..])),
            E::Malformed,
        ),
        ("NUL", format!("{good}\0"), E::Malformed),
        (
            "JSON serialization",
            json!({"payload": claims}).to_string(),
            E::CertificateCount,
        ),
        ("too long", format!("{good}{}", "A".repeat(LEN_MAX)), E::TooLong),
    ];
    for (name, text, expected) in table {
        let documents = Published::good();
        assert_eq!(verdict(&text, &documents), Err(expected), "{name}");
        assert!(documents.asked().is_empty(), "{name}");
    }
    assert!(verdict(&good, &Published::good()).is_ok());
}

#[test]
fn json_that_has_two_readings_or_no_end() {
    let header = r#"{"alg":"RS256"}"#;
    let good = format!(r#"{{"exp":{},"aud":"{AUDIENCE}"}}"#, NOW + 1000);
    let inner = &good[1..good.len() - 1];
    let deep = |levels: usize| format!(r#"{{"x":{}{},{inner}}}"#, "[".repeat(levels), "]".repeat(levels));
    let table = [
        ("a member twice", format!(r#"{{"exp":1,{inner}}}"#)),
        (
            "a member twice, once escaped",
            format!(r#"{{"\u0065xp":1,{inner}}}"#),
        ),
        (
            "a member twice inside",
            format!(r#"{{"x":{{"y":1,"y":1}},{inner}}}"#),
        ),
        ("too deep", deep(32)),
        ("no end of depth", format!(r#"{{"x":{}"#, "[".repeat(8000))),
        ("something behind", format!("{good}{{}}")),
        ("a huge number", format!(r#"{{"x":1e999999,{inner}}}"#)),
        ("a lone surrogate", format!(r#"{{"x":"\ud800",{inner}}}"#)),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a control character", format!("{{\"x\":\"\n\",{inner}}}")),
        ("a list", format!("[{good}]")),
        ("a number", "1".to_owned()),
        ("nothing closed", good[..good.len() - 1].to_owned()),
    ];
    let certificate = Parts::good().certificate_text();
    for (name, claims) in table {
        let bundle = format!("{certificate}~{}", jws(header, &claims, Signer::User));
        assert_eq!(verdict(&bundle, &Published::good()), Err(E::Malformed), "{name}");
    }
    let bundle = format!("{certificate}~{}", jws(header, &deep(31), Signer::User));
    assert!(verdict(&bundle, &Published::good()).is_ok(), "just deep enough");
    let twice = jws(r#"{"alg":"none","alg":"RS256"}"#, &good, Signer::User);
    assert_eq!(
        verdict(&format!("{certificate}~{twice}"), &Published::good()),
        Err(E::Malformed)
    );
}

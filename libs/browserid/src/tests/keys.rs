//! Public keys in their three spellings, and numbers that are none.

use serde_json::{Value, json};

use super::forge::*;
use crate::{Algorithm, KeyError, PublicKey};

fn parse(key: &Value) -> Result<PublicKey, KeyError> {
    PublicKey::from_json(key.to_string().as_bytes())
}

#[test]
fn the_spellings_of_a_key_are_one_key() {
    let key = parse(&Signer::Issuer.public_key()).unwrap();
    let numbers = Signer::Issuer.rsa_numbers();
    let jwk = json!({"kty": "RSA", "n": base64(&numbers.n), "e": base64(&numbers.e)});
    assert_eq!(parse(&jwk).as_ref(), Ok(&key));
    let PublicKey::Rsa(rsa) = &key else {
        panic!("not RSA");
    };
    assert_eq!((rsa.modulus(), rsa.exponent()), (&numbers.n[..], &numbers.e[..]));

    let lower = Signer::OldUser.public_key();
    let mut upper = lower.clone();
    for name in ["y", "p", "q", "g"] {
        upper[name] = json!(lower[name].as_str().unwrap().to_uppercase());
    }
    upper["version"] = json!("2012.08.15");
    let mut short = lower.clone();
    short["g"] = json!(lower["g"].as_str().unwrap().trim_start_matches('0'));
    let mut long = lower.clone();
    long["p"] = json!(format!("00{}", lower["p"].as_str().unwrap()));
    for spelling in [upper, short, long] {
        assert_eq!(parse(&spelling), parse(&lower));
    }
}

/// A name stands for one kind and size; a key of another is not asked.
#[test]
fn a_key_signs_with_the_algorithm_of_its_size() {
    let of = |signer: Signer| parse(&signer.public_key()).unwrap();
    let rsa =
        |len: usize| parse(&json!({"algorithm": "RS", "n": decimal(&vec![0xff; len]), "e": "3"})).unwrap();
    let mut between = Signer::LongUser.public_key();
    // An odd q of 224 bits: a size the contract knows and BrowserID has no name for.
    between["q"] = json!("f".repeat(56));
    let table = [
        ("RSA-1024", rsa(128), Some(Algorithm::Rs128)),
        ("RSA-1536", rsa(192), Some(Algorithm::Rs128)),
        ("RSA-2048", of(Signer::Issuer), Some(Algorithm::Rs256)),
        ("RSA-4096", rsa(512), Some(Algorithm::Rs256)),
        ("DSA 1024/160", of(Signer::OldUser), Some(Algorithm::Ds128)),
        ("DSA 2048/256", of(Signer::LongUser), Some(Algorithm::Ds256)),
        ("DSA 2048/224", parse(&between).unwrap(), None),
    ];
    for (name, key, expected) in table {
        for label in ["RS128", "RS256", "DS128", "DS256"] {
            let algorithm = Algorithm::named(label).unwrap();
            assert_eq!(
                key.signs_with(algorithm),
                expected == Some(algorithm),
                "{name} {label}"
            );
        }
    }
}

/// What makes of the key of `signer` when one member is another, or is missing.
fn spoilt(signer: Signer, member: &str, value: Option<&Value>) -> Result<PublicKey, KeyError> {
    let mut key = signer.public_key();
    match value {
        Some(value) => key[member] = value.clone(),
        None => drop(key.as_object_mut().unwrap().remove(member)),
    }
    parse(&key)
}

#[test]
fn weak_malformed_and_endless_rsa_keys_are_refused() {
    let good = decimal(&[0xff; 256]);
    let table = [
        ("unknown", "algorithm", json!("EC"), KeyError::Algorithm),
        ("in small letters", "algorithm", json!("rs"), KeyError::Algorithm),
        ("a number", "algorithm", json!(1), KeyError::Numbers),
        ("a number", "n", json!(7), KeyError::Numbers),
        ("empty", "n", json!(""), KeyError::Numbers),
        ("hexadecimal", "n", json!("ff".repeat(128)), KeyError::Numbers),
        ("with sign", "n", json!(format!("+{good}")), KeyError::Numbers),
        (
            "with leading zero",
            "n",
            json!(format!("0{good}")),
            KeyError::Numbers,
        ),
        ("with blank", "n", json!(format!("{good} ")), KeyError::Numbers),
        ("even", "n", json!(format!("{good}0")), KeyError::Numbers),
        ("of 512 bits", "n", json!(decimal(&[0xff; 64])), KeyError::Numbers),
        (
            "of 4104 bits",
            "n",
            json!(decimal(&[0xff; 513])),
            KeyError::Numbers,
        ),
        ("endless", "n", json!("9".repeat(1_000_000)), KeyError::Numbers),
        ("0", "e", json!("0"), KeyError::Numbers),
        ("1", "e", json!("1"), KeyError::Numbers),
        ("even", "e", json!("65536"), KeyError::Numbers),
        ("beyond 32 bits", "e", json!("4294967297"), KeyError::Numbers),
        ("a number", "e", json!(65537), KeyError::Numbers),
        ("of another kind", "kty", json!("EC"), KeyError::Algorithm),
        (
            "that of a JWK, of a decimal key",
            "kty",
            json!("RSA"),
            KeyError::Numbers,
        ),
    ];
    for (name, member, value, expected) in table {
        let result = spoilt(Signer::User, member, Some(&value));
        assert_eq!(result, Err(expected), "{member} {name}");
    }
    for member in ["algorithm", "n", "e"] {
        assert_eq!(
            spoilt(Signer::User, member, None),
            Err(KeyError::Missing),
            "{member}"
        );
    }
    assert!(PublicKey::from_json(br#"{"algorithm":"RS","algorithm":"RS","n":"1","e":"3"}"#).is_err());
}

#[test]
fn weak_malformed_and_endless_dsa_keys_are_refused() {
    let p = Signer::OldUser.public_key()["p"].clone();
    let table = [
        ("with prefix", "y", json!("0x2")),
        ("1", "y", json!("1")),
        ("= p", "y", p.clone()),
        ("0", "g", json!("0")),
        ("= p", "g", p),
        ("a number", "g", json!(2)),
        ("of 512 bits", "p", json!("f".repeat(128))),
        ("endless", "p", json!("f".repeat(1_000_000))),
        ("in base64", "p", json!(base64([0xff; 128]))),
        ("of 256 bits beside 1024", "q", json!("f".repeat(64))),
        ("even", "q", json!("fe".repeat(20))),
    ];
    for (name, member, value) in table {
        let result = spoilt(Signer::OldUser, member, Some(&value));
        assert_eq!(result, Err(KeyError::Numbers), "{member} {name}");
    }
    for member in ["algorithm", "y", "p", "q", "g"] {
        assert_eq!(
            spoilt(Signer::OldUser, member, None),
            Err(KeyError::Missing),
            "{member}"
        );
    }
}

#[test]
fn weak_malformed_and_endless_jwks_are_refused() {
    let n = base64(&Signer::Issuer.rsa_numbers().n);
    let jwk = |member: &str, value: Value| {
        let mut jwk = json!({"kty": "RSA", "n": n, "e": "AQAB"});
        jwk[member] = value;
        parse(&jwk)
    };
    assert!(jwk("alg", json!("RS256")).is_ok());
    let table = [
        ("padded", jwk("n", json!(format!("{n}=="))), KeyError::Numbers),
        (
            "endless",
            jwk("n", json!("A".repeat(1_000_000))),
            KeyError::Numbers,
        ),
        ("e = 1", jwk("e", json!("AQ")), KeyError::Numbers),
        ("another padding", jwk("alg", json!("PS256")), KeyError::Algorithm),
        ("another kind", jwk("algorithm", json!("DS")), KeyError::Algorithm),
        ("to encrypt with", jwk("use", json!("enc")), KeyError::Algorithm),
    ];
    for (name, result, expected) in table {
        assert_eq!(result, Err(expected), "{name}");
    }
}

/// The numbers are of the right size but lie about each other: parsing takes them, verifying does not.
#[test]
fn a_key_whose_numbers_do_not_fit_verifies_nothing() {
    let message = b"message";
    let signature = Signer::OldUser.sign(message);
    let mut key = Signer::OldUser.public_key();
    assert!(
        parse(&key)
            .unwrap()
            .verifies(Algorithm::Ds128, message, &signature)
    );
    key["g"] = json!("2");
    assert!(
        !parse(&key)
            .unwrap()
            .verifies(Algorithm::Ds128, message, &signature)
    );
}

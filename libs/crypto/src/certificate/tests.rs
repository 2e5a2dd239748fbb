//! What stands in a certificate, byte for byte, and which keys are not certified.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::hex;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const DSA_KEYS: &str = include_str!("../../testdata/dsa-rfc-6979.json");

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// RFC 6979, A.2.1 and A.2.2.
fn dsa(at: usize) -> (SubjectKey, Value) {
    let file: Value = serde_json::from_str(DSA_KEYS).unwrap();
    let key = file["keys"][at].clone();
    let number = |name: &str| bytes(key[name].as_str().unwrap());
    let (y, p, q, g) = (number("y"), number("p"), number("q"), number("g"));
    let numbers = DsaNumbers {
        y: &y,
        p: &p,
        q: &q,
        g: &g,
    };
    (SubjectKey::Dsa(DsaPublicKey::new(numbers).unwrap()), key)
}

fn rsa(n: &[u8]) -> SubjectKey {
    SubjectKey::Rsa(ShortRsaPublicKey::new(n, &[1, 0, 1]).unwrap())
}

fn certificate(key: &SubjectKey) -> NewCertificate<'_> {
    NewCertificate {
        domain: "accounts.example.test",
        uid: Uid::from_bytes([0xab; 16]),
        key,
        issued_at: Timestamp::from_millis(1_699_999_990_000),
        expires: Timestamp::from_millis(1_700_021_600_000),
        generation: Timestamp::from_millis(1_600_000_000_123),
        profile_changed_at: Timestamp::from_millis(1_600_000_000_456),
        keys_changed_at: Timestamp::from_millis(1_600_000_000_001),
        last_auth_at: Timestamp::from_millis(1_650_000_000_999),
        verified_email: "alice@example.test",
        device_id: Some(DeviceId::from_bytes([0xcd; 16])),
        token_verified: true,
        amr: &["pwd", "email"],
        aal: 1,
    }
}

fn parts(unsigned: &Unsigned) -> [String; 2] {
    let text = std::str::from_utf8(unsigned.signing_input()).unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    [header, claims].map(|part| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
}

#[test]
fn the_claims_stand_in_one_order() {
    let modulus = [&[0xc0; 127][..], &[1]].concat();
    let key = rsa(&modulus);
    let [header, claims] = parts(&certificate(&key).unsigned("k-1"));
    assert_eq!(header, r#"{"alg":"RS256","kid":"k-1"}"#);
    let uid = "ab".repeat(16);
    let expected = format!(
        r#"{{"iss":"accounts.example.test","iat":1699999990000,"exp":1700021600000,"public-key":{{"algorithm":"RS","n":"{}","e":"65537"}},"principal":{{"email":"{uid}@accounts.example.test"}},"fxa-generation":1600000000123,"fxa-lastAuthAt":1650000000,"fxa-verifiedEmail":"alice@example.test","fxa-deviceId":"{}","fxa-tokenVerified":true,"fxa-amr":["pwd","email"],"fxa-aal":1,"fxa-profileChangedAt":1600000000456,"fxa-keysChangedAt":1600000000001}}"#,
        decimal(&modulus),
        "cd".repeat(16)
    );
    assert_eq!(claims, expected);
    let without_device = NewCertificate {
        device_id: None,
        ..certificate(&key)
    };
    let [_, claims] = parts(&without_device.unsigned("k-1"));
    assert!(!claims.contains("deviceId"), "{claims}");
}

#[test]
fn numbers_of_dsa_keys_stand_as_clients_write_them() {
    for at in [0, 1] {
        let (key, sent) = dsa(at);
        let [_, claims] = parts(&certificate(&key).unsigned("k"));
        let claims: Value = serde_json::from_str(&claims).unwrap();
        let written = &claims["public-key"];
        assert_eq!(written["algorithm"], "DS");
        for name in ["y", "p", "q", "g"] {
            let digits = sent[name].as_str().unwrap().trim_start_matches('0');
            assert_eq!(written[name], digits.to_lowercase(), "{name}");
        }
    }
}

#[test]
fn decimals() {
    let table: [(&[u8], &str); 6] = [
        (&[], "0"),
        (&[0], "0"),
        (&[7], "7"),
        (&[0, 1, 0, 1], "65537"),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0], "18446744073709551616"),
        (&[0xff; 16], "340282366920938463463374607431768211455"),
    ];
    for (number, expected) in table {
        assert_eq!(decimal(number), expected);
    }
}

/// Of 1024 bits, made by another implementation.
const SOUND: &str = "f8b08f86a76e6d561661b489487edd768eb664a0307bc202608333e9eca7d65234e87c1249e4841cee6d322f4c97780335d797fa3a74823c512f2d1452f61433ce8e059a39f9c314d10baf6979a1ac2ee6c67694e52f00aa91a4f3569fc8bad5190af0afdd860ac7fc8d3d116c92063b24228f1cfc31360241397cffe79459f9";

#[test]
fn keys_that_fall_to_anybody_are_not_sound() {
    let good: [u8; 128] = hex::decode(SOUND).unwrap();
    assert!(rsa(&good).is_sound());
    assert!(dsa(0).0.is_sound() && dsa(1).0.is_sound());
    // All bits set: divisible by 3.
    assert!(!rsa(&[0xff; 256]).is_sound());
    // (2^512 - 2^256 + 1)²: no small factor, but its root shows both.
    let root = "00".repeat(64) + &"ff".repeat(32) + "00" + &"00".repeat(30) + "01";
    let root = BoxedUint::from_be_slice_vartime(&bytes(&root));
    assert!(!rsa(&root.wrapping_square().to_be_bytes()).is_sound(), "a square");
    let SubjectKey::Dsa(key) = dsa(0).0 else {
        unreachable!()
    };
    let DsaNumbers { y, p, q, g } = key.numbers();
    let mut other = y.to_vec();
    other[0] ^= 1;
    let numbers = DsaNumbers { y: &other, p, q, g };
    let other = DsaPublicKey::new(numbers).unwrap();
    assert!(!SubjectKey::Dsa(other).is_sound(), "y of another order");
}

proptest! {
    #[test]
    fn decimals_are_the_numbers(number in any::<u128>()) {
        prop_assert_eq!(decimal(&number.to_be_bytes()), number.to_string());
    }

    /// Whatever bytes a modulus is made of, the answer comes.
    #[test]
    fn no_modulus_panics(mut n in proptest::collection::vec(any::<u8>(), 128..=512)) {
        n[0] |= 0x80;
        *n.last_mut().unwrap() |= 1;
        let _ = rsa(&n).is_sound();
    }
}

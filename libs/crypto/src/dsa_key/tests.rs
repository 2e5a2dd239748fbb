//! The vectors of RFC 6979 (appendix A.2), what another implementation signs with them, and numbers that lie.

use dsa::{SigningKey, signature::hazmat::PrehashSigner};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../testdata/dsa-rfc-6979.json");

struct Vector {
    numbers: [Vec<u8>; 5],
    hash: DsaHash,
    signatures: [(&'static str, Vec<u8>); 2],
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |index: usize| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let keys = file["keys"].as_array().unwrap().iter();
    keys.map(|key| {
        let member = |name: &str| bytes(key[name].as_str().unwrap());
        Vector {
            numbers: ["y", "p", "q", "g", "x"].map(member),
            hash: if key["hash"] == "sha1" {
                DsaHash::Sha1
            } else {
                DsaHash::Sha256
            },
            signatures: ["sample", "test"].map(|message| (message, member(message))),
        }
    })
    .collect()
}

impl Vector {
    fn key(&self) -> DsaPublicKey {
        DsaPublicKey::new(self.public()).unwrap()
    }

    fn public(&self) -> DsaNumbers<'_> {
        let [y, p, q, g, _] = &self.numbers;
        DsaNumbers { y, p, q, g }
    }

    fn signed(&self, message: &[u8]) -> Vec<u8> {
        let [.., x] = &self.numbers;
        let signer = SigningKey::from_components(self.key().verifying_key().unwrap(), number(x)).unwrap();
        let algorithm = match self.hash {
            DsaHash::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            DsaHash::Sha256 => &SHA256,
        };
        let signature = signer.sign_prehash(digest(algorithm, message).as_ref()).unwrap();
        let len = self.key().size().1 / 8;
        let padded = |part: &BoxedUint| {
            let part = part.to_be_bytes_trimmed_vartime();
            [vec![0; len - part.len()], part.to_vec()].concat()
        };
        [padded(signature.r()), padded(signature.s())].concat()
    }
}

#[test]
fn the_vectors_of_rfc_6979_verify() {
    for (vector, size) in vectors().iter().zip([(1024, 160), (2048, 256)]) {
        let key = vector.key();
        assert_eq!(key.size(), size);
        assert!(key.is_sound());
        for (message, signature) in &vector.signatures {
            assert!(
                key.verifies(vector.hash, message.as_bytes(), signature),
                "{size:?} {message}"
            );
            assert!(!key.verifies(vector.hash, b"another", signature));
        }
        let other = match vector.hash {
            DsaHash::Sha1 => DsaHash::Sha256,
            DsaHash::Sha256 => DsaHash::Sha1,
        };
        let (message, signature) = &vector.signatures[0];
        assert!(
            !key.verifies(other, message.as_bytes(), signature),
            "another hash"
        );
    }
}

#[test]
fn a_signature_has_one_form_and_both_its_halves_in_range() {
    for vector in vectors() {
        let key = vector.key();
        let (message, good) = &vector.signatures[0];
        let half = good.len() / 2;
        let (r, s) = good.split_at(half);
        let zero = vec![0; half];
        let q = vector.numbers[2].clone();
        let top = vec![0xff; half];
        let table: [(&str, Vec<u8>); 10] = [
            ("empty", vec![]),
            ("one byte short", good[1..].to_vec()),
            ("one byte long", [&[0], good.as_slice()].concat()),
            ("r = 0", [zero.as_slice(), s].concat()),
            ("s = 0", [r, &zero].concat()),
            ("both 0", [zero.as_slice(), &zero].concat()),
            ("r = q", [q.as_slice(), s].concat()),
            ("s = q", [r, &q].concat()),
            ("all ones", [top.as_slice(), &top].concat()),
            ("halves exchanged", [s, r].concat()),
        ];
        for (name, signature) in table {
            assert!(
                !key.verifies(vector.hash, message.as_bytes(), &signature),
                "{name}"
            );
        }
    }
}

#[test]
fn numbers_of_unusual_size_are_refused_before_anything_is_computed() {
    let vector = vectors().remove(0);
    let good = vector.public();
    let mut even_p = good.p.to_vec();
    even_p[127] &= 0xfe;
    let mut even_q = good.q.to_vec();
    even_q[19] &= 0xfe;
    let mut short_p = good.p.to_vec();
    short_p[0] &= 0x7f;
    let endless = vec![0xff; 100_000];
    let one = [0, 0, 1];
    let p = |bad: &[u8]| DsaPublicKey::new(DsaNumbers { p: bad, ..good }).map(|_| ());
    let q = |bad: &[u8]| DsaPublicKey::new(DsaNumbers { q: bad, ..good }).map(|_| ());
    let g = |bad: &[u8]| DsaPublicKey::new(DsaNumbers { g: bad, ..good }).map(|_| ());
    let y = |bad: &[u8]| DsaPublicKey::new(DsaNumbers { y: bad, ..good }).map(|_| ());
    let size = Err(DsaKeyError::Size);
    let range = Err(DsaKeyError::Range);
    let table = [
        ("the key itself", p(good.p), Ok(())),
        ("p empty", p(&[]), size),
        ("p even", p(&even_p), size),
        ("p of 1023 bits", p(&short_p), size),
        ("p endless", p(&endless), size),
        ("q of the size of p", q(good.p), size),
        ("q even", q(&even_q), size),
        ("g = 0", g(&[0]), range),
        ("g = 1", g(&one), range),
        ("g = p", g(good.p), range),
        ("g endless", g(&endless), range),
        ("y empty", y(&[]), range),
        ("y = 1", y(&one), range),
        ("y = p", y(good.p), range),
        ("y endless", y(&endless), range),
    ];
    for (name, result, expected) in table {
        assert_eq!(result, expected, "{name}");
    }
}

#[test]
fn numbers_that_do_not_fit_each_other_verify_nothing() {
    let vector = vectors().remove(0);
    let good = vector.public();
    let (message, signature) = &vector.signatures[0];
    let minus_two = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 2;
        bytes
    };
    let (p, q, g, y) = (
        minus_two(good.p),
        minus_two(good.q),
        minus_two(good.g),
        minus_two(good.y),
    );
    let mut p_less_one = good.p.to_vec();
    p_less_one[127] -= 1;
    let table = [
        ("p", DsaNumbers { p: &p, ..good }),
        ("q", DsaNumbers { q: &q, ..good }),
        ("g", DsaNumbers { g: &g, ..good }),
        ("y", DsaNumbers { y: &y, ..good }),
        (
            "g of order 2",
            DsaNumbers {
                g: &p_less_one,
                ..good
            },
        ),
        (
            "y of order 2",
            DsaNumbers {
                y: &p_less_one,
                ..good
            },
        ),
    ];
    for (name, numbers) in table {
        let key = DsaPublicKey::new(numbers).unwrap();
        assert!(!key.is_sound(), "{name}");
        assert!(
            !key.verifies(vector.hash, message.as_bytes(), signature),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_another_signs_verifies_and_nothing_else(message: Vec<u8>, bit in 0..320usize) {
        let vector = vectors().remove(0);
        let mut signature = vector.signed(&message);
        prop_assert!(vector.key().verifies(vector.hash, &message, &signature));
        signature[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!vector.key().verifies(vector.hash, &message, &signature));
    }

    #[test]
    fn hostile_numbers_do_not_panic(p: [u8; 32], q: [u8; 20], g: Vec<u8>, y: [u8; 32], signature: [[u8; 20]; 2]) {
        let mut p = p.repeat(4);
        p[0] |= 0x80;
        p[127] |= 1;
        let mut q = q;
        q[0] |= 0x80;
        q[19] |= 1;
        if let Ok(key) = DsaPublicKey::new(DsaNumbers { y: &y, p: &p, q: &q, g: &g }) {
            prop_assert!(!key.verifies(DsaHash::Sha1, b"message", &signature.concat()));
        }
    }
}

//! What we publish is what we read, and stands as the contract writes it.

use foxhold_core::Timestamp;
use proptest::prelude::*;

use super::forge::Signer;
use crate::{Document, PublicKey, PublishedKey, support_document};

#[test]
fn the_document_is_that_of_the_contract() {
    let keys = [1_u8, 3].map(|last| {
        let mut n = [0xc0; 256];
        n[255] = last;
        n
    });
    let published = |kid, n| PublishedKey {
        kid,
        n,
        e: &[1, 0, 1],
        created_at: Timestamp::from_millis(1_700_000_000_999),
    };
    let document = support_document(&[published("now", &keys[0]), published("before", &keys[1])]).unwrap();
    let decimal = crate::tests::forge::decimal(&keys[0]);
    let start = format!(
        r#"{{"public-key":{{"algorithm":"RS","n":"{decimal}","e":"65537","kid":"now","fxa-createdAt":1700000000}},"authentication":"/.well-known/browserid/nonexistent.html","provisioning":"/.well-known/browserid/nonexistent.html","keys":[{{"kty":"RSA","algorithm":"RS","n":"wMDA"#
    );
    assert!(document.starts_with(&start), "{document}");
    let end = r#"DAAw","e":"AQAB","kid":"before","use":"sig","fxa-createdAt":1700000000}]}"#;
    assert!(document.ends_with(end), "{document}");
    assert_eq!(support_document(&[]), None);
}

#[test]
fn a_real_key_reads_back() {
    let parts = Signer::Issuer.rsa_numbers();
    let key = PublishedKey {
        kid: "k",
        n: &parts.n,
        e: &parts.e,
        created_at: Timestamp::from_secs(1),
    };
    let document = support_document(&[key]).unwrap();
    let Ok(Document::Keys(keys)) = Document::parse(document.as_bytes()) else {
        panic!("{document}")
    };
    // Two spellings of one key are one key.
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].kid.as_deref(), Some("k"));
    let PublicKey::Rsa(read) = &keys[0].key else {
        panic!("{keys:?}")
    };
    assert_eq!((read.modulus(), read.exponent()), (&*parts.n, &*parts.e));
}

proptest! {
    #[test]
    fn whatever_is_published_reads_back(
        moduli in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 256..=512), 1..=4),
        kids in proptest::collection::vec("[A-Za-z0-9_-]{1,16}", 4),
    ) {
        let moduli: Vec<Vec<u8>> = moduli
            .into_iter()
            .map(|mut n| {
                n[0] |= 0x80;
                *n.last_mut().unwrap() |= 1;
                n
            })
            .collect();
        let keys: Vec<_> = moduli
            .iter()
            .zip(&kids)
            .map(|(n, kid)| PublishedKey { kid, n, e: &[1, 0, 1], created_at: Timestamp::from_secs(1) })
            .collect();
        let document = support_document(&keys).unwrap();
        let Ok(Document::Keys(read)) = Document::parse(document.as_bytes()) else {
            return Err(TestCaseError::fail(document));
        };
        for (n, kid) in moduli.iter().zip(&kids) {
            let is_read = read.iter().any(|key| {
                let PublicKey::Rsa(rsa) = &key.key else { return false };
                key.kid.as_ref() == Some(kid) && rsa.modulus() == n
            });
            prop_assert!(is_read, "{kid}");
        }
    }
}

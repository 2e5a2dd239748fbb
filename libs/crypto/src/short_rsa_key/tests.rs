//! A key of 1024 bits and a signature that another implementation made with it.

use super::*;

const MODULUS: &str = "f8b08f86a76e6d561661b489487edd768eb664a0307bc202608333e9eca7d65234e87c1249e4841cee6d322f4c97780335d797fa3a74823c512f2d1452f61433ce8e059a39f9c314d10baf6979a1ac2ee6c67694e52f00aa91a4f3569fc8bad5190af0afdd860ac7fc8d3d116c92063b24228f1cfc31360241397cffe79459f9";
/// Of `sample`.
const SIGNATURE: &str = "ce832cba6b82a674d5ed978b861cd24a00d7095242f7e0485445991aaef109601b8467b907bdf93e971aaabcf952944e89e23dd25c82b8e540ae7c8093299c430c98c34eef795129c0117d4dc189fe57a0e3399be32298f74d1ba04d912865ade2f3e424bd16aeeb107ce151f5a9efeae658d2f5bc8903ef1293a4c75acc43b1";

fn key() -> ShortRsaPublicKey {
    let n: [u8; 128] = foxhold_core::hex::decode(MODULUS).unwrap();
    ShortRsaPublicKey::new(&n, &[1, 0, 1]).unwrap()
}

#[test]
fn a_signature_of_another_implementation_verifies() {
    let signature: [u8; 128] = foxhold_core::hex::decode(SIGNATURE).unwrap();
    assert_eq!(key().bits(), 1024);
    assert!(key().verifies(b"sample", &signature));
    assert!(!key().verifies(b"simple", &signature));
    assert!(!key().verifies(b"sample", &signature[1..]));
    assert!(!key().verifies(b"sample", &[]));
    for bit in [0, 511, 1023] {
        let mut bad = signature;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!key().verifies(b"sample", &bad), "bit {bit}");
    }
}

#[test]
fn weak_and_malformed_numbers_are_refused() {
    let good = [0xff; 128];
    let mut short = good;
    short[0] = 0x7f;
    let mut even = good;
    even[127] = 0xfe;
    let table: [(&str, &[u8], &[u8], RsaKeyError); 9] = [
        ("empty n", &[], &[3], RsaKeyError::Modulus),
        ("512 bits", &good[..64], &[3], RsaKeyError::Modulus),
        ("1023 bits", &short, &[3], RsaKeyError::Modulus),
        ("over 4096 bits", &[0xff; 513], &[3], RsaKeyError::Modulus),
        ("even n", &even, &[3], RsaKeyError::Modulus),
        ("empty e", &good, &[], RsaKeyError::Exponent),
        ("e = 1", &good, &[0, 1], RsaKeyError::Exponent),
        ("even e", &good, &[2], RsaKeyError::Exponent),
        ("e over 32 bits", &good, &[1, 0, 0, 0, 1], RsaKeyError::Exponent),
    ];
    for (name, n, e, expected) in table {
        assert_eq!(ShortRsaPublicKey::new(n, e), Err(expected), "{name}");
    }
    assert!(ShortRsaPublicKey::new(&[[0].as_slice(), &[0xff; 512]].concat(), &[0, 1, 0, 1]).is_ok());
}

//! Tables of orders that are refused, and what the times of good ones come to.

use foxhold_core::{DeviceId, Uid};
use foxhold_ports::signer::AuthMethod;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const DOMAIN: &str = "accounts.example.test";

fn order() -> CertificateOrder {
    CertificateOrder {
        uid: Uid::from_bytes([1; 16]),
        subject: rsa(256),
        duration_millis: 21_600_000,
        generation: Timestamp::from_millis(1_600_000_000_123),
        last_auth_at: Timestamp::from_millis(1_650_000_000_000),
        verified_email: "alice@example.test".into(),
        device: Some(DeviceId::from_bytes([2; 16])),
        token_verified: true,
        amr: vec![AuthMethod::Password, AuthMethod::Email],
        aal: 1,
        profile_changed_at: Timestamp::from_millis(1_600_000_000_456),
        keys_changed_at: Timestamp::from_millis(1_600_000_000_001),
    }
}

fn rsa(len: usize) -> SubjectNumbers {
    SubjectNumbers::Rsa {
        n: vec![0xff; len],
        e: vec![1, 0, 1],
    }
}

type Change = fn(&mut CertificateOrder);

#[test]
fn orders_outside_the_rules_are_refused() {
    const TOMORROW: Timestamp = Timestamp::from_secs(1_700_086_400);
    let table: [(&str, Change, &str); 16] = [
        (
            "a day and more",
            |order| order.duration_millis = CERTIFICATE_MILLIS_MAX + 1,
            "duration",
        ),
        ("endless", |order| order.duration_millis = u64::MAX, "duration"),
        ("no address", |order| order.verified_email.clear(), "email"),
        ("no at", |order| order.verified_email = "alice".into(), "email"),
        (
            "line end",
            |order| order.verified_email = "alice@example.test\r\nx".into(),
            "email",
        ),
        (
            "long address",
            |order| order.verified_email = format!("{}@example.test", "a".repeat(243)),
            "email",
        ),
        ("no method", |order| order.amr.clear(), "amr"),
        (
            "a method twice",
            |order| order.amr = vec![AuthMethod::Email; 2],
            "amr",
        ),
        ("out of order", |order| order.amr.reverse(), "amr"),
        ("no level", |order| order.aal = 0, "aal"),
        ("level 4", |order| order.aal = 4, "aal"),
        (
            "password of tomorrow",
            |order| order.generation = TOMORROW,
            "generation",
        ),
        (
            "profile of tomorrow",
            |order| order.profile_changed_at = TOMORROW,
            "profile change",
        ),
        (
            "keys of tomorrow",
            |order| order.keys_changed_at = TOMORROW,
            "key change",
        ),
        (
            "sign-in of tomorrow",
            |order| order.last_auth_at = TOMORROW,
            "sign-in",
        ),
        (
            "the end of time",
            |order| order.generation = Timestamp::from_millis(u64::MAX),
            "generation",
        ),
    ];
    for (name, change, field) in table {
        let mut order = order();
        change(&mut order);
        let refused = certificate(&order, DOMAIN, "k", NOW).err();
        assert_eq!(refused, Some(CertificateRefusal::Order(Refusal(field))), "{name}");
    }
    for domain in [
        "",
        "[::1]",
        "Example.test",
        "https://example.test",
        "example.test:443",
    ] {
        let refused = certificate(&order(), domain, "k", NOW).err();
        assert_eq!(
            refused,
            Some(CertificateRefusal::Order(Refusal("domain"))),
            "{domain}"
        );
    }
}

#[test]
fn keys_of_other_sizes_are_refused_as_keys() {
    let dsa = |len: usize| SubjectNumbers::Dsa {
        y: vec![3],
        p: vec![0xff; len],
        q: vec![0xff; 20],
        g: vec![2],
    };
    let e = |e: &[u8]| SubjectNumbers::Rsa {
        n: vec![0xff; 256],
        e: e.to_vec(),
    };
    let table = [
        ("512 bits", rsa(64), false),
        ("1024 bits", rsa(128), true),
        ("4096 bits", rsa(512), true),
        ("4104 bits", rsa(513), false),
        ("no modulus", rsa(0), false),
        ("e = 1", e(&[1]), false),
        ("e = 3", e(&[3]), true),
        ("e of 40 bits", e(&[1, 0, 0, 0, 1]), false),
        ("DSA 1024/160", dsa(128), true),
        ("DSA 1032/160", dsa(129), false),
        ("DSA 512/160", dsa(64), false),
    ];
    for (name, subject, is_taken) in table {
        let order = CertificateOrder { subject, ..order() };
        let made = certificate(&order, DOMAIN, "k", NOW);
        let expected = (!is_taken).then_some(CertificateRefusal::Key);
        assert_eq!(made.err(), expected, "{name}");
    }
}

#[test]
fn any_duration_up_to_a_day_is_taken() {
    for duration_millis in [0, 1, CERTIFICATE_MILLIS_MAX] {
        let order = CertificateOrder {
            duration_millis,
            ..order()
        };
        assert!(certificate(&order, DOMAIN, "k", NOW).is_ok(), "{duration_millis}");
    }
}

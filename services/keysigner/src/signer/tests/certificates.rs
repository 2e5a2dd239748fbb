//! Certificates, as the verifier of the Token Server sees them: whatever is ordered and signed, it verifies with an
//! assertion of the user's key, and says what the order said.

use std::sync::OnceLock;

use async_trait::async_trait;
use dsa::{BoxedUint, Components, SigningKey, VerifyingKey, signature::hazmat::PrehashSigner};
use foxhold_browserid::{
    Bundle, Document, Expectations, FetchError, Identity, IssuerKey, PublicKey as IssuersKey,
    SupportDocuments, verify,
};
use foxhold_core::{DeviceId, Uid, hex};
use foxhold_crypto::jws::Unsigned;
use foxhold_ports::signer::{AuthMethod, CERTIFICATE_MILLIS_MAX, SubjectNumbers};
use proptest::prelude::*;
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use super::*;

const DOMAIN: &str = "accounts.example.test";
const AUDIENCE: &str = "https://token.example.test";
const DSA_KEYS: &str = include_str!("../../../../../libs/crypto/testdata/dsa-rfc-6979.json");
const RSA_KEY: &[u8] = include_bytes!("../../../../../libs/crypto/testdata/rsa-2048-for-tests.der");

/// A user's key and how it signs.
#[derive(Debug, Clone, Copy)]
enum UsersKey {
    Rsa,
    OldDsa,
    LongDsa,
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    let digit = |index| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

impl UsersKey {
    fn pair() -> KeyPair {
        KeyPair::from_der(RSA_KEY).unwrap()
    }

    fn dsa(self) -> Value {
        let file: Value = serde_json::from_str(DSA_KEYS).unwrap();
        file["keys"][usize::from(matches!(self, Self::LongDsa))].clone()
    }

    fn numbers(self) -> SubjectNumbers {
        if matches!(self, Self::Rsa) {
            let parts: RsaPublicKeyComponents<Vec<u8>> = Self::pair().public().into();
            let (n, e) = (parts.n, parts.e);
            return SubjectNumbers::Rsa { n, e };
        }
        let key = self.dsa();
        let [y, p, q, g] = ["y", "p", "q", "g"].map(|name| bytes(&key[name]));
        SubjectNumbers::Dsa { y, p, q, g }
    }

    fn sign(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa => {
                let mut signature = vec![0; 256];
                let random = SystemRandom::new();
                let signed = Self::pair().sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.unwrap();
                signature
            }
            Self::OldDsa => self.sign_dsa(digest(&SHA1_FOR_LEGACY_USE_ONLY, message).as_ref(), 20),
            Self::LongDsa => self.sign_dsa(digest(&SHA256, message).as_ref(), 32),
        }
    }

    fn sign_dsa(self, hash: &[u8], half: usize) -> Vec<u8> {
        let key = self.dsa();
        let number = |name: &str| BoxedUint::from_be_slice_vartime(&bytes(&key[name]));
        let components = Components::from_components(number("p"), number("q"), number("g")).unwrap();
        let public = VerifyingKey::from_components(components, number("y")).unwrap();
        let private = SigningKey::from_components(public, number("x")).unwrap();
        let signature = private.sign_prehash(hash).unwrap();
        let padded = |part: &BoxedUint| {
            let part = part.to_be_bytes_trimmed_vartime();
            [vec![0; half - part.len()], part.to_vec()].concat()
        };
        [padded(signature.r()), padded(signature.s())].concat()
    }

    /// What a browser makes for a server.
    fn assertion(self, expires: u64) -> String {
        let algorithm = match self {
            Self::Rsa => "RS256",
            Self::OldDsa => "DS128",
            Self::LongDsa => "DS256",
        };
        // The header of `Unsigned` is the signer's own, so the text is put together here.
        let part = |value: Value| {
            let unsigned = Unsigned::without_type("", &value);
            let text = String::from_utf8(unsigned.signing_input().to_vec()).unwrap();
            text.split_once('.').unwrap().1.to_owned()
        };
        let input = format!(
            "{}.{}",
            part(json!({"alg": algorithm})),
            part(json!({"exp": expires, "aud": AUDIENCE}))
        );
        let signature = self.sign(input.as_bytes());
        let encoded = Unsigned::without_type("", &()).with_signature(&signature);
        format!("{input}.{}", encoded.rsplit_once('.').unwrap().1)
    }
}

/// A good order.
pub(super) fn order() -> CertificateOrder {
    order_of(UsersKey::Rsa)
}

fn order_of(key: UsersKey) -> CertificateOrder {
    CertificateOrder {
        uid: "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap(),
        subject: key.numbers(),
        duration_millis: 21_600_000,
        generation: Timestamp::from_millis(1_600_000_000_123),
        last_auth_at: Timestamp::from_millis(1_650_000_000_000),
        verified_email: "alice@example.test".into(),
        device: Some(DeviceId::from_bytes([0xcd; 16])),
        token_verified: true,
        amr: vec![AuthMethod::Password, AuthMethod::Email],
        aal: 1,
        profile_changed_at: Timestamp::from_millis(1_600_000_000_456),
        keys_changed_at: Timestamp::from_millis(1_600_000_000_001),
    }
}

/// The domain, with the keys that the signer publishes.
struct Documents(Document);

#[async_trait]
impl SupportDocuments for Documents {
    async fn fetch(&self, _by: Deadline, domain: &str) -> Result<Document, FetchError> {
        assert_eq!(domain, DOMAIN);
        Ok(self.0.clone())
    }
}

async fn documents(signer: &LocalSigner) -> Documents {
    let published = published(signer).await;
    let keys = published.keys().iter().map(|named| IssuerKey {
        kid: Some(named.kid.clone()),
        key: IssuersKey::from_json(named.to_jwk().as_bytes()).unwrap(),
    });
    Documents(Document::Keys(keys.collect()))
}

/// Whom the Token Server takes the bearer of a certificate for.
async fn identity(signer: &LocalSigner, key: UsersKey, certificate: &str) -> Identity {
    let text = format!("{certificate}~{}", key.assertion(NOW.as_millis() + 300_000));
    let bundle = Bundle::parse(&text).unwrap();
    let issuers = [DOMAIN.to_owned()];
    let expected = Expectations {
        audience: AUDIENCE,
        allowed_issuers: &issuers,
        trusted_issuers: &[],
        allowed_email_domains: None,
        now: NOW,
        skew: Duration::ZERO,
    };
    verify(&bundle, &expected, &documents(signer).await, by())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_certificate_and_an_assertion_verify_for_each_kind_of_key() {
    let bench = bench(of_master());
    for key in [UsersKey::Rsa, UsersKey::OldDsa, UsersKey::LongDsa] {
        let certificate = bench.signer.sign_certificate(by(), &order_of(key)).await.unwrap();
        let identity = identity(&bench.signer, key, certificate.expose()).await;
        assert_eq!(
            identity.email, "aeaa1725c7a24ff983c6295725d5fc9b@accounts.example.test",
            "{key:?}"
        );
        assert_eq!(identity.issuer, DOMAIN);
        assert_eq!(identity.generation, Generation(1_600_000_000_123));
        assert_eq!(identity.keys_changed_at.map(u64::from), Some(1_600_000_000_001));
        assert_eq!(identity.device_id, Some("cd".repeat(16)));
        assert_eq!(identity.last_auth_at, Some(Timestamp::from_secs(1_650_000_000)));
    }
}

/// A certificate is no access token, and an access token no certificate, though one key signs both.
#[tokio::test]
async fn one_kind_of_token_does_not_pass_for_the_other() {
    let bench = bench(of_master());
    let keys = published(&bench.signer).await;
    let certificate = bench.signer.sign_certificate(by(), &order()).await.unwrap();
    assert!(access_token::check(certificate.expose(), &keys, NOW).is_err());
    let token = bench
        .signer
        .sign_access_token(by(), &access_order())
        .await
        .unwrap();
    let bundle = format!(
        "{}~{}",
        token.expose(),
        UsersKey::Rsa.assertion(NOW.as_millis() + 1)
    );
    assert!(Bundle::parse(&bundle).is_err());
}

#[tokio::test]
async fn what_is_not_certified_is_told_apart() {
    let bench = bench(of_master());
    let refused = async |order: &CertificateOrder| bench.signer.sign_certificate(by(), order).await.err();
    // All bits set: divisible by 3. Found on the signing threads.
    let weak = CertificateOrder {
        subject: SubjectNumbers::Rsa {
            n: vec![0xff; 256],
            e: vec![1, 0, 1],
        },
        ..order()
    };
    assert_eq!(refused(&weak).await, Some(SignError::UnfitKey));
    let SubjectNumbers::Dsa { mut y, p, q, g } = UsersKey::OldDsa.numbers() else {
        unreachable!()
    };
    y[5] ^= 1;
    let of_another_order = CertificateOrder {
        subject: SubjectNumbers::Dsa { y, p, q, g },
        ..order_of(UsersKey::OldDsa)
    };
    assert_eq!(refused(&of_another_order).await, Some(SignError::UnfitKey));
    let short = CertificateOrder {
        subject: SubjectNumbers::Rsa {
            n: vec![0xff; 64],
            e: vec![3],
        },
        ..order()
    };
    assert_eq!(refused(&short).await, Some(SignError::UnfitKey));
    let long = CertificateOrder {
        duration_millis: CERTIFICATE_MILLIS_MAX + 1,
        ..order()
    };
    assert_eq!(refused(&long).await, Some(SignError::Refused));
    bench.mood.store(1, Ordering::SeqCst);
    let wrong = refused(&order()).await;
    assert_eq!(
        wrong,
        Some(SignError::NotDone(Cause::Fault)),
        "checked before release"
    );
}

#[tokio::test]
async fn an_account_gets_so_many_an_hour() {
    let bench = bench(of_master());
    let mine = order();
    for _ in 0..SigningLimits::default().certificates_per_hour {
        bench.signer.sign_certificate(by(), &mine).await.unwrap();
    }
    let one_more = bench.signer.sign_certificate(by(), &mine).await;
    assert_eq!(one_more, Err(SignError::NotDone(Cause::Overloaded)));
    let other = CertificateOrder {
        uid: Uid::from_bytes([9; 16]),
        ..mine
    };
    assert!(bench.signer.sign_certificate(by(), &other).await.is_ok());
}

/// One signer for all cases: making its keys takes longest.
fn shared() -> &'static (tokio::runtime::Runtime, Bench) {
    static SHARED: OnceLock<(tokio::runtime::Runtime, Bench)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        (runtime, bench(of_master()))
    })
}

prop_compose! {
    fn orders()(
        uid in any::<[u8; 16]>(),
        // Some are over within the leeway of nobody: the verifier needs a moment of validity.
        duration_millis in 1..=CERTIFICATE_MILLIS_MAX,
        times in any::<[u32; 4]>(),
        verified_email in "\\PC{1,30}@\\PC{1,30}",
        device in proptest::option::of(any::<[u8; 16]>()),
        amr in proptest::sample::subsequence(vec![AuthMethod::Password, AuthMethod::Email, AuthMethod::OneTimePassword], 1..=3),
        aal in 1..=3_u8,
        key in proptest::sample::select(vec![UsersKey::Rsa, UsersKey::OldDsa]),
    ) -> (UsersKey, CertificateOrder) {
        // No later than the signer's time.
        let [generation, last_auth_at, profile_changed_at, keys_changed_at] =
            times.map(|secs| Timestamp::from_millis(u64::from(secs) * 390));
        let order = CertificateOrder {
            uid: Uid::from_bytes(uid),
            subject: key.numbers(),
            duration_millis,
            generation,
            last_auth_at,
            verified_email,
            device: device.map(DeviceId::from_bytes),
            token_verified: true,
            amr,
            aal,
            profile_changed_at,
            keys_changed_at,
        };
        (key, order)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_ordered_verifies_and_says_what_was_ordered((key, order) in orders()) {
        let (runtime, bench) = shared();
        let identity = runtime.block_on(async {
            let certificate = bench.signer.sign_certificate(by(), &order).await.unwrap();
            identity(&bench.signer, key, certificate.expose()).await
        });
        prop_assert_eq!(identity.uid, hex::encode(order.uid.as_bytes()));
        prop_assert_eq!(identity.domain, DOMAIN);
        prop_assert_eq!(identity.generation.0, order.generation.as_millis());
        prop_assert_eq!(identity.keys_changed_at.map_or(0, u64::from), order.keys_changed_at.as_millis());
        prop_assert_eq!(identity.device_id, order.device.map(|id| id.to_string()));
        prop_assert!(identity.expires <= NOW.plus(Duration::from_millis(order.duration_millis)));
    }
}

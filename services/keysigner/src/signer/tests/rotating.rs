//! Continuous signing through a rotation: at each moment of its life everything that was ever signed verifies under the keys
//! as they are published at that moment (`security.md` C.4).

use std::sync::atomic::AtomicU64;

use super::{certificates::order, *};
use crate::{
    custody::file::{self, KeyFile},
    keygen,
    rotation::{PUBLISHED_AFTER, PUBLISHED_BEFORE},
};

/// A clock that tests move.
struct Moved(AtomicU64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::SeqCst))
    }
}

fn open(key: &KeyFile) -> Box<dyn Custody> {
    file::open(&Default::default(), "keys", key).unwrap()
}

/// What was signed, and until when it is good.
struct Signed {
    token: String,
    made: u64,
    expires: u64,
}

fn verifies(token: &str, keys: &KeySet) -> bool {
    // Certificates have no type.
    let typed = foxhold_crypto::jws::verify(token, access_token::TYPE, keys);
    typed
        .or_else(|_| foxhold_crypto::jws::verify_unnamed(token, &[], keys))
        .is_ok()
}

#[tokio::test]
async fn nothing_that_is_good_ever_fails_to_verify() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Moved(AtomicU64::new(NOW.as_secs())));
    let first = keygen::create(folder.path(), "provider", &*clock, &Still).unwrap();
    let turn = NOW.plus(PUBLISHED_BEFORE);
    let next = keygen::create_next(folder.path(), "provider-2", turn, &*clock, &Still).unwrap();
    let signer = LocalSigner::start(SignerParts {
        issuer: "https://accounts.example.test".into(),
        domain: "accounts.example.test".into(),
        keys: vec![open(&first), open(&next)],
        node_secrets: NodeSecretSources::of_master(SecretText::new(MASTER.into())).unwrap(),
        limits: SigningLimits {
            threads: 1,
            ..SigningLimits::default()
        },
        audit: None,
        clock: clock.clone(),
        random: Arc::new(Still),
    });
    let signer = signer.unwrap();
    let end = turn.as_secs() + PUBLISHED_AFTER.as_secs() + 1;
    let mut signed: Vec<Signed> = Vec::new();
    let mut published_counts = Vec::new();
    // A step takes some hours, and the turn itself is met to the second, from both sides.
    let hours = (NOW.as_secs()..end).step_by(5 * 3600);
    let mut moments: Vec<u64> = hours.chain([turn.as_secs() - 1, turn.as_secs(), end]).collect();
    moments.sort_unstable();
    for now in moments {
        clock.0.store(now, Ordering::SeqCst);
        let keys = published(&signer).await;
        published_counts.push(keys.keys().len());
        let longest = AccessTokenOrder {
            lifetime_secs: foxhold_ports::signer::LIFETIME_SECS_MAX,
            ..access_order()
        };
        let token = signer.sign_access_token(by(), &longest).await.unwrap();
        let certificate = signer.sign_certificate(by(), &order()).await.unwrap();
        for (token, life) in [(token, longest.lifetime_secs), (certificate, 21_600)] {
            signed.push(Signed {
                token: token.expose().to_owned(),
                made: now,
                expires: now + life,
            });
        }
        for one in signed.iter().filter(|one| one.expires > now) {
            assert!(
                verifies(&one.token, &keys),
                "made at {}, looked at at {now}",
                one.made
            );
        }
    }
    assert_eq!(
        published_counts.first(),
        Some(&2),
        "the next one is published from the start"
    );
    assert_eq!(
        published_counts.last(),
        Some(&1),
        "the old one is gone in the end"
    );
    // Who has only the old key cannot read what is signed from the turn on.
    let old = KeySet::new(vec![open(&first).public_key().clone()]);
    let by_old: Vec<bool> = signed.iter().map(|one| verifies(&one.token, &old)).collect();
    let expected: Vec<bool> = signed.iter().map(|one| one.made < turn.as_secs()).collect();
    assert_eq!(by_old, expected);
    signer.end().await;
}

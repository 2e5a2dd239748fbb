//! Shows what comes out of the ports, that a wrong signature never does, and when the signer counts as healthy.

use std::sync::atomic::{AtomicU8, Ordering};

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{ClientState, Generation, ServiceKey},
};
use foxhold_crypto::{
    access_token,
    node_secret::{NodeSecret, NodeSecrets},
    rsa_key::{KeySet, NamedKey, RsaPublicKey},
};

use super::*;
use crate::custody::{CustodyError, ephemeral};

mod audited;
mod certificates;
mod id_tokens;
mod rotating;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const MASTER: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const NODE: &str = "https://sync-1.example.com";

struct Still;
impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }
}
impl Random for Still {
    fn fill(&self, dest: &mut [u8]) {
        dest.fill(0x5a);
    }
}

/// A key that does as told: 0 sign, 1 sign wrongly, 2 fail.
struct Moody {
    inner: Box<dyn Custody>,
    mood: Arc<AtomicU8>,
}

impl Custody for Moody {
    fn public_key(&self) -> &NamedKey {
        self.inner.public_key()
    }

    fn created_at(&self) -> Timestamp {
        self.inner.created_at()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CustodyError> {
        let mut signature = self.inner.sign(message)?;
        match self.mood.load(Ordering::SeqCst) {
            0 => Ok(signature),
            1 => {
                signature[7] ^= 1;
                Ok(signature)
            }
            _ => Err(CustodyError),
        }
    }

    fn health(&self) -> Result<(), CustodyError> {
        self.inner.health()
    }
}

struct Bench {
    signer: LocalSigner,
    mood: Arc<AtomicU8>,
}

fn bench(node_secrets: NodeSecretSources) -> Bench {
    bench_with(node_secrets, None)
}

fn bench_with(node_secrets: NodeSecretSources, audit: Option<AuditLog>) -> Bench {
    let mood = Arc::new(AtomicU8::new(0));
    let current = Moody {
        inner: ephemeral::generate(NOW).unwrap(),
        mood: Arc::clone(&mood),
    };
    let older = ephemeral::generate(Timestamp::from_secs(1)).unwrap();
    let signer = LocalSigner::start(SignerParts {
        issuer: "https://accounts.example.test".into(),
        domain: "accounts.example.test".into(),
        keys: vec![Box::new(current), older],
        node_secrets,
        limits: SigningLimits {
            threads: 1,
            ..SigningLimits::default()
        },
        audit,
        clock: Arc::new(Still),
        random: Arc::new(Still),
    });
    Bench {
        signer: signer.unwrap(),
        mood,
    }
}

fn of_master() -> NodeSecretSources {
    NodeSecretSources::of_master(SecretText::new(MASTER.into())).unwrap()
}

fn by() -> Deadline {
    Deadline::after(Duration::from_secs(600))
}

fn access_order() -> AccessTokenOrder {
    AccessTokenOrder {
        uid: "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap(),
        client: "5882386c6d801776".parse().unwrap(),
        audience: "https://token.example.test".into(),
        scope: "https://identity.mozilla.com/apps/oldsync".into(),
        lifetime_secs: 21_600,
        jti: [0x12; 32],
        generation: Timestamp::from_millis(1_600_000_000_123),
        profile_changed_at: Timestamp::from_millis(1_600_000_000_456),
    }
}

fn node_order() -> NodeTokenOrder {
    NodeTokenOrder {
        service: ServiceKey("sync-1.5".into()),
        node: NODE.into(),
        uid: ServiceUid::new(42).unwrap(),
        fxa_uid: "a1b2c3d4e5f60718293a4b5c6d7e8f90".into(),
        generation: Generation(1_510_726_317_000),
        keys_changed_at: None,
        client_state: ClientState::default(),
        hashed_fxa_uid: "7274c705df1ec833444a175b1d34eb37".into(),
        hashed_device_id: "1af774d3de55e6d70e950353f2df662f".into(),
        lifetime_secs: 3600,
    }
}

async fn published(signer: &LocalSigner) -> KeySet {
    let keys = signer.public_keys(by()).await.unwrap();
    let named = |key: PublicKey| NamedKey {
        kid: key.kid,
        key: RsaPublicKey::new(&key.n, &key.e).unwrap(),
    };
    KeySet::new(keys.into_iter().map(named).collect())
}

#[tokio::test]
async fn an_access_token_verifies_under_the_published_keys_and_fits_older_servers() {
    let bench = bench(of_master());
    let keys = published(&bench.signer).await;
    assert_eq!(keys.keys().len(), 2, "the older key is published, too");
    let token = bench
        .signer
        .sign_access_token(by(), &access_order())
        .await
        .unwrap();
    assert!(token.expose().len() <= 1024, "{}", token.expose().len());
    let claims = access_token::check(token.expose(), &keys, NOW).unwrap();
    assert_eq!(claims.issuer.as_deref(), Some("https://accounts.example.test"));
    assert_eq!(claims.subject, "aeaa1725c7a24ff983c6295725d5fc9b");
    assert_eq!(claims.generation, Some(Timestamp::from_millis(1_600_000_000_123)));
    assert_eq!(claims.expires, Timestamp::from_secs(1_700_021_600));
    let alone = KeySet::new(vec![keys.keys()[0].clone()]);
    assert!(
        access_token::check(token.expose(), &alone, NOW).is_ok(),
        "the first one signs"
    );
    bench.signer.end().await;
    let after = bench.signer.sign_access_token(by(), &access_order()).await;
    assert_eq!(after, Err(SignError::NotDone(Cause::Unavailable)));
}

#[tokio::test]
async fn an_order_against_the_rules_is_refused() {
    let bench = bench(of_master());
    let order = AccessTokenOrder {
        lifetime_secs: 15 * 86_400,
        ..access_order()
    };
    assert_eq!(
        bench.signer.sign_access_token(by(), &order).await,
        Err(SignError::Refused)
    );
    let order = NodeTokenOrder {
        hashed_fxa_uid: "short".into(),
        ..node_order()
    };
    assert_eq!(
        bench.signer.mint_node_token(by(), &order).await.unwrap_err(),
        SignError::Refused
    );
}

#[tokio::test]
async fn a_wrong_signature_never_leaves_and_three_in_a_row_take_the_signer_out() {
    let bench = bench(of_master());
    assert!(!bench.signer.is_healthy(), "nothing signed yet");
    bench.signer.probe().await;
    assert!(bench.signer.is_healthy());
    for mood in [1, 2, 1] {
        assert!(bench.signer.is_healthy(), "one or two failures may be chance");
        bench.mood.store(mood, Ordering::SeqCst);
        let answer = bench.signer.sign_access_token(by(), &access_order()).await;
        assert_eq!(answer, Err(SignError::NotDone(Cause::Fault)));
    }
    assert_eq!(bench.signer.fault(), Some("a key makes no good signatures"));
    bench.mood.store(0, Ordering::SeqCst);
    bench.signer.probe().await;
    assert!(bench.signer.is_healthy(), "a probe brings it back");
}

#[tokio::test]
async fn only_the_key_that_signs_has_to_be_fresh() {
    let bench = bench(of_master());
    bench.signer.probe().await;
    bench.signer.keys[1].age(2 * GOOD_FOR);
    assert!(bench.signer.is_healthy(), "overload kept the probe out");
    bench.signer.keys[0].age(2 * GOOD_FOR);
    assert!(!bench.signer.is_healthy());
    bench.signer.probe().await;
    assert!(bench.signer.is_healthy());
}

#[tokio::test]
async fn a_node_token_verifies_with_the_nodes_secret_and_a_node_without_one_gets_none() {
    let of_node = bench(of_master());
    let minted = of_node.signer.mint_node_token(by(), &node_order()).await.unwrap();
    let secret = NodeSecret::from_master(&SecretText::new(MASTER.into()), NODE).unwrap();
    let secrets = NodeSecrets::new(vec![secret]).unwrap();
    let verified = node_token::verify(minted.token.expose(), &secrets).unwrap();
    assert_eq!(verified.uid.get(), 42);
    assert_eq!(verified.node, NODE);
    assert_eq!(verified.expires, Timestamp::from_secs(1_700_003_600));
    assert_eq!(verified.key, minted.key);

    let config = crate::node_secrets::NodeSecretFiles::default();
    let nothing = NodeSecretSources::read(&Default::default(), &config).unwrap();
    let answer = bench(nothing).signer.mint_node_token(by(), &node_order()).await;
    assert_eq!(answer.unwrap_err(), SignError::NoNodeSecret);
}

#[test]
fn a_signer_without_a_key_does_not_start() {
    let parts = SignerParts {
        issuer: String::new(),
        domain: String::new(),
        keys: Vec::new(),
        node_secrets: of_master(),
        limits: SigningLimits::default(),
        audit: None,
        clock: Arc::new(Still),
        random: Arc::new(Still),
    };
    assert_eq!(LocalSigner::start(parts).err(), Some(NoKey));
}

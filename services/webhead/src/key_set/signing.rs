//! Tokens for tests: what a keysigner would sign, with a key that is for tests only.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use foxhold_core::{Deadline, Timestamp};
use foxhold_crypto::{access_token::TYPE, jws::Unsigned};
use foxhold_ports::{
    PublicKeySource,
    signer::{PublicKey, SignError},
};
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

const TEST_KEY: &[u8] = include_bytes!("../../../../libs/crypto/testdata/rsa-2048-for-tests.der");

/// Name of the test key.
pub(crate) const KID: &str = "test-1";
/// Whom valid tokens speak of.
pub(crate) const UID: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
/// When.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
/// The scope of sync.
pub(crate) const SCOPE: &str = "https://identity.mozilla.com/apps/oldsync";

/// Claims of a valid token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "https://accounts.example",
        "sub": UID,
        "scope": SCOPE,
        "iat": NOW.as_secs(),
        "exp": NOW.as_secs() + 3600,
        "fxa-generation": 1234,
    })
}

fn key_pair() -> KeyPair {
    KeyPair::from_der(TEST_KEY).unwrap()
}

/// A JWS over any header and claims.
pub(crate) fn sign(input: Unsigned) -> String {
    let pair = key_pair();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        input.signing_input(),
        &mut signature,
    )
    .unwrap();
    input.with_signature(&signature)
}

/// An access token with these claims.
pub(crate) fn token(claims: &Value) -> String {
    token_of(KID, claims)
}

/// One that names another key.
pub(crate) fn token_of(kid: &str, claims: &Value) -> String {
    sign(Unsigned::new(kid, TYPE, claims))
}

/// Publishes the test key under a name, and can be away.
pub(crate) struct Published {
    pub(crate) kid: Mutex<String>,
    pub(crate) failure: Mutex<Option<SignError>>,
    pub(crate) asked: AtomicUsize,
}

impl Published {
    pub(crate) fn new(kid: &str) -> Self {
        Self {
            kid: Mutex::new(kid.to_owned()),
            failure: Mutex::new(None),
            asked: AtomicUsize::new(0),
        }
    }

    pub(crate) fn fail(&self, failure: Option<SignError>) {
        *self.failure.lock().unwrap() = failure;
    }

    pub(crate) fn times_asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

#[async_trait]
impl PublicKeySource for Published {
    async fn public_keys(&self, _by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if let Some(failure) = *self.failure.lock().unwrap() {
            return Err(failure);
        }
        let parts: RsaPublicKeyComponents<Vec<u8>> = key_pair().public().into();
        let kid = self.kid.lock().unwrap().clone();
        Ok(vec![PublicKey {
            kid,
            n: parts.n,
            e: parts.e,
            created_at: NOW,
        }])
    }
}

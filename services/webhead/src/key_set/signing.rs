//! Tokens for tests: what a keysigner would sign, with a key that is for tests only.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD as URL_SAFE;
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
use tokio::sync::watch;

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

/// The public half of the test key as a key set holds it.
pub(crate) fn jwk(kid: &str) -> Value {
    let parts: RsaPublicKeyComponents<Vec<u8>> = key_pair().public().into();
    json!({
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": kid,
        "n": URL_SAFE.encode(&parts.n),
        "e": URL_SAFE.encode(&parts.e),
    })
}

/// What the own issuer says of a user whose key is the test key, too.
pub(crate) fn certificate() -> Value {
    let parts: RsaPublicKeyComponents<Vec<u8>> = key_pair().public().into();
    json!({
        "iss": "accounts.example",
        "iat": NOW.as_millis(),
        "exp": NOW.as_millis() + 3_600_000,
        "public-key": {"kty": "RSA", "n": URL_SAFE.encode(&parts.n), "e": URL_SAFE.encode(&parts.e)},
        "principal": {"email": format!("{UID}@accounts.example")},
        "fxa-generation": 1234,
        "fxa-keysChangedAt": 1234,
        "fxa-tokenVerified": true,
    })
}

/// A BrowserID bundle with these claims.
pub(crate) fn bundle(certificate: &Value, assertion: &Value) -> String {
    let part = |kid, claims| sign(Unsigned::new(kid, "JWT", claims));
    format!("{}~{}", part(KID, certificate), part("", assertion))
}

/// Publishes the test key under a name, and can be away.
pub(crate) struct Published {
    pub(crate) kid: Mutex<String>,
    pub(crate) failure: Mutex<Option<SignError>>,
    pub(crate) asked: AtomicUsize,
    is_held: watch::Sender<bool>,
}

impl Published {
    pub(crate) fn new(kid: &str) -> Self {
        Self {
            kid: Mutex::new(kid.to_owned()),
            failure: Mutex::new(None),
            asked: AtomicUsize::new(0),
            is_held: watch::Sender::default(),
        }
    }

    /// Keeps all answers back, or gives them.
    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.send_replace(is_held);
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
        let mut is_held = self.is_held.subscribe();
        is_held.wait_for(|is_held| !is_held).await.unwrap();
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
            retires_at: None,
        }])
    }
}

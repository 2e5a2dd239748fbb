//! The RSA key that tests sign with: as an issuer of BrowserID certificates, as an accounts server. For tests only.

use anyhow::{Context, Result, anyhow};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

const KEY: &[u8] = include_bytes!("../../crypto/testdata/rsa-2048-for-tests.der");

/// The key.
#[derive(Debug)]
pub(crate) struct TestKey(KeyPair);

impl TestKey {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no key.
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::from_der(KEY).map_err(|error| anyhow!("the key for tests: {error}"))?;
        Ok(Self(key))
    }

    /// Its public half, as JWK without a name.
    pub(crate) fn public(&self) -> Value {
        let parts: RsaPublicKeyComponents<Vec<u8>> = self.0.public().into();
        let base64 = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "RSA", "n": base64(&parts.n), "e": base64(&parts.e)})
    }

    /// A JWS over any header and claims.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Result<String> {
        let base64 = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", base64(header), base64(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                input.as_bytes(),
                &mut signature,
            )
            .ok()
            .context("signing with the key for tests")?;
        Ok(format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

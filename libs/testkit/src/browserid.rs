//! A browser of the days of BrowserID: it has a key, has it certified, and makes assertions with it.

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_crypto::certificate::decimal;
use serde_json::{Value, json};

use crate::{person::now_secs, test_key::TestKey};

/// How long an assertion is good.
const LIFE_MILLIS: u64 = 300_000;

/// The browser.
#[derive(Debug)]
pub struct Browser(TestKey);

impl Browser {
    /// With the key for tests.
    ///
    /// # Errors
    /// When it is no key.
    pub fn new() -> Result<Self> {
        TestKey::new().map(Self)
    }

    /// The public half, as it is sent to be certified.
    #[must_use]
    pub fn public_key(&self) -> Value {
        let jwk = self.0.public();
        let number = |name: &str| {
            let digits = jwk[name].as_str().unwrap_or_default();
            decimal(&BASE64_URL_SAFE_NO_PAD.decode(digits).unwrap_or_default())
        };
        json!({"algorithm": "RS", "n": number("n"), "e": number("e")})
    }

    /// A certificate with an assertion for a server's origin.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn bundle(&self, certificate: &str, audience: &str) -> Result<String> {
        let claims = json!({"exp": now_secs() * 1000 + LIFE_MILLIS, "aud": audience});
        let assertion = self.0.sign(&json!({"alg": "RS256"}), &claims);
        let assertion = assertion.context("signing an assertion")?;
        Ok(format!("{certificate}~{assertion}"))
    }
}

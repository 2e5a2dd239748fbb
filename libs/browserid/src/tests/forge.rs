//! A small issuer and a small browser: they make good bundles, which tests then spoil.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use dsa::{BoxedUint, Components, SigningKey, VerifyingKey, signature::hazmat::PrehashSigner};
use foxhold_core::{Deadline, Timestamp};
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use crate::{Bundle, Document, Expectations, FetchError, Identity, SupportDocuments, VerifyError, verify};

pub(super) const NOW: u64 = 1_700_000_000_000;
pub(super) const AUDIENCE: &str = "https://token.example.org";
pub(super) const ISSUER: &str = "accounts.example.org";
pub(super) const UID: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
pub(super) const DAY: u64 = 24 * 3600 * 1000;

const DSA_KEYS: &str = include_str!("../../../crypto/testdata/dsa-rfc-6979.json");

/// Who holds a private key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    /// RSA-2048.
    Issuer,
    /// RSA-2048.
    User,
    /// DSA 1024/160.
    OldUser,
    /// DSA 2048/256.
    LongUser,
}

impl Signer {
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Self::Issuer | Self::User => "RS256",
            Self::OldUser => "DS128",
            Self::LongUser => "DS256",
        }
    }

    pub(super) fn public_key(self) -> Value {
        match self {
            Self::Issuer | Self::User => {
                let parts = self.rsa_numbers();
                json!({"algorithm": "RS", "n": decimal(&parts.n), "e": decimal(&parts.e)})
            }
            Self::OldUser | Self::LongUser => {
                let key = self.dsa_numbers();
                json!({"algorithm": "DS", "y": key["y"], "p": key["p"], "q": key["q"], "g": key["g"]})
            }
        }
    }

    pub(super) fn rsa_numbers(self) -> RsaPublicKeyComponents<Vec<u8>> {
        self.rsa().public().into()
    }

    fn rsa(self) -> KeyPair {
        let der: &[u8] = if self == Self::Issuer {
            include_bytes!("../../../crypto/testdata/rsa-2048-for-tests.der")
        } else {
            include_bytes!("../../testdata/rsa-2048-of-a-user-for-tests.der")
        };
        KeyPair::from_der(der).unwrap()
    }

    fn dsa_numbers(self) -> Value {
        let file: Value = serde_json::from_str(DSA_KEYS).unwrap();
        file["keys"][usize::from(self == Self::LongUser)].clone()
    }

    pub(super) fn sign(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Issuer | Self::User => {
                let pair = self.rsa();
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
            Self::OldUser => self.sign_dsa(digest(&SHA1_FOR_LEGACY_USE_ONLY, message).as_ref(), 20),
            Self::LongUser => self.sign_dsa(digest(&SHA256, message).as_ref(), 32),
        }
    }

    fn sign_dsa(self, hash: &[u8], half: usize) -> Vec<u8> {
        let numbers = self.dsa_numbers();
        let number = |name: &str| {
            let hex = numbers[name].as_str().unwrap();
            let digit = |index| u8::from_str_radix(&hex[index..index + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
            BoxedUint::from_be_slice_vartime(&bytes)
        };
        let components = Components::from_components(number("p"), number("q"), number("g")).unwrap();
        let public = VerifyingKey::from_components(components, number("y")).unwrap();
        let signature = SigningKey::from_components(public, number("x"))
            .unwrap()
            .sign_prehash(hash)
            .unwrap();
        let padded = |part: &BoxedUint| {
            let part = part.to_be_bytes_trimmed_vartime();
            [vec![0; half - part.len()], part.to_vec()].concat()
        };
        [padded(signature.r()), padded(signature.s())].concat()
    }
}

/// Of big-endian bytes.
pub(super) fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let sum = *digit * 256 + carry;
            *digit = sum % 10;
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    let text = digits.iter().rev().map(ToString::to_string).collect::<String>();
    text.trim_start_matches('0').to_owned()
}

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A compact JWS of whatever the parts are.
pub(super) fn jws(header: &str, claims: &str, signer: Signer) -> String {
    let input = format!("{}.{}", base64(header), base64(claims));
    let signature = base64(signer.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// What a bundle is made of. Signed last, so what is changed is still signed rightly.
pub(super) struct Parts {
    pub(super) certificate_header: Value,
    pub(super) certificate: Value,
    pub(super) certified_by: Signer,
    pub(super) assertion_header: Value,
    pub(super) assertion: Value,
    pub(super) asserted_by: Signer,
}

impl Parts {
    pub(super) fn good() -> Self {
        Self::good_of(Signer::User)
    }

    pub(super) fn good_of(user: Signer) -> Self {
        Self {
            certificate_header: json!({"alg": "RS256", "kid": "now"}),
            certificate: json!({
                "iss": ISSUER,
                "iat": NOW - 10_000,
                "exp": NOW + DAY,
                "public-key": user.public_key(),
                "principal": {"email": format!("{UID}@{ISSUER}")},
                "fxa-generation": 1_600_000_000_001_u64,
                "fxa-lastAuthAt": 1_600_000_000,
                "fxa-verifiedEmail": "somebody@example.com",
                "fxa-deviceId": "0123456789abcdef0123456789abcdef",
                "fxa-tokenVerified": true,
                "fxa-amr": ["pwd", "email"],
                "fxa-aal": 1,
                "fxa-profileChangedAt": 3,
                "fxa-keysChangedAt": 1_600_000_000_002_u64,
            }),
            certified_by: Signer::Issuer,
            assertion_header: json!({"alg": user.algorithm()}),
            assertion: json!({"exp": NOW + 300_000, "aud": AUDIENCE}),
            asserted_by: user,
        }
    }

    pub(super) fn certificate_text(&self) -> String {
        jws(
            &self.certificate_header.to_string(),
            &self.certificate.to_string(),
            self.certified_by,
        )
    }

    pub(super) fn assertion_text(&self) -> String {
        jws(
            &self.assertion_header.to_string(),
            &self.assertion.to_string(),
            self.asserted_by,
        )
    }

    pub(super) fn bundle(&self) -> String {
        format!("{}~{}", self.certificate_text(), self.assertion_text())
    }
}

/// A good document of the issuer, as `accounts.md` (d) has it: the key in use twice, in both spellings.
pub(super) fn document() -> Value {
    let mut current = Signer::Issuer.public_key();
    current["kid"] = json!("now");
    current["fxa-createdAt"] = json!(1_699_000_000);
    let numbers = Signer::Issuer.rsa_numbers();
    json!({
        "public-key": current,
        "authentication": "/.well-known/browserid/nonexistent.html",
        "provisioning": "/.well-known/browserid/nonexistent.html",
        "keys": [{
            "kty": "RSA", "algorithm": "RS", "n": base64(&numbers.n), "e": base64(&numbers.e),
            "kid": "now", "use": "sig", "fxa-createdAt": 1_699_000_000,
        }],
    })
}

pub(super) fn parsed(document: &Value) -> Document {
    Document::parse(document.to_string().as_bytes()).unwrap()
}

/// Documents by domain, and the record of who was asked.
pub(super) struct Published {
    by_domain: BTreeMap<String, Result<Document, FetchError>>,
    asked: Mutex<Vec<String>>,
}

impl Published {
    pub(super) fn new(by_domain: impl IntoIterator<Item = (String, Result<Document, FetchError>)>) -> Self {
        Self {
            by_domain: by_domain.into_iter().collect(),
            asked: Mutex::default(),
        }
    }

    /// The good document, for the issuer.
    pub(super) fn good() -> Self {
        Self::new([(ISSUER.to_owned(), Ok(parsed(&document())))])
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl SupportDocuments for Published {
    async fn fetch(&self, _by: Deadline, domain: &str) -> Result<Document, FetchError> {
        self.asked.lock().unwrap().push(domain.to_owned());
        self.by_domain
            .get(domain)
            .cloned()
            .unwrap_or(Err(FetchError::Absent))
    }
}

/// What a server at [`AUDIENCE`] that takes [`ISSUER`] alone expects at [`NOW`].
pub(super) struct Server {
    pub(super) allowed_issuers: Vec<String>,
    pub(super) trusted_issuers: Vec<String>,
    pub(super) allowed_email_domains: Option<Vec<String>>,
    pub(super) now: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self::taking(&[ISSUER], &[])
    }
}

impl Server {
    pub(super) fn taking(allowed_issuers: &[&str], trusted_issuers: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
        Self {
            allowed_issuers: owned(allowed_issuers),
            trusted_issuers: owned(trusted_issuers),
            allowed_email_domains: None,
            now: NOW,
        }
    }

    pub(super) fn verdict(&self, bundle: &str, documents: &Published) -> Result<Identity, VerifyError> {
        let expected = Expectations {
            audience: AUDIENCE,
            allowed_issuers: &self.allowed_issuers,
            trusted_issuers: &self.trusted_issuers,
            allowed_email_domains: self.allowed_email_domains.as_deref(),
            now: Timestamp::from_millis(self.now),
            skew: Duration::from_secs(120),
        };
        let bundle = Bundle::parse(bundle)?;
        let by = Deadline::after(Duration::from_secs(60));
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(verify(&bundle, &expected, documents, by))
    }
}

/// The verdict of [`Server::default`].
pub(super) fn verdict(bundle: &str, documents: &Published) -> Result<Identity, VerifyError> {
    Server::default().verdict(bundle, documents)
}

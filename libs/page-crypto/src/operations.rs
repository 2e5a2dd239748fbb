//! The operations of the page, one struct each: its members are the members of the input. All binary is lower-case
//! hex; secrets have 64 digits.

mod recovery_key;

use std::collections::BTreeMap;

use foxhold_core::{Secret, SecretText, Timestamp, Uid};
use foxhold_crypto::{
    hawk::{self, Credentials, Payload, Target},
    jwe::{self, RecipientKey},
    onepw::{ClientKeys, ClientSalt},
    scoped_key::{self, ScopedKey, ScopedKeySource},
    token::{KeyBundle, TokenKeys, TokenKind},
};
use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{answer::Answer, fields};

/// Why an operation was not carried out. Says nothing of the input's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OperationError {
    /// Not a JSON object with a text member `op`.
    #[error("the input is not an operation")]
    Input,
    /// No operation has this name.
    #[error("unknown operation")]
    UnknownOperation,
    /// A member is missing or has the wrong form.
    #[error("a member of the operation is missing or malformed")]
    Member,
    /// The key bundle was not made for this token.
    #[error("the key bundle does not belong to this token")]
    Bundle,
    /// The browser's key is not one keys can be sealed for.
    #[error("the browser's key cannot be used")]
    BrowserKey,
    /// There is no key to seal, too many of them, or the random numbers are of no use.
    #[error("the keys cannot be sealed")]
    Seal,
    /// What was typed is no recovery key, or what it opens is another one's.
    #[error("the recovery key does not fit")]
    RecoveryKey,
}

impl OperationError {
    pub(crate) fn to_json(self) -> Zeroizing<Vec<u8>> {
        Answer::new().text("error", &self.to_string()).finish()
    }
}

type Answered = Result<Zeroizing<Vec<u8>>, OperationError>;

/// Carries one operation out: JSON in, JSON out.
///
/// # Errors
/// [`OperationError`].
pub fn call(input: &[u8]) -> Answered {
    #[derive(Deserialize)]
    struct Named {
        op: String,
    }
    let Named { op } = serde_json::from_slice(input).map_err(|_| OperationError::Input)?;
    match op.as_str() {
        "stretch_v1" => members(input, StretchV1::answer),
        "stretch_v2" => members(input, StretchV2::answer),
        "sign_up" => members(input, SignUp::answer),
        "token" => members(input, Token::answer),
        "hawk" => members(input, Hawk::answer),
        "open_bundle" => members(input, OpenBundle::answer),
        "scoped_keys" => members(input, ScopedKeys::answer),
        "make_recovery_key" => members(input, recovery_key::Make::answer),
        "read_recovery_key" => members(input, recovery_key::Read::answer),
        "open_recovery_key" => members(input, recovery_key::Open::answer),
        _ => Err(OperationError::UnknownOperation),
    }
}

fn members<T: DeserializeOwned>(input: &[u8], answer: impl FnOnce(&T) -> Answered) -> Answered {
    answer(&serde_json::from_slice(input).map_err(|_| OperationError::Member)?)
}

fn client_keys(keys: &ClientKeys) -> Zeroizing<Vec<u8>> {
    Answer::new()
        .secret("auth_pw", &keys.auth_pw)
        .secret("unwrap_b_key", &keys.unwrap_b_key)
        .finish()
}

/// Answer: `auth_pw`, `unwrap_b_key`.
#[derive(Deserialize)]
struct StretchV1 {
    /// As first registered.
    email: String,
    #[serde(deserialize_with = "fields::secret_text")]
    password: SecretText,
}

impl StretchV1 {
    fn answer(&self) -> Answered {
        Ok(client_keys(&ClientKeys::stretch_v1(
            &self.email,
            self.password.expose(),
        )))
    }
}

/// Answer: `auth_pw`, `unwrap_b_key`.
#[derive(Deserialize)]
struct StretchV2 {
    /// The whole string that the server keeps.
    client_salt: String,
    #[serde(deserialize_with = "fields::secret_text")]
    password: SecretText,
}

impl StretchV2 {
    fn answer(&self) -> Answered {
        let salt = ClientSalt::parse(&self.client_salt).map_err(|_| OperationError::Member)?;
        Ok(client_keys(&ClientKeys::stretch_v2(
            &salt,
            self.password.expose(),
        )))
    }
}

/// Everything of a password that POST /account/create takes, version 1 and 2 of the same kB. Answer: `auth_pw`,
/// `wrap_kb`, `auth_pw_version2`, `wrap_kb_version2`, `client_salt`.
#[derive(Deserialize)]
struct SignUp {
    email: String,
    #[serde(deserialize_with = "fields::secret_text")]
    password: SecretText,
    /// 16 random bytes.
    #[serde(deserialize_with = "fields::bytes")]
    salt_core: [u8; 16],
    /// 32 random bytes: the account's key.
    #[serde(deserialize_with = "fields::secret")]
    k_b: Secret<32>,
}

impl SignUp {
    fn answer(&self) -> Answered {
        let salt = ClientSalt::from_core(self.salt_core);
        let v1 = ClientKeys::stretch_v1(&self.email, self.password.expose());
        let v2 = ClientKeys::stretch_v2(&salt, self.password.expose());
        let answer = Answer::new()
            .secret("auth_pw", &v1.auth_pw)
            .secret("wrap_kb", &self.k_b.xor(&v1.unwrap_b_key))
            .secret("auth_pw_version2", &v2.auth_pw)
            .secret("wrap_kb_version2", &self.k_b.xor(&v2.unwrap_b_key))
            .text("client_salt", salt.as_str());
        Ok(answer.finish())
    }
}

/// Answer: `id`, `key`, `bundle_key`.
#[derive(Deserialize)]
struct Token {
    /// `sessionToken`, `keyFetchToken`, …
    kind: String,
    #[serde(deserialize_with = "fields::secret")]
    token: Secret<32>,
}

impl Token {
    fn answer(&self) -> Answered {
        let kind = TokenKind::from_name(&self.kind).ok_or(OperationError::Member)?;
        let keys = TokenKeys::derive(kind, &self.token);
        let answer = Answer::new()
            .text("id", &keys.id.to_string())
            .secret("key", &keys.key)
            .secret("bundle_key", &keys.bundle_key);
        Ok(answer.finish())
    }
}

/// Answer: `header`, the value of Authorization. A `body` needs its `content_type` and gets a payload hash.
#[derive(Deserialize)]
struct Hawk {
    id: String,
    #[serde(deserialize_with = "fields::secret")]
    key: Secret<32>,
    method: String,
    /// Absolute, as it will be requested.
    url: String,
    /// Seconds, corrected by the server's clock where that is known.
    ts: u64,
    nonce: String,
    content_type: Option<String>,
    body: Option<String>,
}

impl Hawk {
    fn answer(&self) -> Answered {
        let target = Target::parse(&self.url).map_err(|_| OperationError::Member)?;
        let payload = match (&self.content_type, &self.body) {
            (Some(content_type), Some(body)) => Some(Payload {
                content_type,
                body: body.as_bytes(),
            }),
            (None, Some(_)) => return Err(OperationError::Member),
            (_, None) => None,
        };
        let credentials = Credentials {
            id: &self.id,
            key: self.key.expose(),
        };
        let header = hawk::sign(
            &credentials,
            &target.request(&self.method),
            self.ts,
            &self.nonce,
            payload,
        );
        Ok(Answer::new().text("header", &header).finish())
    }
}

/// Answer: `k_a`, `wrap_kb`.
#[derive(Deserialize)]
struct OpenBundle {
    /// Of GET /account/keys: 192 digits.
    #[serde(deserialize_with = "fields::bytes")]
    bundle: [u8; 96],
    /// Of the key fetch token.
    #[serde(deserialize_with = "fields::secret")]
    bundle_key: Secret<32>,
}

impl OpenBundle {
    fn answer(&self) -> Answered {
        let opened = KeyBundle::from_bytes(self.bundle).open(&self.bundle_key);
        let (k_a, wrap_kb) = opened.map_err(|_| OperationError::Bundle)?;
        Ok(Answer::new()
            .secret("k_a", &k_a)
            .secret("wrap_kb", &wrap_kb)
            .finish())
    }
}

/// Answer: `keys_jwe`.
#[derive(Deserialize)]
struct ScopedKeys {
    #[serde(deserialize_with = "fields::secret")]
    wrap_kb: Secret<32>,
    /// Of the same version as `wrap_kb`.
    #[serde(deserialize_with = "fields::secret")]
    unwrap_b_key: Secret<32>,
    #[serde(deserialize_with = "fields::parsed")]
    uid: Uid,
    /// The answer of POST /account/scoped-key-data as it came.
    keys: BTreeMap<String, KeySource>,
    /// The parameter of the page's address as it came.
    keys_jwk: String,
    /// 32 random bytes.
    #[serde(deserialize_with = "fields::secret")]
    ephemeral: Secret<32>,
    /// 12 random bytes.
    #[serde(deserialize_with = "fields::bytes")]
    iv: [u8; 12],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeySource {
    identifier: String,
    #[serde(deserialize_with = "fields::bytes")]
    key_rotation_secret: [u8; 32],
    key_rotation_timestamp: u64,
}

impl ScopedKeys {
    fn answer(&self) -> Answered {
        let recipient =
            RecipientKey::from_parameter(&self.keys_jwk).map_err(|_| OperationError::BrowserKey)?;
        let k_b = self.wrap_kb.xor(&self.unwrap_b_key);
        let keys: Vec<_> = self
            .keys
            .values()
            .map(|source| source.derive(&k_b, self.uid))
            .collect();
        if keys.is_empty()
            || self
                .keys
                .values()
                .any(|source| source.key_rotation_timestamp == 0)
        {
            return Err(OperationError::Seal);
        }
        let bundle = scoped_key::bundle(&keys);
        let sealed = jwe::seal(&recipient, &self.ephemeral, self.iv, bundle.expose().as_bytes());
        Ok(Answer::new()
            .text("keys_jwe", &sealed.map_err(|_| OperationError::Seal)?)
            .finish())
    }
}

impl KeySource {
    fn derive(&self, k_b: &Secret<32>, uid: Uid) -> ScopedKey {
        let source = ScopedKeySource {
            identifier: &self.identifier,
            rotation_secret: &self.key_rotation_secret,
            rotated_at: Timestamp::from_millis(self.key_rotation_timestamp),
        };
        ScopedKey::derive(k_b, uid, &source)
    }
}

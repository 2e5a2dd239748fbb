//! What the keysigner does for webheads: typed orders in, signed tokens out. Nothing here takes bytes to sign, an
//! issuer, a time or a key id: those are the signer's own (`security.md` C.1).

use std::{fmt, num::NonZeroU64};

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, DeviceId, SecretText, ServiceUid, Timestamp, Uid,
    record::{ClientState, Generation, ServiceKey},
};
use thiserror::Error;

use crate::Cause;

/// The longest life of a token in seconds: 14 days (`security.md` C.1).
pub const LIFETIME_SECS_MAX: u64 = 14 * 24 * 3600;

/// The longest life of a BrowserID certificate in milliseconds: a day (`security.md` C.1).
pub const CERTIFICATE_MILLIS_MAX: u64 = 24 * 3600 * 1000;

/// An order that was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignError {
    /// The order breaks the signer's own rules.
    #[error("the signer refused the order")]
    Refused,
    /// The key to be certified is too weak, or its numbers do not fit each other.
    #[error("the signer certifies no such key")]
    UnfitKey,
    /// The signer holds no secret for that node.
    #[error("the signer has no secret for the node")]
    NoNodeSecret,
    /// It could not be asked.
    #[error("the signer did not answer")]
    NotDone(#[source] Cause),
}

/// An access token to be signed (`accounts.md` (e), Access tokens).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTokenOrder {
    /// Whose.
    pub uid: Uid,
    /// For which client.
    pub client: ClientId,
    /// Who it is meant for.
    pub audience: String,
    /// Granted scopes, separated by blanks.
    pub scope: String,
    /// Lifetime in seconds; at most 14 days.
    pub lifetime_secs: u64,
    /// The token's own id, 32 random bytes.
    pub jti: [u8; 32],
    /// `verifier_set_at` of the account.
    pub generation: Timestamp,
    /// `profile_changed_at` of the account.
    pub profile_changed_at: Timestamp,
}

/// Signs access tokens.
#[async_trait]
pub trait AccessTokenSigner: Send + Sync {
    /// A compact JWT, RS256, `typ` `at+jwt`.
    async fn sign_access_token(
        &self,
        by: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError>;
}

/// An ID token to be signed (`accounts.md` (k), ID token). Issuer, times and key id are the signer's.
#[derive(Clone, PartialEq, Eq)]
pub struct IdTokenOrder {
    /// Whose.
    pub uid: Uid,
    /// For which client.
    pub client: ClientId,
    /// When the password was given in the session.
    pub auth_time: Timestamp,
    /// As the client sent it.
    pub nonce: Option<String>,
    /// Left half of the SHA-256 of the access token that goes with it.
    pub at_hash: [u8; 16],
    /// Authenticator assurance level: 1 or 2.
    pub aal: u8,
    /// How its owner showed who they are.
    pub amr: Vec<AuthMethod>,
    /// Lifetime in seconds; at most [`ID_TOKEN_SECS_MAX`].
    pub lifetime_secs: u64,
    /// Claims of the profile, for the clients that want them in it.
    pub profile: Option<IdTokenProfile>,
}

/// Neither nonce nor profile show.
impl fmt::Debug for IdTokenOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdTokenOrder")
            .field("uid", &self.uid)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// What an ID token may say of its user beside who it is. Absent = not granted, or not known.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct IdTokenProfile {
    /// The address, and whether it is verified.
    pub email: Option<(String, bool)>,
    /// What the user is called by.
    pub preferred_username: Option<String>,
    /// Address of the picture.
    pub picture: Option<String>,
    /// The language.
    pub locale: Option<String>,
    /// When the profile changed last.
    pub updated_at: Option<Timestamp>,
}

/// The longest life of an ID token in seconds.
pub const ID_TOKEN_SECS_MAX: u64 = 3600;

/// Signs ID tokens.
#[async_trait]
pub trait IdTokenSigner: Send + Sync {
    /// A compact JWT, RS256, `typ` `JWT`.
    async fn sign_id_token(&self, by: Deadline, order: &IdTokenOrder) -> Result<SecretText, SignError>;
}

/// The key that a certificate is about, as numbers: big-endian, without leading zeros. Whether they are a key at all is
/// the signer's to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectNumbers {
    /// RSA.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Exponent.
        e: Vec<u8>,
    },
    /// DSA.
    Dsa {
        /// Public value.
        y: Vec<u8>,
        /// Modulus.
        p: Vec<u8>,
        /// Order of the generator.
        q: Vec<u8>,
        /// Generator.
        g: Vec<u8>,
    },
}

/// How somebody showed who they are (RFC 8176).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthMethod {
    /// `pwd`
    Password,
    /// `email`
    Email,
    /// `otp`
    OneTimePassword,
}

impl AuthMethod {
    /// Every method, with its name in tokens.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Password, "pwd"),
        (Self::Email, "email"),
        (Self::OneTimePassword, "otp"),
    ];

    /// Its name in tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Email => "email",
            Self::OneTimePassword => "otp",
        }
    }
}

/// A BrowserID certificate to be signed (`accounts.md` (d)).
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateOrder {
    /// Whose.
    pub uid: Uid,
    /// The key it vouches for.
    pub subject: SubjectNumbers,
    /// Lifetime in milliseconds; at most a day.
    pub duration_millis: u64,
    /// `verifier_set_at` of the account.
    pub generation: Timestamp,
    /// When the password was given in the session.
    pub last_auth_at: Timestamp,
    /// The account's address.
    pub verified_email: String,
    /// The device that the session is bound to.
    pub device: Option<DeviceId>,
    /// Whether the session is verified.
    pub token_verified: bool,
    /// How its owner showed who they are.
    pub amr: Vec<AuthMethod>,
    /// Authenticator assurance level.
    pub aal: u8,
    /// `profile_changed_at` of the account.
    pub profile_changed_at: Timestamp,
    /// `keys_changed_at` of the account.
    pub keys_changed_at: Timestamp,
}

/// The address does not show.
impl fmt::Debug for CertificateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateOrder")
            .field("uid", &self.uid)
            .field("duration_millis", &self.duration_millis)
            .finish_non_exhaustive()
    }
}

/// Signs certificates.
#[async_trait]
pub trait CertificateSigner: Send + Sync {
    /// A compact JWS, RS256.
    async fn sign_certificate(&self, by: Deadline, order: &CertificateOrder)
    -> Result<SecretText, SignError>;
}

/// A node token to be minted (`tokenserver.md` 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTokenOrder {
    /// The service.
    pub service: ServiceKey,
    /// The node's URL.
    pub node: String,
    /// The user's number there.
    pub uid: ServiceUid,
    /// The account's uid, as in the user key.
    pub fxa_uid: String,
    /// Generation of the record.
    pub generation: Generation,
    /// Key change time of the record.
    pub keys_changed_at: Option<NonZeroU64>,
    /// Client state of the record.
    pub client_state: ClientState,
    /// Hash for telemetry, 32 hex digits.
    pub hashed_fxa_uid: String,
    /// Hash for telemetry, 32 hex digits.
    pub hashed_device_id: String,
    /// Lifetime in seconds.
    pub lifetime_secs: u64,
}

/// A minted node token.
#[derive(Debug)]
pub struct NodeToken {
    /// The Hawk id.
    pub token: SecretText,
    /// The Hawk key, used as text.
    pub key: SecretText,
}

/// Mints node tokens.
#[async_trait]
pub trait NodeTokenMinter: Send + Sync {
    /// Token and derived key; the signer fills in expiry and salt.
    async fn mint_node_token(&self, by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError>;
}

/// A public RSA key that access tokens verify under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Key id.
    pub kid: String,
    /// Modulus, big-endian, without leading zeros.
    pub n: Vec<u8>,
    /// Exponent, big-endian, without leading zeros.
    pub e: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it will no longer be published, for one that signs no more.
    pub retires_at: Option<Timestamp>,
}

/// Tells which keys are published.
#[async_trait]
pub trait PublicKeySource: Send + Sync {
    /// All published keys, the current one first.
    async fn public_keys(&self, by: Deadline) -> Result<Vec<PublicKey>, SignError>;
}

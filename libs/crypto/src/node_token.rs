//! Node tokens (`tokenserver.md` sections 6 and 7): minted by the keysigner, checked by storage nodes, which share
//! a secret. The wire form is byte-exact, older nodes and servers read it too.

use base64::{Engine, prelude::BASE64_URL_SAFE};
use foxhold_core::{SecretText, ServiceUid, Timestamp, hex};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    hkdf, mac,
    node_secret::{NodeSecret, NodeSecrets},
};

const MAC_LEN: usize = 32;

/// What a token says. Strings are written as given: the caller has checked them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTokenClaims {
    /// Node URL without trailing slash.
    pub node: String,
    /// [`fxa_kid`] of the user's keys.
    pub fxa_kid: String,
    /// The account's uid: the part of the user key before `@`.
    pub fxa_uid: String,
    /// [`MetricsIds::hashed_device_id`].
    pub hashed_device_id: String,
    /// [`MetricsIds::hashed_fxa_uid`].
    pub hashed_fxa_uid: String,
    /// End of validity, seconds since 1970.
    pub expires_secs: u64,
    /// The user's number in the service.
    pub uid: ServiceUid,
    /// Three random bytes, so that two tokens of one second have different keys.
    pub salt: [u8; 3],
}

/// A token and the key that belongs to it.
pub struct NodeToken {
    /// Used as Hawk id.
    pub token: String,
    /// Used as Hawk key, as text.
    pub key: SecretText,
}

/// The payload in the order of the vectors.
#[derive(Serialize)]
struct WrittenPayload<'a> {
    node: &'a str,
    fxa_kid: &'a str,
    fxa_uid: &'a str,
    hashed_device_id: &'a str,
    hashed_fxa_uid: &'a str,
    expires: u64,
    uid: u64,
    // Nodes read this as one of a closed set.
    tokenserver_origin: &'static str,
    salt: &'a str,
}

/// Makes the token for `claims` (keysigner).
#[must_use]
pub fn mint(claims: &NodeTokenClaims, secret: &NodeSecret) -> NodeToken {
    let salt = hex::encode(&claims.salt);
    let payload = WrittenPayload {
        node: &claims.node,
        fxa_kid: &claims.fxa_kid,
        fxa_uid: &claims.fxa_uid,
        hashed_device_id: &claims.hashed_device_id,
        hashed_fxa_uid: &claims.hashed_fxa_uid,
        expires: claims.expires_secs,
        uid: claims.uid.get(),
        tokenserver_origin: "rust",
        salt: &salt,
    };
    let payload = serde_json::to_vec(&payload).expect("strings and numbers always serialize");
    let token = seal(payload, secret);
    let key = token_key(&token, &salt, secret);
    NodeToken { token, key }
}

fn seal(mut payload: Vec<u8>, secret: &NodeSecret) -> String {
    let mac = mac::hmac_sha256(secret.signing_key().expose(), &[&payload]);
    payload.extend_from_slice(&mac);
    BASE64_URL_SAFE.encode(payload)
}

fn token_key(token: &str, salt: &str, secret: &NodeSecret) -> SecretText {
    let info: [&[u8]; 2] = [b"services.mozilla.com/tokenlib/v1/derive/", token.as_bytes()];
    let key = hkdf::derive::<32>(secret.text().expose().as_bytes(), salt.as_bytes(), &info);
    SecretText::new(BASE64_URL_SAFE.encode(key.expose()))
}

/// What a node learns from a token that one of its secrets signed.
#[derive(Debug)]
pub struct VerifiedNodeToken {
    /// Which node it is for; the caller compares it with its own names.
    pub node: String,
    /// The user's number; the caller compares it with the path's.
    pub uid: ServiceUid,
    /// End of validity; the caller compares it with the clock.
    pub expires: Timestamp,
    /// The account, where the token names it.
    pub fxa_uid: Option<String>,
    /// The keys' id, where the token names it.
    pub fxa_kid: Option<String>,
    /// For logs, where the token names it.
    pub hashed_fxa_uid: Option<String>,
    /// For logs, where the token names it.
    pub hashed_device_id: Option<String>,
    /// The Hawk key of the request, used as text.
    pub key: SecretText,
}

/// Why a token is refused. A client sees one and the same 401; the difference is for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NodeTokenError {
    /// Not padded base64url of more than 32 bytes, or absurdly long.
    #[error("malformed node token")]
    Malformed,
    /// None of the node's secrets signed it.
    #[error("node token of another secret")]
    WrongSignature,
    /// Signed, but its payload lacks a member every token has.
    #[error("node token with an unusable payload")]
    WrongPayload,
}

#[derive(Deserialize)]
struct ReadPayload {
    node: String,
    uid: u64,
    expires: f64,
    salt: String,
    fxa_uid: Option<String>,
    fxa_kid: Option<String>,
    hashed_fxa_uid: Option<String>,
    hashed_device_id: Option<String>,
}

/// Checks the signature of a token against each secret and derives its key (storage node). Expiry, node and uid are
/// left to the caller.
///
/// # Errors
/// [`NodeTokenError`].
pub fn verify(token: &str, secrets: &NodeSecrets) -> Result<VerifiedNodeToken, NodeTokenError> {
    let (payload, secret) = open(token, secrets)?;
    let read: ReadPayload = serde_json::from_slice(&payload).map_err(|_| NodeTokenError::WrongPayload)?;
    Ok(VerifiedNodeToken {
        uid: ServiceUid::new(read.uid).ok_or(NodeTokenError::WrongPayload)?,
        expires: timestamp(read.expires),
        key: token_key(token, &read.salt, secret),
        node: read.node,
        fxa_uid: read.fxa_uid,
        fxa_kid: read.fxa_kid,
        hashed_fxa_uid: read.hashed_fxa_uid,
        hashed_device_id: read.hashed_device_id,
    })
}

fn open<'a>(token: &str, secrets: &'a NodeSecrets) -> Result<(Vec<u8>, &'a NodeSecret), NodeTokenError> {
    if token.len() > crate::hawk::Header::LEN_MAX {
        return Err(NodeTokenError::Malformed);
    }
    let mut payload = BASE64_URL_SAFE
        .decode(token)
        .map_err(|_| NodeTokenError::Malformed)?;
    let payload_len = payload
        .len()
        .checked_sub(MAC_LEN)
        .filter(|len| *len > 0)
        .ok_or(NodeTokenError::Malformed)?;
    let mac = payload.split_off(payload_len);
    let secret = secrets
        .newest_first()
        .find(|secret| {
            mac::same(
                &mac::hmac_sha256(secret.signing_key().expose(), &[&payload]),
                &mac,
            )
        })
        .ok_or(NodeTokenError::WrongSignature)?;
    Ok((payload, secret))
}

/// Seconds, maybe with a fraction, to milliseconds, rounded down. Negative and not-a-number become 1970, what is
/// beyond the range the end of time: a cast from float saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturation is what is wanted"
)]
fn timestamp(secs: f64) -> Timestamp {
    Timestamp::from_millis((secs * 1000.0) as u64)
}

/// The key id of a user's keys: `changed_at` (`keys_changed_at`, or `generation` where that is 0) padded to 13
/// digits, and the client state's bytes.
#[must_use]
pub fn fxa_kid(changed_at: u64, client_state: &[u8]) -> String {
    format!(
        "{changed_at:013}-{}",
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(client_state)
    )
}

/// A user's names in logs and in the telemetry of nodes: without the metrics key nothing leads back to the uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsIds {
    /// 64 hex digits; `uid` in logs.
    pub full: String,
    /// 32 hex digits.
    pub hashed_device_id: String,
}

impl MetricsIds {
    /// Of the account `fxa_uid` (only what stands before an `@` counts) and the device, if one is known.
    #[must_use]
    pub fn derive(metrics_key: &SecretText, fxa_uid: &str, device_id: Option<&str>) -> Self {
        let key = metrics_key.expose().as_bytes();
        let account = fxa_uid.split('@').next().unwrap_or_default();
        let full = hex::encode(&mac::hmac_sha256(key, &[account.as_bytes()]));
        let device = mac::hmac_sha256(
            key,
            &[&full.as_bytes()[..32], device_id.unwrap_or("none").as_bytes()],
        );
        Self {
            full,
            hashed_device_id: hex::encode(&device[..16]),
        }
    }

    /// 32 hex digits; `metrics_uid` in logs.
    #[must_use]
    pub fn hashed_fxa_uid(&self) -> &str {
        &self.full[..32]
    }
}

#[cfg(test)]
mod tests;

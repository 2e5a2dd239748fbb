//! ID tokens (`accounts.md` (k), ID token; OpenID Connect Core 2): written by the keysigner for registered clients, which
//! learn from them who has signed in.
//!
//! Must stay true: their type is `JWT` and no other call of the keysigner writes that one, and whoever takes access tokens
//! refuses it ([`access_token::TYPE`](crate::access_token::TYPE)).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::{ClientId, Timestamp, Uid};
use serde::Serialize;

use crate::{
    jws::{self, JwsError, Unsigned},
    mac::sha256,
    rsa_key::KeySet,
};

/// The type in the header.
pub const TYPE: &str = "JWT";

/// What binds an ID token to the access token that is given with it: the left half of its SHA-256 (OpenID Connect Core
/// 3.1.3.6).
#[must_use]
pub fn at_hash(access_token: &str) -> [u8; 16] {
    let whole = sha256(&[access_token.as_bytes()]);
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

/// What a new token says.
#[derive(Clone, Copy)]
pub struct NewIdToken<'a> {
    /// The public root URL.
    pub issuer: &'a str,
    /// The account.
    pub uid: Uid,
    /// Whom it is for.
    pub client_id: ClientId,
    /// Written in whole seconds, as all times here.
    pub issued_at: Timestamp,
    /// End of validity.
    pub expires: Timestamp,
    /// When the password was given.
    pub auth_time: Timestamp,
    /// As the client sent it.
    pub nonce: Option<&'a str>,
    /// Of [`at_hash`].
    pub at_hash: [u8; 16],
    /// `AAL1` or `AAL2`.
    pub acr: &'a str,
    /// Methods by their names.
    pub amr: &'a [&'a str],
    /// Claims of the profile.
    pub profile: ProfileClaims<'a>,
}

/// What it says of the user beside who it is; absent members are left out.
#[derive(Clone, Copy, Default, Serialize)]
pub struct ProfileClaims<'a> {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    /// Whether it is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// What the user is called by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<&'a str>,
    /// Address of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<&'a str>,
    /// The language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<&'a str>,
    /// When the profile changed last, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<u64>,
}

#[derive(Serialize)]
struct WrittenClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    acr: &'a str,
    amr: &'a [&'a str],
    #[serde(flatten)]
    profile: ProfileClaims<'a>,
}

impl NewIdToken<'_> {
    /// What the key called `kid` is to sign. The same claims give the same bytes.
    #[must_use]
    pub fn unsigned(&self, kid: &str) -> Unsigned {
        let claims = WrittenClaims {
            iss: self.issuer,
            sub: self.uid.to_string(),
            aud: self.client_id.to_string(),
            iat: self.issued_at.as_secs(),
            exp: self.expires.as_secs(),
            auth_time: self.auth_time.as_secs(),
            nonce: self.nonce,
            at_hash: BASE64_URL_SAFE_NO_PAD.encode(self.at_hash),
            acr: self.acr,
            amr: self.amr,
            profile: self.profile,
        };
        Unsigned::new(kid, TYPE, &claims)
    }
}

/// Whose an ID token of ours is, for whoever is shown one as a hint: its time may be over, but we have signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Who issued it.
    pub issuer: String,
    /// The account.
    pub subject: String,
    /// The client it was given to.
    pub audience: String,
}

/// Checks signature and type of a hint, and no time.
///
/// # Errors
/// [`JwsError`]; claims that are none of ours count as malformed.
pub fn check_hint(token: &str, keys: &KeySet) -> Result<Hint, JwsError> {
    #[derive(serde::Deserialize)]
    struct Read {
        iss: String,
        sub: String,
        aud: String,
    }
    let payload = jws::verify(token, TYPE, keys)?;
    let claims: Read = serde_json::from_slice(&payload).map_err(|_| JwsError::Malformed)?;
    Ok(Hint {
        issuer: claims.iss,
        subject: claims.sub,
        audience: claims.aud,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_hash_is_that_of_the_contract() {
        let token = "8a".repeat(32);
        let hash = BASE64_URL_SAFE_NO_PAD.encode(at_hash(&token));
        assert_eq!(hash, "ps4ObeOvrQ2X-nE3Jr_Yhg");
    }

    #[test]
    fn absent_claims_are_left_out_and_the_rest_has_its_form() {
        let token = NewIdToken {
            issuer: "https://accounts.example.test",
            uid: Uid::from_bytes([0xab; 16]),
            client_id: ClientId::from_bytes([0xcd; 8]),
            issued_at: Timestamp::from_millis(1_700_000_000_999),
            expires: Timestamp::from_secs(1_700_000_300),
            auth_time: Timestamp::from_secs(1_699_999_000),
            nonce: Some("n"),
            at_hash: [0; 16],
            acr: "AAL1",
            amr: &["pwd", "otp"],
            profile: ProfileClaims::default(),
        };
        let input = token.unsigned("k1");
        let input = std::str::from_utf8(input.signing_input()).unwrap();
        let (header, claims) = input.split_once('.').unwrap();
        let decode = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(
            decode(header),
            serde_json::json!({"alg": "RS256", "kid": "k1", "typ": "JWT"})
        );
        let expected = serde_json::json!({
            "iss": "https://accounts.example.test", "sub": "ab".repeat(16), "aud": "cd".repeat(8),
            "iat": 1_700_000_000_u64, "exp": 1_700_000_300_u64, "auth_time": 1_699_999_000_u64, "nonce": "n",
            "at_hash": "AAAAAAAAAAAAAAAAAAAAAA", "acr": "AAL1", "amr": ["pwd", "otp"],
        });
        assert_eq!(decode(claims), expected);
        let with_profile = NewIdToken {
            nonce: None,
            profile: ProfileClaims {
                email: Some("a@example.test"),
                email_verified: Some(false),
                updated_at: Some(7),
                ..ProfileClaims::default()
            },
            ..token
        };
        let input = with_profile.unsigned("k1");
        let claims = decode(
            std::str::from_utf8(input.signing_input())
                .unwrap()
                .split_once('.')
                .unwrap()
                .1,
        );
        assert_eq!(claims["email"], "a@example.test");
        assert_eq!(
            (&claims["email_verified"], &claims["updated_at"]),
            (&false.into(), &7.into())
        );
        assert!(claims.get("nonce").is_none() && claims.get("picture").is_none());
    }
}

//! BrowserID certificates (`accounts.md` (d)): what the keysigner says of a user's key, and what is asked of that key
//! before anything is said of it. Verified elsewhere, by `foxhold-browserid`.

use dsa::BoxedUint;
use foxhold_core::{DeviceId, Timestamp, Uid};
use serde::{Serialize, Serializer};

use crate::{
    dsa_key::{DsaNumbers, DsaPublicKey},
    jws::Unsigned,
    mac::sha256,
    short_rsa_key::ShortRsaPublicKey,
};

/// Decimal digits of a number in big-endian bytes, as BrowserID writes the numbers of RSA keys. Zero is `0`.
#[must_use]
pub fn decimal(number: &[u8]) -> String {
    BoxedUint::from_be_slice_vartime(number).to_string_radix_vartime(10)
}

/// The key of a user, of a size that is certified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectKey {
    /// `"algorithm":"RS"`.
    Rsa(ShortRsaPublicKey),
    /// `"algorithm":"DS"`.
    Dsa(DsaPublicKey),
}

impl SubjectKey {
    /// Whether no stranger finds its private half in passing, and its numbers fit each other (`security.md` C.1). Takes
    /// up to some milliseconds, by numbers that an adversary chose.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Rsa(key) => key.is_sound(),
            Self::Dsa(key) => key.is_sound(),
        }
    }

    /// SHA-256 of the key as it stands in a certificate.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let written = serde_json::to_vec(&WrittenKey::from(self)).expect("strings always serialize");
        sha256(&[&written])
    }
}

/// What a new certificate says.
#[derive(Debug)]
pub struct NewCertificate<'a> {
    /// The domain, also the second half of the principal.
    pub domain: &'a str,
    /// The account.
    pub uid: Uid,
    /// Its user's key.
    pub key: &'a SubjectKey,
    /// Written in milliseconds, as the three below it.
    pub issued_at: Timestamp,
    /// End of validity.
    pub expires: Timestamp,
    /// When the password changed last.
    pub generation: Timestamp,
    /// When anything that a profile shows changed last.
    pub profile_changed_at: Timestamp,
    /// When kB changed last.
    pub keys_changed_at: Timestamp,
    /// When the password was last given; written in seconds.
    pub last_auth_at: Timestamp,
    /// The address, which was shown to be the owner's.
    pub verified_email: &'a str,
    /// The device that the session is bound to.
    pub device_id: Option<DeviceId>,
    /// Whether the session is verified.
    pub token_verified: bool,
    /// How, by the names of RFC 8176 and theirs.
    pub amr: &'a [&'static str],
    /// How much that is worth.
    pub aal: u8,
}

#[derive(Serialize)]
struct WrittenClaims<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    #[serde(rename = "public-key")]
    key: WrittenKey,
    principal: Principal,
    #[serde(rename = "fxa-generation")]
    generation: u64,
    #[serde(rename = "fxa-lastAuthAt")]
    last_auth_at: u64,
    #[serde(rename = "fxa-verifiedEmail")]
    verified_email: &'a str,
    #[serde(rename = "fxa-deviceId", skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    #[serde(rename = "fxa-tokenVerified")]
    token_verified: bool,
    #[serde(rename = "fxa-amr")]
    amr: &'a [&'static str],
    #[serde(rename = "fxa-aal")]
    aal: u8,
    #[serde(rename = "fxa-profileChangedAt")]
    profile_changed_at: u64,
    #[serde(rename = "fxa-keysChangedAt")]
    keys_changed_at: u64,
}

#[derive(Serialize)]
struct Principal {
    email: String,
}

#[derive(Serialize)]
#[serde(tag = "algorithm")]
enum WrittenKey {
    #[serde(rename = "RS")]
    Rsa { n: String, e: String },
    #[serde(rename = "DS")]
    Dsa { y: Hex, p: Hex, q: Hex, g: Hex },
}

/// As few lower-case digits as there can be: clients that write numbers write them so.
struct Hex(Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let digits = foxhold_core::hex::encode(&self.0);
        to.serialize_str(digits.trim_start_matches('0'))
    }
}

impl From<&SubjectKey> for WrittenKey {
    fn from(key: &SubjectKey) -> Self {
        match key {
            SubjectKey::Rsa(key) => Self::Rsa {
                n: decimal(key.modulus()),
                e: decimal(key.exponent()),
            },
            SubjectKey::Dsa(key) => {
                let DsaNumbers { y, p, q, g } = key.numbers();
                let [y, p, q, g] = [y, p, q, g].map(|number| Hex(number.to_vec()));
                Self::Dsa { y, p, q, g }
            }
        }
    }
}

impl NewCertificate<'_> {
    /// What the key called `kid` is to sign. The same claims give the same bytes. Names no type in its header: verifiers
    /// never asked for one, and nothing else that we sign goes without.
    #[must_use]
    pub fn unsigned(&self, kid: &str) -> Unsigned {
        let claims = WrittenClaims {
            iss: self.domain,
            iat: self.issued_at.as_millis(),
            exp: self.expires.as_millis(),
            key: self.key.into(),
            principal: Principal {
                email: format!("{}@{}", self.uid, self.domain),
            },
            generation: self.generation.as_millis(),
            last_auth_at: self.last_auth_at.as_secs(),
            verified_email: self.verified_email,
            device_id: self.device_id.map(|id| id.to_string()),
            token_verified: self.token_verified,
            amr: self.amr,
            aal: self.aal,
            profile_changed_at: self.profile_changed_at.as_millis(),
            keys_changed_at: self.keys_changed_at.as_millis(),
        };
        Unsigned::without_type(kid, &claims)
    }
}

#[cfg(test)]
mod tests;

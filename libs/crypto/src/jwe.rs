//! The JWE in which the page hands scoped keys to Firefox (RFC 7516; `accounts.md` (e)): ECDH-ES direct key agreement
//! on P-256, A256GCM, compact form. Sealed by the page, opened by clients and tests.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::Secret;
use p256::{PublicKey, SecretKey, elliptic_curve::sec1::ToSec1Point};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::mac;

/// Why a key or a JWE is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JweError {
    /// Not a public P-256 key in JWK form (RFC 7517), or not a point of the curve.
    #[error("not a public P-256 key")]
    PublicKey,
    /// Not a private P-256 key.
    #[error("not a private P-256 key")]
    PrivateKey,
    /// The result would be longer than the browser reads.
    #[error("too much to seal")]
    TooLong,
    /// Not the compact form with the header this module writes.
    #[error("malformed JWE")]
    Malformed,
    /// For another key, or changed.
    #[error("the JWE does not open with this key")]
    WrongKey,
}

/// The longest compact JWE the authorization endpoint takes.
pub const LEN_MAX: usize = 1024;

/// The browser's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientKey(PublicKey);

impl RecipientKey {
    /// From a JWK. Members other than `kty crv x y` are left out of account: Firefox adds `ext` and `key_ops`.
    ///
    /// # Errors
    /// [`JweError::PublicKey`].
    pub fn from_jwk(json: &[u8]) -> Result<Self, JweError> {
        let jwk: ReadJwk = serde_json::from_slice(json).map_err(|_| JweError::PublicKey)?;
        jwk.point().map(Self)
    }

    /// From the value of the `keys_jwk` parameter: a JWK in unpadded base64url.
    ///
    /// # Errors
    /// [`JweError::PublicKey`].
    pub fn from_parameter(keys_jwk: &str) -> Result<Self, JweError> {
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(keys_jwk)
            .map_err(|_| JweError::PublicKey)?;
        Self::from_jwk(&json)
    }

    /// The public key of a private one, for clients.
    ///
    /// # Errors
    /// [`JweError::PrivateKey`] for a number outside of the curve's order.
    pub fn of_private(private_key: &Secret<32>) -> Result<Self, JweError> {
        Ok(Self(read_private(private_key)?.public_key()))
    }

    /// As the value of the `keys_jwk` parameter.
    #[must_use]
    pub fn to_parameter(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(to_json(&WrittenJwk::of(&self.0)))
    }
}

#[derive(Deserialize)]
struct ReadJwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

impl ReadJwk {
    fn point(&self) -> Result<PublicKey, JweError> {
        let mut sec1 = [0; 65];
        sec1[0] = 4; // uncompressed, SEC 1 section 2.3.4
        let (x, y) = sec1[1..].split_at_mut(32);
        let right =
            self.kty == "EC" && self.crv == "P-256" && coordinate(&self.x, x) && coordinate(&self.y, y);
        right
            .then(|| PublicKey::from_sec1_bytes(&sec1).ok())
            .flatten()
            .ok_or(JweError::PublicKey)
    }
}

/// Exactly 32 bytes: RFC 7518 section 6.2.1.2 wants leading zeros kept.
fn coordinate(text: &str, to: &mut [u8]) -> bool {
    text.len() == 43 && BASE64_URL_SAFE_NO_PAD.decode_slice(text, to) == Ok(32)
}

/// The members in the order of the contract's vector.
#[derive(Serialize)]
struct WrittenJwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
}

impl WrittenJwk {
    fn of(key: &PublicKey) -> Self {
        let point = key.to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        Self {
            kty: "EC",
            crv: "P-256",
            x: BASE64_URL_SAFE_NO_PAD.encode(x),
            y: BASE64_URL_SAFE_NO_PAD.encode(y),
        }
    }
}

#[derive(Serialize)]
struct WrittenHeader {
    alg: &'static str,
    enc: &'static str,
    epk: WrittenJwk,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadHeader {
    alg: String,
    enc: String,
    epk: ReadJwk,
}

/// Seals `plaintext` for `recipient`. `ephemeral` and `iv` must be random and used for this one call.
///
/// # Errors
/// [`JweError::PrivateKey`] if `ephemeral` is no private key (one in 2^32 draws), [`JweError::TooLong`].
pub fn seal(
    recipient: &RecipientKey,
    ephemeral: &Secret<32>,
    iv: [u8; 12],
    plaintext: &[u8],
) -> Result<String, JweError> {
    let ephemeral = read_private(ephemeral)?;
    let epk = WrittenJwk::of(&ephemeral.public_key());
    let header = WrittenHeader {
        alg: "ECDH-ES",
        enc: "A256GCM",
        epk,
    };
    let header = BASE64_URL_SAFE_NO_PAD.encode(to_json(&header));
    let sealed = cipher(&ephemeral, &recipient.0)
        .encrypt(
            &Nonce::from(iv),
            Payload {
                msg: plaintext,
                aad: header.as_bytes(),
            },
        )
        .map_err(|_| JweError::TooLong)?;
    let (ciphertext, tag) = sealed.split_at(plaintext.len());
    let [iv, ciphertext, tag] =
        [iv.as_slice(), ciphertext, tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let compact = format!("{header}..{iv}.{ciphertext}.{tag}");
    if compact.len() > LEN_MAX {
        Err(JweError::TooLong)
    } else {
        Ok(compact)
    }
}

/// Opens what [`seal`] made for this private key.
///
/// # Errors
/// [`JweError`].
pub fn open(private_key: &Secret<32>, compact: &str) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let parts: Vec<&str> = compact.split('.').collect();
    let [header, "", iv, ciphertext, tag] = parts.as_slice() else {
        return Err(JweError::Malformed);
    };
    let decode = |part: &str| {
        BASE64_URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| JweError::Malformed)
    };
    let read: ReadHeader = serde_json::from_slice(&decode(header)?).map_err(|_| JweError::Malformed)?;
    let iv: [u8; 12] = decode(iv)?.try_into().map_err(|_| JweError::Malformed)?;
    let (mut sealed, tag) = (decode(ciphertext)?, decode(tag)?);
    if read.alg != "ECDH-ES" || read.enc != "A256GCM" || tag.len() != 16 {
        return Err(JweError::Malformed);
    }
    sealed.extend_from_slice(&tag);
    cipher(&read_private(private_key)?, &read.epk.point()?)
        .decrypt(
            &Nonce::from(iv),
            Payload {
                msg: &sealed,
                aad: header.as_bytes(),
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| JweError::WrongKey)
}

fn read_private(key: &Secret<32>) -> Result<SecretKey, JweError> {
    SecretKey::from_slice(key.expose()).map_err(|_| JweError::PrivateKey)
}

/// Concat KDF (RFC 7518 section 4.6.2) without apu and apv: one round gives the whole 256-bit key.
fn cipher(private_key: &SecretKey, public_key: &PublicKey) -> Aes256Gcm {
    let agreed = private_key.diffie_hellman(public_key);
    let key = Zeroizing::new(mac::sha256(&[
        &1_u32.to_be_bytes(),
        agreed.raw_secret_bytes(),
        &7_u32.to_be_bytes(),
        b"A256GCM",
        &0_u32.to_be_bytes(),
        &0_u32.to_be_bytes(),
        &256_u32.to_be_bytes(),
    ]));
    Aes256Gcm::new(&(*key).into())
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings always serialize")
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;
    use proptest::prelude::*;

    use super::*;

    const RECIPIENT_X: &str = "xUnqlkrERT3gaF0ToW3omjWInaBg4UAl0v3SbMQA6K8";
    const RECIPIENT_Y: &str = "7uV0GNw_bu9NYzdRHwxes9VFuq_nfC4734kh3dNYRTM";
    const RECIPIENT_D: &str = "2njJuJKPct9XZkTBzr0jbQfkyNmH79pZkojP_11eDT0";
    const EPHEMERAL_D: &str = "DLtpNugQyFE7GzSrRiSOqxwLOBipK1JhTbKLmoFgTC4";
    const IV: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    const PLAINTEXT: &str = r#"{"https://identity.mozilla.com/apps/oldsync":{"kty":"oct","scope":"https://identity.mozilla.com/apps/oldsync","k":"kQPj8kEpjWjYyASPJYIswcHf4ZOHCch5O6LNi56NYMyB_TPaZSxVw_es82GVY0aQQFKXc5KhNAdeLw8dFzLWiA","kid":"1700000000123-w_NDVTH7Ap9OINQpwXCVYg"}}"#;
    const COMPACT: &str = include_str!("../testdata/keys.jwe");

    fn private(text: &str) -> Secret<32> {
        Secret::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    fn jwk(x: &str, y: &str) -> String {
        format!(r#"{{"crv":"P-256","ext":true,"key_ops":[],"kty":"EC","x":"{x}","y":"{y}"}}"#)
    }

    #[test]
    fn the_key_agreement_is_that_of_the_contract() {
        let recipient = RecipientKey::from_jwk(jwk(RECIPIENT_X, RECIPIENT_Y).as_bytes()).unwrap();
        let ephemeral = read_private(&private(EPHEMERAL_D)).unwrap();
        assert_eq!(
            hex::encode(ephemeral.diffie_hellman(&recipient.0).raw_secret_bytes()),
            "aa60773bc4cf2cbcb99a6167392c88a69f19af4bb48ab52b2f3959632ced28fb"
        );
    }

    #[test]
    fn the_jwe_is_that_of_the_contract_byte_for_byte() {
        let recipient = RecipientKey::from_jwk(jwk(RECIPIENT_X, RECIPIENT_Y).as_bytes()).unwrap();
        assert_eq!(
            recipient,
            RecipientKey::of_private(&private(RECIPIENT_D)).unwrap()
        );
        assert_eq!(
            recipient,
            RecipientKey::from_parameter(&recipient.to_parameter()).unwrap()
        );
        let compact = seal(&recipient, &private(EPHEMERAL_D), IV, PLAINTEXT.as_bytes()).unwrap();
        assert_eq!(compact.len(), 596);
        assert_eq!(compact, COMPACT.trim_end());
        assert_eq!(
            *open(&private(RECIPIENT_D), &compact).unwrap(),
            PLAINTEXT.as_bytes()
        );
    }

    #[test]
    fn other_keys_are_refused() {
        let not_on_curve = jwk(RECIPIENT_X, RECIPIENT_X);
        let short = jwk(&RECIPIENT_X[..42], RECIPIENT_Y);
        let padded = jwk(&format!("{RECIPIENT_X}="), RECIPIENT_Y);
        let other_curve = jwk(RECIPIENT_X, RECIPIENT_Y).replace("P-256", "P-384");
        let other_type = jwk(RECIPIENT_X, RECIPIENT_Y).replace("EC", "OKP");
        for json in [
            "",
            "{}",
            "[]",
            &not_on_curve,
            &short,
            &padded,
            &other_curve,
            &other_type,
        ] {
            assert_eq!(
                RecipientKey::from_jwk(json.as_bytes()),
                Err(JweError::PublicKey),
                "{json}"
            );
        }
        let recipient = RecipientKey::of_private(&private(RECIPIENT_D)).unwrap();
        for ephemeral in [[0; 32], [0xff; 32]] {
            assert_eq!(
                seal(&recipient, &Secret::new(ephemeral), IV, b"x"),
                Err(JweError::PrivateKey)
            );
        }
        assert_eq!(
            seal(&recipient, &private(EPHEMERAL_D), IV, &[b'x'; 1024]),
            Err(JweError::TooLong)
        );
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let compact = COMPACT.trim_end();
        let key = private(RECIPIENT_D);
        assert_eq!(
            open(&private(EPHEMERAL_D), compact).err(),
            Some(JweError::WrongKey)
        );
        assert_eq!(
            open(&key, &compact.replace("..AAEC", "..AAED")).err(),
            Some(JweError::WrongKey)
        );
        let parts: Vec<_> = compact.split('.').collect();
        let none_alg = BASE64_URL_SAFE_NO_PAD.encode(
            String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(parts[0]).unwrap())
                .unwrap()
                .replace("ECDH-ES", "dir"),
        );
        for malformed in [
            String::new(),
            compact.replace("..", "."),
            compact.replace("..", ".AA."),
            format!("{compact}="),
            format!("{compact}.AA"),
            compact.replace(parts[4], ""),
            compact.replace(parts[0], &none_alg),
        ] {
            assert_eq!(
                open(&key, &malformed).err(),
                Some(JweError::Malformed),
                "{malformed}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_sealed_opens(key in 1_u128.., ephemeral in 1_u128.., iv: [u8; 12], text in "\\PC{0,80}") {
            let secret = |number: u128| {
                let mut bytes = [0; 32];
                bytes[16..].copy_from_slice(&number.to_be_bytes());
                Secret::new(bytes)
            };
            let recipient = RecipientKey::of_private(&secret(key)).unwrap();
            let compact = seal(&recipient, &secret(ephemeral), iv, text.as_bytes()).unwrap();
            prop_assert_eq!(&**open(&secret(key), &compact).unwrap(), text.as_bytes());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}(\\.\\PC{0,20}){0,5}") {
            let _ = open(&Secret::new([1; 32]), &text);
            let _ = RecipientKey::from_parameter(&text);
        }
    }
}

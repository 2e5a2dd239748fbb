//! A key in an encrypted file (`security.md` C.3): PKCS#8 as PEM, encrypted with scrypt and AES-256-CBC (RFC 8018, RFC
//! 7914), so that common tools can make and read it; mode 0600, owned by the service. The passphrase lies in a second
//! file or a credential of the service manager, never in arguments or the environment.
//!
//! What must stay true: whatever is wrong with file or passphrase, the process refuses to start and says what to do.

use std::{path::PathBuf, time::UNIX_EPOCH};

use foxhold_core::{Random, SecretText, Timestamp, random};
use foxhold_runtime::config::{SecretError, SecretFile, Secrets};
use pkcs8::{
    EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument,
    pkcs5::{pbes2, scrypt},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    Custody, CustodyError,
    rsa::{RsaError, RsaKey},
};

/// PEM label of what is written and read.
const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// The line before the PEM block that tells when the key was made (explanatory text, RFC 7468, 5.2).
const CREATED_AT: &str = "created-at:";

/// The line before the PEM block that tells from when on the key signs. Always, without it.
const SIGNS_FROM: &str = "signs-from:";

/// scrypt with N = 2^15, r = 8, p = 1: 32 MiB and a tenth of a second. The passphrase we make needs no more; one that
/// a person makes is as good as that person.
const SCRYPT_LOG_N: u8 = 15;

/// The `keys` entries of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// The encrypted key.
    pub file: SecretFile,
    /// Its passphrase: a 0600 file, or the name of a credential.
    pub passphrase_file: SecretFile,
}

/// A key file that cannot be used.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// One of the two files cannot be read, or others may use it.
    #[error(transparent)]
    File(#[from] SecretError),
    /// It holds no PEM block, or not a whole one.
    #[error("{0}: not a whole PEM file. fix: restore it from its backup")]
    NotPem(PathBuf),
    /// It holds a key in the old RSA form.
    #[error(
        "{0}: an RSA key in PKCS#1 form, unencrypted or with outdated encryption. \
         fix: openssl pkcs8 -topk8 -scrypt -v2 aes-256-cbc -in OLD -out NEW"
    )]
    Pkcs1(PathBuf),
    /// It holds a key without encryption.
    #[error(
        "{0}: the private key is not encrypted. \
         fix: openssl pkcs8 -topk8 -scrypt -v2 aes-256-cbc -in OLD -out NEW"
    )]
    Unencrypted(PathBuf),
    /// It holds something else.
    #[error("{0}: not an encrypted private key, but `{1}`")]
    OtherKind(PathBuf, String),
    /// The passphrase does not fit, or the contents are damaged: that cannot be told apart.
    #[error("{0}: wrong passphrase, or the file is damaged")]
    WrongPassphrase(PathBuf),
    /// It is encrypted in a way we do not read.
    #[error("{0}: an encryption that is not supported. fix: encrypt it with scrypt and AES-256-CBC")]
    Encryption(PathBuf),
    /// It says from when on it signs, but not so that it can be read. Without that it would never sign, and nobody be told.
    #[error(
        "{0}: the line `signs-from:` holds no time in seconds since 1970. fix: restore the file from its backup"
    )]
    Turn(PathBuf),
    /// Decrypted, but not an RSA key of 2048 to 4096 bits.
    #[error("{0}: not a sound RSA key of 2048 to 4096 bits")]
    NotRsa(PathBuf),
    /// No key could be made or encrypted.
    #[error("no key could be made")]
    NotMade(#[source] CustodyError),
}

/// Opens a key file.
///
/// # Errors
/// [`KeyFileError`], each with what to do.
pub fn open(secrets: &Secrets, name: &str, key: &KeyFile) -> Result<Box<dyn Custody>, KeyFileError> {
    let path = || key.file.0.clone();
    let pem = secrets.read_text(&format!("{name}.file"), &key.file)?;
    let passphrase = secrets.read_text(&format!("{name}.passphrase_file"), &key.passphrase_file)?;
    let (preamble, block) = split_pem(pem.expose()).ok_or_else(|| KeyFileError::NotPem(path()))?;
    match label(block) {
        Some(LABEL) => {}
        Some("RSA PRIVATE KEY") => return Err(KeyFileError::Pkcs1(path())),
        Some("PRIVATE KEY") => return Err(KeyFileError::Unencrypted(path())),
        Some(other) => return Err(KeyFileError::OtherKind(path(), other.to_owned())),
        None => return Err(KeyFileError::NotPem(path())),
    }
    let (_, encrypted) = SecretDocument::from_pem(block).map_err(|_| KeyFileError::NotPem(path()))?;
    let der = decrypt(&encrypted, &passphrase).map_err(|fault| fault.at(path()))?;
    let created_at = line(preamble, CREATED_AT).and_then(read_time);
    let created_at = created_at.unwrap_or_else(|| modified_at(key));
    let signs_from = match line(preamble, SIGNS_FROM) {
        Some(secs) => read_time(secs).ok_or_else(|| KeyFileError::Turn(path()))?,
        None => Timestamp::default(),
    };
    let rsa = RsaKey::from_pkcs8(der.as_bytes(), created_at).map_err(|_| KeyFileError::NotRsa(path()))?;
    Ok(Box::new(rsa.signing_from(signs_from)))
}

/// A new key, encrypted with `passphrase`, as the text of its file. It signs from then on, or always.
///
/// # Errors
/// The library gives no key.
pub(crate) fn make(
    passphrase: &SecretText,
    now: Timestamp,
    signs_from: Option<Timestamp>,
    source: &dyn Random,
) -> Result<Zeroizing<String>, KeyFileError> {
    let not_made = KeyFileError::NotMade(CustodyError);
    let Ok(der) = RsaKey::generate(now).and_then(|key| key.to_pkcs8()) else {
        return Err(not_made);
    };
    match encrypt(&der, passphrase, source) {
        Ok(block) => {
            let turn = signs_from.map(|at| format!("{SIGNS_FROM} {}\n", at.as_secs()));
            let text = format!(
                "{CREATED_AT} {}\n{}{}",
                now.as_secs(),
                turn.unwrap_or_default(),
                *block
            );
            Ok(Zeroizing::new(text))
        }
        Err(_) => Err(not_made),
    }
}

fn encrypt(
    der: &[u8],
    passphrase: &SecretText,
    source: &dyn Random,
) -> Result<Zeroizing<String>, pkcs8::Error> {
    let params = scrypt::Params::new(SCRYPT_LOG_N, 8, 1).map_err(|_| pkcs8::Error::ParametersMalformed)?;
    let (salt, iv): ([u8; 16], [u8; 16]) = (random::bytes(source), random::bytes(source));
    let scheme = pbes2::Parameters::generate_scrypt_aes256cbc(params, &salt, iv)?;
    let encrypted = PrivateKeyInfoRef::try_from(der)?.encrypt_with_params(scheme, passphrase.expose())?;
    Ok(encrypted.to_pem(LABEL, LineEnding::LF)?)
}

/// Why decryption failed.
enum Fault {
    Encryption,
    Passphrase,
}

impl Fault {
    fn at(&self, path: PathBuf) -> KeyFileError {
        match self {
            Self::Encryption => KeyFileError::Encryption(path),
            Self::Passphrase => KeyFileError::WrongPassphrase(path),
        }
    }
}

fn decrypt(encrypted: &SecretDocument, passphrase: &SecretText) -> Result<SecretDocument, Fault> {
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted.as_bytes()).map_err(|_| Fault::Encryption)?;
    info.decrypt(passphrase.expose()).map_err(|_| Fault::Passphrase)
}

/// What stands before the first PEM block, and the block.
fn split_pem(text: &str) -> Option<(&str, &str)> {
    text.find("-----BEGIN ").map(|at| text.split_at(at))
}

fn label(block: &str) -> Option<&str> {
    block
        .strip_prefix("-----BEGIN ")?
        .split_once("-----")
        .map(|(label, _)| label)
}

/// What stands behind the name.
fn line<'a>(preamble: &'a str, name: &str) -> Option<&'a str> {
    preamble.lines().find_map(|line| line.strip_prefix(name))
}

fn read_time(secs: &str) -> Option<Timestamp> {
    secs.trim().parse().ok().map(Timestamp::from_secs)
}

/// For keys that others made: the file's own time, or 1970 if there is none.
fn modified_at(key: &KeyFile) -> Timestamp {
    let modified = std::fs::metadata(&key.file.0)
        .and_then(|meta| meta.modified())
        .ok();
    let since_epoch = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Timestamp::from_secs(since_epoch.map_or(0, |span| span.as_secs()))
}

impl From<RsaError> for CustodyError {
    fn from(_: RsaError) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests;

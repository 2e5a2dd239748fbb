//! Where private keys are, behind one trait (`security.md` C.3): a file now, a hardware module later. Nobody outside
//! of an implementation ever sees a private key.

pub mod ephemeral;
pub mod file;
mod rsa;

use foxhold_core::Timestamp;
use foxhold_crypto::rsa_key::NamedKey;
use thiserror::Error;

/// A key that signs.
pub trait Custody: Send + Sync {
    /// Its public half, under the name that tokens carry.
    fn public_key(&self) -> &NamedKey;

    /// When it was made.
    fn created_at(&self) -> Timestamp;

    /// From when on it signs: always, unless whoever made it said otherwise.
    fn signs_from(&self) -> Timestamp {
        Timestamp::default()
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message` (RFC 8017, 8.2). Takes a quarter to half a millisecond of a core.
    ///
    /// # Errors
    /// The key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CustodyError>;

    /// Whether the key's place can be reached, without signing.
    ///
    /// # Errors
    /// It cannot.
    fn health(&self) -> Result<(), CustodyError>;
}

/// A key that cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the key could not be used")]
pub struct CustodyError;

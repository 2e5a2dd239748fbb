//! A key that lives as long as the process: for tests and development. `env = "prod"` refuses it.

use foxhold_core::Timestamp;

use super::{Custody, CustodyError, file::KeyFileError, rsa::RsaKey};

/// A new key that nobody keeps.
///
/// # Errors
/// The library gives none.
pub fn generate(now: Timestamp) -> Result<Box<dyn Custody>, KeyFileError> {
    let key = RsaKey::generate(now).map_err(|_| KeyFileError::NotMade(CustodyError))?;
    Ok(Box::new(key))
}

//! How members of the input become typed values: hex and secret text straight into memory that is wiped.

use foxhold_core::{Secret, SecretText, hex};
use serde::{Deserialize, Deserializer, de::Error};
use zeroize::Zeroizing;

/// `N` bytes from lower-case hex.
pub(crate) fn bytes<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u8; N], D::Error> {
    let text = Zeroizing::new(String::deserialize(from)?);
    hex::decode(&text).map_err(D::Error::custom)
}

/// A secret of `N` bytes from lower-case hex.
pub(crate) fn secret<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<Secret<N>, D::Error> {
    bytes(from).map(Secret::new)
}

/// A secret text.
pub(crate) fn secret_text<'de, D: Deserializer<'de>>(from: D) -> Result<SecretText, D::Error> {
    String::deserialize(from).map(SecretText::new)
}

/// Anything that has a text form, such as a uid.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T>(from: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

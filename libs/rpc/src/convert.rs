//! Messages to domain types and back. Parsing happens here and once: past it every id has its length, every time its
//! unit, every enum a meaning. A message that breaks that is refused with the path of the field, never its contents.

mod account;
mod allocation;
mod assignment;
mod certificate;
mod device_commands;
mod import;
mod invitations;
mod jobs;
mod openid;
mod outbox;
mod policy;
mod signing;

use std::fmt;

pub(crate) use account::key_fetches;
pub(crate) use assignment::{node_url, service_key, service_uid};
pub(crate) use device_commands::device_ref;
use foxhold_core::{OpId, Secret, SecretText, Timestamp};
pub(crate) use jobs::{job, runner};
pub(crate) use openid::client_id;
pub(crate) use outbox::{mail_ref, sealed_mail};
use thiserror::Error;
use zeroize::Zeroizing;

/// A field with the wrong form: missing, of the wrong length, out of range. Holds the path, never the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct FieldError {
    /// From the innermost outwards.
    path: Vec<&'static str>,
}

impl FieldError {
    /// A field of the message itself.
    pub(crate) fn new(field: &'static str) -> Self {
        Self { path: vec![field] }
    }

    /// The same error, seen from the message that holds this one as `field`.
    #[must_use]
    pub(crate) fn under(mut self, field: &'static str) -> Self {
        self.path.push(field);
        self
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field ")?;
        for (depth, name) in self.path.iter().rev().enumerate() {
            let dot = if depth == 0 { "" } else { "." };
            write!(f, "{dot}{name}")?;
        }
        f.write_str(" is missing or has the wrong form")
    }
}

/// The value, or an error that names the field.
pub(crate) fn field<T>(name: &'static str, value: Option<T>) -> Result<T, FieldError> {
    value.ok_or_else(|| FieldError::new(name))
}

/// A message inside a message: it must be there, and right.
pub(crate) fn message<W, T>(name: &'static str, wire: Option<W>) -> Result<T, FieldError>
where
    T: TryFrom<W, Error = FieldError>,
{
    T::try_from(field(name, wire)?).map_err(|inner| inner.under(name))
}

/// A message inside a message that may be absent.
pub(crate) fn optional_message<W, T>(name: &'static str, wire: Option<W>) -> Result<Option<T>, FieldError>
where
    T: TryFrom<W, Error = FieldError>,
{
    wire.map(|wire| T::try_from(wire).map_err(|inner| inner.under(name)))
        .transpose()
}

/// Messages inside a message.
pub(crate) fn messages<W, T>(name: &'static str, wire: Vec<W>) -> Result<Vec<T>, FieldError>
where
    T: TryFrom<W, Error = FieldError>,
{
    wire.into_iter()
        .map(|wire| T::try_from(wire).map_err(|inner| inner.under(name)))
        .collect()
}

/// Bytes of a fixed length that are no secret.
pub(crate) fn array<const N: usize>(name: &'static str, wire: &[u8]) -> Result<[u8; N], FieldError> {
    field(name, wire.try_into().ok())
}

/// A secret of a fixed length; the message's copy is wiped.
pub(crate) fn secret<const N: usize>(name: &'static str, wire: Vec<u8>) -> Result<Secret<N>, FieldError> {
    let wire = Zeroizing::new(wire);
    field(name, Secret::from_slice(&wire))
}

/// A secret text that must not be empty.
pub(crate) fn secret_text(name: &'static str, wire: String) -> Result<SecretText, FieldError> {
    field(name, (!wire.is_empty()).then(|| SecretText::new(wire)))
}

/// The name of an intent.
pub(crate) fn op_id(wire: &[u8]) -> Result<OpId, FieldError> {
    field("op_id", OpId::from_slice(wire))
}

/// Milliseconds since 1970.
pub(crate) const fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_whole_path_and_no_value() {
        let error = FieldError::new("verify_hash")
            .under("version_one")
            .under("credentials");
        assert_eq!(
            error.to_string(),
            "the field credentials.version_one.verify_hash is missing or has the wrong form"
        );
    }

    #[test]
    fn lengths_are_exact() {
        assert!(op_id(&[0; 16]).is_ok());
        assert_eq!(op_id(&[0; 15]), Err(FieldError::new("op_id")));
        assert_eq!(op_id(&[0; 17]), Err(FieldError::new("op_id")));
        assert!(secret::<32>("k_a", vec![0; 31]).is_err());
        assert!(secret_text("key", String::new()).is_err());
    }
}

//! Single claims, read as the types they must have.

use foxhold_core::Timestamp;
use serde_json::{Map, Value};

use crate::VerifyError;

/// No later time is one: the largest number is the tombstone of retired users (`tokenserver.md` section 5).
const MILLIS_MAX: u64 = i64::MAX as u64 - 1;

pub(crate) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, VerifyError> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .ok_or(VerifyError::Claims)
}

/// A time in whole milliseconds that must be there.
pub(crate) fn time(claims: &Map<String, Value>, name: &str) -> Result<Timestamp, VerifyError> {
    optional_time(claims, name)?.ok_or(VerifyError::Claims)
}

/// A time in whole milliseconds; `null` is not absent.
pub(crate) fn optional_time(
    claims: &Map<String, Value>,
    name: &str,
) -> Result<Option<Timestamp>, VerifyError> {
    let millis = optional_millis(claims, name, VerifyError::Claims)?;
    Ok(millis.map(Timestamp::from_millis))
}

/// Whole milliseconds; `null` is not absent, and `error` is what anything else is.
pub(crate) fn optional_millis(
    claims: &Map<String, Value>,
    name: &str,
    error: VerifyError,
) -> Result<Option<u64>, VerifyError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let millis = value.as_u64().filter(|millis| *millis <= MILLIS_MAX);
    millis.map(Some).ok_or(error)
}

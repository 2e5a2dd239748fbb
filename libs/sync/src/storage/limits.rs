//! The published limits and the headers in which a client announces how much it will send (`storage.md` 5, 11).

use thiserror::Error;

use super::Refusal;

/// The six limits of `info/configuration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one payload.
    pub max_record_payload_bytes: u64,
    /// Bytes of all payloads of one POST.
    pub max_post_bytes: u64,
    /// Bytes of a request's body.
    pub max_request_bytes: u64,
    /// Records in one POST.
    pub max_post_records: u64,
    /// Records in one batch.
    pub max_total_records: u64,
    /// Payload bytes in one batch.
    pub max_total_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record_payload_bytes: 2_621_440,
            max_post_bytes: 2_621_440,
            max_request_bytes: 2_686_976,
            max_post_records: 100,
            max_total_records: 10_000,
            max_total_bytes: 262_144_000,
        }
    }
}

/// Limits that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LimitsError {
    /// A payload could not be posted.
    #[error("max_post_bytes must be at least max_record_payload_bytes")]
    PostBelowRecord,
    /// A full POST would not fit into a request.
    #[error("max_request_bytes must be at least max_post_bytes")]
    RequestBelowPost,
    /// Nothing could be written.
    #[error("no limit may be zero")]
    Zero,
}

impl Limits {
    /// Whether the limits fit together.
    ///
    /// # Errors
    /// [`LimitsError`] names the contradiction.
    pub const fn validate(&self) -> Result<(), LimitsError> {
        if self.max_record_payload_bytes == 0 || self.max_post_records == 0 || self.max_total_records == 0 {
            return Err(LimitsError::Zero);
        }
        if self.max_post_bytes < self.max_record_payload_bytes {
            return Err(LimitsError::PostBelowRecord);
        }
        if self.max_request_bytes < self.max_post_bytes {
            return Err(LimitsError::RequestBelowPost);
        }
        Ok(())
    }
}

/// The four `X-Weave-*` headers with which a POST announces its size.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostClaims<'a> {
    /// `X-Weave-Records`.
    pub records: Option<&'a str>,
    /// `X-Weave-Bytes`.
    pub bytes: Option<&'a str>,
    /// `X-Weave-Total-Records`.
    pub total_records: Option<&'a str>,
    /// `X-Weave-Total-Bytes`.
    pub total_bytes: Option<&'a str>,
}

impl PostClaims<'_> {
    /// Holds the claims against the limits.
    ///
    /// # Errors
    /// [`Refusal::BadProtocolHeader`] for what is no unsigned integer and for totals without a batch;
    /// [`Refusal::OverLimit`] for too much.
    pub fn check(&self, limits: &Limits, has_batch: bool) -> Result<(), Refusal> {
        if !has_batch && (self.total_records.is_some() || self.total_bytes.is_some()) {
            return Err(Refusal::BadProtocolHeader);
        }
        let claims = [
            (self.records, limits.max_post_records),
            (self.bytes, limits.max_post_bytes),
            (self.total_records, limits.max_total_records),
            (self.total_bytes, limits.max_total_bytes),
        ];
        let mut over = false;
        for (claim, limit) in claims {
            over |= claim
                .map(read_unsigned)
                .transpose()?
                .is_some_and(|claimed| claimed > limit);
        }
        if over { Err(Refusal::OverLimit) } else { Ok(()) }
    }
}

fn read_unsigned(text: &str) -> Result<u64, Refusal> {
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Refusal::BadProtocolHeader);
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_unsigned_integers_up_to_the_limit() {
        let total = |bytes| PostClaims {
            total_bytes: Some(bytes),
            ..PostClaims::default()
        };
        let posted = |records| PostClaims {
            records: Some(records),
            ..PostClaims::default()
        };
        let table = [
            (total("262144000"), true, Ok(())),
            (total("262144001"), true, Err(Refusal::OverLimit)),
            (total("x"), true, Err(Refusal::BadProtocolHeader)),
            (total("1"), false, Err(Refusal::BadProtocolHeader)),
            (posted("100"), false, Ok(())),
            (posted("101"), false, Err(Refusal::OverLimit)),
            (posted("-1"), false, Err(Refusal::BadProtocolHeader)),
            (posted("1.0"), false, Err(Refusal::BadProtocolHeader)),
            (posted(""), false, Err(Refusal::BadProtocolHeader)),
            (posted("99999999999999999999999"), false, Err(Refusal::OverLimit)),
        ];
        for (claims, has_batch, expected) in table {
            assert_eq!(
                claims.check(&Limits::default(), has_batch),
                expected,
                "{claims:?}"
            );
        }
    }

    #[test]
    fn contradicting_limits_are_named() {
        assert_eq!(Limits::default().validate(), Ok(()));
        let small_post = Limits {
            max_post_bytes: 1,
            ..Limits::default()
        };
        assert_eq!(small_post.validate(), Err(LimitsError::PostBelowRecord));
        let small_request = Limits {
            max_request_bytes: 1,
            ..Limits::default()
        };
        assert_eq!(small_request.validate(), Err(LimitsError::RequestBelowPost));
    }
}

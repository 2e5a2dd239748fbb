//! What a POST asks of a batch (`storage.md` 10).

use std::{fmt, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use foxhold_core::{Random, random};

use super::{QueryPairs, Refusal};

/// How long a batch stays open.
pub const BATCH_LIFETIME: Duration = Duration::from_secs(2 * 3600);
/// Open batches of one user; opening one more drops the oldest.
pub const STAGED_BATCHES_MAX: u32 = 50;

/// Names an open batch: 128 random bits, as 22 characters of base64url. Never reused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchId(String);

impl BatchId {
    /// A new one.
    #[must_use]
    pub fn random(source: &dyn Random) -> Self {
        Self(BASE64URL_NOPAD.encode(&random::bytes::<16>(source)))
    }

    /// `None` for text that cannot name a batch.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        (bytes.len() == 16).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a POST does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchMode {
    /// Writes at once: no batch, or one that is opened and committed by the same request.
    Plain,
    /// Opens a batch.
    Open,
    /// Stages more.
    Append(BatchId),
    /// Stages more and makes everything visible.
    Commit(BatchId),
}

impl BatchMode {
    /// Reads `batch` and `commit`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a batch that cannot exist, a `commit` other than true, or one without a batch.
    pub fn parse(pairs: &QueryPairs) -> Result<Self, Refusal> {
        let commits = match pairs.first("commit")? {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(_) => return Err(Refusal::Malformed),
        };
        let Some(batch) = pairs.first("batch")? else {
            return if commits {
                Err(Refusal::Malformed)
            } else {
                Ok(Self::Plain)
            };
        };
        let opens = batch.is_empty() || batch.eq_ignore_ascii_case("true");
        match (opens, commits) {
            (true, true) => Ok(Self::Plain),
            (true, false) => Ok(Self::Open),
            (false, _) => {
                let id = BatchId::parse(batch).ok_or(Refusal::Malformed)?;
                Ok(if commits {
                    Self::Commit(id)
                } else {
                    Self::Append(id)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_and_commit_say_what_a_post_does() {
        let id = "AAECAwQFBgcICQoLDA0ODw";
        let named = |make: fn(BatchId) -> BatchMode| Ok(make(BatchId::parse(id).unwrap()));
        let bad = || Err(Refusal::Malformed);
        let table = [
            (String::new(), Ok(BatchMode::Plain)),
            ("batch=true".into(), Ok(BatchMode::Open)),
            ("batch=TRUE".into(), Ok(BatchMode::Open)),
            ("batch=".into(), Ok(BatchMode::Open)),
            ("batch".into(), Ok(BatchMode::Open)),
            ("batch=true&commit=True".into(), Ok(BatchMode::Plain)),
            (format!("batch={id}"), named(BatchMode::Append)),
            (format!("batch={id}&commit=true"), named(BatchMode::Commit)),
            ("batch=sammich".into(), bad()),
            ("batch=cm9sbC1vdmVy%3D%3D&commit=true".into(), bad()),
            ("commit=true".into(), bad()),
            ("batch=true&commit=yes".into(), bad()),
            ("batch=true&commit=".into(), bad()),
        ];
        for (query, expected) in table {
            assert_eq!(
                BatchMode::parse(&QueryPairs::parse(Some(&query))),
                expected,
                "{query}"
            );
        }
    }
}

//! A key in use: signs, checks what it signed, and remembers how it went.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use foxhold_core::Timestamp;
use foxhold_crypto::{jws::Unsigned, rsa_key::NamedKey};
use thiserror::Error;

use crate::custody::{Custody, CustodyError};

/// How long a good signature speaks for its key.
pub const GOOD_FOR: Duration = Duration::from_secs(10);

/// Failures in a row that take the signer out.
pub const FAILURES_MAX: u32 = 3;

/// A signature that was not made, or was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum KeyError {
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// What the key made does not verify: a fault in calculation or storage, which could give the key away.
    #[error("a signature that does not verify")]
    Wrong,
}

/// How signing went lately.
#[derive(Debug, Default)]
struct Record {
    last_good: Option<Instant>,
    failures_in_a_row: u32,
}

/// A key in use.
pub(super) struct SigningKey {
    custody: Box<dyn Custody>,
    record: Mutex<Record>,
}

impl SigningKey {
    pub(super) fn new(custody: Box<dyn Custody>) -> Self {
        Self {
            custody,
            record: Mutex::default(),
        }
    }

    pub(super) fn public(&self) -> &NamedKey {
        self.custody.public_key()
    }

    pub(super) fn created_at(&self) -> Timestamp {
        self.custody.created_at()
    }

    pub(super) fn signs_from(&self) -> Timestamp {
        self.custody.signs_from()
    }

    /// The signed token. Its signature is checked with the public key first (`security.md` C.1, fault attack on CRT), by
    /// another library than made it.
    pub(super) fn sign(&self, token: Unsigned) -> Result<String, KeyError> {
        let signed = self.sign_unrecorded(token);
        let mut record = self.record();
        match &signed {
            Ok(_) => {
                *record = Record {
                    last_good: Some(Instant::now()),
                    failures_in_a_row: 0,
                }
            }
            Err(error) => {
                record.failures_in_a_row = record.failures_in_a_row.saturating_add(1);
                let in_a_row = record.failures_in_a_row;
                tracing::error!(kid = self.public().kid, in_a_row, %error, "a signature failed");
            }
        }
        signed
    }

    fn sign_unrecorded(&self, token: Unsigned) -> Result<String, KeyError> {
        let signature = self.custody.sign(token.signing_input())?;
        if self.public().key.verifies(token.signing_input(), &signature) {
            Ok(token.with_signature(&signature))
        } else {
            Err(KeyError::Wrong)
        }
    }

    /// Whether it has made a good signature, its last ones were not all bad, and it can be reached.
    pub(super) fn works(&self) -> bool {
        let record = self.record();
        let is_good = record.last_good.is_some() && record.failures_in_a_row < FAILURES_MAX;
        drop(record);
        is_good && self.custody.health().is_ok()
    }

    /// Whether it has made a good signature just now.
    pub(super) fn is_fresh(&self) -> bool {
        self.record().last_good.is_some_and(|at| at.elapsed() <= GOOD_FOR)
    }

    /// Whether the last good signature will soon be too old, or the last one was not good.
    pub(super) fn needs_probe(&self) -> bool {
        let record = self.record();
        record.failures_in_a_row > 0 || record.last_good.is_none_or(|at| at.elapsed() > GOOD_FOR / 3)
    }

    /// As if the last good signature had been made this much earlier.
    #[cfg(test)]
    pub(super) fn age(&self, span: Duration) {
        let mut record = self.record();
        record.last_good = record.last_good.and_then(|at| at.checked_sub(span));
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // Whole values are written, so a poisoned lock is as good as new.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

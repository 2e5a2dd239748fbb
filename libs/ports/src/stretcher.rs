//! Stretching passwords: 64 MiB and a core for an eighth of a second each, so the number in flight is bounded and
//! overflow is refused at once with a time to come back (`security.md` A.3, A.4).

use std::time::Duration;

use async_trait::async_trait;
use foxhold_core::{Deadline, Secret};
use thiserror::Error;

use crate::Cause;

/// A stretching that did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StretchError {
    /// The queue is full, or would not be through in time.
    #[error("too many stretchings wait")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// It could not be asked, or gave no answer.
    #[error("the stretcher did not answer")]
    NotDone(#[source] Cause),
}

/// Stretches what clients send in place of a password.
#[async_trait]
pub trait Stretcher: Send + Sync {
    /// scrypt(`auth_pw`, `salt`, N=65536, r=8, p=1), 32 bytes (`accounts.md` (a), server side).
    async fn stretch(
        &self,
        by: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError>;
}

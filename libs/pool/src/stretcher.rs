//! The pool as the port that stretches passwords (`security.md` A.3).
//!
//! Wiping: input and output are secrets that wipe themselves. The 64 MiB table belongs to the scrypt library, which
//! takes no table from outside; it is a mapping of its own that goes back to the kernel after each job
//! (`foxhold_crypto::scrypt`), so two jobs never share one and nothing of it stays in the process. The derived block
//! the library keeps besides (1 KiB) is freed unwiped.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Deadline, Random, Secret, TRACES};
use foxhold_crypto::scrypt;
use foxhold_ports::{Cause, Stretcher, stretcher::StretchError};
use tracing::Instrument as _;

use crate::{Counts, Pool, PoolLimits, Refused, TooLittleMemory};

/// What one stretching takes in.
struct Order {
    auth_pw: Secret<32>,
    salt: [u8; 32],
}

/// Stretches in this process.
#[derive(Debug)]
pub struct PoolStretcher(Pool<Order, Secret<32>>);

impl PoolStretcher {
    /// Starts the pool.
    ///
    /// # Errors
    /// The budget holds no stretching at all.
    pub fn start(limits: PoolLimits, random: Arc<dyn Random>) -> Result<Self, TooLittleMemory> {
        let job = |order: Order| scrypt::stretch(&order.auth_pw, &order.salt);
        Pool::start(limits, random, job).map(Self)
    }

    /// What the pool does and has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.counts()
    }

    /// How many stretchings run, and how many were refused or waited in vain.
    #[must_use]
    pub fn running_and_refused(&self) -> (usize, u64) {
        let counts = self.counts();
        (counts.running, counts.refused)
    }

    /// Ends the pool. Whether all running jobs finished.
    pub async fn end(&self) -> bool {
        self.0.end().await
    }
}

#[async_trait]
impl Stretcher for PoolStretcher {
    async fn stretch(
        &self,
        by: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        let span = tracing::info_span!(target: TRACES, "stretch");
        self.0
            .run(by, Order { auth_pw, salt })
            .instrument(span)
            .await
            .map_err(|refused| match refused {
                Refused::Busy { retry_after } => StretchError::Busy { retry_after },
                // Another instance takes over, or this one is back in a moment.
                Refused::Ending => StretchError::Busy {
                    retry_after: Duration::from_secs(1),
                },
                Refused::TooLate => StretchError::NotDone(Cause::Timeout),
                Refused::Failed => StretchError::NotDone(Cause::Fault),
            })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{hex, random};

    use super::*;

    struct Still;
    impl Random for Still {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(0);
        }
    }

    /// `accounts.md` (a): the first of the server-side vectors.
    #[tokio::test]
    async fn a_stretching_is_that_of_the_contract() {
        let pool =
            PoolStretcher::start(PoolLimits::of_machine(crate::pool::JOB_MEMORY), Arc::new(Still)).unwrap();
        let auth_pw =
            hex::decode("247b675ffb4c46310bc87e26d712153abe5e1c90ef00a4784594f97ef54f2375").unwrap();
        let mut salt: [u8; 32] = random::bytes(&Still);
        salt[1] = 0xf0;
        let by = Deadline::after(Duration::from_secs(600));
        let stretched = pool.stretch(by, Secret::new(auth_pw), salt).await.unwrap();
        assert_eq!(
            hex::encode(stretched.expose()),
            "441509e25c92ee103d5a1a874e6f155df25a44d06e61c894616c9e85181dba97"
        );
        assert!(pool.end().await);
    }
}

//! Bundles that are signed by DSA, as those of old browsers are: verifying one takes many times as long as by RSA, and is
//! done beside the threads that serve requests.
//!
//! Must stay true: however many come, no more than so many are verified at once, and no client keeps the others waiting.

use std::{net::IpAddr, sync::Arc};

use foxhold_browserid::{Bundle, Identity, IssuerKey, VerifyError, prove};
use foxhold_core::Deadline;
use foxhold_ports::Cause;
use tokio::sync::Semaphore;

use crate::turns::Turns;

/// How many are verified at once.
const PROVING_MAX: usize = 2;
/// How many may wait for that or be at it.
const WAITING_MAX: usize = 64;

/// The place where it is done.
pub struct SlowProofs {
    proving: Arc<Semaphore>,
    waiting: Turns,
}

impl Default for SlowProofs {
    fn default() -> Self {
        Self {
            proving: Arc::new(Semaphore::new(PROVING_MAX)),
            waiting: Turns::new(WAITING_MAX),
        }
    }
}

impl SlowProofs {
    /// The verdict on a bundle that fits, under the keys of its issuer.
    ///
    /// # Errors
    /// There was none in time.
    pub(super) async fn prove(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        bundle: &str,
        keys: Vec<IssuerKey>,
    ) -> Result<Result<Identity, VerifyError>, Cause> {
        let _turn = self.waiting.take(from).ok_or(Cause::Overloaded)?;
        let bundle = bundle.to_owned();
        let proving = async {
            let turn = Arc::clone(&self.proving).acquire_owned().await;
            let turn = turn.map_err(|_| Cause::Fault)?;
            let proving = tokio::task::spawn_blocking(move || {
                // Held to the end, also when nobody waits any more.
                let _turn = turn;
                Bundle::parse(&bundle).and_then(|bundle| prove(&bundle, &keys))
            });
            proving.await.map_err(|_| Cause::Fault)
        };
        let in_time = tokio::time::timeout_at(by.instant().into(), proving).await;
        in_time.unwrap_or(Err(Cause::Timeout))
    }

    /// As those who are at it, until it is dropped.
    #[cfg(test)]
    pub(super) async fn hold(&self) -> impl Sized + use<> {
        let all = u32::try_from(PROVING_MAX).unwrap();
        Arc::clone(&self.proving).acquire_many_owned(all).await.unwrap()
    }
}

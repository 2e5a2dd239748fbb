//! The signer behind its ports: used over gRPC in a fleet and directly in the single box. Takes orders, lets `policy`
//! turn them into claims, signs, and checks each signature with the public key before it leaves.
//!
//! RSA work takes a quarter to half a millisecond of a core, too long for the threads that serve connections. It runs
//! on threads of its own, one a core, behind the same bounded queue as password stretching (`security.md` A.4): what
//! cannot be signed in time is refused at once. Minting a node token takes microseconds and happens where it is asked.

mod key;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, Random, SecretText, random};
use foxhold_crypto::{jws::Unsigned, node_token};
use foxhold_pool::{Pool, PoolLimits, Refused};
use foxhold_ports::{
    AccessTokenSigner, Cause, NodeTokenMinter, PublicKeySource,
    signer::{AccessTokenOrder, NodeToken, NodeTokenOrder, PublicKey, SignError},
};
use serde::Deserialize;
use thiserror::Error;

use crate::{custody::Custody, node_secrets::NodeSecretSources, policy};
use key::SigningKey;
pub use key::{FAILURES_MAX, GOOD_FOR};

/// The type of tokens that are signed to see whether signing works. They never leave.
const PROBE_TYPE: &str = "foxhold-probe";

/// The `signing` table of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningLimits {
    /// Threads that sign; 0 = one a core.
    pub threads: usize,
    /// Orders that may wait for each thread.
    pub waiting_per_thread: usize,
    /// How long an order may wait, in milliseconds.
    pub wait_ms_max: u64,
}

impl Default for SigningLimits {
    fn default() -> Self {
        Self {
            threads: 0,
            waiting_per_thread: 512,
            wait_ms_max: 1000,
        }
    }
}

impl SigningLimits {
    fn pool(&self) -> PoolLimits {
        let machine = PoolLimits::of_machine(u64::MAX);
        PoolLimits {
            name: "sign",
            cores: if self.threads == 0 {
                machine.cores
            } else {
                self.threads
            },
            job_memory: 1,
            waiting_per_slot: self.waiting_per_thread,
            wait_max: Duration::from_millis(self.wait_ms_max),
            first_guess: Duration::from_micros(500),
            ..machine
        }
    }
}

/// A signer without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a signer needs at least one key")]
pub struct NoKey;

/// What the signing threads work on.
struct Order {
    key: Arc<SigningKey>,
    typ: &'static str,
    token: Unsigned,
}

/// A signature that was not made, or was wrong.
struct Failed;

/// What a signer is made of.
pub struct SignerParts {
    /// The `iss` of all tokens: the public root URL.
    pub issuer: String,
    /// The keys; the first one signs, all are published.
    pub keys: Vec<Box<dyn Custody>>,
    /// Secrets of storage nodes.
    pub node_secrets: NodeSecretSources,
    /// Bounds.
    pub limits: SigningLimits,
    /// Fills in the times.
    pub clock: Arc<dyn Clock>,
    /// Fills in the salts.
    pub random: Arc<dyn Random>,
}

/// Signs in this process.
pub struct LocalSigner {
    issuer: String,
    current: Arc<SigningKey>,
    // The current one included.
    keys: Vec<Arc<SigningKey>>,
    node_secrets: NodeSecretSources,
    pool: Pool<Order, Result<String, Failed>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl LocalSigner {
    /// Starts the signing threads.
    ///
    /// # Errors
    /// There is no key.
    pub fn start(parts: SignerParts) -> Result<Self, NoKey> {
        let keys: Vec<_> = parts
            .keys
            .into_iter()
            .map(|custody| Arc::new(SigningKey::new(custody)))
            .collect();
        let current = Arc::clone(keys.first().ok_or(NoKey)?);
        let sign = |order: Order| order.key.sign(order.typ, order.token).map_err(|_| Failed);
        let pool = Pool::start(parts.limits.pool(), Arc::clone(&parts.random), sign)
            .expect("a budget of all memory holds a signature");
        Ok(Self {
            issuer: parts.issuer,
            current,
            keys,
            node_secrets: parts.node_secrets,
            pool,
            clock: parts.clock,
            random: parts.random,
        })
    }

    /// Whether the current key has made and verified a signature in the last 10 s (`ecosystem.md` 3.6), and no key
    /// has failed three times in a row. A key that is only published signs nothing but probes, and those find no place
    /// in a queue that is full for long: it need not be fresh.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.current.is_fresh() && self.keys.iter().all(|key| key.works())
    }

    /// How long ago the current key was made.
    #[must_use]
    pub fn key_age(&self) -> Duration {
        self.clock.now().since(self.current.created_at())
    }

    /// The secrets of storage nodes: to look at their files again, or to give the signer others.
    #[must_use]
    pub const fn node_secrets(&self) -> &NodeSecretSources {
        &self.node_secrets
    }

    /// Signs and checks something of no use with each key that has been quiet, so that health is known.
    pub async fn probe(&self) {
        for key in self.keys.iter().filter(|key| key.needs_probe()) {
            let token = Unsigned::new(&key.public().kid, PROBE_TYPE, &());
            let by = Deadline::after(GOOD_FOR);
            // The outcome shows in the key's own record; a full queue says nothing about the key.
            let _ = self.sign(by, key, PROBE_TYPE, token).await;
        }
    }

    /// Ends the signing threads: what is begun is finished, what waits is refused.
    pub async fn end(&self) {
        self.pool.end().await;
    }

    async fn sign(
        &self,
        by: Deadline,
        key: &Arc<SigningKey>,
        typ: &'static str,
        token: Unsigned,
    ) -> Result<String, SignError> {
        let order = Order {
            key: Arc::clone(key),
            typ,
            token,
        };
        match self.pool.run(by, order).await {
            Ok(Ok(token)) => Ok(token),
            Ok(Err(Failed)) | Err(Refused::Failed) => Err(SignError::NotDone(Cause::Fault)),
            Err(Refused::Busy { .. }) => Err(SignError::NotDone(Cause::Overloaded)),
            Err(Refused::TooLate) => Err(SignError::NotDone(Cause::Timeout)),
            Err(Refused::Ending) => Err(SignError::NotDone(Cause::Unavailable)),
        }
    }
}

fn refused(refusal: policy::Refusal) -> SignError {
    tracing::warn!(field = refusal.0, "an order was refused");
    SignError::Refused
}

#[async_trait]
impl AccessTokenSigner for LocalSigner {
    async fn sign_access_token(
        &self,
        by: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError> {
        let key = &self.current;
        let token = policy::access_token(order, &self.issuer, &key.public().kid, self.clock.now())
            .map_err(refused)?;
        let token = self
            .sign(by, key, foxhold_crypto::access_token::TYPE, token)
            .await?;
        Ok(SecretText::new(token))
    }
}

#[async_trait]
impl NodeTokenMinter for LocalSigner {
    async fn mint_node_token(&self, _by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        let salt = random::bytes(&*self.random);
        let claims = policy::node_token(order, salt, self.clock.now()).map_err(refused)?;
        let minted = self
            .node_secrets
            .with_newest(&order.node, |secret| node_token::mint(&claims, secret));
        let minted = minted.ok_or(SignError::NoNodeSecret)?;
        Ok(NodeToken {
            token: SecretText::new(minted.token),
            key: minted.key,
        })
    }
}

#[async_trait]
impl PublicKeySource for LocalSigner {
    async fn public_keys(&self, _by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        let published = self.keys.iter().map(|key| PublicKey {
            kid: key.public().kid.clone(),
            n: key.public().key.modulus().to_vec(),
            e: key.public().key.exponent().to_vec(),
            created_at: key.created_at(),
        });
        Ok(published.collect())
    }
}

#[cfg(test)]
mod tests;

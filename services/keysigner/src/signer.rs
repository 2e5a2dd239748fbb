//! The signer behind its ports: used over gRPC in a fleet and directly in the single box. Takes orders, lets `policy`
//! turn them into claims, signs, and checks each signature with the public key before it leaves.
//!
//! RSA work takes a quarter to half a millisecond of a core, too long for the threads that serve connections. It runs
//! on threads of its own, one a core, behind the same bounded queue as password stretching (`security.md` A.4): what
//! cannot be signed in time is refused at once. Minting a node token takes microseconds and happens where it is asked.

mod caller_rates;
mod key;
mod uid_counts;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, Random, SecretText, Timestamp, Uid, random};
use foxhold_crypto::{certificate::SubjectKey, jws::Unsigned, mac::sha256, node_token};
use foxhold_pool::{Pool, PoolLimits, Refused};
use foxhold_ports::{
    AccessTokenSigner, Cause, CertificateSigner, IdTokenSigner, NodeTokenMinter, PublicKeySource,
    signer::{
        AccessTokenOrder, CertificateOrder, IdTokenOrder, NodeToken, NodeTokenOrder, PublicKey, SignError,
    },
};
use foxhold_runtime::{
    grpc_server::{current_address, current_caller},
    metrics::{self, list},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    audit::{AuditLog, Decision, Kind, Outcome},
    custody::Custody,
    node_secrets::NodeSecretSources,
    policy::{self, CertificateRefusal},
    rotation,
};
use caller_rates::CallerRates;
use key::SigningKey;
pub use key::{FAILURES_MAX, GOOD_FOR};
use uid_counts::UidCounts;

/// The type of tokens that are signed to see whether signing works. They never leave.
const PROBE_TYPE: &str = "foxhold-probe";

/// The `signing` table of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SigningLimits {
    /// Threads that sign; 0 = one a core.
    #[schemars(range(max = 1_024))]
    pub threads: usize,
    /// Orders that may wait for each thread.
    #[schemars(range(min = 1, max = 100_000))]
    pub waiting_per_thread: usize,
    /// How long an order may wait, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub wait_ms_max: u64,
    /// Certificates for one account in an hour, from all webheads together. Each webhead counts 60.
    pub certificates_per_hour: u16,
    /// Orders to sign that one instance of a caller, by its address, may give each second; 0 = no limit.
    pub caller_per_second: u32,
    /// The same at once, after a rest; at least one, whatever stands here. Without a limit it does not count.
    pub caller_burst: u32,
}

impl Default for SigningLimits {
    fn default() -> Self {
        Self {
            threads: 0,
            waiting_per_thread: 512,
            wait_ms_max: 1000,
            certificates_per_hour: 120,
            caller_per_second: 200,
            caller_burst: 400,
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
    token: Unsigned,
    /// The key to be certified: to be looked over first, which takes as long as signing and longer.
    subject: Option<SubjectKey>,
}

impl Order {
    fn carry_out(self) -> Result<String, SignError> {
        if self.subject.is_some_and(|subject| !subject.is_sound()) {
            return Err(SignError::UnfitKey);
        }
        // A signature that was not made, or was wrong: the key's record says which.
        let signed = self.key.sign(self.token);
        signed.map_err(|_| SignError::NotDone(Cause::Fault))
    }
}

/// What a signer is made of.
pub struct SignerParts {
    /// The `iss` of all tokens: the public root URL.
    pub issuer: String,
    /// The `iss` of all certificates, and the second half of their principals: the second half of users' keys.
    pub domain: String,
    /// The keys. Which one signs and which are published, [`rotation`](crate::rotation) says.
    pub keys: Vec<Box<dyn Custody>>,
    /// Secrets of storage nodes.
    pub node_secrets: NodeSecretSources,
    /// Bounds.
    pub limits: SigningLimits,
    /// Where decisions are written down. Without it nothing is: only where nobody depends on the signer.
    pub audit: Option<AuditLog>,
    /// Fills in the times.
    pub clock: Arc<dyn Clock>,
    /// Fills in the salts.
    pub random: Arc<dyn Random>,
}

/// Signs in this process.
pub struct LocalSigner {
    issuer: String,
    domain: String,
    // Never empty.
    keys: Vec<Arc<SigningKey>>,
    // Of each.
    signs_from: Vec<Timestamp>,
    node_secrets: NodeSecretSources,
    pool: Arc<Pool<Order, Result<String, SignError>>>,
    certificates: UidCounts,
    callers: CallerRates,
    audit: Option<AuditLog>,
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
        if keys.is_empty() {
            return Err(NoKey);
        }
        let signs_from: Vec<_> = keys.iter().map(|key| key.signs_from()).collect();
        warn_of_same_turns(&signs_from);
        let pool = Pool::start(parts.limits.pool(), Arc::clone(&parts.random), Order::carry_out)
            .expect("a budget of all memory holds a signature");
        let pool = Arc::new(pool);
        metrics::follow(&pool, |pool| {
            list::SIGN_QUEUE
                .of([])
                .set(metrics::amount(pool.counts().waiting as u64));
        });
        Ok(Self {
            issuer: parts.issuer,
            domain: parts.domain,
            certificates: UidCounts::new(parts.limits.certificates_per_hour, &*parts.random),
            callers: CallerRates::new(parts.limits.caller_per_second, parts.limits.caller_burst),
            keys,
            signs_from,
            node_secrets: parts.node_secrets,
            pool,
            audit: parts.audit,
            clock: parts.clock,
            random: parts.random,
        })
    }

    /// Why it cannot sign at present, if it cannot.
    ///
    /// It can while decisions can be written down, the current key has made and verified a signature in the last 10 s
    /// (`ecosystem.md` 3.6), and no key has failed three times in a row. A key that is only published signs nothing but
    /// probes, and those find no place in a queue that is full for long: it need not be fresh.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        if !self.can_write() {
            return Some("the audit log cannot be written");
        }
        let keys_work = self.current().is_fresh() && self.keys.iter().all(|key| key.works());
        (!keys_work).then_some("a key makes no good signatures")
    }

    /// Whether [`Self::fault`] finds nothing.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.fault().is_none()
    }

    /// Whether decisions can be written down.
    fn can_write(&self) -> bool {
        self.audit.as_ref().is_none_or(AuditLog::works)
    }

    /// Refuses while nothing can be written down (`security.md` C.6), and whoever orders too fast (C.7): before the key is
    /// used and the account's certificate counted, for neither could be taken back.
    fn admit(&self) -> Result<(), SignError> {
        if !self.can_write() {
            return Err(SignError::NotDone(Cause::Unavailable));
        }
        let from = current_address();
        if from.is_some_and(|from| !self.callers.admit(from, Instant::now())) {
            return Err(SignError::NotDone(Cause::Overloaded));
        }
        Ok(())
    }

    /// How long ago the current key was made.
    #[must_use]
    pub fn key_age(&self) -> Duration {
        self.clock.now().since(self.current().created_at())
    }

    /// The key whose turn it is.
    fn current(&self) -> &Arc<SigningKey> {
        let active = rotation::active(&self.signs_from, self.clock.now());
        &self.keys[active.unwrap_or_default()]
    }

    /// The secrets of storage nodes: to look at their files again, or to give the signer others.
    #[must_use]
    pub const fn node_secrets(&self) -> &NodeSecretSources {
        &self.node_secrets
    }

    /// Signs and checks something of no use with each key that has been quiet, so that health is known.
    pub async fn probe(&self) {
        for key in self.keys.iter().filter(|key| key.needs_probe()) {
            let order = Order {
                token: Unsigned::new(&key.public().kid, PROBE_TYPE, &()),
                key: Arc::clone(key),
                subject: None,
            };
            let by = Deadline::after(GOOD_FOR);
            // The outcome shows in the key's own record; a full queue says nothing about the key.
            let _ = self.sign(by, order).await;
        }
    }

    /// Where decisions are written down.
    #[must_use]
    pub const fn audit(&self) -> Option<&AuditLog> {
        self.audit.as_ref()
    }

    /// Ends the signing threads: what is begun is finished, what waits is refused.
    pub async fn end(&self) {
        self.pool.end().await;
        if let Some(audit) = &self.audit {
            audit.end().await;
        }
    }

    /// Signs and writes that down, in this order; what cannot be written down does not leave.
    async fn sign_audited(&self, by: Deadline, about: About, order: Order) -> Result<SecretText, SignError> {
        let outcome = Outcome::Signed {
            of: sha256(&[order.token.signing_input()]),
            issued_at: about.issued_at,
            expires: about.expires,
        };
        let begun = Instant::now();
        let signed = self.sign(by, order).await;
        list::SIGN_DURATION
            .of([about.kind.name(), result_of(&signed)])
            .record(begun.elapsed().as_secs_f64());
        match signed {
            Ok(token) => {
                self.write_down(by, about, outcome)
                    .await
                    .map_err(SignError::NotDone)?;
                Ok(SecretText::new(token))
            }
            // Nothing was decided: there was no time, or no room.
            Err(error @ SignError::NotDone(cause)) if cause != Cause::Fault => Err(error),
            Err(error) => {
                let reason = match error {
                    SignError::UnfitKey => "key to be certified",
                    _ => "fault",
                };
                Err(self.refuse(by, about, reason, error).await)
            }
        }
    }

    /// Writes a refusal down. That it could not be is told in the log only: nothing leaves in any case.
    async fn refuse(&self, by: Deadline, about: About, reason: &'static str, error: SignError) -> SignError {
        tracing::warn!(reason, "an order was refused");
        if let Err(cause) = self.write_down(by, about, Outcome::Refused(reason)).await {
            tracing::warn!(?cause, "a refusal was not written to the audit log");
        }
        error
    }

    async fn write_down(&self, by: Deadline, about: About, outcome: Outcome) -> Result<(), Cause> {
        let Some(audit) = &self.audit else { return Ok(()) };
        let decision = Decision {
            kind: about.kind,
            kid: about.kid,
            caller: current_caller().map(|caller| caller.to_string()),
            request: foxhold_rpc::trace::current(),
            uid: about.uid,
            client_key: about.client_key,
            outcome,
        };
        audit.record(by, decision).await.map(drop)
    }

    async fn sign(&self, by: Deadline, order: Order) -> Result<String, SignError> {
        self.pool.run(by, order).await.unwrap_or_else(|refused| {
            Err(SignError::NotDone(match refused {
                Refused::Failed => Cause::Fault,
                Refused::Busy { .. } => Cause::Overloaded,
                Refused::TooLate => Cause::Timeout,
                Refused::Ending => Cause::Unavailable,
            }))
        })
    }
}

/// What came of an order, as it is counted.
const fn result_of(signed: &Result<String, SignError>) -> &'static str {
    match signed {
        Ok(_) => "signed",
        Err(SignError::UnfitKey) => "unfit_key",
        Err(SignError::NotDone(Cause::Overloaded)) => "overloaded",
        Err(SignError::NotDone(Cause::Timeout)) => "timeout",
        Err(SignError::NotDone(Cause::Unavailable)) => "unavailable",
        Err(SignError::NotDone(_) | SignError::Refused | SignError::NoNodeSecret) => "fault",
    }
}

/// The line with a key's turn may have been lost: then another key signs for good, and this one never does.
fn warn_of_same_turns(signs_from: &[Timestamp]) {
    let always = signs_from.iter().filter(|from| **from == Timestamp::default());
    let count = always.count();
    if count > 1 {
        tracing::warn!(
            count,
            "of several keys that say of no time that they sign from then on, only the first signs"
        );
    }
}

/// What an order is about, as it is written down.
struct About {
    kind: Kind,
    uid: Uid,
    kid: String,
    client_key: Option<[u8; 32]>,
    issued_at: Timestamp,
    expires: Timestamp,
}

impl About {
    fn token(kind: Kind, uid: Uid, key: &SigningKey, now: Timestamp, lifetime_secs: u64) -> Self {
        Self {
            kind,
            uid,
            kid: key.public().kid.clone(),
            client_key: None,
            issued_at: now,
            expires: now.plus(Duration::from_secs(lifetime_secs)),
        }
    }

    fn certificate(order: &CertificateOrder, key: &SigningKey, now: Timestamp) -> Self {
        Self {
            kind: Kind::Certificate,
            uid: order.uid,
            kid: key.public().kid.clone(),
            client_key: None,
            issued_at: now.minus(policy::SET_BACK),
            expires: now.plus(Duration::from_millis(order.duration_millis)),
        }
    }
}

#[async_trait]
impl AccessTokenSigner for LocalSigner {
    async fn sign_access_token(
        &self,
        by: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError> {
        self.admit()?;
        let (key, now) = (Arc::clone(self.current()), self.clock.now());
        let about = About::token(Kind::AccessToken, order.uid, &key, now, order.lifetime_secs);
        let token = match policy::access_token(order, &self.issuer, &key.public().kid, now) {
            Ok(token) => token,
            Err(refusal) => return Err(self.refuse(by, about, refusal.0, SignError::Refused).await),
        };
        let order = Order {
            key,
            token,
            subject: None,
        };
        self.sign_audited(by, about, order).await
    }
}

#[async_trait]
impl IdTokenSigner for LocalSigner {
    async fn sign_id_token(&self, by: Deadline, order: &IdTokenOrder) -> Result<SecretText, SignError> {
        self.admit()?;
        let (key, now) = (Arc::clone(self.current()), self.clock.now());
        let about = About::token(Kind::IdToken, order.uid, &key, now, order.lifetime_secs);
        let token = match policy::id_token(order, &self.issuer, &key.public().kid, now) {
            Ok(token) => token,
            Err(refusal) => return Err(self.refuse(by, about, refusal.0, SignError::Refused).await),
        };
        let order = Order {
            key,
            token,
            subject: None,
        };
        self.sign_audited(by, about, order).await
    }
}

#[async_trait]
impl CertificateSigner for LocalSigner {
    async fn sign_certificate(
        &self,
        by: Deadline,
        order: &CertificateOrder,
    ) -> Result<SecretText, SignError> {
        self.admit()?;
        let (key, now) = (Arc::clone(self.current()), self.clock.now());
        let mut about = About::certificate(order, &key, now);
        let certificate = match policy::certificate(order, &self.domain, &key.public().kid, now) {
            Ok(certificate) => certificate,
            Err(refusal) => {
                let (reason, error) = told(refusal);
                return Err(self.refuse(by, about, reason, error).await);
            }
        };
        about.client_key = Some(certificate.subject.fingerprint());
        if !self.certificates.count(order.uid, now) {
            let error = SignError::NotDone(Cause::Overloaded);
            return Err(self.refuse(by, about, "too many for the account", error).await);
        }
        let order = Order {
            key,
            token: certificate.unsigned,
            subject: Some(certificate.subject),
        };
        self.sign_audited(by, about, order).await
    }
}

const fn told(refusal: CertificateRefusal) -> (&'static str, SignError) {
    match refusal {
        CertificateRefusal::Order(refusal) => (refusal.0, SignError::Refused),
        CertificateRefusal::Key => ("key to be certified", SignError::UnfitKey),
    }
}

#[async_trait]
impl NodeTokenMinter for LocalSigner {
    async fn mint_node_token(&self, _by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        let salt = random::bytes(&*self.random);
        let claims = policy::node_token(order, salt, self.clock.now()).map_err(|refusal| {
            tracing::warn!(field = refusal.0, "an order was refused");
            SignError::Refused
        })?;
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
        let published = rotation::published(&self.signs_from, self.clock.now());
        let published = published.into_iter().map(|(at, state)| {
            let key = &self.keys[at];
            PublicKey {
                kid: key.public().kid.clone(),
                n: key.public().key.modulus().to_vec(),
                e: key.public().key.exponent().to_vec(),
                created_at: key.created_at(),
                retires_at: state.retires_at(),
            }
        });
        Ok(published.collect())
    }
}

#[cfg(test)]
mod tests;

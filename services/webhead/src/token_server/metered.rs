//! The ports of the exchange, each with a watch beside it: how long it takes, and what comes of it (`tokenserver.md` 15).
//! The rules know nothing of this.

use std::{net::IpAddr, sync::Arc, time::Instant};

use async_trait::async_trait;
use foxhold_core::{
    Clock, Deadline, ServiceUid, Timestamp,
    record::{NodeRecord, Service, ServiceKey, ServicePolicy, UserKey, UserRecord},
};
use foxhold_ports::{
    AssignmentReader, AssignmentWriter, Call, NodeTokenMinter, PublicKeySource, ReadError, Refusal,
    WriteError,
    assignments::{Catalogue, RecordCursor, RecordPage, RecordRef, Target, UserValues},
    signer::{NodeToken, NodeTokenOrder, PublicKey, SignError},
};
use foxhold_runtime::metrics::{amount, label, list as metrics};
use foxhold_sync::{
    credential::{
        AssertionError, AssertionVerifier, TokenVerifier, VerifiedAssertion, VerifiedToken, VerifyError,
    },
    exchange,
    reason::Reason,
};

/// A port with a watch beside it.
struct Metered<P: ?Sized>(Arc<P>);

/// The same ports, metered.
#[must_use]
pub fn metered(ports: exchange::Ports) -> exchange::Ports {
    exchange::Ports {
        reader: Arc::new(Metered(ports.reader)),
        writer: Arc::new(Metered(ports.writer)),
        minter: Arc::new(Metered(ports.minter)),
        verifier: Arc::new(Metered(ports.verifier)),
        assertions: Arc::new(Metered(ports.assertions)),
        ..ports
    }
}

/// Work that is one step of an exchange. Of a client that leaves meanwhile nothing is counted.
async fn timed<T>(step: &'static str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    metrics::TOKEN_STEP_DURATION
        .of([step])
        .record(began.elapsed().as_secs_f64());
    done
}

fn count_verdict(scheme: &'static str, verdict: &'static str) {
    metrics::TOKEN_VERIFICATIONS.of([scheme, verdict]).increment(1);
}

const OK: &str = "ok";
const UNAVAILABLE: &str = "unavailable";

#[async_trait]
impl TokenVerifier for Metered<dyn TokenVerifier> {
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        token: &str,
    ) -> Result<VerifiedToken, VerifyError> {
        let verified = timed("verify_oauth", self.0.verify(by, from, token)).await;
        let verdict = match &verified {
            Ok(_) => OK,
            Err(VerifyError::Invalid(reason)) => reason.code(),
            Err(VerifyError::Generation) => Reason::GenerationForm.code(),
            Err(VerifyError::Unavailable(_)) => UNAVAILABLE,
        };
        count_verdict("oauth", verdict);
        verified
    }
}

#[async_trait]
impl AssertionVerifier for Metered<dyn AssertionVerifier> {
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        bundle: &str,
        policy: &ServicePolicy,
    ) -> Result<VerifiedAssertion, AssertionError> {
        let verified = timed("verify_browserid", self.0.verify(by, from, bundle, policy)).await;
        let verdict = match &verified {
            Ok(_) => OK,
            Err(AssertionError::Invalid(reason) | AssertionError::Time(reason)) => reason.code(),
            Err(AssertionError::Generation) => Reason::GenerationForm.code(),
            Err(AssertionError::KeysChangedAt) => Reason::KeysChangedAtForm.code(),
            Err(AssertionError::Unavailable(_)) => UNAVAILABLE,
        };
        count_verdict("browserid", verdict);
        verified
    }
}

#[async_trait]
impl NodeTokenMinter for Metered<dyn NodeTokenMinter> {
    async fn mint_node_token(&self, by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        timed("sign", self.0.mint_node_token(by, order)).await
    }
}

#[async_trait]
impl AssignmentReader for Metered<dyn AssignmentReader> {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.0.services(by).await
    }

    async fn catalogue(&self, by: Deadline) -> Result<Catalogue, ReadError> {
        self.0.catalogue(by).await
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        self.0.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        timed("read", self.0.user_record(by, service, user)).await
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.0.records(by, service, after, limit).await
    }
}

/// What a write of an exchange came to. One that is put again because its outcome was in doubt is counted once it is known.
fn count_write(at: &RecordRef, change: &'static str, outcome: &Result<UserRecord, WriteError>) {
    let service = || label::named(&at.service.0);
    match outcome {
        Ok(_) => metrics::TOKEN_RECORD_CHANGES.of([service(), change]).increment(1),
        Err(WriteError::Refused(Refusal::NoNode)) => metrics::TOKEN_NO_NODE.of([service()]).increment(1),
        Err(_) => {}
    }
}

#[async_trait]
impl AssignmentWriter for Metered<dyn AssignmentWriter> {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let outcome = timed("assign", self.0.assign(call, at, values, target, now)).await;
        let change = if at.version.is_none() {
            "new_user"
        } else {
            "reassigned"
        };
        count_write(at, change, &outcome);
        outcome
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        let outcome = timed("update", self.0.raise(call, at, values)).await;
        count_write(at, "raised", &outcome);
        outcome
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        let outcome = timed("update", self.0.rekey(call, at, values, now)).await;
        count_write(at, "keys_changed", &outcome);
        outcome
    }

    async fn retire(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.0.retire(call, at, now).await
    }

    async fn unassign(&self, call: &Call, at: &RecordRef, now: Timestamp) -> Result<UserRecord, WriteError> {
        self.0.unassign(call, at, now).await
    }

    async fn forget(&self, call: &Call, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, WriteError> {
        self.0.forget(call, at, uid).await
    }
}

/// Whose published keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysOf {
    /// The own keysigners.
    Own,
    /// The accounts server of `[foreign_oauth]`.
    ForeignOauth,
    /// The accounts server of `[account_events]`.
    AccountEvents,
}

impl KeysOf {
    const fn label(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::ForeignOauth => "foreign_oauth",
            Self::AccountEvents => "account_events",
        }
    }
}

/// A source of published keys that tells when it last answered.
struct DatedKeys {
    source: Arc<dyn PublicKeySource>,
    whose: KeysOf,
    clock: Arc<dyn Clock>,
}

/// The same source, and when keys were last had from it.
#[must_use]
pub fn dated(
    source: Arc<dyn PublicKeySource>,
    whose: KeysOf,
    clock: Arc<dyn Clock>,
) -> Arc<dyn PublicKeySource> {
    Arc::new(DatedKeys { source, whose, clock })
}

#[async_trait]
impl PublicKeySource for DatedKeys {
    async fn public_keys(&self, by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        let keys = self.source.public_keys(by).await?;
        let now = self.clock.now().as_secs();
        metrics::KEY_SET_REFRESH.of([self.whose.label()]).set(amount(now));
        Ok(keys)
    }
}

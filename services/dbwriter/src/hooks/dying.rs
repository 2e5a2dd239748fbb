//! Points around the intents that change whose key it is, whatever the store: `asked`, before it is touched, and `done`,
//! when it is committed and nobody has been told. A test names the one at which the process dies.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use foxhold_core::{ServiceUid, Timestamp, record::UserRecord};
use foxhold_ports::{
    AssignmentWriter, Call, WriteError,
    assignments::{RecordRef, Target, UserValues},
};
use foxhold_rpc::server::DbwriterPorts;

static ARMED: OnceLock<String> = OnceLock::new();
static PASSES_LEFT: AtomicU64 = AtomicU64::new(0);

/// Every point there is.
pub(super) const ALL: &[&str] = &["assign.asked", "assign.done", "rekey.asked", "rekey.done"];

/// The process will end when it reaches the point for the `nth` time (from 1).
pub(super) fn arm(point: String, nth: u64) {
    if ARMED.set(point).is_ok() {
        PASSES_LEFT.store(nth.max(1), Ordering::SeqCst);
    }
}

/// The ports, with the points around them.
pub(crate) fn watched(ports: DbwriterPorts) -> DbwriterPorts {
    DbwriterPorts {
        assignments: Arc::new(Watched(ports.assignments)),
        ..ports
    }
}

fn reach(point: &'static str) {
    debug_assert!(ALL.contains(&point), "{point} is not in the list");
    let is_armed = ARMED.get().is_some_and(|armed| armed == point);
    if is_armed && PASSES_LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        std::process::abort();
    }
}

struct Watched(Arc<dyn AssignmentWriter>);

#[async_trait]
impl AssignmentWriter for Watched {
    async fn assign(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        target: &Target,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        reach("assign.asked");
        let done = self.0.assign(call, at, values, target, now).await?;
        reach("assign.done");
        Ok(done)
    }

    async fn raise(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
    ) -> Result<UserRecord, WriteError> {
        self.0.raise(call, at, values).await
    }

    async fn rekey(
        &self,
        call: &Call,
        at: &RecordRef,
        values: &UserValues,
        now: Timestamp,
    ) -> Result<UserRecord, WriteError> {
        reach("rekey.asked");
        let done = self.0.rekey(call, at, values, now).await?;
        reach("rekey.done");
        Ok(done)
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

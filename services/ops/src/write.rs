//! How intents are put: under one operation id, again while the outcome is unknown; and how one user's records are changed:
//! read, decide, write, and again if somebody else was faster.

use foxhold_core::{
    Deadline, OpId, ServiceUid,
    record::{ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::{
    Call, Refusal, WriteError,
    assignments::{RecordRef, Target, UserValues},
    repeat::settled,
};

use crate::{refused::Refused, router::OpsPorts, wire::UserOutcome};

/// How often a record is read anew because another write came first.
pub(crate) const ROUNDS: usize = 4;

/// What becomes of a user's records.
pub(crate) enum Change {
    /// They are like this.
    Nothing,
    Assign(UserValues, Target),
    /// They stay as they are, and from now on the place counts as given by hand.
    Keep(UserValues),
    Unassign,
    Retire,
    Forget(ServiceUid),
}

/// What became of them.
pub(crate) struct Changed {
    pub(crate) outcome: UserOutcome,
    pub(crate) record: Option<UserRecord>,
}

impl OpsPorts {
    /// A new operation.
    pub(crate) fn call(&self, by: Deadline) -> Call {
        Call {
            op: OpId::new(self.clock.now(), &*self.random),
            deadline: by,
        }
    }

    /// Changes a user's records as `decide` says of those there are.
    pub(crate) async fn change_user(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
        dry_run: bool,
        decide: impl Fn(Option<&UserRecord>) -> Result<Change, Refused>,
    ) -> Result<Changed, Refused> {
        for _ in 0..ROUNDS {
            let stored = self.reader.user_record(by, service, user).await?;
            let change = decide(stored.as_ref())?;
            let outcome = match (&change, &stored) {
                (Change::Nothing | Change::Keep(_), _) => UserOutcome::Unchanged,
                (_, None) => UserOutcome::Created,
                (_, Some(_)) => UserOutcome::Changed,
            };
            if dry_run || matches!(change, Change::Nothing) {
                return Ok(Changed {
                    outcome,
                    record: stored,
                });
            }
            let at = RecordRef {
                service: service.clone(),
                user: user.clone(),
                version: stored.map(|record| record.version),
            };
            match self.put(by, &at, &change).await {
                Ok(record) => {
                    let record = Some(record);
                    return Ok(Changed { outcome, record });
                }
                Err(WriteError::Refused(Refusal::Conflict)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refused::contended())
    }

    async fn put(&self, by: Deadline, at: &RecordRef, change: &Change) -> Result<UserRecord, WriteError> {
        let (call, now) = (self.call(by), self.clock.now());
        let writer = &*self.writer;
        match change {
            Change::Assign(values, target) => {
                let placed = settled(&call, || writer.assign(&call, at, values, target, now)).await?;
                Ok(self.kept(by, at, values, placed).await)
            }
            Change::Keep(values) => settled(&call, || writer.raise(&call, at, values)).await,
            Change::Unassign => settled(&call, || writer.unassign(&call, at, now)).await,
            Change::Retire => settled(&call, || writer.retire(&call, at, now)).await,
            Change::Forget(uid) => settled(&call, || writer.forget(&call, at, *uid)).await,
            // Nothing is put for it.
            Change::Nothing => Err(WriteError::Refused(Refusal::Conflict)),
        }
    }

    /// Who is placed before ever having come keeps the place until then: one write more, and nobody takes it for a place that
    /// somebody has left. What keeps this process from it is made up for when the same is asked for again ([`Change::Keep`]).
    async fn kept(
        &self,
        by: Deadline,
        at: &RecordRef,
        values: &UserValues,
        placed: UserRecord,
    ) -> UserRecord {
        if at.version.is_some() {
            return placed;
        }
        let at = RecordRef {
            version: Some(placed.version),
            ..at.clone()
        };
        let call = self.call(by);
        match settled(&call, || self.writer.raise(&call, &at, values)).await {
            Ok(kept) => kept,
            // The user came at this moment.
            Err(WriteError::Refused(_)) => placed,
            Err(error) => {
                tracing::warn!(service = %at.service.0, %error, "a place given by hand may be taken back if its user does not come; placing the user again keeps it");
                placed
            }
        }
    }
}

//! Second factors and recovery keys: one conditional write on the account's row decides, on the version that was read, and
//! notes the operation beside it.
//!
//! Must stay true: whoever finds its operation in the account's partition was done, whatever has come after.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Uid,
    record::{RecoveryKey, SecondFactor},
};
use foxhold_ports::{AccountGuards, Call, IntentKind, Refusal, WriteError, guards::Guard};

use super::{
    judge::{AccountStanding, Standing},
    not_done, standing,
};
use crate::{
    CassandraStore,
    cql::{Outcome, Verdict, settle},
};

#[async_trait]
impl AccountGuards for CassandraStore {
    async fn set_second_factor(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        factor: Option<Arc<SecondFactor>>,
    ) -> Result<(), WriteError> {
        let guard = Guard::SecondFactor(factor);
        set(self, call, uid, based_on, &guard, guard.kind()).await
    }

    async fn set_recovery_key(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        key: Option<Arc<RecoveryKey>>,
    ) -> Result<(), WriteError> {
        let guard = Guard::RecoveryKey(key);
        set(self, call, uid, based_on, &guard, guard.kind()).await
    }
}

/// Sets a guard; `kind` is what the intent is noted as.
pub(super) async fn set(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    based_on: u64,
    guard: &Guard,
    kind: IntentKind,
) -> Result<(), WriteError> {
    let cell = guard.cell();
    let cell = cell.as_ref().map(|cell| cell.as_slice());
    let decisions = &store.accounts.decisions;
    let statement = match guard {
        Guard::SecondFactor(_) => &decisions.set_second_factor,
        Guard::RecoveryKey(_) => &decisions.set_recovery_key,
    };
    on_version(store, call, uid, based_on, |was| async move {
        let statements = vec![
            statement.prepared().clone(),
            decisions.note_operation.prepared().clone(),
        ];
        let values = (
            (cell, was + 1, uid.as_bytes(), was),
            (uid.as_bytes(), call.op.as_bytes(), kind.number().cast_signed()),
        );
        store.cql.decide_together(call.deadline, statements, values).await
    })
    .await
}

/// Carries out an intent that is one conditional write on an account of that version, `write`, which notes the operation.
pub(super) async fn on_version<F>(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    based_on: u64,
    write: impl Fn(i64) -> F,
) -> Result<(), WriteError>
where
    F: Future<Output = Result<Outcome, WriteError>>,
{
    let by = call.deadline;
    let was = i64::try_from(based_on).unwrap_or(i64::MAX - 1);
    let _turn = store.accounts.uids.turn(&uid, by).await?;
    let mut found = standing::here(store, by, uid).await.map_err(not_done)?;
    if matches!(judge(found.as_ref(), call, was), Verdict::Refused(_)) {
        // What was decided in another region may not have come here yet.
        found = standing::serial(store, by, uid).await.map_err(not_done)?;
    }
    match judge(found.as_ref(), call, was) {
        Verdict::Done => return Ok(()),
        Verdict::Refused(refusal) => return Err(refusal.into()),
        Verdict::Again => {}
    }
    settle(
        by,
        &*store.random,
        || write(was),
        || standing::serial(store, by, uid),
        |found| Ok(judge(found.as_ref(), call, was)),
    )
    .await
}

/// What an account says of what was decided on this version of it; `Again` if it may be written.
fn judge(found: Option<&Standing>, call: &Call, was: i64) -> Verdict {
    let Some(found) = found else {
        return Verdict::Refused(Refusal::UnknownAccount);
    };
    if found.operations.contains(&call.op) {
        return Verdict::Done;
    }
    match found.account {
        AccountStanding::Deleting => Verdict::Refused(Refusal::UnknownAccount),
        AccountStanding::Active { .. } if found.version != was => Verdict::Refused(Refusal::Conflict),
        AccountStanding::Active { .. } => Verdict::Again,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Deadline, OpId, Timestamp, record::EmailKey};

    use super::*;

    #[test]
    fn what_an_account_says_of_a_guard() {
        let op = OpId::from_bytes([7; 16]);
        let call = Call {
            op,
            deadline: Deadline::after(std::time::Duration::from_secs(1)),
        };
        let active = || AccountStanding::Active {
            email_key: EmailKey::from_normalized("a@example.test".into()),
            verified: true,
            disabled: false,
            verifier_set_at: Timestamp::default(),
        };
        let standing = |account, version, operations: &[OpId]| Standing {
            account,
            made_by: None,
            version,
            held: None,
            operations: operations.to_vec(),
        };
        let unknown = Some(Refusal::UnknownAccount);
        // What is there; whether it was done, or why it is refused; neither if it may be written.
        let table = [
            ("as it was read", Some(standing(active(), 3, &[])), false, None),
            ("done", Some(standing(active(), 4, &[op])), true, None),
            (
                "done and changed since",
                Some(standing(active(), 9, &[op])),
                true,
                None,
            ),
            (
                "changed",
                Some(standing(active(), 4, &[])),
                false,
                Some(Refusal::Conflict),
            ),
            (
                "going",
                Some(standing(AccountStanding::Deleting, 3, &[])),
                false,
                unknown,
            ),
            ("never there", None, false, unknown),
        ];
        for (name, found, done, refused) in table {
            match judge(found.as_ref(), &call, 3) {
                Verdict::Done => assert!(done, "{name}"),
                Verdict::Refused(refusal) => assert_eq!(Some(refusal), refused, "{name}"),
                Verdict::Again => assert!(!done && refused.is_none(), "{name}"),
            }
        }
    }
}

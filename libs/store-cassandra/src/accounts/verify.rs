//! Marking an address as verified, on the condition that its account is there and unchanged. An account that is being
//! replaced is condemned by a condition on the same row, so of the two exactly one comes first.

use foxhold_core::Uid;
use foxhold_ports::{Call, IntentKind, Refusal, WriteError};

use super::{
    judge::{AccountStanding, Standing},
    not_done, standing,
};
use crate::{
    CassandraStore,
    cql::{Doubts, Settled, decide_or_look, pause},
    fail_point,
};

/// What a verification finds.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Done,
    UnknownAccount,
    /// Mark it, if it is still at this version.
    Mark(i64),
}

/// `AccountWriter::verify_email`
pub(super) async fn verify_email(store: &CassandraStore, call: &Call, uid: Uid) -> Result<(), WriteError> {
    let by = call.deadline;
    let _turn = store.accounts.uids.turn(&uid, by).await?;
    let mut standing = standing::here(store, by, uid).await.map_err(not_done)?;
    if judge(standing.as_ref()) == Judgement::UnknownAccount {
        // Another region's account may not have come here yet.
        standing = standing::serial(store, by, uid).await.map_err(not_done)?;
    }
    let mut doubts = Doubts::default();
    loop {
        let was = match judge(standing.as_ref()) {
            Judgement::Done => return Ok(()),
            Judgement::UnknownAccount => return Err(Refusal::UnknownAccount.into()),
            Judgement::Mark(was) => was,
        };
        let look = || standing::serial(store, by, uid);
        match doubts.weigh(decide_or_look(by, mark(store, call, uid, was), look).await)? {
            Settled::Applied => {
                fail_point("verify_email.written");
                return Ok(());
            }
            Settled::Look { view, doubt } => {
                doubts.note(doubt);
                standing = view;
            }
        }
        pause(by, &*store.random).await;
    }
}

async fn mark(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    was: i64,
) -> Result<crate::cql::Outcome, WriteError> {
    let decisions = &store.accounts.decisions;
    let kind = IntentKind::VerifyEmail.number().cast_signed();
    let statements = vec![
        decisions.verify.prepared().clone(),
        decisions.note_operation.prepared().clone(),
    ];
    let values = (
        (was + 1, uid.as_bytes(), was),
        (uid.as_bytes(), call.op.as_bytes(), kind),
    );
    store.cql.decide_together(call.deadline, statements, values).await
}

fn judge(standing: Option<&Standing>) -> Judgement {
    match standing {
        Some(Standing {
            account: AccountStanding::Active { verified, .. },
            version,
            ..
        }) => {
            if *verified {
                Judgement::Done
            } else {
                Judgement::Mark(*version)
            }
        }
        _ => Judgement::UnknownAccount,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{Timestamp, record::EmailKey};

    use super::*;

    #[test]
    fn only_what_is_there_and_unverified_is_marked() {
        let active = |verified| AccountStanding::Active {
            email_key: EmailKey::from_normalized("a@example.test".into()),
            verified,
            disabled: false,
            verifier_set_at: Timestamp::default(),
        };
        let table = [
            ("verified", Some(active(true)), Judgement::Done),
            ("unverified", Some(active(false)), Judgement::Mark(3)),
            (
                "condemned",
                Some(AccountStanding::Deleting),
                Judgement::UnknownAccount,
            ),
            ("never there", None, Judgement::UnknownAccount),
        ];
        for (name, account, expected) in table {
            let standing = account.map(|account| Standing {
                account,
                made_by: None,
                version: 3,
                held: None,
                operations: vec![],
            });
            assert_eq!(judge(standing.as_ref()), expected, "{name}");
        }
    }
}
